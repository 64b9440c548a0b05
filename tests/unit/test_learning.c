/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destinations of frames while addresses move and are forgotten, and ports come
 * and go: the switch with its caches against an array.
 */
#include "test.h"

#include <string.h>

#include "fake_port.h"
#include "net.h"

#define PORTS	  4u
#define ADDRESSES 12u
#define NOWHERE	  PORTS
#define BROADCAST 255u
#define BURST	  40u
#define ROUNDS	  3000u

struct model {
	struct world w;
	struct fake_port *port[PORTS];
	unsigned where[ADDRESSES]; /* port of each address */
	/* frames that each port shall receive in this round */
	unsigned expected[PORTS][BURST], count[PORTS];
	unsigned serial;
	struct rng rng;
};

static void plug_in(struct model *m, unsigned i)
{
	static const char *const names[PORTS] = { "a", "b", "c", "d" };

	m->port[i] = add_port(&m->w, names[i], "x");
}

static void forget(struct model *m, unsigned port)
{
	for (unsigned i = 0; i < ADDRESSES; i++)
		if (port == NOWHERE || m->where[i] == port)
			m->where[i] = NOWHERE;
}

/* Returns an address at @port if there is one; now and then one that moves
 * there. */
static unsigned pick_source(struct model *m, unsigned port)
{
	unsigned i = rng_below(&m->rng, ADDRESSES);

	if (!rng_below(&m->rng, 20))
		return i;
	for (unsigned k = 0; k < ADDRESSES; k++, i = (i + 1) % ADDRESSES)
		if (m->where[i] == port)
			return i;
	return i;
}

static void expect(struct model *m, unsigned port)
{
	m->expected[port][m->count[port]++] = m->serial;
}

/* Sends a burst into @port; all frames are there before the worker polls. */
static void send_burst(struct model *m, unsigned port)
{
	unsigned n = 1 + rng_below(&m->rng, BURST);
	struct fifo *f = &m->port[port]->q[0].in;

	for (unsigned i = 0; i < n; i++, m->serial++) {
		struct message *to = &f->slot[(f->head + i) % QUEUE_ROOM];
		unsigned src = pick_source(m, port), dst = BROADCAST, at;

		if (rng_below(&m->rng, 16))
			dst = rng_below(&m->rng, ADDRESSES);
		make_udp(to, dst, src, 0, m->serial);
		m->where[src] = port;
		at = dst == BROADCAST ? NOWHERE : m->where[dst];
		for (unsigned k = 0; k < PORTS; k++)
			if (k != port && (at == NOWHERE || at == k))
				expect(m, k);
	}
	shm_store_release(&f->head, f->head + n);
	fifo_kick(&m->port[port]->q[0]);
	wait_taken(m->port[port]);
}

static void check(struct model *m)
{
	for (unsigned i = 0; i < PORTS; i++) {
		struct fifo *f = &m->port[i]->q[0].out;

		assert_int_equal(f->head - f->tail, m->count[i]);
		for (unsigned k = 0; k < m->count[i]; k++) {
			unsigned flow, serial;

			read_udp(fifo_first(f), &flow, &serial);
			assert_int_equal(serial, m->expected[i][k]);
			fifo_pop(f);
		}
		m->count[i] = 0;
	}
}

static void entry_gone(uint16_t slot, void *arg)
{
	struct model *m = arg;

	for (unsigned i = 0; i < PORTS; i++)
		if (m->port[i]->port.slot == slot)
			shm_fetch_sub(&m->port[i]->port.mac_count, 1);
}

static void disturb(struct model *m)
{
	unsigned port = rng_below(&m->rng, PORTS);
	struct fdb *fdb = m->port[0]->port.net->base.fdb;

	switch (rng_below(&m->rng, 5)) {
	case 0:
		remove_port(&m->w, m->port[port]);
		plug_in(m, port);
		forget(m, port);
		break;
	case 1:
		switch_flush_macs(m->w.sw, NULL, &m->port[port]->port);
		forget(m, port);
		break;
	case 2:
		switch_flush_macs(m->w.sw, NULL, NULL);
		forget(m, NOWHERE);
		break;
	case 3: /* a tick in which no address becomes too old */
		fdb_age(fdb, 200, entry_gone, m);
		break;
	case 4: /* a tick in which every address does */
		fdb_age(fdb, 0, entry_gone, m);
		forget(m, NOWHERE);
		break;
	}
}

static void test_addresses_move(void **state)
{
	struct model m = { .w = start(2), .rng = rng_start() };

	(void)state;
	for (unsigned i = 0; i < PORTS; i++)
		plug_in(&m, i);
	forget(&m, NOWHERE);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (!rng_below(&m.rng, 10))
			disturb(&m);
		send_burst(&m, rng_below(&m.rng, PORTS));
		check(&m);
	}
	for (unsigned i = 0; i < PORTS; i++) {
		unsigned at = 0;

		for (unsigned k = 0; k < ADDRESSES; k++)
			at += m.where[k] == i;
		assert_int_equal(m.port[i]->port.mac_count, at);
	}
	for (unsigned i = 0; i < PORTS; i++)
		remove_port(&m.w, m.port[i]);
	stop(&m.w);
}

/* An address used only through the worker's cache stays in the table; a silent
 * one does not. */
static void test_used_ones_stay(void **state)
{
	struct model m = { .w = start(1), .rng = rng_start() };

	(void)state;
	for (unsigned i = 0; i < PORTS; i++)
		plug_in(&m, i);
	send_frame(m.port[1], BROADCAST, 2, 0);
	send_frame(m.port[2], BROADCAST, 3, 0);
	wait_taken(m.port[1]);
	wait_taken(m.port[2]);
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 8; k++) {
			send_frame(m.port[0], 2, 1, k);
			send_frame(m.port[1], 1, 2, k);
		}
		wait_taken(m.port[0]);
		wait_taken(m.port[1]);
		fdb_age(m.port[0]->port.net->base.fdb, 3, entry_gone, &m);
	}
	assert_int_equal(fdb_count(m.port[0]->port.net->base.fdb), 2);
	assert_int_equal(m.port[2]->port.mac_count, 0);
	for (unsigned i = 0; i < PORTS; i++)
		remove_port(&m.w, m.port[i]);
	stop(&m.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_move),
		cmocka_unit_test(test_used_ones_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
