/* SPDX-License-Identifier: Apache-2.0 */
/* Ports made of plain queues, and a switch to plug them into. The test is the
 * guest behind each: it writes the in side and reads the out side. */
#ifndef FAKE_PORT_H
#define FAKE_PORT_H

#include "switch.h"

#define QUEUE_ROOM 1024 /* messages of a fifo */

struct message {
	uint32_t len;
	struct port *from; /* is_shared: where it came in */
	uint8_t data[256];
};

/* Frames one side writes and the other reads. */
struct fifo {
	struct message slot[QUEUE_ROOM];
	unsigned head, tail; /* [any, atomic] free-running */
};

/* A queue pair. */
struct fake_queue {
	struct rxq rxq;
	struct txq txq;
	struct fifo in, out;
	unsigned out_room;   /* [any, atomic] frames tx_burst still takes */
	unsigned drop_every; /* [any, atomic] so many frames tx_burst drops one;
			      * 0: none */
	unsigned since_drop; /* frames since the last of these */
	bool out_is_read;    /* it also takes no more than fit into out */
	unsigned rx_padding; /* frames are so much longer than their messages */
	unsigned rx_ns;	     /* each rx_burst with frames spins so long */
	const void *rx_scratch; /* [atomic] the worker's that is between
				 * rx_burst and rx_done; NULL: none is */
	unsigned overlaps;	/* [atomic] times two were; must stay 0 */
};

struct fake_port {
	struct port port;
	unsigned queues;
	struct fake_queue q[];
};

struct world {
	struct loop *loop;
	struct vswitch *sw;
};

struct world start(unsigned workers);
struct world start_with(const struct switch_config *config);
void stop(struct world *w);

struct fake_port *add_port_full(struct world *w, const char *name,
				const char *net, enum port_full full,
				unsigned queues);
/* One queue pair, drops when it is full. */
struct fake_port *add_port(struct world *w, const char *name, const char *net);
void remove_port(struct world *w, struct fake_port *p);

/* The message that the next fifo_push() sends; NULL: full. */
struct message *fifo_next(struct fifo *f);
void fifo_push(struct fifo *f);
void fifo_kick(struct fake_queue *q);
/* The oldest message, NULL: none; and that it was read. */
const struct message *fifo_first(const struct fifo *f);
void fifo_pop(struct fifo *f);

/* Frame from address @src to @dst (255: broadcast) with a serial number in the
 * payload, on queue 0. */
void send_frame(struct fake_port *p, unsigned dst, unsigned src,
		unsigned serial);

/* Makes @m an IPv4/UDP frame of the flow @flow from @src to @dst. */
void make_udp(struct message *m, unsigned dst, unsigned src, unsigned flow,
	      unsigned serial);
/* The same frame's answer: the ends are swapped. */
void make_udp_back(struct message *m, unsigned dst, unsigned src, unsigned flow,
		   unsigned serial);
void read_udp(const struct message *m, unsigned *flow, unsigned *serial);

/* Waits until queue 0 of @p received @n frames in all (or 2 s went by). */
unsigned wait_frames(struct fake_port *p, unsigned n);
/* Waits until the switch took all frames of queue 0. */
void wait_taken(struct fake_port *p);

#endif
