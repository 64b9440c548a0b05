/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter: a filter sees each frame once, also frames that wait; frames keep
 * their order while filters that hold them come and go; positions in a chain;
 * the format of the stream to a peer.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fake_port.h"
#include "chain.h"
#include "filter.h"
#include "le.h"
#include "log.h"
#include "wire.h"

static struct filter_env env_of(const struct world *w)
{
	return (struct filter_env){ .port = switch_port_env(w->sw) };
}

static struct filter *add(const struct world *w, struct fake_port *p,
			  const char *text)
{
	const struct filter_env env = env_of(w);
	struct filter_spec *spec;
	struct err err;

	assert_int_equal(filter_parse(text, &spec, &err), 0);
	if (filter_add(&env, &p->port, spec, &err))
		fail_msg("%s", err.msg);
	return p->port.filters->filter[p->port.filters->count - 1];
}

/* A filter that counts frames, and the first serial that is out of order. */
struct counter {
	struct filter filter;
	unsigned seen, wrong;
};

static void counter_see(struct filter *f, bool is_rx,
			struct frame *const *frames, unsigned n)
{
	struct counter *c = container_of(f, struct counter, filter);

	(void)is_rx;
	for (unsigned i = 0; i < n; i++) {
		unsigned serial;

		frame_copy(frames[i], 20, &serial, sizeof(serial));
		if (serial != c->seen)
			c->wrong++;
		shm_store(&c->seen, c->seen + 1);
	}
}

static void counter_destroy(struct filter *f)
{
	(void)f;
}

static const struct filter_ops counter_ops = { .see = counter_see,
					       .destroy = counter_destroy };
static struct counter counters[2];

/* The chain is made by hand: the type is only the test's. */
static void count_at(struct fake_port *p, struct counter *c,
		     struct filter_chain *chain, enum filter_queue queue)
{
	*c = (struct counter){ .filter = { .ops = &counter_ops,
					   .port = &p->port,
					   .queue = queue,
					   .is_on = true } };
	chain->count = 1;
	chain->filter[0] = &c->filter;
	shm_store_release(&p->port.filters, chain);
}

/* The receiver takes a few frames at a time, so most of them wait. */
static void test_waiting_frames_are_seen_once(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port_full(&w, "a", "x", PORT_FULL_WAIT, 1);
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	struct filter_chain chain[2];
	const unsigned n = 500;

	(void)state;
	a->port.full_ns = b->port.full_ns = 10000000000;
	send_frame(b, 255, 2, 0); /* teaches the address of b */
	assert_int_equal(wait_frames(a, 1), 1);
	count_at(a, &counters[0], &chain[0], FILTER_RX);
	count_at(b, &counters[1], &chain[1], FILTER_TX);
	shm_store(&b->q[0].out_room, 0);
	for (unsigned i = 0; i < n; i++)
		send_frame(a, 2, 1, i);
	for (unsigned i = 0; i < n; i += 7) {
		shm_store(&b->q[0].out_room, 7);
		wait_frames(b, MIN(i + 7, n));
	}
	wait_taken(a);
	assert_int_equal(shm_load(&b->q[0].out.head), n);
	shm_store_release(&a->port.filters, NULL);
	shm_store_release(&b->port.filters, NULL);
	remove_port(&w, a);
	remove_port(&w, b);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(counters[i].seen, n);
		assert_int_equal(counters[i].wrong, 0);
	}
	stop(&w);
}

/* A sender and a receiver of numbered frames, on a thread of their own. */
struct traffic {
	struct fake_port *from, *to;
	unsigned dst, src, sent, received, wrong, last;
	bool stop;
};

static void *run_traffic(void *arg)
{
	struct traffic *t = arg;
	const struct message *m;

	while (!shm_load(&t->stop)) {
		struct fifo *in = &t->from->q[0].in;

		if (in->head - shm_load(&in->tail) < 100)
			send_frame(t->from, t->dst, t->src, ++t->sent);
		while ((m = fifo_first(&t->to->q[0].out))) {
			unsigned serial;

			memcpy(&serial, m->data + 20, sizeof(serial));
			t->wrong += serial <= t->last;
			t->last = serial;
			t->received++;
			fifo_pop(&t->to->q[0].out);
		}
	}
	return NULL;
}

static void change_filters(struct world *w, struct fake_port *a,
			   struct fake_port *b, struct rng *r)
{
	static const char *const text[] = {
		"filter-buffer,id=1,netdev=a,interval=300",
		"filter-buffer,id=2,netdev=a,interval=50,position=head",
		"filter-buffer,id=3,netdev=b,interval=200",
		"filter-replay,id=4,netdev=b,position=head",
	};
	struct fake_port *p[] = { a, a, b, b };
	unsigned i = rng_below(r, ARRAY_SIZE(text));
	const char id[] = { (char)('1' + i), '\0' };
	struct filter *f = filter_find(&p[i]->port, id);

