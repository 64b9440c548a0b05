/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of the stream port: stream_peer.c opens and closes the connection
 * (control thread), stream_io.c moves frames over it (workers). Each frame has
 * its length in front, four bytes in network order (QEMU, net/stream.c).
 *
 * A worker that finds the connection closed, or that could send only a part of
 * a frame, says so in struct stream_link and signals control: control closes
 * and opens connections, and sends the rest when the socket has room again.
 */
#ifndef RW_STREAM_H
#define RW_STREAM_H

#include "log.h"
#include "retry.h"
#include "socket.h"
#include "store.h"
#include "unix_sock.h"

#define STREAM_LEN 4
/* Largest frame that QEMU sends (NET_BUFSIZE). A longer one means that the peer
 * speaks something else. */
#define STREAM_FRAME_MAX (4096 + 65536)
#define STREAM_RX_ROOM	 (256 * 1024)
#define STREAM_TX_IOV	 1024 /* as many as the kernel takes */

/* Why a worker gives a connection up. */
enum stream_end {
	STREAM_OPEN,
	STREAM_CLOSED,	/* the peer closed it */
	STREAM_ERROR,	/* a system call failed */
	STREAM_NONSENSE /* a length above STREAM_FRAME_MAX */
};

/* The data path's side of a connection. */
struct stream_link {
	struct rxq rx;
	struct txq tx;
	int fd;	      /* [const while connected] */
	int news_fd;  /* [const] eventfd, tells control to look */
	uint64_t end; /* [any, atomic] enum stream_end, and from bit 32 on the
		       * errno of STREAM_ERROR or the length of
		       * STREAM_NONSENSE */
	/* [worker] bytes start..fill of room are received and not taken */
	uint8_t *room; /* [const] STREAM_RX_ROOM */
	size_t start, fill;
	bool is_dry; /* the last read found nothing */
	struct store store;
	/* [holder of tx.lock] */
	struct iovec *out; /* [const] STREAM_TX_IOV */
	uint8_t *rest;	   /* [const] a frame that was sent in part */
	size_t rest_at, rest_size;
};

/* The port_ops of the data path. [worker] */
unsigned stream_rx_burst(struct rxq *rx, struct burst *b);
bool stream_rx_arm(struct rxq *rx);
void stream_rx_disarm(struct rxq *rx);
void stream_rx_done(struct rxq *rx, struct burst *b);
unsigned stream_tx_burst(struct txq *tx, struct frame *const *frames,
			 unsigned n);

/* Allocates the buffers, zeroed memory before. Returns 0 or -errno. [ctl] */
int stream_link_init(struct stream_link *l, struct port *p);
void stream_link_fini(struct stream_link *l);
/* Prepares for a new connection; the queues are not in use. [ctl] */
void stream_link_reset(struct stream_link *l, int fd);
/* Sends the rest of a frame, if there is one and no worker is sending. Returns
 * whether nothing is left to send (or the connection has ended). [ctl] */
bool stream_link_flush(struct stream_link *l);

enum stream_state {
	STREAM_LISTENING,
	STREAM_CONNECTING,
	STREAM_CONNECTED,
	STREAM_RETRYING, /* waits for the timer */
	STREAM_DOWN,	 /* the connection has ended, there will be no other */
};

struct stream_port {
	struct port port;
	struct stream_link link;
	struct loop *loop;	       /* [const] */
	const char *key;	       /* [const] static */
	struct sock_addr addr;	       /* [const] */
	bool server;		       /* [const] */
	enum stream_state state;       /* [ctl] the rest too */
	int fd;			       /* the connection, or on its way */
	struct unix_listener listener; /* its path is NULL for TCP */
	struct loop_watch listen_watch, connect_watch, news, writable;
	struct loop_timer timer;
	struct loop_timer silence; /* TCP: asks whether the peer answers */
	struct retry retry;
	uint64_t since_ms, connections;
	struct sock_addr peer;
	char reason[128]; /* of the last end; empty: none */
	bool said_waiting;
	struct log_limit log;
};

/* Begins to listen or to connect. Returns 0 or -errno with @err. [ctl] */
int stream_peer_open(struct stream_port *s, const struct stream_setup *setup,
		     struct err *err);
/* Ends everything; the port is not in use any more. [ctl] */
void stream_peer_close(struct stream_port *s);
void stream_peer_show(const struct stream_port *s, struct show *out);

#endif
