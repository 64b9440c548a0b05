/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ingress and its counters: a queue that serves several ports, news of
 * addresses, frames that a back-end drops, a port whose link is down.
 */
#include "test.h"

#include <string.h>
#include <time.h>

#include "fake_port.h"
#include "fd.h"
#include "le.h"
#include "shm.h"

/* Three ports share the queue of the first. Source 1 comes in at the first, the
 * others at their own ports, whose queues only count. */
static void test_shared_queue(void **state)
{
	struct world w = start(1);
	struct fake_port *p[3] = { add_port(&w, "a", "x"),
				   add_port(&w, "b", "x"),
				   add_port(&w, "c", "y") };
	struct fake_port *x = add_port(&w, "x", "x"),
			 *y = add_port(&w, "y", "y");
	struct fifo *f = &p[0]->q[0].in;
	struct rng r = rng_start();
	unsigned sent[3] = { 0 };

	(void)state;
	for (unsigned i = 1; i < 3; i++)
		rxq_detach(&p[i]->q[0].rxq);
	rxq_detach(&p[0]->q[0].rxq);
	p[0]->q[0].rxq.is_shared = true;
	assert_int_equal(rxq_attach(&p[0]->q[0].rxq), 0);
	for (unsigned i = 0; i < 300; i++) {
		unsigned at = rng_below(&r, 3);
		struct message *m = fifo_next(f);

		make_udp(m, 255, 10 + at, 1, i);
		m->from = &p[at]->port;
		fifo_push(f);
		sent[at]++;
	}
	fifo_kick(&p[0]->q[0]);
	wait_taken(p[0]);
	assert_int_equal(wait_frames(x, sent[0] + sent[1]), sent[0] + sent[1]);
	assert_int_equal(wait_frames(y, sent[2]), sent[2]);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(stat_read(&p[i]->q[0].rxq.stats.frames),
				 sent[i]);
		assert_int_equal(shm_load(&p[i]->port.mac_count), 1);
	}
	/* a port does not hear itself; its neighbour on the queue does */
	assert_int_equal(wait_frames(p[0], sent[1]), sent[1]);
	for (unsigned i = 0; i < 3; i++)
		remove_port(&w, p[i]);
	remove_port(&w, x);
	remove_port(&w, y);
	stop(&w);
}

