/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the kinds of port: what -netdev can name. */
#ifndef RW_PORT_TYPES_TABLE_H
#define RW_PORT_TYPES_TABLE_H

#include "port.h"

extern const struct port_type *const port_types[]; /* NULL-terminated */

/* The type called @name; NULL with @err naming the nearest, or all. */
const struct port_type *port_type_find(const char *name, struct err *err);

#endif
