/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the kernel over netlink(7), rtnetlink and generic netlink. The
 * kernel has answered before send() returns, so nothing waits. Any thread.
 */
#ifndef RW_NETLINK_H
#define RW_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
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

/* Sends @m and stores the first answer in @answer of @size bytes, for answers
 * that are larger than our requests. Returns as nl_ask(). */
int nl_ask_for(int protocol, const union nl_message *m, struct nlmsghdr *answer,
	       size_t size);

/* Attributes behind each other. */
struct nl_attrs {
	const char *at;
	size_t size;
};

/* Returns the attributes of @answer, behind its fixed part of @fixed bytes. */
struct nl_attrs nl_attrs_of(const struct nlmsghdr *answer, size_t fixed);
/* Takes the first attribute out of @from: stores its type and its data, which
 * may be attributes. Returns false when there is none. */
bool nl_next(struct nl_attrs *from, uint16_t *type, struct nl_attrs *data);
/* Stores the data of the first attribute @type in @from. Returns false when
 * there is none. */
bool nl_get(struct nl_attrs from, uint16_t type, struct nl_attrs *data);

/* Returns the data of attribute @type, at least @want bytes, of an answer with
 * a fixed part of @fixed bytes, or NULL. */
const void *nl_find(const union nl_message *m, size_t fixed, uint16_t type,
		    size_t want);

#endif
