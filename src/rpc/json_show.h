/* SPDX-License-Identifier: Apache-2.0 */
/* struct show that builds JSON. */
#ifndef RW_JSON_SHOW_H
#define RW_JSON_SHOW_H

#include <jansson.h>

#include "show.h"

#define JSON_SHOW_DEPTH 16

struct json_show {
	struct show show;
	json_t *at[JSON_SHOW_DEPTH]; /* borrowed: the root and what is open */
	unsigned depth;
};

/* Fills @root, an object or an array, with what is shown through &j->show.
 * Running out of memory leaves values out. */
void json_show_init(struct json_show *j, json_t *root);

/* A string value; bytes that are not UTF-8 become '?'. */
json_t *json_text(const char *s);

#endif