static void test_counts(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	const struct queue_stats *s = &b->q[0].txq.stats;

	(void)state;
	shm_store(&b->q[0].drop_every, 3);
	for (unsigned i = 0; i < 30; i++)
		send_frame(a, 2, 1, i);
	wait_taken(a);
	assert_int_equal(wait_frames(b, 20), 20);
	/* the counters follow the frames */
	for (unsigned i = 0; i < 1000 && stat_read(&s->frames) < 20; i++)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	assert_int_equal(stat_read(&s->frames), 20);
	assert_int_equal(stat_read(&s->bytes), 20 * 100);
	assert_int_equal(stat_read(&s->drops[DROP_TX_ERROR]), 10);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* A frame to 00:00:00:00:00:00 behind a broadcast from a new address: results
 * remembered from the frames before must not be used for it. */
static void test_zero_address(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x"),
			 *c = add_port(&w, "c", "x");
	struct fifo *f = &a->q[0].in;

	(void)state;
	send_frame(b, 255, 2, 0);
	wait_taken(b);
	make_udp(&f->slot[0], 2, 1, 1, 0);   /* to b */
	make_udp(&f->slot[1], 255, 9, 1, 0); /* a new address */
	make_udp(&f->slot[2], 0, 9, 1, 0);
	memset(f->slot[2].data, 0, 6);
	shm_store_release(&f->head, 3);
	fifo_kick(&a->q[0]);
	wait_taken(a);
	/* two broadcasts, one of them from b */
	assert_int_equal(wait_frames(c, 3), 3);
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

struct mac_notes {
	struct observer o;
	unsigned count;
	uint64_t lost;
	char last[64], from[64];
};

static void note_mac(struct observer *o, const struct event *e)
{
	struct mac_notes *n = container_of(o, struct mac_notes, o);

	n->count++;
	n->lost += e->mac.lost;
	strncpy(n->last, e->port, sizeof(n->last) - 1);
	strncpy(n->from, e->mac.from ? e->mac.from : "-", sizeof(n->from) - 1);
}

/* Runs the loop until @n has @count addresses, at most 3 s. */
static void hear(struct world *w, const struct mac_notes *n, unsigned count)
{
	uint64_t end = loop_now_ms() + 3000;
	struct loop_timer t = { 0 };

	while (n->count + n->lost < count && loop_now_ms() < end) {
		loop_timer_arm(w->loop, &t, 20, loop_timer_disarm);
		loop_step(w->loop);
	}
	loop_timer_disarm(&t);
}

static void test_addresses_are_told(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct mac_notes n = { .o = { note_mac, 1 << EVENT_MAC, NULL } };

	(void)state;
	send_frame(a, 255, 1, 0); /* no observer yet */
	wait_taken(a);
	observer_add(switch_observers(w.sw), &n.o);
	send_frame(a, 255, 2, 0);
	hear(&w, &n, 1);
	assert_int_equal(n.count, 1);
	assert_string_equal(n.last, "a");
	assert_string_equal(n.from, "-");
	send_frame(b, 255, 2, 0); /* moves */
	hear(&w, &n, 2);
	assert_int_equal(n.count, 2);
	assert_string_equal(n.last, "b");
	assert_string_equal(n.from, "a");
	observer_remove(switch_observers(w.sw), &n.o);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* News too fast to be told are counted, and no worker waits. */
static void test_too_many_addresses(void **state)
{
	enum { FLAPS = 6000 };
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct mac_notes n = { .o = { note_mac, 1 << EVENT_MAC, NULL } };

	(void)state;
	observer_add(switch_observers(w.sw), &n.o);
	for (unsigned i = 0; i < FLAPS / 2; i++) {
		send_frame(a, 255, 1, 0);
		wait_taken(a);
		send_frame(b, 255, 1, 0);
		wait_taken(b);
	}
	/* No news were read yet: the ring holds some, a hundred are told every
	 * tenth of a second, and the next one after the loss has the number
	 * lost. */
	hear(&w, &n, FLAPS);
	assert_true(n.count > 500 && n.count < FLAPS / 2);
	send_frame(a, 255, 4, 0);
	hear(&w, &n, FLAPS + 1);
	assert_true(n.lost > 0);
	assert_int_equal(n.count + n.lost, FLAPS + 1);
	remove_port(&w, b);
	observer_remove(switch_observers(w.sw), &n.o);
	remove_port(&w, a);
	stop(&w);
}

/* A port whose link stays down loses its addresses; one that comes back soon
 * keeps them. */
static void test_dead_port(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct txq *back = &b->q[0].txq;
	struct mac_notes nobody = { 0 };

	(void)state;
	send_frame(a, 255, 1, 0);
	send_frame(b, 255, 2, 0);
	wait_taken(a);
	wait_taken(b);
	port_set_txqs(&a->port, NULL, 0, 0);
	port_set_txqs(&b->port, NULL, 0, 0);
	port_set_txqs(&b->port, &back, 1, OFFLOAD_ALL);
	hear(&w, &nobody, 1); /* 3 s */
	assert_int_equal(shm_load(&a->port.mac_count), 0);
	assert_int_equal(shm_load(&b->port.mac_count), 1);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* A port that has learned as many addresses as it may takes none from others.
 */
static void test_bound_of_moves(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");

	(void)state;
	shm_store(&b->port.max_macs, 1);
	send_frame(b, 255, 50, 0);
	wait_taken(b);
	for (unsigned i = 1; i <= 10; i++)
		send_frame(a, 255, i, 0);
	wait_taken(a);
	for (unsigned i = 1; i <= 10; i++)
		send_frame(b, 255, i, 0);
	wait_taken(b);
	assert_int_equal(shm_load(&a->port.mac_count), 10);
	assert_int_equal(shm_load(&b->port.mac_count), 1);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

static void set_vlan(struct fake_port *p, const char *vlan)
{
	struct vlan_conf c = { .vlan = (char *)(uintptr_t)vlan };
	struct err err;

	assert_int_equal(switch_set_vlan(&p->port, &c, &err), 0);
}

/* Puts a tag behind the addresses of @m. */
static void put_tag(struct message *m, unsigned vlan)
{
	memmove(m->data + 16, m->data + 12, m->len - 12);
	m->len += 4;
	put_be16(m->data + 12, 0x8100);
	put_be16(m->data + 14, (uint16_t)vlan);
}

/* One burst has a frame that waits and behind it a frame of a VLAN that its
 * port is not in. The second frame is dropped and counted once, the first
 * arrives. */
static void test_drop_behind_a_frame_that_waits(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	const struct queue_stats *s = &a->q[0].rxq.stats;
	struct fifo *f = &a->q[0].in;
	uint64_t bursts;

	(void)state;
	shm_store(&b->port.full_ns, UINT64_MAX);
	set_vlan(a, "10");
	set_vlan(b, "10");
	send_frame(b, 255, 2, 0);
	wait_taken(b);
	bursts = stat_read(&s->bursts);
	shm_store(&b->q[0].out_room, 0);
	make_udp(&f->slot[0], 2, 1, 1, 0);
	make_udp(&f->slot[1], 2, 1, 1, 0);
	put_tag(&f->slot[1], 99);
	shm_store_release(&f->head, 2);
	fifo_kick(&a->q[0]);
	for (unsigned i = 0; i < 1000 && !stat_read(&s->drops[DROP_RX_VLAN]);
	     i++)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	shm_store(&b->q[0].out_room, 100);
	wait_taken(a);
	assert_int_equal(wait_frames(b, 1), 1);
	assert_int_equal(stat_read(&s->drops[DROP_RX_VLAN]), 1);
	assert_int_equal(stat_read(&s->frames), 2);
	/* A look at which every frame waited is no burst. */
	assert_true(stat_read(&s->bursts) - bursts <= 2);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* The only port with rules loses them again and again while frames of other
 * VLANs come in at it. No domain is used that no port was ever in. */
static void test_rules_go_under_traffic(void **state)
{
	struct world w = start(1);
	struct fake_port *p = add_port(&w, "p", "x");
	struct fifo *f = &p->q[0].in;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		set_vlan(p, i & 1 ? "none" : "10");
		for (unsigned k = 0; k < 8; k++) {
			struct message *m = fifo_next(f);

			if (!m)
				break;
			make_udp(m, 255, 1, 1, i);
			put_tag(m, 50 + k);
			fifo_push(f);
		}
		fifo_kick(&p->q[0]);
	}
	wait_taken(p);
	remove_port(&w, p);
	stop(&w);
}

/* Addresses that move all the time do not delay the removal of a port: it tells
 * at most what the ring of news can hold. */
static void test_removal_is_bounded(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x"),
			 *c = add_port(&w, "c", "y");
	struct mac_notes n = { .o = { note_mac, 1 << EVENT_MAC, NULL } };

	(void)state;
	observer_add(switch_observers(w.sw), &n.o);
	for (unsigned i = 0; i < 3000; i++) {
		send_frame(i & 1 ? a : b, 255, 1, 0);
		if (i % 64 == 63) {
			wait_taken(a);
			wait_taken(b);
		}
	}
	remove_port(&w, c);
	assert_true(n.count > 0 && n.count <= 65536 / 24);
	observer_remove(switch_observers(w.sw), &n.o);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* Heads are as long as their network needs. */
static void test_snap(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct rxq *q = &a->q[0].rxq;
	char ten[] = "10";
	struct vlan_conf c = { .vlan = ten };
	struct err err;

	(void)state;
	assert_int_equal(q->snap, FRAME_SNAP);
	rxq_set_gro(q, true);
	assert_int_equal(q->snap, FRAME_HEAD);
	rxq_set_gro(q, false);
	assert_int_equal(q->snap, FRAME_SNAP);
	/* another port of the network gets a VLAN */
	assert_int_equal(switch_set_vlan(&b->port, &c, &err), 0);
	assert_true(q->snap > FRAME_SNAP && q->snap < FRAME_HEAD);
	c.vlan = NULL;
	assert_int_equal(switch_set_vlan(&b->port, &c, &err), 0);
	assert_int_equal(q->snap, FRAME_SNAP);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* Sends @n frames, all of them to a worker that sleeps. */
static void send_burst(struct fake_port *p, unsigned n)
{
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	for (unsigned i = 0; i < n; i++) {
		make_udp(fifo_next(&p->q[0].in), 2, 1, 1, i);
		fifo_push(&p->q[0].in);
	}
	fifo_kick(&p->q[0]);
	wait_taken(p);
}

/* After a burst of small frames the worker looks for a full burst before it
 * takes frames again; after a few frames it does not. A full burst may never
 * come. */
static void test_gathers(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	unsigned sent = 0, looks;

	(void)state;
	for (unsigned i = 0; i < 100; i++, sent += 15)
		send_burst(a, 15);
	assert_int_equal(shm_load(&a->q[0].looks), 0);
	/* a worker that is late, as on a busy machine, does not look */
	for (unsigned i = 0; i < 500 && !shm_load(&a->q[0].looks); i++) {
		send_burst(a, 32);
		sent += 32;
		assert_int_equal(wait_frames(b, sent), sent);
		while (fifo_first(&b->q[0].out))
			fifo_pop(&b->q[0].out);
	}
	looks = shm_load(&a->q[0].looks);
	assert_in_range(looks, 1, 64);
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_queue),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_zero_address),
		cmocka_unit_test(test_addresses_are_told),
		cmocka_unit_test(test_too_many_addresses),
		cmocka_unit_test(test_dead_port),
		cmocka_unit_test(test_snap),
		cmocka_unit_test(test_bound_of_moves),
		cmocka_unit_test(test_drop_behind_a_frame_that_waits),
		cmocka_unit_test(test_rules_go_under_traffic),
		cmocka_unit_test(test_removal_is_bounded),
		cmocka_unit_test(test_gathers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
