/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which frames are for libslirp. It acts on all that it is given, whoever they
 * are addressed to; so it gets only what is addressed to one of its hosts, to
 * everybody, or to a group that these hosts belong to. Pure.
 */
#ifndef RW_USER_FILTER_H
#define RW_USER_FILTER_H

#include "user_conf.h"

/* Immutable after its start. */
struct user_filter {
	unsigned count;
	uint64_t *mac; /* heap; see mac_word() */
};

/* The addresses of the hosts in @n, and of the servers that the rules
 * @guestfwd (valid ones) name. 0 or -ENOMEM. */
int user_filter_init(struct user_filter *f, const struct user_net *n,
		     const struct opt_list *guestfwd);
void user_filter_fini(struct user_filter *f);

/* Is the frame that begins with @dst, at least 14 bytes of it, to be passed? */
bool user_filter_passes(const struct user_filter *f, const uint8_t *dst);

#endif
