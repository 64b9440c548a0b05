/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the tunnel ports vxlan, geneve and gre: tunnel.c has their
 * options, start and end; endpoint.c the sockets, which ports share (control
 * thread); endpoint_rx.c and tunnel_tx.c move frames (workers); encap.c knows
 * the headers and peers.c the other ends.
 *
 * Theory of operation. An *endpoint* is a local address and UDP port (GRE: an
 * address). All ports there share one socket that receives, and its queue: the
 * session in the header and the sender's address say whose a frame is. The
 * endpoint has a struct port of its own, in no network, which owns this queue
 * and never goes before it. Tunnels come and go while the queue is detached.
 *
 * Frames leave by other sockets, up to SENDERS of them, which only send: the
 * flow chooses one, and so its UDP source port. Whether packets may be
 * fragmented and have a checksum are properties of a socket, so there is a set
 * of senders for each combination in use.
 */
#ifndef RW_TUNNEL_H
#define RW_TUNNEL_H

#include <net/if.h>

#include "encap.h"
#include "peers.h"
#include "port.h"
#include "store.h"

#define SENDERS 16 /* UDP source ports of an endpoint and mode */
/* Modes of senders, bits. */
enum { SEND_DF = 1, SEND_NO_CSUM = 2, SEND_MODES = 4 };

#define TUNNEL_ROOM    (68 * 1024) /* the largest datagram */
#define TUNNEL_IOV     1024	   /* pieces of all messages of one call */
#define TUNNEL_CONTROL 128	   /* control messages of a datagram */

struct tunnel;

struct senders {
	unsigned count; /* 0: this mode is not in use */
	int fd[SENDERS];
	uint16_t port[SENDERS]; /* source ports, for `port show` */
};

/* What an endpoint is; two ports on one agree in all of it. */
struct endpoint_conf {
	const struct encap *encap;
	struct sock_addr local; /* address and port to receive on */
	uint16_t first, last;	/* range of source ports */
	bool zero_csum6;	/* takes UDP over IPv6 without checksum */
};

/* What the kernel says about a message. */
struct endpoint_message {
	uint32_t size; /* of each datagram that was put together in it */
	uint8_t ecn;   /* that of the outer packet */
};

struct endpoint {
	struct endpoint *next;		    /* [ctl] list of all */
	struct vswitch *sw;		    /* [ctl] whose it is */
	struct port port;		    /* owner of the queue */
	struct endpoint_conf conf;	    /* [const] */
	int fd;				    /* [const] receives */
	struct senders senders[SEND_MODES]; /* [const once open] */
	struct tunnel *tunnels;		    /* [ctl] list, oldest first */
	unsigned count;			    /* [ctl] tunnels */
	/* [worker; ctl while rx is detached] */
	struct tunnel **bucket; /* by session */
	unsigned bucket_mask;
	struct rxq rx;
	uint8_t *room; /* [const] BURST_MAX times TUNNEL_ROOM: pages that were
			* never used are never resident */
	struct mmsghdr *in;		    /* [const] BURST_MAX */
	struct sock_addr *sender;	    /* [const] BURST_MAX */
	uint8_t (*control)[TUNNEL_CONTROL]; /* [const] BURST_MAX */
	struct iovec slot[BURST_MAX];
	unsigned got, cut; /* datagrams received; those dealt with */
	uint32_t cut_off;  /* bytes dealt with of datagram `cut` */
	struct endpoint_message message; /* about that one */
	struct store store;
	struct tunnel *from[BURST_MAX]; /* of the store's entries; NULL: it is
					 * gone */
	bool is_dry;			/* the last call found nothing */
	unsigned errors;		/* receive calls that failed in a row */
};

enum tunnel_df { DF_SET, DF_UNSET, DF_INHERIT };
#define TOS_INHERIT (-1)

/* Room of a tunnel for the messages of one call. [holder of tx.lock] */
struct tunnel_out {
	struct mmsghdr msg[BURST_MAX];
	struct iovec iov[TUNNEL_IOV];
	uint8_t hdr[BURST_MAX][ENCAP_HDR_MAX];
	_Alignas(8) uint8_t control[BURST_MAX][TUNNEL_CONTROL];
	struct frame segment[BURST_MAX];
};

struct tunnel {
	struct port port;
	struct rxq rx; /* only counted in */
	struct txq tx;
	struct endpoint *ep;
	struct tunnel *next;	    /* [ctl] in ep->tunnels */
	struct tunnel *next_bucket; /* [as ep->bucket] */
	const struct encap *encap;  /* [const] */
	struct encap_conf conf;	    /* [const] */
	unsigned hdr_size;	    /* [const] */
	struct sock_addr group;	    /* [const] len 0: the remotes are listed */
	struct sock_addr source;    /* [const] of what is sent; len 0: any */
	struct peers peers;
	enum tunnel_df df;  /* [const] */
	int ttl;	    /* [const] 0: the system's */
	int tos;	    /* [const] TOS_INHERIT: the inner packet's */
	unsigned mode;	    /* [const] SEND_NO_CSUM or 0 */
	bool takes_gso;	    /* [holder of tx.lock] the kernel cuts datagrams */
	char dev[IFNAMSIZ]; /* [const] "": by the route */
	int ifindex;	    /* [ctl -> any, atomic] of dev; 0: none */
	int trouble; /* [ctl] -errno that keeps it from its dev; 0: none */
	int joined;  /* [ctl] interface that is in the group; 0: none is */
	struct tunnel *next_followed; /* [ctl] in the list of tunnel_dev.c */
	uint32_t seq;		      /* [holder of tx.lock] GRE: next number */
	struct tunnel_out *out;	      /* [const] heap */
};

/* The port_ops of the data path. [worker] */
unsigned endpoint_rx_burst(struct rxq *rx, struct burst *b);
bool endpoint_rx_arm(struct rxq *rx);
void endpoint_rx_disarm(struct rxq *rx);
void endpoint_rx_done(struct rxq *rx, struct burst *b);
unsigned tunnel_tx_burst(struct txq *tx, struct frame *const *frames,
			 unsigned n);

/* Sets the link of @t. Returns 0 or -ENOMEM: the link is down. [ctl] */
int tunnel_set_link(struct tunnel *t, bool is_up);

/* Makes @t a tunnel of the endpoint with @conf, which is opened if there is
 * none. Returns 0 or -errno with @err. [ctl] */
int endpoint_join(struct tunnel *t, const struct port_env *env,
		  const struct endpoint_conf *conf, struct err *err);
/* Ends that: on return no worker has @t for an incoming frame. The last tunnel
 * closes the endpoint. [ctl] */
void endpoint_leave(struct tunnel *t);
/* The sockets. [ctl] endpoint_open_receiver() returns 0 or -errno, about which
 * endpoint_fail() makes the sentence; it returns @rc. */
int endpoint_open_receiver(struct endpoint *e);
int endpoint_fail(const struct endpoint_conf *c, int rc, struct err *err);
/* Opens senders of mode @mode if there are none. Returns 0 or -errno with
 * @err. */
int endpoint_open_senders(struct endpoint *e, unsigned mode, struct err *err);
void endpoint_close_sockets(struct endpoint *e);
/* Gives an endpoint with a link-local address new sockets when the number of
 * its interface has become @index: the old ones stay with the old number.
 * Returns 0 or -errno: nothing has changed. [ctl] */
int endpoint_move(struct endpoint *e, unsigned index);

void endpoint_show(const struct endpoint *e, struct show *out);

#endif
