/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch with ports made of plain queues: where frames arrive and in which
 * order, and ports that come and go under traffic.
 */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fake_port.h"
#include "fd.h"
#include "pkt.h"

static void test_learning(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct fake_port *c = add_port(&w, "c", "x"),
			 *o = add_port(&w, "o", "y");

	(void)state;
	send_frame(a, 2, 1, 1); /* unknown: floods */
	assert_int_equal(wait_frames(b, 1), 1);
	assert_int_equal(wait_frames(c, 1), 1);
	send_frame(b, 1, 2, 2); /* known: only a */
	assert_int_equal(wait_frames(a, 1), 1);
	send_frame(a, 2, 1, 3); /* known: only b */
	assert_int_equal(wait_frames(b, 2), 2);
	send_frame(c, 1, 2, 4); /* 2 moved to c */
	assert_int_equal(wait_frames(a, 2), 2);
	send_frame(a, 2, 1, 5);
	assert_int_equal(wait_frames(c, 2), 2);
	send_frame(c, 255, 2, 6); /* broadcast */
	assert_int_equal(wait_frames(a, 3), 3);
	assert_int_equal(wait_frames(b, 3), 3);
	send_frame(a, 0, 1, 6); /* 02:00:..:00 is unknown: floods */
	memset(fifo_next(&a->q[0].in)->data, 0, 64);
	fifo_next(&a->q[0].in)->len = 100;
	fifo_push(&a->q[0].in); /* 00:00:..:00 is unknown, too */
	fifo_kick(&a->q[0]);
	assert_int_equal(wait_frames(b, 5), 5);
	assert_int_equal(wait_frames(c, 4), 4);
	send_frame(c, 2, 9, 7); /* back to its own port: dropped */
	wait_taken(c);
	assert_int_equal(c->q[0].rxq.stats.drops[DROP_RX_HAIRPIN], 1);
	assert_int_equal(shm_load(&a->port.mac_count), 1);
	assert_int_equal(shm_load(&b->port.mac_count), 0);
	assert_int_equal(shm_load(&c->port.mac_count), 2);
	assert_int_equal(o->q[0].out.head, 0); /* another network */
	remove_port(&w, c);		       /* removes its addresses, too */
	send_frame(a, 2, 1, 8);
	assert_int_equal(wait_frames(b, 6), 6);
	assert_int_equal(switch_flush_macs(w.sw, NULL, NULL), 1);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, o);
	stop(&w);
}

