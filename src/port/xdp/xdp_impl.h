/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the port over AF_XDP, see xdp.h. */
#ifndef RW_XDP_IMPL_H
#define RW_XDP_IMPL_H

#include <xdp/xsk.h>

#include "xdp.h"

/*
 * Each queue has 16 MiB of memory that the kernel locks: half for frames that
 * come in, half for those that go out. The kernel needs XDP_PACKET_HEADROOM of
 * each chunk.
 */
#define XDP_CHUNK     4096
#define XDP_CHUNKS    2048 /* in each direction; also the size of all rings */
#define XDP_FRAME_MAX (XDP_CHUNK - 256)
/* The largest frames of an interface have one tag. */
#define XDP_MTU_MAX (XDP_FRAME_MAX - ETH_HLEN - XDP_TAG)
#define XDP_TAG	    4

struct xdp_queue {
	struct rxq rx;
	struct txq tx;
	int lag_fd;	 /* [const] the port's; signalled when frames stay in
			  * tx_ring */
	uint8_t *memory; /* [const] UMEM: chunks for rx, then for tx */
	/* [const while attached] */
	int fd; /* the socket; -1: the interface is gone */
	bool is_zero_copy;
	struct xsk_umem *umem;
	struct xsk_socket *sock;
	/* [worker] */
	struct xsk_ring_prod fill;
	struct xsk_ring_cons rx_ring;
	struct store store;
	uint32_t chunk[BURST_MAX]; /* first byte of the chunk of each entry */
	/* [holder of tx.lock] */
	struct xsk_ring_prod tx_ring;
	struct xsk_ring_cons done;  /* chunks that were sent */
	uint32_t spare[XDP_CHUNKS]; /* chunks that are free */
	unsigned spares;
	uint32_t mtu; /* [ctl -> any, atomic] of the interface */
};

struct xdp_port {
	struct port port;
	struct iface iface;
	struct xdp_conf conf; /* [const] deep copy */
	bool is_native;	      /* [ctl] the program runs in the driver */
	int map_fd, link_fd;  /* [ctl] -1: none */
	int lag_fd;	      /* [const] eventfd */
	struct loop_watch lag_watch;
	struct loop_timer lag_timer;
	unsigned count;			     /* [const] queues */
	struct xdp_queue *q[XDP_MAX_QUEUES]; /* [const] heap */
};

/* Loads and attaches the program, or opens the map of somebody else's. Returns
 * 0 with map_fd and link_fd, or -errno with @err. The program leaves the
 * interface with link_fd, and so with the process. [ctl] */
int xdp_prog_attach(struct xdp_port *x, struct err *err);
void xdp_prog_detach(struct xdp_port *x);

/* Allocates queue @idx of @x. Returns NULL without memory. [ctl] */
struct xdp_queue *xdp_queue_create(struct xdp_port *x, unsigned idx);
void xdp_queue_destroy(struct xdp_queue *q);
/* Opens the socket of @q, which nothing arrives at before it is in the map.
 * Returns 0, or -errno with @err. [ctl] */
int xdp_queue_open(struct xdp_port *x, struct xdp_queue *q, struct err *err);
void xdp_queue_close(struct xdp_queue *q);

/* The port_ops of the data path. [worker] */
unsigned xdp_rx_burst(struct rxq *rx, struct burst *b);
void xdp_rx_done(struct rxq *rx, struct burst *b);
bool xdp_rx_arm(struct rxq *rx);
unsigned xdp_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n);

/* Makes the kernel send the frames in the ring. Returns whether some are left
 * because the interface is busy. Adds its system calls to *@made. Any thread.
 */
bool xdp_send(struct xdp_queue *q, uint64_t *made);

#endif
