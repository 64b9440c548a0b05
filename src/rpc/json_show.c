/* SPDX-License-Identifier: Apache-2.0 */
/* A struct show that builds JSON, see json_show.h. Control thread. */
#include "json_show.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Adds @value, whose reference it consumes, to the innermost open container. */
static void put(struct show *s, const char *key, json_t *value)
{
	struct json_show *j = container_of(s, struct json_show, show);
	json_t *in = j->at[j->depth];

	if (!in)
		json_decref(value);
	else if (json_is_array(in))
		json_array_append_new(in, value);
	else
		json_object_set_new(in, key ? key : "", value);
}

static void open_container(struct show *s, const char *key, json_t *value)
{
	struct json_show *j = container_of(s, struct json_show, show);

	assert(j->depth + 1 < JSON_SHOW_DEPTH);
	put(s, key, value);
	/* The parent holds @value now; without a parent put() has freed it. */
	j->at[j->depth + 1] = j->at[j->depth] ? value : NULL;
	j->depth++;
}

static void on_object(struct show *s, const char *key)
{
	open_container(s, key, json_object());
}

static void on_array(struct show *s, const char *key)
{
	open_container(s, key, json_array());
}

static void on_end(struct show *s)
{
	struct json_show *j = container_of(s, struct json_show, show);

	assert(j->depth > 0);
	j->depth--;
}

json_t *json_text(const char *s)
{
	json_t *value = json_string(s);
	char *copy;

	if (value)
		return value;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	value = json_string(copy);
	free(copy);
	return value;
}

static void on_str(struct show *s, const char *key, const char *value)
{
	put(s, key, json_text(value));
}

static void on_num(struct show *s, const char *key, uint64_t value)
{
	put(s, key, json_integer((json_int_t)value));
}

static void on_flag(struct show *s, const char *key, bool value)
{
	put(s, key, json_boolean(value));
}

static const struct show_ops json_ops = {
	.object = on_object,
	.array = on_array,
	.end = on_end,
	.str = on_str,
	.num = on_num,
	.flag = on_flag,
};

void json_show_init(struct json_show *j, json_t *root)
{
	*j = (struct json_show){ .show.ops = &json_ops, .at[0] = root };
}
