/* SPDX-License-Identifier: Apache-2.0 */
/* Observers get the events they asked for, and no others. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "fake_port.h"
#include "observer.h"
#include "switch.h"

struct notes {
	struct observer o;
	struct observers *all; /* to leave at the first event */
	unsigned count;
	char text[16][80];
};

static void note(struct observer *o, const struct event *e)
{
	struct notes *n = container_of(o, struct notes, o);

	if (n->count < 16)
		snprintf(n->text[n->count], sizeof(n->text[0]), "%s %s %s%s",
			 event_names[e->kind], e->port, e->net ? e->net : "-",
			 e->kind != EVENT_LINK ? ""
			 : e->is_up	       ? " up"
					       : " down");
	n->count++;
	if (n->all)
		observer_remove(n->all, o);
}

static void test_kinds(void **state)
{
	struct observers all = { 0 };
	struct notes links = { .o = { note, 1 << EVENT_LINK, NULL } };
	struct notes once = { .o = { note, EVENT_ALL, NULL }, .all = &all };
	struct event e = { .kind = EVENT_PORT_ADDED, .port = "a", .net = "n" };

	(void)state;
	observers_tell(&all, &e);
	observer_add(&all, &links.o);
	assert_int_equal(all.kinds, 1 << EVENT_LINK);
	observer_add(&all, &once.o);
	assert_int_equal(all.kinds, EVENT_ALL);
	observers_tell(&all, &e);
	assert_int_equal(links.count, 0);
	assert_int_equal(once.count, 1);
	/* the observer removed itself during the call */
	assert_int_equal(all.kinds, 1 << EVENT_LINK);
	e.kind = EVENT_LINK;
	observers_tell(&all, &e);
	assert_int_equal(once.count, 1);
	assert_string_equal(links.text[0], "link a n down");
	observer_remove(&all, &links.o);
	observer_remove(&all, &links.o);
	assert_int_equal(all.kinds, 0);
}

static void turn_loop(struct world *w, uint64_t ms)
{
	uint64_t end = loop_now_ms() + ms;
	struct loop_timer t = { 0 };

	while (loop_now_ms() < end) {
		loop_timer_arm(w->loop, &t, 10, loop_timer_disarm);
		loop_step(w->loop);
	}
	loop_timer_disarm(&t);
}

static void test_ports_and_links(void **state)
{
	struct world w = start(1);
	struct notes n = { .o = { note, EVENT_ALL, NULL } };
	struct fake_port *p;
	struct txq *txq;

	(void)state;
	observer_add(switch_observers(w.sw), &n.o);
	p = add_port(&w, "one", "blue");
	txq = &p->q[0].txq;
	for (unsigned i = 0; i < 100; i++) { /* back at once: no event */
		port_set_txqs(&p->port, NULL, 0, 0);
		port_set_txqs(&p->port, &txq, 1, OFFLOAD_ALL);
	}
	turn_loop(&w, 200);
	assert_int_equal(n.count, 1);
	port_set_txqs(&p->port, NULL, 0, 0);
	port_set_txqs(&p->port, NULL, 0, 0); /* no change, no event */
	turn_loop(&w, 200);
	port_set_txqs(&p->port, &txq, 1, OFFLOAD_ALL);
	port_set_txqs(&p->port, NULL, 0, 0);
	remove_port(&w, p);
	turn_loop(&w, 100);
	assert_string_equal(n.text[0], "port-added one blue");
	assert_string_equal(n.text[1], "link one blue down");
	assert_string_equal(n.text[2], "link one blue up");
	assert_string_equal(n.text[3], "port-removed one blue");
	assert_int_equal(n.count, 4);
	observer_remove(switch_observers(w.sw), &n.o);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_ports_and_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
