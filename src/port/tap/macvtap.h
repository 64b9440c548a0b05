/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side of a macvtap, which is a tap_if once it is open. Control
 * thread. */
#ifndef RW_MACVTAP_H
#define RW_MACVTAP_H

#include <linux/if_ether.h>

#include "tap_linux.h"

/* A macvtap to make. */
struct macvtap_wish {
	const char *link;   /* the interface below it */
	const char *ifname; /* NULL: the first free one of macvtap0, ... */
	uint32_t mode;	    /* MACVLAN_MODE_* */
	bool has_mac;
	uint8_t mac[ETH_ALEN];
};

/* Makes a macvtap, brings it up and opens @queues queues of it. Returns 0; or
 * -errno with @err and nothing left behind. tap_if_close() removes it. */
int macvtap_make(struct tap_if *t, const struct macvtap_wish *wish,
		 unsigned queues, struct err *err);

/* Opens @queues queues of the macvtap @ifname, which is there. Returns 0 or
 * -errno with @err. */
int macvtap_open(struct tap_if *t, const char *ifname, unsigned queues,
		 struct err *err);

/* Makes the interface @name receive all multicast, as long as the descriptor
 * that it returns is open. Returns -1 when it cannot, with a line in the log.
 */
int macvtap_join_all(const char *name);

/* Removes the macvtap with index @ifindex, if it is still there. */
void macvtap_remove(unsigned ifindex);

#endif
