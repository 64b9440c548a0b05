/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The switch with ports made of plain queues: what arrives where, in which
 * order, and that ports come and go while frames flow.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fd.h"
#include "switch.h"

#define QUEUE_ROOM 1024

struct message {
	uint32_t len;
	uint8_t data[128];
};

/* Frames one side writes and the other reads. */
struct fifo {
	struct message slot[QUEUE_ROOM];
	unsigned head, tail;	/* [any, atomic] free-running */
};

struct fake_port {
	struct port port;
	struct rxq rxq;
	struct txq txq;
	struct fifo in, out;
	unsigned out_room;	/* frames tx_burst takes at most in all */
};

static unsigned fake_rx_burst(struct rxq *q, struct burst *b)
{
	struct fake_port *p = container_of(q, struct fake_port, rxq);
	struct iovec *iov = (struct iovec *)b->scratch;
	unsigned n = 0, head = shm_load_acquire(&p->in.head);

	while (p->in.tail + n != head && n < BURST_MAX) {
		struct message *m =
			&p->in.slot[(p->in.tail + n) & (QUEUE_ROOM - 1)];

		iov[n] = (struct iovec){ m->data, m->len };
		b->frame[n].hdr = (struct vnet_hdr){ 0 };
		frame_from_iov(&b->frame[n], &iov[n], 1, m->len, FRAME_SNAP);
		n++;
	}
	b->borrowed = n;
	return n;
}

static void fake_rx_done(struct rxq *q, struct burst *b)
{
	struct fake_port *p = container_of(q, struct fake_port, rxq);

	shm_store_release(&p->in.tail, p->in.tail + b->borrowed - b->held);
}

static unsigned fake_tx_burst(struct txq *q, struct frame *const *frames,
			      unsigned n)
{
	struct fake_port *p = container_of(q, struct fake_port, txq);
	unsigned i;

	for (i = 0; i < n && i < shm_load(&p->out_room); i++) {
		unsigned at = p->out.head & (QUEUE_ROOM - 1);
		struct message *m = &p->out.slot[at];

		m->len = frames[i]->len;
		frame_copy(frames[i], 0, m->data, m->len);
		stat_inc(&q->stats.frames);
		shm_store_release(&p->out.head, p->out.head + 1);
	}
	shm_fetch_sub(&p->out_room, i);
	return i;
}

static void fake_destroy(struct port *port)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	rxq_detach(&p->rxq);
	fd_close(&p->rxq.event_fd);
	port_fini(port);
	free(p);
}

static const struct port_ops fake_ops = {
	.rx_burst = fake_rx_burst,
	.rx_done = fake_rx_done,
	.tx_burst = fake_tx_burst,
	.destroy = fake_destroy,
};

static const struct port_type fake_type = { .name = "fake" };

struct world {
	struct loop *loop;
	struct switch_ *sw;
	struct fake_port *port[8];
	unsigned count;
};

static struct fake_port *add_port_full(struct world *w, const char *name,
				       const char *net, enum port_full full)
{
	struct fake_port *p = aligned_alloc(64, align_up(sizeof(*p), 64));
	struct port_env env = { w->loop, w->sw };
	struct port_conf conf = { (char *)(uintptr_t)name,
				  (char *)(uintptr_t)net, 100, full, 1000 };
	struct txq *txq = &p->txq;
	struct err err;

	memset(p, 0, sizeof(*p));
	p->out_room = UINT32_MAX;
	assert_int_equal(port_init(&p->port, &env, &fake_type, &fake_ops, &conf,
				   1), 0);
	p->rxq = (struct rxq){ .port = &p->port, .event_fd = fd_eventfd(),
			       .can_hold = true };
	p->txq = (struct txq){ .port = &p->port };
	p->port.rxq[0] = &p->rxq;
	p->port.txq[0] = &p->txq;
	assert_int_equal(port_set_txqs(&p->port, &txq, 1, OFFLOAD_ALL), 0);
	assert_int_equal(switch_add_port(w->sw, &p->port, net, &err), 0);
	assert_int_equal(rxq_attach(&p->rxq), 0);
	return p;
}

static struct fake_port *add_port(struct world *w, const char *name,
				  const char *net)
{
	return add_port_full(w, name, net, PORT_FULL_DROP);
}

