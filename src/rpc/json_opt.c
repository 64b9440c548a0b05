/* SPDX-License-Identifier: Apache-2.0 */
/* Options as a JSON object, see json_opt.h. Numbers and booleans are turned
 * into text as typed on a command line; one parser serves both. Pure. */
#include "json_opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef int set_fn(void *ctx, const char *key, const char *value,
		   struct err *err);

static int set_one(const char *key, const json_t *v, set_fn *set, void *ctx,
		   struct err *err)
{
	char text[32];

	switch (json_typeof(v)) {
	case JSON_STRING:
		if (strlen(json_string_value(v)) != json_string_length(v))
			return err_set(err, -EINVAL,
				       "%s: a zero byte in the value", key);
		return set(ctx, key, json_string_value(v), err);
	case JSON_INTEGER:
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(v));
		return set(ctx, key, text, err);
	case JSON_TRUE:
		return set(ctx, key, "on", err);
	case JSON_FALSE:
		return set(ctx, key, "off", err);
	default:
		return err_set(err, -EINVAL,
			       "%s: must be a string, a whole number, true or "
			       "false, or an array of them",
			       key);
	}
}

/* Sets the elements of a list. QEMU writes {"str": TEXT} for TEXT. */
static int set_list(const char *key, const json_t *list, set_fn *set, void *ctx,
		    struct err *err)
{
	json_t *element;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, element) {
		const json_t *text = json_object_get(element, "str");

		if (!text || json_object_size(element) != 1)
			text = element;
		rc = set_one(key, text, set, ctx, err);
		if (rc)
			break;
	}
	return rc;
}

/* Sets {"addr": {"type": ...}} as addr.type=..., as QEMU does. */
static int set_members(const char *key, const json_t *object, set_fn *set,
		       void *ctx, struct err *err)
{
	const char *member;
	json_t *value;
	char name[80];
	int rc = 0;

	json_object_foreach((json_t *)object, member, value) {
		snprintf(name, sizeof(name), "%.38s.%.38s", key, member);
		rc = set_one(name, value, set, ctx, err);
		if (rc)
			break;
	}
	return rc;
}

int json_opt_each(const json_t *object,
		  bool (*is_list)(const void *ctx, const char *key),
		  set_fn *set, void *ctx, struct err *err)
{
	const char *key;
	json_t *value;
	int rc = 0;

	/* The macro takes no const pointer; the loop changes nothing. */
	json_object_foreach((json_t *)object, key, value) {
		if (json_object_size(value))
			rc = set_members(key, value, set, ctx, err);
		else if (!json_is_array(value))
			rc = set_one(key, value, set, ctx, err);
		else if (is_list(ctx, key))
			rc = set_list(key, value, set, ctx, err);
		else
			rc = err_set(err, -EINVAL,
				     "%s: takes one value, not a list of them",
				     key);
		if (rc)
			break;
	}
	return rc;
}

struct target {
	const struct opt_row *rows;
	void *conf;
};

/* An unknown key passes: set_in_target() names it. */
static bool is_list_in_target(const void *ctx, const char *key)
{
	const struct target *t = ctx;
	const struct opt_row *row = opt_find(t->rows, key);

	return !row || row->kind == OPT_LIST;
}

static int set_in_target(void *ctx, const char *key, const char *value,
			 struct err *err)
{
	const struct target *t = ctx;

	return opt_set(t->rows, t->conf, key, value, err);
}

int json_opt_parse(const struct opt_row *rows, void *conf, const json_t *object,
		   struct err *err)
{
	struct target t = { rows, conf };
	int rc = opt_defaults(rows, conf, err);

	if (!rc && object)
		rc = json_opt_each(object, is_list_in_target, set_in_target, &t,
				   err);
	if (!rc)
		rc = opt_check(rows, conf, err);
	if (rc)
		opt_free(rows, conf);
	return rc;
}
