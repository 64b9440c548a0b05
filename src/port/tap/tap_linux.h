/* SPDX-License-Identifier: Apache-2.0 */
/* What a tap needs of the kernel: the interface itself, its offloads, its place
 * in a bridge. Control thread. */
#ifndef RW_TAP_LINUX_H
#define RW_TAP_LINUX_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define TAP_MAX_QUEUES 64

/* The state of a port on a tap, tap.c has the table. */
enum tap_state {
	TAP_SCRIPT, /* its script runs */
	TAP_FAILED, /* for good, tap_port.reason says why */
	TAP_UP,	    /* as its interface: */
	TAP_NO_CARRIER,
	TAP_DOWN,
	TAP_ELSEWHERE, /* in another network namespace: nobody tells us */
	TAP_GONE,      /* deleted */
	TAP_STATES,
};

/* An interface with its descriptors, one a queue. Stays where it is while it
 * has descriptors; tap_if_move() moves it. */
struct tap_if {
	struct tap_if *next; /* of all that are open */
	unsigned ifindex;    /* 0: in another namespace, or not known yet */
	char name[IFNAMSIZ];
	bool is_created;   /* by us: it vanishes with the descriptors */
	bool is_passed;	   /* descriptors came from somebody else; the
			    * interface may be in another namespace */
	bool has_vnet_hdr; /* 12 bytes in front of each frame */
	unsigned offloads; /* OFFLOAD_* the kernel takes from us */
	bool is_bridged;   /* joined by us */
	char bridge[IFNAMSIZ];
	unsigned count; /* of descriptors */
	int fd[TAP_MAX_QUEUES];
};

/* Creates the interface @ifname ("tap%d" picks a free number), or attaches to
 * the persistent one of that name. 0 or -errno, nothing left open. */
int tap_if_open(struct tap_if *t, const char *ifname, unsigned queues,
		bool wants_vnet_hdr, struct err *err);

/* Takes over the tap descriptors in @fds ("7:8:9"; @key is the option's name).
 * They stay the caller's when this fails. -EBUSY: one of them is in use. */
int tap_if_adopt(struct tap_if *t, const char *key, const char *fds,
		 struct err *err);

/* Header size, offloads, send buffer (0: no bound) of every queue. */
int tap_if_set_up(struct tap_if *t, uint64_t sndbuf, struct err *err);

/* Brings it up when we made it. */
int tap_if_bring_up(struct tap_if *t, struct err *err);

int tap_if_join_bridge(struct tap_if *t, const char *bridge, struct err *err);

/* Returns what the interface is like now, TAP_UP to TAP_GONE; updates its name
 * and index. */
enum tap_state tap_if_look(struct tap_if *t);

/* Makes @to what @from was; @from is left without descriptors. */
void tap_if_move(struct tap_if *to, struct tap_if *from);

/* Gives descriptors that were passed back to who passed them. */
void tap_if_release(struct tap_if *t);

/* Leaves the bridge, closes the descriptors. */
void tap_if_close(struct tap_if *t);

#endif