	if (!f)
		add(w, p[i], text[i]);
	else if (rng_below(r, 3))
		filter_set_status(f, !f->is_on);
	else
		filter_remove(f);
}

static unsigned dropped_for(const struct fake_port *p)
{
	return (unsigned)stat_read(&p->q[0].txq.stats.drops[DROP_TX_FULL]);
}

static void test_order_under_changes(void **state)
{
	struct world w = start(3);
	struct fake_port *a = add_port_full(&w, "a", "x", PORT_FULL_WAIT, 1);
	struct fake_port *b = add_port_full(&w, "b", "x", PORT_FULL_WAIT, 1);
	struct traffic t[2] = { { .from = a, .to = b, .dst = 2, .src = 1 },
				{ .from = b, .to = a, .dst = 1, .src = 2 } };
	struct rng r = rng_start();
	pthread_t thread[2];

	(void)state;
	a->q[0].out_is_read = b->q[0].out_is_read = true;
	a->port.full_ns = b->port.full_ns = 10000000000;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, run_traffic, &t[i]),
			0);
	for (unsigned i = 0; i < 400; i++) {
		change_filters(&w, a, b, &r);
		nanosleep(&(struct timespec){ 0, 1000 * rng_below(&r, 2000) },
			  NULL);
	}
	filter_remove_all(&a->port);
	filter_remove_all(&b->port);
	assert_null(a->port.filters);
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
	for (unsigned i = 0; i < 2; i++) {
		shm_store(&t[i].stop, true);
		pthread_join(thread[i], NULL);
		assert_int_equal(t[i].wrong, 0);
		assert_in_range(t[i].received, 1000, t[i].sent);
		/* Frames of a removed filter do not wait for a full receiver;
		 * others still wait in queues; nothing else is missing. */
		assert_in_range(t[i].sent - t[i].received -
					dropped_for(t[i].to),
				0, QUEUE_ROOM);
	}
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

static void check_order(const struct fake_port *p, const char *ids)
{
	const struct filter_chain *c = p->port.filters;

	assert_int_equal(c ? c->count : 0, strlen(ids));
	for (unsigned i = 0; ids[i]; i++)
		assert_int_equal(c->filter[i]->spec->common.id[0], ids[i]);
}

static void test_positions(void **state)
{
	static const struct {
		const char *more, *ids;
	} step[] = {
		{ "id=a", "a" },
		{ "id=b", "ab" },
		{ "id=c,position=head", "cab" },
		{ "id=d,position=id=a", "cadb" },
		{ "id=e,position=id=a,insert=before", "ceadb" },
		{ "id=f,position=id=b,insert=behind", "ceadbf" },
		{ "id=g,position=id=c,insert=before", "gceadbf" },
	};
	struct world w = start(1);
	struct fake_port *p = add_port(&w, "p", "x");

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
		char text[100];

		snprintf(text, sizeof(text), "filter-replay,netdev=p,%s",
			 step[i].more);
		add(&w, p, text);
		check_order(p, step[i].ids);
	}
	filter_remove(filter_find(&p->port, "g"));
	filter_remove(filter_find(&p->port, "f"));
	filter_remove(filter_find(&p->port, "a"));
	check_order(p, "cedb");
	assert_null(filter_find(&p->port, "a"));
	filter_remove_all(&p->port);
	check_order(p, "");
	remove_port(&w, p);
	stop(&w);
}

/* What wire_next() writes is what QEMU writes. */
static void test_wire(void **state)
{
	uint8_t data[60], out[WIRE_MAX];
	const struct vnet_hdr none = { 0 };
	struct wire_frame f;
	struct wire_out *w = calloc(1, sizeof(*w));

	(void)state;
	assert_non_null(w);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	wire_begin(w, false, &none, data, sizeof(data));
	assert_int_equal(wire_next(w, out), 4 + sizeof(data));
	assert_int_equal(get_be32(out), sizeof(data));
	assert_memory_equal(out + 4, data, sizeof(data));
	assert_int_equal(wire_next(w, out), 0);
	wire_begin(w, true, &none, data, sizeof(data));
	assert_int_equal(wire_next(w, out), 8 + 12 + sizeof(data));
	assert_int_equal(get_be32(out), 12 + sizeof(data));
	assert_int_equal(get_be32(out + 4), 12);
	assert_memory_equal(out + 20, data, sizeof(data));
	/* every beginning of it is incomplete */
	for (unsigned n = 0; n < 20 + sizeof(data); n++)
		assert_int_equal(wire_parse(out, n, true, &f), WIRE_MORE);
	assert_int_equal(wire_parse(out, sizeof(out), true, &f), WIRE_FRAME);
	assert_int_equal(f.used, 20 + sizeof(data));
	assert_int_equal(f.len, sizeof(data));
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waiting_frames_are_seen_once),
		cmocka_unit_test(test_order_under_changes),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_wire),
	};

	log_level = LOG_LEVEL_ERR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