/* A stream of unicast with broadcasts in it arrives in order. */
static void test_order(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct fake_port *c = add_port(&w, "c", "x");
	struct rng r = rng_start();
	unsigned serial, n = 0;

	(void)state;
	send_frame(b, 9, 2, 0);
	send_frame(c, 9, 3, 0);
	wait_taken(b);
	wait_taken(c);
	wait_frames(b, 1);
	b->q[0].out.head = 0;
	for (unsigned i = 0; i < 600; i++) {
		static const uint8_t dsts[] = { 2, 2, 2, 3, 255, 77 };
		unsigned dst = dsts[rng_below(&r, 6)];

		send_frame(a, dst, 1, i);
		n += dst != 3;
	}
	assert_int_equal(wait_frames(b, n), n);
	for (unsigned i = 0, last = 0; i < n; i++, last = serial) {
		memcpy(&serial, b->q[0].out.slot[i].data + 20, sizeof(serial));
		assert_true(!i || serial > last);
	}
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

/* Sends @n frames from @a to @b, which received @before frames. Returns the
 * bursts needed. */
static unsigned bursts_of(struct fake_port *a, struct fake_port *b, unsigned n,
			  unsigned before)
{
	uint64_t bursts = stat_read(&a->q[0].rxq.stats.bursts);
	struct fifo *f = &a->q[0].in;

	for (unsigned i = 0; i < n; i++)
		make_udp(&f->slot[(f->head + i) % QUEUE_ROOM], 2, 1, 1, i);
	/* all at once, for a worker that polls */
	shm_store_release(&f->head, f->head + n);
	fifo_kick(&a->q[0]);
	wait_taken(a);
	assert_int_equal(wait_frames(b, before + n), before + n);
	return (unsigned)(stat_read(&a->q[0].rxq.stats.bursts) - bursts);
}

/* Large frames come in short bursts, so that other queues get their turn; small
 * frames after them come in long ones again. */
static void test_burst_size(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");

	(void)state;
	send_frame(b, 9, 2, 0);
	wait_taken(b);
	wait_taken(a);
	assert_int_equal(bursts_of(a, b, 256, 0), 4);
	a->q[0].rx_padding = 65000;
	/* 64, then 8 at a time */
	assert_int_equal(bursts_of(a, b, 256, 256), 25);
	a->q[0].rx_padding = 0;
	/* 8, 16, 32, 64, 64, 64, 8 */
	assert_int_equal(bursts_of(a, b, 256, 512), 7);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

static void test_drops(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"), *b;
	unsigned macs = 0;

	(void)state;
	send_frame(a, 2, 1, 0); /* the only port */
	wait_taken(a);
	assert_int_equal(a->q[0].rxq.stats.drops[DROP_RX_ALONE], 1);
	b = add_port(&w, "b", "x");
	b->q[0].out_room = 3;
	for (unsigned i = 0; i < 10; i++)
		send_frame(a, 2, 1, i);
	wait_taken(a);
	assert_int_equal(b->q[0].out.head, 3);
	assert_int_equal(b->q[0].txq.stats.drops[DROP_TX_FULL], 7);
	send_frame(b, 9, 2, 0); /* the switch learns 2 */
	wait_taken(b);
	port_set_txqs(&b->port, NULL, 0, 0);
	assert_false(port_link_is_up(&b->port));
	send_frame(a, 2, 1, 0);
	wait_taken(a);
	assert_int_equal(b->port.down_drops, 1);
	send_frame(a, 255, 1, 0); /* no port has a link */
	wait_taken(a);
	assert_int_equal(a->q[0].rxq.stats.drops[DROP_RX_ALONE], 2);
	/* the bound of learning, 100 */
	for (unsigned i = 0; i < 250; i++)
		send_frame(a, 2, i + 1, i);
	wait_taken(a);
	macs = shm_load(&a->port.mac_count);
	assert_int_equal(macs, 100);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

static void set_full(struct fake_port *p, uint32_t us)
{
	struct port_conf conf = { .max_macs = 100,
				  .full = PORT_FULL_WAIT,
				  .full_us = us };

	port_set_common(&p->port, &conf);
}

static void check_serials(const struct fake_port *p, unsigned first, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned serial;

		memcpy(&serial, p->q[0].out.slot[first + i].data + 20,
		       sizeof(serial));
		assert_int_equal(serial, i);
	}
}

/* Teaches the switch 2 and 3 behind @b and @c. Returns the frames of @b. */
static unsigned become_known(struct fake_port *b, struct fake_port *c)
{
	send_frame(b, 9, 2, 0);
	send_frame(c, 9, 3, 0);
	wait_taken(b);
	wait_taken(c);
	return wait_frames(b, 1);
}

/* A sender waits for a full receiver, loses nothing and keeps its order, while
 * others go on. It does not wait for ever. */
static void test_wait(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *c = add_port(&w, "c", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	unsigned at;

	(void)state;
	at = become_known(b, c);
	set_full(b, 1000000);
	shm_store(&b->q[0].out_room, 3);
	for (unsigned i = 0; i < 200; i++)
		send_frame(a, 2, 1, i);
	assert_int_equal(wait_frames(b, at + 3), at + 3);
	for (unsigned i = 0; i < 50; i++) /* other senders go on */
		send_frame(b, 3, 2, i);
	assert_int_equal(wait_frames(c, 51), 51);
	/* only the first frames were taken from a */
	assert_int_equal(shm_load(&a->q[0].in.tail), 3);
	shm_fetch_add(&b->q[0].out_room, 100);
	assert_int_equal(wait_frames(b, at + 103), at + 103);
	shm_fetch_add(&b->q[0].out_room, 1000);
	assert_int_equal(wait_frames(b, at + 200), at + 200);
	check_serials(b, at, 200);
	assert_int_equal(b->q[0].txq.stats.drops[DROP_TX_FULL], 0);
	/* 2 ms without progress, then everything is dropped at once */
	set_full(b, 2000);
	shm_store(&b->q[0].out_room, 0);
	for (unsigned i = 0; i < 300; i++)
		send_frame(a, 2, 1, i);
	wait_taken(a);
	assert_int_equal(stat_read(&b->q[0].txq.stats.drops[DROP_TX_FULL]),
			 300);
	assert_true(stat_read(&a->q[0].rxq.stats.waits) > 0);
	/* a broadcast does not wait */
	set_full(b, 1000000);
	send_frame(a, 255, 1, 0);
	wait_taken(a);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

/* Waits for the frame of @flow and returns the queue of @p that has it. Empties
 * all queues. */
static int arrived_on(struct fake_port *p, unsigned flow)
{
	unsigned got, serial;
	int on = -1;

	for (unsigned i = 0; i < 2000 && on < 0; i++) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		for (unsigned k = 0; k < p->queues; k++) {
			const struct message *m = fifo_first(&p->q[k].out);

			if (!m)
				continue;
			read_udp(m, &got, &serial);
			fifo_pop(&p->q[k].out);
			assert_int_equal(got, flow);
			on = (int)k;
		}
	}
	return on;
}

static int send_there(struct fake_port *a, struct fake_port *b, unsigned flow)
{
	make_udp(fifo_next(&a->q[0].in), 2, 1, flow, 0);
	fifo_push(&a->q[0].in);
	fifo_kick(&a->q[0]);
	return arrived_on(b, flow);
}

static void send_back(struct fake_port *a, struct fake_port *b, unsigned flow,
		      unsigned queue)
{
	make_udp_back(fifo_next(&b->q[queue].in), 1, 2, flow, 0);
	fifo_push(&b->q[queue].in);
	fifo_kick(&b->q[queue]);
	assert_int_equal(arrived_on(a, flow), 0);
}

/* A guest receives a flow on the queue it sends the flow on. */
static void test_flows(void **state)
{
	struct world w = start(2);
	struct fake_port *a = add_port(&w, "a", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_DROP, 4);
	struct txq *first[2] = { b->port.txq[0], b->port.txq[1] };
	unsigned used = 0;
	int on;

	(void)state;
	assert_null(a->port.flows);
	for (unsigned flow = 0; flow < 16; flow++) {
		on = send_there(a, b, flow);
		used |= 1u << on;
		assert_int_equal(send_there(a, b, flow), on);
	}
	assert_int_equal(used, 15); /* spread by the hash */
	for (unsigned flow = 0; flow < 16; flow++)
		send_back(a, b, flow, flow / 4);
	for (unsigned flow = 0; flow < 16; flow++)
		assert_int_equal(send_there(a, b, flow), flow / 4);
	/* a flow on two queues does not swing */
	send_back(a, b, 3, 0);
	send_back(a, b, 3, 2);
	assert_int_equal(send_there(a, b, 3), 0);
	/* it moves when the first queue is silent */
	nanosleep(&(struct timespec){ 0, 300000000 }, NULL);
	send_back(a, b, 3, 2);
	assert_int_equal(send_there(a, b, 3), 2);
	/* a queue that is gone is not used */
	assert_int_equal(port_set_txqs(&b->port, first, 2, OFFLOAD_ALL), 0);
	assert_in_range(send_there(a, b, 15), 0, 1);
	assert_int_equal(send_there(a, b, 0), 0);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

static void push_udp(struct fake_port *a, unsigned flow, unsigned serial)
{
	make_udp(fifo_next(&a->q[0].in), 2, 1, flow, serial);
	fifo_push(&a->q[0].in);
}

/* A burst for two receivers, one of them without buffers: both get all frames
 * in order, and the other one does not wait. */
static void test_wait_mixed(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *c = add_port(&w, "c", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	unsigned at_b, at_c, n = 200;

	(void)state;
	at_b = become_known(b, c);
	at_c = wait_frames(c, 1);
	set_full(b, 2000000);
	shm_store(&b->q[0].out_room, 2);
	for (unsigned i = 0; i < 2 * n; i++)
		send_frame(a, 2 + i % 2, 1, i / 2);
	/* all frames for c among the first 64 behind those that b took */
	assert_true(wait_frames(c, at_c + 32) >= at_c + 32);
	assert_int_equal(wait_frames(b, at_b + 2), at_b + 2);
	for (unsigned i = 2; i < n; i += 3) { /* c is full again and again */
		shm_fetch_add(&b->q[0].out_room, 3);
		assert_true(wait_frames(b, at_b + MIN(i + 3, n)) >=
			    at_b + MIN(i + 3, n));
	}
	wait_taken(a);
	assert_int_equal(wait_frames(c, at_c + n), at_c + n);
	check_serials(b, at_b, n);
	check_serials(c, at_c, n);
	assert_int_equal(b->q[0].txq.stats.drops[DROP_TX_FULL], 0);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.frames), 2 * n);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

/* Two queues of one receiver are full, and their flows alternate: nothing is
 * lost and each flow keeps its order. */
static void test_wait_queues(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 2);
	unsigned next[2] = { 0 }, flow[2] = { 0 };

	(void)state;
	set_full(b, 2000000);
	send_back(a, b, 0, 0); /* the switch learns b */
	while (send_there(a, b, flow[0]) != 0)
		flow[0]++;
	while (send_there(a, b, flow[1]) != 1)
		flow[1]++;
	for (unsigned q = 0; q < 2; q++)
		shm_store(&b->q[q].out_room, 0);
	push_udp(a, flow[0], next[0]++);
	fifo_kick(&a->q[0]);
	while (!stat_read(&a->q[0].rxq.stats.waits))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	for (unsigned i = 0; i < 200; i++)
		push_udp(a, flow[i & 1], next[i & 1]++);
	fifo_kick(&a->q[0]);
	nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	shm_store(&b->q[1].out_room, 50); /* does not help while 0 is full */
	nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	shm_store(&b->q[0].out_room, 30);
	nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
	for (unsigned q = 0; q < 2; q++)
		shm_store(&b->q[q].out_room, UINT32_MAX);
	wait_taken(a);
	for (unsigned q = 0; q < 2; q++) {
		const struct fifo *out = &b->q[q].out;
		unsigned first = out->head - next[q], got_flow, serial;

		assert_int_equal(b->q[q].txq.stats.drops[DROP_TX_FULL], 0);
		for (unsigned i = 0; i < next[q]; i++) {
			read_udp(&out->slot[first + i], &got_flow, &serial);
			assert_int_equal(got_flow, flow[q]);
			assert_int_equal(serial, i);
		}
	}
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* Ports come and go while others send; two workers. */
static void test_churn(void **state)
{
	struct world w = start(2);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	unsigned sent = 0;

	(void)state;
	for (unsigned k = 0; k < 60; k++) {
		struct fake_port *c = add_port(&w, "c", "x");

		for (unsigned i = 0; i < 8; i++) {
			send_frame(a, i & 1 ? 2 : 3, 1, sent);
			send_frame(b, i & 1 ? 1 : 3, 2, sent);
			send_frame(c, i & 1 ? 1 : 255, 3, sent);
			sent++;
		}
		remove_port(&w, c);
		wait_taken(a);
		wait_taken(b);
	}
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* A queue without an event descriptor is polled; a sleeping queue is not. */
static void test_polled(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	uint64_t polls;

	(void)state;
	rxq_detach(&a->q[0].rxq);
	fd_close(&a->q[0].rxq.event_fd);
	assert_int_equal(rxq_attach(&a->q[0].rxq), 0);
	memset(a->q[0].in.slot[0].data, 0xff, 64);
	a->q[0].in.slot[0].len = 64;
	shm_store_release(&a->q[0].in.head, 1); /* no signal */
	assert_int_equal(wait_frames(b, 1), 1);
	polls = stat_read(&b->q[0].rxq.stats.polls);
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	assert_true(stat_read(&b->q[0].rxq.stats.polls) <= polls + 1);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* Sends one burst of @n TCP frames with 30 bytes of payload each, of @flows
 * alternating flows. */
static void send_flows(struct fake_port *p, unsigned dst, unsigned n,
		       unsigned flows)
{
	static struct pkt k;
	struct pkt_spec s = { .payload = 30, .tcp_flags = 0x10 };
	struct rng rng = rng_start();

	pkt_build(&k, &s, &rng);
	memset(k.data, 0, 12);
	k.data[0] = k.data[6] = 2;
	k.data[5] = (uint8_t)dst;
	k.data[11] = 1;
	put_be16(k.data + k.l3_off + 4, 0);
	for (unsigned i = 0; i < n; i++) {
		struct message *m = &p->q[0].in.slot[(p->q[0].in.head + i) &
						     (QUEUE_ROOM - 1)];
		uint8_t *l3 = m->data + k.l3_off, *l4 = m->data + k.l4_off;

		memcpy(m->data, k.data, k.len);
		m->len = k.len;
		put_be16(l3 + 4, i / flows);
		put_be16(l3 + 10, 0);
		put_be16(l3 + 10, ~pkt_sum(0, l3, 20));
		l4[1] += i % flows;
		put_be32(l4 + 4, i / flows * 30);
		put_be16(l4 + 16, ~pkt_sum(0, l4, k.len - k.l4_off));
	}
	shm_store_release(&p->q[0].in.head, p->q[0].in.head + n);
	fd_signal(p->q[0].rxq.event_fd);
}

/* Small frames are merged if the source wants it and the receiver takes large
 * ones, and in no other case. */
static void test_gro(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	struct fake_port *c = add_port(&w, "c", "x");
	struct txq *txq = &c->q[0].txq;
	unsigned nb, nc;

	(void)state;
	port_set_txqs(&c->port, &txq, 1, OFFLOAD_CSUM);
	send_frame(b, 9, 2, 0);
	send_frame(c, 9, 3, 0);
	wait_frames(a, 2);
	nb = wait_frames(b, 1);
	nc = wait_frames(c, 1);
	send_flows(a, 2, 4, 1); /* the source does not want it */
	assert_int_equal(wait_frames(b, nb + 4), nb + 4);
	shm_store(&a->q[0].rxq.wants_gro, true);
	send_flows(a, 2, 4, 1);
	assert_int_equal(wait_frames(b, nb + 5), nb + 5);
	assert_int_equal(b->q[0].out.slot[nb + 4].len, 54 + 4 * 30);
	send_flows(a, 3, 4, 1); /* the receiver does not take it */
	assert_int_equal(wait_frames(c, nc + 4), nc + 4);
	assert_int_equal(c->q[0].out.slot[nc].len, 54 + 30);
	wait_taken(a);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.merged), 3);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.frames), 12);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.bytes), 12 * (54 + 30));
	/* merged for each receiver of a flooded frame */
	send_flows(a, 77, 4, 1);
	assert_int_equal(wait_frames(c, nc + 8), nc + 8);
	assert_int_equal(wait_frames(b, nb + 6), nb + 6);
	/* a full receiver gets the rest later, although it is in the middle */
	shm_store(&b->port.full_ns, 2000000000);
	shm_store(&b->q[0].out_room, 1);
	send_flows(a, 2, 6, 2);
	assert_int_equal(wait_frames(b, nb + 7), nb + 7);
	while (!stat_read(&a->q[0].rxq.stats.waits))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	shm_store(&b->q[0].out_room, UINT32_MAX);
	assert_int_equal(wait_frames(b, nb + 8), nb + 8);
	wait_taken(a);
	for (unsigned i = nb + 6; i < nb + 8; i++)
		assert_int_equal(b->q[0].out.slot[i].len, 54 + 3 * 30);
	assert_int_equal((uint8_t)(b->q[0].out.slot[nb + 6].data[35] + 1),
			 b->q[0].out.slot[nb + 7].data[35]);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.frames), 22);
	assert_int_equal(stat_read(&a->q[0].rxq.stats.bytes), 22 * (54 + 30));
	assert_int_equal(stat_read(&b->q[0].txq.stats.drops[DROP_TX_FULL]), 0);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learning),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_burst_size),
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_gro),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_wait_mixed),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_wait_queues),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
