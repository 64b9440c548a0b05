/* SPDX-License-Identifier: Apache-2.0 */
/* Hubs: every frame goes to all other ports and nothing is learned; ports that
 * move between networks. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "fake_port.h"
#include "net.h"

static void test_names(void **state)
{
	static const char *const switches[] = { "hub",	 "default", "",
						"hub1a", "ahub1",   "hub-1" };

	(void)state;
	assert_true(switch_is_hub("hub0"));
	assert_true(switch_is_hub("hub2147483647"));
	for (unsigned i = 0; i < ARRAY_SIZE(switches); i++)
		assert_false(switch_is_hub(switches[i]));
}

/* Each of the @n frames of @from reaches all of @others. */
static void test_repeats(void **state)
{
	struct world w = start(2);
	struct fake_port *p[] = { add_port(&w, "a", "hub1"),
				  add_port(&w, "b", "hub1"),
				  add_port(&w, "c", "hub1") };
	struct fake_port *o = add_port(&w, "o", "hub2");

	(void)state;
	/* known addresses, an unknown one, itself, all */
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < 3; i++)
			for (unsigned dst = 1; dst <= 4; dst++)
				send_frame(p[i], dst < 4 ? dst : 255, i + 1, 0);
	for (unsigned i = 0; i < 3; i++) {
		wait_taken(p[i]);
		assert_int_equal(p[i]->q[0].rxq.stats.drops[DROP_RX_HAIRPIN],
				 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(wait_frames(p[i], 24), 24);
		assert_int_equal(shm_load(&p[i]->port.mac_count), 0);
	}
	assert_int_equal(fdb_count(p[0]->port.net->base.fdb), 0);
	assert_int_equal(o->q[0].out.head, 0);
	send_frame(o, 1, 9, 0); /* alone in its hub */
	wait_taken(o);
	assert_int_equal(o->q[0].rxq.stats.drops[DROP_RX_ALONE], 1);
	for (unsigned i = 0; i < 3; i++)
		remove_port(&w, p[i]);
	remove_port(&w, o);
	stop(&w);
}

/* A port that takes nothing delays no other one, though it asks senders to
 * wait. */
static void test_full(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "hub1");
	struct fake_port *b = add_port_full(&w, "b", "hub1", PORT_FULL_WAIT, 1);
	struct fake_port *c = add_port(&w, "c", "hub1");

	(void)state;
	shm_store(&b->port.full_ns, 60000000000);
	shm_store(&b->q[0].out_room, 5);
	for (unsigned i = 0; i < 200; i++)
		send_frame(a, 2, 1, i);
	assert_int_equal(wait_frames(c, 200), 200);
	wait_taken(a);
	assert_int_equal(b->q[0].out.head, 5);
	assert_int_equal(b->q[0].txq.stats.drops[DROP_TX_FULL], 195);
	for (unsigned i = 0; i < 200; i++) {
		unsigned serial;

		memcpy(&serial, c->q[0].out.slot[i].data + 20, sizeof(serial));
		assert_int_equal(serial, i);
	}
	remove_port(&w, a);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

static void test_vlan(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "hub1");
	struct fake_port *b = add_port(&w, "b", "x");
	const struct vlan_conf vlan = { .vlan = (char *)(uintptr_t) "5" };
	const struct vlan_conf none = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(switch_set_vlan(&a->port, &vlan, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "hub1 is a hub"));
	assert_null(a->port.vlan);
	assert_int_equal(switch_set_vlan(&a->port, &none, &err), 0);
	assert_int_equal(switch_set_vlan(&b->port, &vlan, &err), 0);
	assert_int_equal(switch_move_port(w.sw, &b->port, "hub1", &err),
			 -EINVAL);
	assert_string_equal(switch_net_name(&b->port), "x");
	remove_port(&w, a);
	remove_port(&w, b);
	stop(&w);
}

/* A port moves between a switch and a hub while frames come in. */
static void test_move(void **state)
{
	struct world w = start(2);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x");
	struct fake_port *c = add_port(&w, "c", "hub1");
	struct err err;

	(void)state;
	send_frame(b, 255, 2, 0);
	assert_int_equal(wait_frames(a, 1), 1);
	assert_int_equal(shm_load(&b->port.mac_count), 1);
	for (unsigned i = 0; i < 100; i++) {
		const char *to = i % 2 ? "x" : "hub1";
		struct fake_port *other = i % 2 ? a : c;
		unsigned n;

		send_frame(b, 255, 2, i);
		assert_int_equal(switch_move_port(w.sw, &b->port, to, &err), 0);
		assert_string_equal(switch_net_name(&b->port), to);
		wait_taken(b);
		n = shm_load(&other->q[0].out.head);
		send_frame(b, 255, 2, i);
		assert_int_equal(wait_frames(other, n + 1), n + 1);
		assert_int_equal(shm_load(&b->port.mac_count), i % 2);
		if (other->q[0].out.head > QUEUE_ROOM / 2)
			other->q[0].out.head = 0;
	}
	/* the last port of a network takes it along */
	remove_port(&w, a);
	assert_int_equal(switch_move_port(w.sw, &b->port, "y", &err), 0);
	assert_int_equal(switch_move_port(w.sw, &b->port, "x", &err), 0);
	assert_ptr_equal(switch_find_port(w.sw, "b"), &b->port);
	remove_port(&w, b);
	remove_port(&w, c);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_full),  cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
