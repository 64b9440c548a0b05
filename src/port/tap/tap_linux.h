/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side of a tap: the interface, its offloads, its membership in a
 * bridge. Control thread. */
#ifndef RW_TAP_LINUX_H
#define RW_TAP_LINUX_H

#include <linux/if_tun.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define TAP_MAX_QUEUES 64

/* New in kernel 6.2; older headers lack them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* The state of a port on a tap. tap.c has the table of states. */
enum tap_state {
	TAP_HELPER,	/* a helper is bringing the interface */
	TAP_SCRIPT,	/* the up script runs */
	TAP_FAILED,	/* failed for good; tap_port.reason says why */
	TAP_UP,		/* the interface is up and running */
	TAP_NO_CARRIER, /* the interface is up without a carrier */
	TAP_DOWN,	/* the interface is down */
	TAP_ELSEWHERE,	/* the interface is in another network namespace;
			 * netlink does not tell us of its changes */
	TAP_GONE,	/* the interface was deleted */
	TAP_STATES,
};

/* An interface with its descriptors, one for each queue. While it has
 * descriptors, it must not move in memory except by tap_if_move(). */
struct tap_if {
	struct tap_if *next; /* list of all open interfaces */
	unsigned ifindex;    /* 0: in another namespace, or not known yet */
	char name[IFNAMSIZ];
	bool is_created;   /* created by us: it vanishes with the descriptors */
	bool is_passed;	   /* the descriptors were passed to us; the
			    * interface may be in another namespace */
	bool has_vnet_hdr; /* 12 bytes in front of each frame */
	unsigned offloads; /* OFFLOAD_* that the kernel takes from us */
	int old_hdr_size, old_sndbuf; /* of an interface that others made, for
				       * its end; 0: not known */
	bool is_bridged;	      /* we added it to @bridge */
	unsigned made_link; /* index of the macvtap that we made and remove;
			     * 0: none */
	int allmulti_fd; /* keeps a macvtap receiving multicast; 0 or -1: none
			  */
	char bridge[IFNAMSIZ];
	unsigned count; /* number of descriptors */
	int fd[TAP_MAX_QUEUES];
};

/* Creates the interface @ifname ("tap%d" picks a free number), or attaches to
 * the persistent tap of that name. Returns 0, or -errno with nothing open. */
int tap_if_open(struct tap_if *t, const char *ifname, unsigned queues,
		bool wants_vnet_hdr, struct err *err);

/* Takes over the tap descriptors that options call @fds ("7:8:9"; @key is the
 * option's name). Returns 0 or -errno (-EBUSY: a descriptor is in use); after
 * an error the caller still owns all of them. */
int tap_if_adopt(struct tap_if *t, const char *key, const char *fds,
		 struct err *err);
/* Takes over the tap @fd. Returns 0 or -errno with @err, which begins with
 * @what; after an error the caller still owns @fd. */
int tap_if_adopt_fd(struct tap_if *t, const char *what, int fd,
		    struct err *err);

/* Adds the queue @fd to @t; as tap_if_adopt_fd() for further queues. */
int tap_if_add_queue(struct tap_if *t, const char *what, int fd,
		     struct err *err);

/* Returns 0 if @name can be the name of an interface, or -EINVAL with @err. */
int tap_if_check_name(const char *key, const char *name, struct err *err);
/* Makes the interface ioctl @request with @ifr for @name. Returns 0 or -errno.
 */
int tap_if_ioctl(unsigned long request, const char *name, struct ifreq *ifr);

/* Returns whether interface @name of our namespace is the one behind @fd. The
 * MAC addresses decide, because another interface may have that name. */
bool tap_if_is_local(int fd, const char *name);
/* Puts @t into the list of open interfaces. */
void tap_if_enlist(struct tap_if *t);
/* Returns the open interface with the queue @fd or the name @name, or NULL. */
const struct tap_if *tap_if_find(int fd, const char *name);

/* Sets header size, offloads and send buffer (0: no bound) of every queue.
 * Returns 0 or -errno. */
int tap_if_set_up(struct tap_if *t, uint64_t sndbuf, struct err *err);

/* Sets the size of the header in front of each frame, 10 or 12 bytes, for
 * somebody else who reads them. Returns 0 or -errno. */
int tap_if_set_hdr_size(struct tap_if *t, unsigned size);

/* Sets what the kernel may send to us: OFFLOAD_*. Returns 0 or -errno. */
int tap_if_set_towards(struct tap_if *t, unsigned offloads);
/* Makes the kernel use the first @count of several queues. Returns 0 or -errno.
 */
int tap_if_set_active(struct tap_if *t, unsigned count);
/* Reads how many frames the kernel got of our side and gave to it. Returns 0 or
 * -errno: /sys does not show the interface. */
int tap_if_frames(const struct tap_if *t, uint64_t *from_us, uint64_t *to_us);

/* Brings an interface up that we created. For another one that is down the log
 * says how. Returns 0 or -errno. */
int tap_if_bring_up(struct tap_if *t, struct err *err);

/* Adds the interface to a Linux bridge. Returns 0 or -errno. */
int tap_if_join_bridge(struct tap_if *t, const char *bridge, struct err *err);

/* Returns the present state of the interface, TAP_UP to TAP_GONE, and updates
 * its name and index. */
enum tap_state tap_if_look(struct tap_if *t);

/* Returns the interface's MTU, or 0 if it is not in our namespace. */
unsigned tap_if_mtu(const struct tap_if *t);

/* Moves @from to @to; @from is left without descriptors. */
void tap_if_move(struct tap_if *to, struct tap_if *from);

/* Forgets passed descriptors without closing them: their owner has them again.
 */
void tap_if_release(struct tap_if *t);

/* Leaves the bridge that it joined, closes the descriptors and removes the
 * macvtap that we made. */
void tap_if_close(struct tap_if *t);

#endif
