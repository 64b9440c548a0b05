/* SPDX-License-Identifier: Apache-2.0 */
/* A struct show that builds JSON. */
#ifndef RW_JSON_SHOW_H
#define RW_JSON_SHOW_H

#include <jansson.h>

#include "show.h"

#define JSON_SHOW_DEPTH 16

struct json_show {
	struct show show;
	json_t *at[JSON_SHOW_DEPTH]; /* borrowed: root and open containers */
	unsigned depth;		     /* of the innermost open container */
};

/* Makes &j->show add every value that is shown to @root, an object or an array
 * that the caller keeps. Values are left out when memory runs out. */
void json_show_init(struct json_show *j, json_t *root);

/* Returns @s as a JSON string, NULL when out of memory. When @s is not valid
 * UTF-8, each byte of it that is not ASCII becomes '?'. */
json_t *json_text(const char *s);

#endif
