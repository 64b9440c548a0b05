/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed -object option, also in QEMU's form as JSON. */
#ifndef RW_OBJECT_H
#define RW_OBJECT_H

#include <jansson.h>

#include "filter.h"

/* Reads "TYPE,id=NAME,netdev=PORT,key=value,...", or the text of such a JSON
 * object. Returns 0 with the spec, which the caller frees, or -errno with @err.
 */
int object_parse(const char *text, struct filter_spec **out, struct err *err);

/* Reads {"qom-type": TYPE, "id": NAME, key: value, ...}; "type" is the same as
 * "qom-type". */
int object_parse_json(const json_t *object, struct filter_spec **out,
		      struct err *err);

#endif
