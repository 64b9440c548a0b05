/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as JSON, see object.h. Control thread and command line; pure. */
#include "object.h"

#include <errno.h>
#include <string.h>

#include "json_opt.h"

static const char *const type_keys[] = { "qom-type", "type" };

static bool is_type_key(const char *key)
{
	return !strcmp(key, type_keys[0]) || !strcmp(key, type_keys[1]);
}

static bool no_list(const void *ctx, const char *key)
{
	(void)ctx;
	(void)key;
	return false;
}

static int set(void *ctx, const char *key, const char *value, struct err *err)
{
	return is_type_key(key) ? 0 : filter_spec_set(ctx, key, value, err);
}

int object_parse_json(const json_t *object, struct filter_spec **out,
		      struct err *err)
{
	const char *type = NULL;
	struct filter_spec *s;
	int rc;

	for (unsigned i = 0; i < ARRAY_SIZE(type_keys) && !type; i++)
		type = json_string_value(json_object_get(object, type_keys[i]));
	if (!type)
		return err_set(err, -EINVAL,
			       "object: the type is missing: qom-type, such as "
			       "\"filter-dump\"");
	rc = filter_spec_create(type, &s, err);
	if (rc)
		return rc;
	rc = json_opt_each(object, no_list, set, s, err);
	if (rc)
		err_prefix(err, rc, "object %.64s", type);
	else
		rc = filter_spec_check(s, err);
	if (rc)
		filter_spec_free(s);
	else
		*out = s;
	return rc;
}

int object_parse(const char *text, struct filter_spec **out, struct err *err)
{
	json_error_t where;
	json_t *object;
	int rc;

	if (text[0] != '{')
		return filter_parse(text, out, err);
	object = json_loads(text, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return err_set(err, -EINVAL, "object: not JSON at byte %d: %s",
			       where.position, where.text);
	rc = object_parse_json(object, out, err);
	json_decref(object);
	return rc;
}
