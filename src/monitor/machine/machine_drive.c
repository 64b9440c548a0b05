/* SPDX-License-Identifier: Apache-2.0 */
/* Reads -drive lines, see machine_conf.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blk_options.h"
#include "machine_conf.h"

enum drive_if { IF_VIRTIO, IF_NONE };

struct drive_conf {
	char *file, *id, *serial;
	int interface; /* enum drive_if */
	int format, cache, discard, aio;
	bool readonly;
};

static const char *const if_names[] = { "virtio", "none", NULL };
static const char *const format_names[] = { "raw", NULL };

#define OPT(k, member, t, ...)                                             \
	{                                                                  \
		.key = k, .kind = t,                                       \
		.offset = offsetof(struct drive_conf, member), __VA_ARGS__ \
	}

const struct opt_row machine_drive_rows[] = {
	OPT("file", file, OPT_PATH, .required = true, .arg = "FILE",
	    .help = "a raw image or a block device"),
	OPT("id", id, OPT_STRING, .min = 1, .max = 63, .arg = "NAME",
	    .help = "name, for -device virtio-blk-pci,drive=NAME"),
	OPT("if", interface, OPT_ENUM, .choices = if_names, .def = "virtio",
	    .help = "virtio: a disk; none: a -device takes it"),
	OPT("format", format, OPT_ENUM, .choices = format_names, .def = "raw",
	    .help = "others: `qemu-img convert -O raw` makes one"),
	BLK_IMAGE_ROWS(drive_conf),
	{ NULL },
};

static int read_drive(struct drive_conf *c, const struct opt_pair *pairs,
		      int count, struct err *err)
{
	const struct opt_row *tables[] = { machine_drive_rows, NULL };
	int rc = opt_defaults(machine_drive_rows, c, err);

	for (int i = 0; i < count && !rc; i++) {
		const char *value = pairs[i].value;

		rc = opt_set(machine_drive_rows, c, pairs[i].key, value, err);
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
		rc = opt_check(machine_drive_rows, c, err);
	if (!rc && c->interface == IF_NONE && !c->id)
		rc = err_set(err, -EINVAL,
			     "if=none: needs id=NAME, for -device "
			     "virtio-blk-pci,drive=NAME");
	return rc;
}

static void free_drive(struct machine_drive *d)
{
	for (unsigned i = 0; i < d->count; i++)
		free(d->pair[i].value);
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

/* Adds an option for the device. Returns 0 or -ENOMEM. */
static int add_pair(struct machine_drive *d, char *key, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	d->pair[d->count++] = (struct opt_pair){ key, copy };
	return 0;
}

static int add_pairs(struct machine_drive *d, const struct drive_conf *c)
{
	static char file[] = "file", readonly[] = "readonly", cache[] = "cache",
		    discard[] = "discard", serial[] = "serial";
	int rc = add_pair(d, file, c->file);

	if (!rc)
		rc = add_pair(d, readonly, c->readonly ? "on" : "off");
	if (!rc)
		rc = add_pair(d, cache, blk_cache_names[c->cache]);
	if (!rc)
		rc = add_pair(d, discard, blk_discard_names[c->discard]);
	if (!rc && c->serial)
		rc = add_pair(d, serial, c->serial);
	return rc;
}

static int keep(struct machine_conf *m, const struct drive_conf *c,
		struct err *err)
{
	struct machine_drive *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	rc = add_pairs(d, c);
	d->id = strdup(c->id ? c->id : "");
	if (rc || !d->id) {
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
	struct machine_drive *d = m->drives;
	struct opt_pair pairs[MACHINE_DRIVE_PAIRS + 1];
	int rc, count = (int)d->count;
	struct machine_device *disk;

	memcpy(pairs, d->pair, sizeof(d->pair));
	if (c->id)
		pairs[count++] = (struct opt_pair){ id_key, c->id };
	d->is_used = true;
	rc = machine_device_make(m, &device_blk_type, pairs, count, err);
	for (disk = m->devices; !rc && disk->next; disk = disk->next)
		;
	if (!rc)
		disk->drive = d; /* free again when the disk goes */
	return rc;
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
	opt_free(machine_drive_rows, &c);
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