static void remove_port(struct world *w, struct fake_port *p)
{
	switch_remove_port(w->sw, &p->port);
	p->port.ops->destroy(&p->port);
}

static struct world start(unsigned workers)
{
	struct switch_config c = { .workers = workers, .poll_us = -1,
				   .mac_age_s = 300 };
	struct world w = { .loop = loop_create() };
	struct err err;

	assert_int_equal(switch_create(&c, w.loop, &w.sw, &err), 0);
	return w;
}

static void stop(struct world *w)
{
	switch_destroy(w->sw);
	loop_destroy(w->loop);
}

/* Frame from address @src to @dst with a serial number in the payload. */
static void send_frame(struct fake_port *p, unsigned dst, unsigned src,
		       unsigned serial)
{
	struct message *m = &p->in.slot[p->in.head & (QUEUE_ROOM - 1)];

	memset(m->data, 0, 64);
	m->data[0] = dst == 255 ? 0xff : 2;
	m->data[5] = (uint8_t)dst;
	m->data[6] = 2;
	m->data[11] = (uint8_t)src;
	memcpy(m->data + 20, &serial, sizeof(serial));
	m->len = 100;
	shm_store_release(&p->in.head, p->in.head + 1);
	fd_signal(p->rxq.event_fd);
}

/* Waits until @p received @n frames in all (or 2 s went by). */
static unsigned wait_frames(struct fake_port *p, unsigned n)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (shm_load_acquire(&p->out.head) >= n)
			break;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return shm_load_acquire(&p->out.head);
}

static void wait_taken(struct fake_port *p)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (shm_load_acquire(&p->in.tail) == p->in.head)
			return;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	fail_msg("the switch does not take frames");
}

static void test_learning(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"), *b = add_port(&w, "b", "x");
	struct fake_port *c = add_port(&w, "c", "x"), *o = add_port(&w, "o", "y");

	(void)state;
	send_frame(a, 2, 1, 1);		/* unknown: floods */
	assert_int_equal(wait_frames(b, 1), 1);
	assert_int_equal(wait_frames(c, 1), 1);
	send_frame(b, 1, 2, 2);		/* known: only a */
	assert_int_equal(wait_frames(a, 1), 1);
	send_frame(a, 2, 1, 3);		/* known: only b */
	assert_int_equal(wait_frames(b, 2), 2);
	send_frame(c, 1, 2, 4);		/* 2 moved to c */
	assert_int_equal(wait_frames(a, 2), 2);
	send_frame(a, 2, 1, 5);
	assert_int_equal(wait_frames(c, 2), 2);
	send_frame(c, 255, 2, 6);	/* broadcast */
	assert_int_equal(wait_frames(a, 3), 3);
	assert_int_equal(wait_frames(b, 3), 3);
	send_frame(c, 2, 9, 7);		/* to where it comes from */
	wait_taken(c);
	assert_int_equal(c->rxq.stats.drops[DROP_RX_HAIRPIN], 1);
	assert_int_equal(shm_load(&a->port.mac_count), 1);
	assert_int_equal(shm_load(&b->port.mac_count), 0);
	assert_int_equal(shm_load(&c->port.mac_count), 2);
	assert_int_equal(o->out.head, 0);	/* another network */
	remove_port(&w, c);		/* its addresses go with it */
	send_frame(a, 2, 1, 8);
	assert_int_equal(wait_frames(b, 4), 4);
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
	struct fake_port *a = add_port(&w, "a", "x"), *b = add_port(&w, "b", "x");
	struct fake_port *c = add_port(&w, "c", "x");
	struct rng r = rng_start();
	unsigned serial, n = 0;

	(void)state;
	send_frame(b, 9, 2, 0);
	send_frame(c, 9, 3, 0);
	wait_taken(b);
	wait_taken(c);
	wait_frames(b, 1);
	b->out.head = 0;
	for (unsigned i = 0; i < 600; i++) {
		static const uint8_t dsts[] = { 2, 2, 2, 3, 255, 77 };
		unsigned dst = dsts[rng_below(&r, 6)];

		send_frame(a, dst, 1, i);
		n += dst != 3;
	}
	assert_int_equal(wait_frames(b, n), n);
	for (unsigned i = 0, last = 0; i < n; i++, last = serial) {
		memcpy(&serial, b->out.slot[i].data + 20, sizeof(serial));
		assert_true(!i || serial > last);
	}
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

static void test_drops(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"), *b;
	unsigned macs = 0;

	(void)state;
	send_frame(a, 2, 1, 0);		/* alone */
	wait_taken(a);
	assert_int_equal(a->rxq.stats.drops[DROP_RX_ALONE], 1);
	b = add_port(&w, "b", "x");
	b->out_room = 3;
	for (unsigned i = 0; i < 10; i++)
		send_frame(a, 2, 1, i);
	wait_taken(a);
	assert_int_equal(b->out.head, 3);
	assert_int_equal(b->txq.stats.drops[DROP_TX_FULL], 7);
	send_frame(b, 9, 2, 0);		/* where 2 is becomes known */
	wait_taken(b);
	port_set_txqs(&b->port, NULL, 0, 0);
	assert_false(port_link_is_up(&b->port));
	send_frame(a, 2, 1, 0);
	wait_taken(a);
	assert_int_equal(b->port.down_drops, 1);
	send_frame(a, 255, 1, 0);	/* nobody has a link */
	wait_taken(a);
	assert_int_equal(a->rxq.stats.drops[DROP_RX_ALONE], 2);
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
	struct port_conf conf = { .max_macs = 100, .full = PORT_FULL_WAIT,
				  .full_us = us };

	port_set_common(&p->port, &conf);
}

static void check_serials(const struct fake_port *p, unsigned first,
			  unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned serial;

		memcpy(&serial, p->out.slot[first + i].data + 20,
		       sizeof(serial));
		assert_int_equal(serial, i);
	}
}

