/* SPDX-License-Identifier: Apache-2.0 */
/* Options of filters and their types. Control thread and command line; pure. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_impl.h"

const struct filter_type *const filter_types[] = {
	&filter_buffer_type,	 &filter_dump_type,   &filter_mirror_type,
	&filter_redirector_type, &filter_replay_type, NULL,
};

static const char *const queue_choices[] = {
	[FILTER_ALL] = "all", [FILTER_RX] = "rx", [FILTER_TX] = "tx", NULL
};
static const char *const insert_choices[] = {
	[FILTER_BEHIND] = "behind", [FILTER_BEFORE] = "before", NULL
};

const struct opt_row filter_conf_rows[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct filter_conf, id),
	  .min = 1,
	  .max = 63,
	  .required = true,
	  .arg = "NAME",
	  .help = "name of the filter, unique in this switch" },
	{ .key = "netdev",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct filter_conf, netdev),
	  .required = true,
	  .arg = "PORT",
	  .help = "the port whose frames it gets" },
	{ .key = "queue",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct filter_conf, queue),
	  .choices = queue_choices,
	  .def = "all",
	  .help = "rx: frames that come in by the port (a guest's port: those "
		  "the guest sends); tx: frames that leave by it" },
	{ .key = "status",
	  .kind = OPT_BOOL,
	  .offset = offsetof(struct filter_conf, status),
	  .def = "on",
	  .runtime = true,
	  .help = "off: frames pass as if the filter were not there" },
	{ .key = "position",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct filter_conf, position),
	  .def = "tail",
	  .arg = "head|tail|id=NAME",
	  .help = "place among the port's filters: incoming frames pass from "
		  "tail to head, outgoing ones from head to tail" },
	{ .key = "insert",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct filter_conf, insert),
	  .choices = insert_choices,
	  .def = "behind",
	  .help = "with position=id=NAME: on which side of that filter" },
	{ NULL },
};

/* Objects of QEMU that are not for a switch, and what stands for them. */
static const struct {
	const char *name, *instead;
} elsewhere[] = {
	{ "filter-rewriter", "is a part of COLO, which needs QEMU itself" },
	{ "colo-compare", "is a part of COLO, which needs QEMU itself" },
	{ "memory-backend-memfd", "belongs to QEMU's own command line: see "
				  "`ringway qemu-args`" },
	{ "memory-backend-file", "belongs to QEMU's own command line: see "
				 "`ringway qemu-args`" },
};

const struct filter_type *filter_type_find(const char *name, struct err *err)
{
	const char *names[16] = { NULL };
	char list[256] = "";
	const char *near;
	size_t n = 0;

	for (unsigned i = 0; filter_types[i]; i++) {
		names[i] = filter_types[i]->name;
		if (!strcmp(names[i], name))
			return filter_types[i];
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
				      i ? ", " : "", names[i]);
		n = MIN(n, sizeof(list) - 1);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++)
		if (!strcmp(elsewhere[i].name, name)) {
			err_set(err, -EINVAL, "object %s: %s", name,
				elsewhere[i].instead);
			return NULL;
		}
	near = opt_nearest(names, name);
	if (near)
		err_set(err, -EINVAL,
			"unknown object '%.64s': did you mean %s?", name, near);
	else
		err_set(err, -EINVAL, "unknown object '%.64s': valid are %s",
			name, list);
	return NULL;
}

void filter_spec_free(struct filter_spec *s)
{
	if (!s)
		return;
	opt_free(filter_conf_rows, &s->common);
	if (s->conf)
		opt_free(s->type->rows, s->conf);
	free(s->conf);
	free(s);
}

int filter_spec_create(const char *type, struct filter_spec **out,
		       struct err *err)
{
	const struct filter_type *t = filter_type_find(type, err);
	struct filter_spec *s;
	int rc;

	if (!t)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s) {
		s->type = t;
		s->conf = calloc(1, MAX(t->conf_size, (size_t)1));
	}
	if (!s || !s->conf) {
		filter_spec_free(s);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = opt_defaults(filter_conf_rows, &s->common, err);
	if (!rc)
		rc = opt_defaults(t->rows, s->conf, err);
	if (rc)
		filter_spec_free(s);
	else
		*out = s;
	return rc;
}

int filter_spec_set(struct filter_spec *s, const char *key, const char *value,
		    struct err *err)
{
	const struct opt_row *tables[] = { filter_conf_rows, s->type->rows,
					   NULL };
	int rc = opt_set(filter_conf_rows, &s->common, key, value, err);

	if (rc == -ENOENT)
		rc = opt_set(s->type->rows, s->conf, key, value, err);
	if (rc == -ENOENT) {
		opt_unknown(tables, key, err);
		rc = -EINVAL;
	}
	return rc;
}

/* Returns what error texts call @s. */
static const char *name_of(const struct filter_spec *s)
{
	return s->common.id ? s->common.id : s->type->name;
}

static int check_position(const struct filter_conf *c, struct err *err)
{
	if (strcmp(c->position, "head") && strcmp(c->position, "tail") &&
	    (strncmp(c->position, "id=", 3) || !c->position[3]))
		return err_set(err, -EINVAL,
			       "position=%.80s: must be head, tail or "
			       "id=NAME of another filter",
			       c->position);
	return 0;
}

int filter_spec_check(struct filter_spec *s, struct err *err)
{
	int rc = opt_check(filter_conf_rows, &s->common, err);

	if (!rc)
		rc = check_position(&s->common, err);
	if (!rc)
		rc = opt_check(s->type->rows, s->conf, err);
	return rc ? err_prefix(err, rc, "object %.64s", name_of(s)) : 0;
}

static int set_pair(struct filter_spec *s, const struct opt_pair *pair,
		    struct err *err)
{
	int rc = filter_spec_set(s, pair->key, pair->value, err);

	return rc ? err_prefix(err, rc, "object %.64s", name_of(s)) : 0;
}

int filter_parse(const char *text, struct filter_spec **out, struct err *err)
{
	struct opt_pair *pairs;
	struct filter_spec *s = NULL;
	char *type;
	int count = opt_split(text, &type, &pairs, err), rc;

	if (count < 0)
		return err_prefix(err, count, "object %.64s", text);
	if (!type)
		rc = err_set(err, -EINVAL,
			     "object: the type is missing: write "
			     "filter-...,id=NAME,netdev=PORT,...");
	else
		rc = filter_spec_create(type, &s, err);
	/* The id is set first: errors of the other options then name it. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < count && !rc; i++)
			if (pass == (strcmp(pairs[i].key, "id") != 0))
				rc = set_pair(s, &pairs[i], err);
	if (!rc)
		rc = filter_spec_check(s, err);
	opt_pairs_free(type, pairs, count);
	if (rc)
		filter_spec_free(s);
	else
		*out = s;
	return rc;
}
