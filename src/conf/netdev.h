/* SPDX-License-Identifier: Apache-2.0 */
/* A parsed -netdev option: the type and options of a port. Nothing is opened
 * here. */
#ifndef RW_NETDEV_H
#define RW_NETDEV_H

#include <jansson.h>

#include "port.h"

struct netdev {
	const struct port_type *type;
	struct port_conf common; /* options of every type */
	void *conf;		 /* heap; the type's own options */
};

/* Reads "TYPE,id=NAME,key=value,...", or the text of such a JSON object, into
 * *@out, which the caller frees. Returns 0 or -errno with @err, which names the
 * port when its id is known. */
int netdev_parse(const char *text, struct netdev **out, struct err *err);

/* Reads {"type": TYPE, "id": NAME, key: value, ...} as netdev_parse() does. */
int netdev_parse_json(const json_t *object, struct netdev **out,
		      struct err *err);

/* Makes a port of @type of the @count options @pairs, for a type that is not
 * in the table of those that -netdev names. As netdev_parse(). */
int netdev_parse_pairs(const struct port_type *type,
		       const struct opt_pair *pairs, int count,
		       struct netdev **out, struct err *err);

struct netdev *netdev_copy(const struct netdev *n); /* NULL: no memory */
void netdev_free(struct netdev *n);		    /* NULL is fine */

/* Stores in @fd the numbers of the descriptors that options of @n name, each
 * once and at most @max, and returns how many. Leaves out what is no number:
 * making the port refuses it. */
unsigned netdev_fds(const struct netdev *n, int *fd, unsigned max);

/* Returns whether netdev_change() may be called several times for @key, which
 * is also true of an unknown key: netdev_change() refuses it. */
bool netdev_takes_list(const struct netdev *n, const char *key);

/*
 * Changes an option that may change on a live port. The @key of a list may end
 * in "+" or "-", which adds or removes @value; else @value replaces the list,
 * and an empty @value clears it. Returns 0 or -errno with @err: -EINVAL for a
 * bad key or value, -ENOENT when the value to remove is not in the list.
 */
int netdev_change(struct netdev *n, const char *key, const char *value,
		  struct err *err);

/* Returns whether both have the same type and options. If not,
 * *@runtime_only tells whether a live port can change from one to the other. */
bool netdev_equal(const struct netdev *a, const struct netdev *b,
		  bool *runtime_only);

/* Shows every option that has a value. */
void netdev_show(const struct netdev *n, struct show *s);

#endif
