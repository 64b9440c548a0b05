/* SPDX-License-Identifier: Apache-2.0 */
/* Ports made of plain queues, and a switch for them. The test is the guest
 * behind each port: it writes its in side and reads its out side. */
#ifndef FAKE_PORT_H
#define FAKE_PORT_H

#include "switch.h"

#define QUEUE_ROOM 1024 /* messages of a fifo */

struct message {
	uint32_t len;
	struct port *from; /* is_shared: port where it came in */
	uint8_t data[256];
};

/* A ring of frames with one writer and one reader. */
struct fifo {
	struct message slot[QUEUE_ROOM];
	unsigned head, tail; /* [any, atomic] free-running */
};

/* A queue pair. */
struct fake_queue {
	struct rxq rxq;
	struct txq txq;
	struct fifo in, out;
	unsigned out_room;   /* [any, atomic] tx_burst takes so many */
	unsigned drop_every; /* [any, atomic] every n-th frame is dropped; 0:
			      * none */
	unsigned since_drop; /* frames since the last dropped one */
	bool out_is_read;    /* tx_burst also takes no more than fit into out */
	unsigned rx_padding; /* frames are longer than their messages by this */
	unsigned rx_ns;	     /* duration of each rx_burst with frames */
	const void *rx_scratch; /* [atomic] the working memory between rx_burst
				 * and rx_done; NULL: none */
	unsigned looks;		/* [atomic] looks for a full burst */
	unsigned overlaps;	/* [atomic] times two workers were there; must
				 * stay 0 */
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
/* Adds a port with one queue pair that drops when it is full. */
struct fake_port *add_port(struct world *w, const char *name, const char *net);
void remove_port(struct world *w, struct fake_port *p);

/* Returns the message that the next fifo_push() sends; NULL: full. */
struct message *fifo_next(struct fifo *f);
void fifo_push(struct fifo *f);
void fifo_kick(struct fake_queue *q);
/* Returns the oldest message (NULL: none); fifo_pop() ends its reading. */
const struct message *fifo_first(const struct fifo *f);
void fifo_pop(struct fifo *f);

/* Sends a frame from address @src to @dst (255: broadcast) on queue 0, with a
 * serial number in the payload. */
void send_frame(struct fake_port *p, unsigned dst, unsigned src,
		unsigned serial);

/* Makes @m an IPv4/UDP frame of the flow @flow from @src to @dst. */
void make_udp(struct message *m, unsigned dst, unsigned src, unsigned flow,
	      unsigned serial);
/* Makes @m the answer to the frame of make_udp(), with the ends swapped. */
void make_udp_back(struct message *m, unsigned dst, unsigned src, unsigned flow,
		   unsigned serial);
void read_udp(const struct message *m, unsigned *flow, unsigned *serial);

/* Waits until queue 0 of @p received @n frames in all, at most 2 s. Returns the
 * number received. */
unsigned wait_frames(struct fake_port *p, unsigned n);
/* Waits until the switch took all frames of queue 0. */
void wait_taken(struct fake_port *p);

#endif
