/* SPDX-License-Identifier: Apache-2.0 */
/* One -netdev option, parsed: which port is wanted. Nothing is opened here. */
#ifndef RW_NETDEV_H
#define RW_NETDEV_H

#include <jansson.h>

#include "port.h"

struct netdev {
	const struct port_type *type;
	struct port_conf common; /* what every port has */
	void *conf;		 /* heap; the type's own */
};

/* Reads "TYPE,id=NAME,key=value,...", or that as a JSON object. -EINVAL with
 * @err, which names the port when its id is known. The caller frees *@out. */
int netdev_parse(const char *text, struct netdev **out, struct err *err);

/* The same from {"type": TYPE, "id": NAME, key: value, ...}. */
int netdev_parse_json(const json_t *object, struct netdev **out,
		      struct err *err);

struct netdev *netdev_copy(const struct netdev *n); /* NULL: no memory */
void netdev_free(struct netdev *n);		    /* NULL is fine */

/*
 * Changes an option that may change on a live port. @key may end in "+" or "-"
 * for a list: @value is added or removed; without, it replaces the list, and an
 * empty value clears it. -EINVAL or -ENOENT with @err.
 */
int netdev_change(struct netdev *n, const char *key, const char *value,
		  struct err *err);

/* Tells every option that has a value. */
void netdev_show(const struct netdev *n, struct show *s);

#endif
