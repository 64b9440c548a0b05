/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the datagram port: dgram_sock.c opens the sockets (control
 * thread), dgram_group.c those of a multicast group, dgram_io.c receives and
 * dgram_tx.c sends (workers), one frame in each datagram.
 */
#ifndef RW_DGRAM_H
#define RW_DGRAM_H

#include <net/if.h>

#include "link_events.h"
#include "log.h"
#include "socket.h"
#include "store.h"
#include "udp_gso.h"
#include "unix_sock.h"

/* The largest datagram, and an odd number of cache lines: slots a whole number
 * of pages apart have their first bytes in the same few places of the cache. */
#define DGRAM_ROOM     (68 * 1024 + 25 * 64)
#define DGRAM_ROOM_ALL ((size_t)(BURST_MAX + 1) * DGRAM_ROOM)
#define DGRAM_TX_IOV   20 /* header and pieces of most frames */
#define DGRAM_CONTROL  64 /* control messages of a datagram */

struct dgram_link {
	struct rxq rx;
	struct txq tx;
	int fd;	    /* [const while attached] receives */
	int out_fd; /* [const while attached] sends; a multicast port has a
		     * socket of its own for this, others the same */
	struct sock_addr remote; /* [const] len 0: out_fd is connected */
	bool has_remote;	 /* [const] false: there is nobody to send to */
	bool is_joined;		 /* [const] UDP_GRO: datagrams may be joined */
	bool has_end;		 /* [const] SOCK_SEQPACKET: an empty message is
				  * the end of the connection */
	uint32_t frame_max;	 /* [const] longer frames are not sent; 0: all
				  * are */
	struct dgram_encap
		*encap;	      /* [const] its owner is the port; NULL: none */
	struct sock_addr own; /* [const] multicast: the sender of our own
			       * datagrams, which come back; len 0: none do */
	/* [worker] */
	uint8_t *room; /* [const] BURST_MAX times DGRAM_ROOM: pages that were
			* never used are never resident. Behind them room for
			* one frame that is sent in one piece */
	struct mmsghdr *in;		   /* [const] BURST_MAX */
	struct sock_addr *sender;	   /* [const] BURST_MAX */
	uint8_t (*control)[DGRAM_CONTROL]; /* [const] BURST_MAX; NULL: none
					    * are wanted */
	struct iovec slot[BURST_MAX];
	struct store store;
	unsigned got, next; /* messages received, and the next to look at */
	size_t at, piece;   /* in that one: the next byte, and the size of
			     * its datagrams; 0: it is a single one */
	bool is_dry;	    /* the last call found nothing */
	unsigned errors;    /* receive calls that failed in a row */
	/* [holder of tx.lock] */
	struct mmsghdr *out;   /* [const] BURST_MAX */
	struct iovec *out_iov; /* [const] BURST_MAX times DGRAM_TX_IOV */
	uint8_t out_frames[BURST_MAX]; /* frames in each message */
	uint8_t out_control[BURST_MAX][UDP_GSO_CONTROL];
	uint32_t join_max; /* largest datagram that is sent together with
			    * others; 0: none is */
	uint8_t hdr[BURST_MAX][DGRAM_HDR_MAX];
};

/* The port_ops of the data path. [worker] */
unsigned dgram_rx_burst(struct rxq *rx, struct burst *b);
bool dgram_rx_arm(struct rxq *rx);
void dgram_rx_disarm(struct rxq *rx);
void dgram_rx_done(struct rxq *rx, struct burst *b);
unsigned dgram_tx_burst(struct txq *tx, struct frame *const *frames,
			unsigned n);

/* Allocates the buffers, zeroed memory before. Returns 0 or -errno. [ctl] */
int dgram_link_init(struct dgram_link *l, struct port *p);
void dgram_link_fini(struct dgram_link *l);
/* Prepares for another socket, which receives and sends; the queues are not in
 * use. [ctl] */
void dgram_link_reset(struct dgram_link *l, int fd);

/* The interface of a port in a multicast group. [ctl] */
struct dgram_group {
	const char *key;     /* option that error texts name; NULL: the port is
			      * in no group */
	struct sock_addr at; /* address of the interface */
	char name[IF_NAMESIZE]; /* its name, where an address has a scope; "":
				 * the address counts */
	int index;		/* its number; 0: it is gone */
	struct err reason;	/* why the port is not in the group of one that
				 * came again; empty: none came */
	struct link_follower follower;
	struct loop_timer settle;
	struct log_limit log;
};

struct dgram_port {
	struct port port;
	struct dgram_link link;
	struct dgram_group group;
	struct sock_addr local;	   /* [const] */
	struct sock_addr remote;   /* [const] as given; len 0: none */
	struct unix_listener file; /* [const] our socket file, if any */
};

/* Opens the sockets. Returns 0 or -errno with @err. [ctl] */
int dgram_sock_open(struct dgram_port *d, const struct dgram_setup *setup,
		    struct err *err);
void dgram_sock_close(struct dgram_port *d);
/* Opens a socket with large buffers. Returns 0 or -errno; the socket is in *@fd
 * in both cases, or -1. [ctl] */
int dgram_sock_new(int family, int type, int protocol, int *fd);
/* Sets @err: what could not be done with @a. Returns @rc. */
int dgram_sock_fail(const struct sock_addr *a, const char *key,
		    const char *what, int rc, struct err *err);

/* Opens the sockets of a port whose remote address is a multicast group.
 * Returns 0 or -errno with @err. [ctl] */
int dgram_group_open(struct dgram_port *d, const struct dgram_setup *setup,
		     struct err *err);
/* From now on the port follows its interface, if it is in a group. Returns 0 or
 * -errno. dgram_group_leave() is due in both cases. [ctl] */
int dgram_group_follow(struct dgram_port *d);
void dgram_group_leave(struct dgram_port *d);
void dgram_group_show(const struct dgram_port *d, struct show *out);

#endif
