/* SPDX-License-Identifier: Apache-2.0 */
/* Reads -drive lines, see machine_conf.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine_conf.h"

enum drive_if { IF_VIRTIO, IF_NONE };

struct drive_conf {
	char *file, *id;
	int interface; /* enum drive_if */
	int format;
	bool readonly;
};

static const char *const if_names[] = { "virtio", "none", NULL };
static const char *const format_names[] = { "raw", NULL };

#define OPT(k, member, t, ...)                                             \
	{                                                                  \
		.key = k, .kind = t,                                       \
		.offset = offsetof(struct drive_conf, member), __VA_ARGS__ \
	}

static const struct opt_row drive_rows[] = {
	OPT("file", file, OPT_PATH, .required = true,
	    .help = "a raw image or a block device"),
	OPT("id", id, OPT_STRING, .min = 1, .max = 63),
	OPT("if", interface, OPT_ENUM, .choices = if_names, .def = "virtio"),
	OPT("format", format, OPT_ENUM, .choices = format_names, .def = "raw"),
	OPT("readonly", readonly, OPT_BOOL, .def = "off"),
	{ NULL },
};

static int read_drive(struct drive_conf *c, const struct opt_pair *pairs,
		      int count, struct err *err)
{
	const struct opt_row *tables[] = { drive_rows, NULL };
	int rc = opt_defaults(drive_rows, c, err);

	for (int i = 0; i < count && !rc; i++) {
		const char *value = pairs[i].value;

		rc = opt_set(drive_rows, c, pairs[i].key, value, err);
		if (rc == -EINVAL && !strcmp(pairs[i].key, "format"))
			err_set(err, rc,
				"format=%.40s: only raw images are read here: "
				"`qemu-img convert -O raw` makes one",
				value ? value : "");
		if (rc == -ENOENT) {
			opt_unknown(tables, pairs[i].key, err);
			rc = -EINVAL;
		}
	}
	if (!rc)
		rc = opt_check(drive_rows, c, err);
	if (!rc && c->interface == IF_NONE && !c->id)
		rc = err_set(err, -EINVAL,
			     "if=none: needs id=NAME, for -device "
			     "virtio-blk-pci,drive=NAME");
	return rc;
}

static void free_drive(struct machine_drive *d)
{
	free(d->pair[0].value);
	free(d->pair[1].value);
	free(d->id);
	free(d);
}

void machine_drives_free(struct machine_conf *m)
{
	struct machine_drive *d;

	while ((d = m->drives)) {
		m->drives = d->next;
		free_drive(d);
	}
}

static int keep(struct machine_conf *m, const struct drive_conf *c,
		struct err *err)
{
	static char file_key[] = "file", readonly_key[] = "readonly";
	struct machine_drive *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	d->pair[0] = (struct opt_pair){ file_key, strdup(c->file) };
	d->pair[1] = (struct opt_pair){ readonly_key,
					strdup(c->readonly ? "on" : "off") };
	d->id = strdup(c->id ? c->id : "");
	if (!d->pair[0].value || !d->pair[1].value || !d->id) {
		free_drive(d);
		return err_set(err, -ENOMEM, "out of memory");
	}
	d->next = m->drives;
	m->drives = d;
	return 0;
}

static int use(struct machine_conf *m, const struct drive_conf *c,
	       struct err *err)
{
	static char id_key[] = "id";
	struct opt_pair pairs[3] = { m->drives->pair[0],
				     m->drives->pair[1],
				     { id_key, c->id } };

	m->drives->is_used = true;
	return machine_device_make(m, &device_blk_type, pairs, c->id ? 3 : 2,
				   err);
}

int machine_drive_add(struct machine_conf *m, const char *text, struct err *err)
{
	struct drive_conf c = { 0 };
	struct opt_pair *pairs;
	int rc, count = opt_split(text, NULL, &pairs, err);

	if (count < 0)
		return err_prefix(err, count, "drive %.64s", text);
	rc = read_drive(&c, pairs, count, err);
	for (const struct machine_drive *d = m->drives; d && !rc && c.id;
	     d = d->next)
		if (!strcmp(d->id, c.id))
			rc = err_set(err, -EEXIST, "id=%s: is used twice",
				     c.id);
	if (!rc)
		rc = keep(m, &c, err);
	if (!rc && c.interface == IF_VIRTIO)
		rc = use(m, &c, err);
	if (rc)
		err_prefix(err, rc, "drive %.64s", c.file ? c.file : text);
	opt_free(drive_rows, &c);
	opt_pairs_free(NULL, pairs, count);
	return rc;
}

struct machine_drive *machine_drive_find(struct machine_conf *m, const char *id,
					 struct err *err)
{
	for (struct machine_drive *d = m->drives; d; d = d->next) {
		if (strcmp(d->id, id) || !*id)
			continue;
		if (d->is_used) {
			err_set(err, -EBUSY,
				"drive=%s: another device has it already", id);
			return NULL;
		}
		d->is_used = true;
		return d;
	}
	err_set(err, -ENOENT,
		"drive=%.64s: there is no -drive of this id: write -drive "
		"file=FILE,if=none,id=%.64s",
		id, id);
	return NULL;
}
