/* SPDX-License-Identifier: Apache-2.0 */
/* Options that come as a JSON object instead of text. */
#ifndef RW_JSON_OPT_H
#define RW_JSON_OPT_H

#include <jansson.h>

#include "opt.h"

/* Calls set(ctx, key, value as text, err) for each member of @object; several
 * times for an array of values. Stops at its first error. */
int json_opt_each(const json_t *object,
		  int (*set)(void *ctx, const char *key, const char *value,
			     struct err *err),
		  void *ctx, struct err *err);

/* Fills @conf, zeroed memory, from @object (NULL: nothing given): defaults,
 * values, checks. On error nothing is left allocated in @conf. */
int json_opt_parse(const struct opt_row *rows, void *conf, const json_t *object,
		   struct err *err);

#endif