/* A sender waits for a full receiver, loses nothing and keeps its order, while
 * others go on; and it does not wait for ever. */
static void test_wait(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"), *c = add_port(&w, "c", "x");
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT);
	unsigned at;

	(void)state;
	send_frame(b, 9, 2, 0);
	send_frame(c, 9, 3, 0);
	wait_taken(b);
	wait_taken(c);
	at = wait_frames(b, 1);
	set_full(b, 1000000);
	shm_store(&b->out_room, 3);
	for (unsigned i = 0; i < 200; i++)
		send_frame(a, 2, 1, i);
	assert_int_equal(wait_frames(b, at + 3), at + 3);
	for (unsigned i = 0; i < 50; i++)	/* nobody else stands still */
		send_frame(b, 3, 2, i);
	assert_int_equal(wait_frames(c, 51), 51);
	/* only the head of the line was taken from a */
	assert_int_equal(shm_load(&a->in.tail), 3);
	shm_fetch_add(&b->out_room, 100);
	assert_int_equal(wait_frames(b, at + 103), at + 103);
	shm_fetch_add(&b->out_room, 1000);
	assert_int_equal(wait_frames(b, at + 200), at + 200);
	check_serials(b, at, 200);
	assert_int_equal(b->txq.stats.drops[DROP_TX_FULL], 0);
	/* 2 ms without progress, then everything is dropped at once */
	set_full(b, 2000);
	shm_store(&b->out_room, 0);
	for (unsigned i = 0; i < 300; i++)
		send_frame(a, 2, 1, i);
	wait_taken(a);
	assert_int_equal(stat_read(&b->txq.stats.drops[DROP_TX_FULL]), 300);
	assert_true(stat_read(&a->rxq.stats.waits) > 0);
	/* a broadcast does not wait */
	set_full(b, 1000000);
	send_frame(a, 255, 1, 0);
	wait_taken(a);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

/* Ports come and go while others send; two workers. */
static void test_churn(void **state)
{
	struct world w = start(2);
	struct fake_port *a = add_port(&w, "a", "x"), *b = add_port(&w, "b", "x");
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

/* A queue without an event descriptor is polled; a sleeping one is not. */
static void test_polled(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"), *b = add_port(&w, "b", "x");
	uint64_t polls;

	(void)state;
	rxq_detach(&a->rxq);
	fd_close(&a->rxq.event_fd);
	assert_int_equal(rxq_attach(&a->rxq), 0);
	memset(a->in.slot[0].data, 0xff, 64);
	a->in.slot[0].len = 64;
	shm_store_release(&a->in.head, 1); /* no signal */
	assert_int_equal(wait_frames(b, 1), 1);
	polls = stat_read(&b->rxq.stats.polls);
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	assert_true(stat_read(&b->rxq.stats.polls) <= polls + 1);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learning),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_wait),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
