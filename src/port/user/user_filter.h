/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of frames for libslirp, which acts on every frame, whatever its
 * address. The filter passes frames to one of libslirp's hosts, to broadcast,
 * and to a group that these hosts belong to. Pure.
 */
#ifndef RW_USER_FILTER_H
#define RW_USER_FILTER_H

#include "user_conf.h"

/* A set of MAC addresses, immutable after user_filter_init(). */
struct user_filter {
	unsigned count;
	uint64_t *mac; /* heap; see mac_word() */
};

/* Makes a filter of the hosts in @n and the servers in @guestfwd (valid rules).
 * Returns 0 or -ENOMEM. */
int user_filter_init(struct user_filter *f, const struct user_net *n,
		     const struct opt_list *guestfwd);
void user_filter_fini(struct user_filter *f);

/* Returns whether a frame passes that begins with @dst (14 readable bytes). */
bool user_filter_passes(const struct user_filter *f, const uint8_t *dst);

#endif
