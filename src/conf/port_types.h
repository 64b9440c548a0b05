/* SPDX-License-Identifier: Apache-2.0 */
/* The table of port types, which -netdev and `port add` name. */
#ifndef RW_PORT_TYPES_TABLE_H
#define RW_PORT_TYPES_TABLE_H

#include "port.h"

extern const struct port_type *const port_types[]; /* NULL-terminated */

/* Returns the type called @name, or NULL with @err, which suggests the nearest
 * name or lists all. */
const struct port_type *port_type_find(const char *name, struct err *err);

/* Returns what to write instead of @key, a key that @type has elsewhere, as the
 * end of "KEY: "; or NULL. */
const char *port_key_elsewhere(const struct port_type *type, const char *key);

#endif
