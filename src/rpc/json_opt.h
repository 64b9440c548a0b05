/* SPDX-License-Identifier: Apache-2.0 */
/* Options given as a JSON object instead of text. */
#ifndef RW_JSON_OPT_H
#define RW_JSON_OPT_H

#include <jansson.h>

#include "opt.h"

/* Calls set(ctx, key, value as text, err) for each member of @object, and for
 * each element of a member that is an array. As with QEMU, the members of an
 * object "addr" are the keys "addr.KEY", and an element {"str": TEXT} is TEXT.
 * Returns 0 or the first error: of
 * set(), or -EINVAL with @err for a value of another kind or an array for a key
 * that is_list(ctx, key) says takes one value. */
int json_opt_each(const json_t *object,
		  bool (*is_list)(const void *ctx, const char *key),
		  int (*set)(void *ctx, const char *key, const char *value,
			     struct err *err),
		  void *ctx, struct err *err);

/* Fills @conf, which is zeroed memory: sets the defaults of @rows, then the
 * values in @object (NULL: none), then checks. Returns 0 or -errno with @err;
 * on error nothing is left allocated in @conf. */
int json_opt_parse(const struct opt_row *rows, void *conf, const json_t *object,
		   struct err *err);

#endif
