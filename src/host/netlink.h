/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the kernel over netlink(7), rtnetlink and generic netlink. The
 * kernel has answered before send() returns, so nothing waits. Any thread.
 */
#ifndef RW_NETLINK_H
#define RW_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

/* A message: the header, a fixed part that its type says, attributes. All
 * attributes of our requests fit. */
union nl_message {
	struct nlmsghdr head;
	char bytes[4096];
};

/* Begins a request with the fixed part @fixed of @size bytes. @flags are added
 * to NLM_F_REQUEST. */
void nl_begin(union nl_message *m, uint16_t type, uint16_t flags,
	      const void *fixed, size_t size);
/* Adds an attribute; one without data may get attributes of its own, up to
 * nl_end_nest(). */
struct nlattr *nl_put(union nl_message *m, uint16_t type, const void *data,
		      size_t size);
void nl_end_nest(union nl_message *m, struct nlattr *nest);

/* Sends @m by @protocol (NETLINK_ROUTE, ...) and stores the first answer in its
 * place. Returns 0 or -errno, which may be the answer. */
int nl_ask(int protocol, union nl_message *m);

/* Returns the data of attribute @type, at least @want bytes, of an answer with
 * a fixed part of @fixed bytes, or NULL. */
const void *nl_find(const union nl_message *m, size_t fixed, uint16_t type,
		    size_t want);

#endif
