/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VLANs of ports: the options; and the domains of a network against the ports'
 * rules, while ports come, go and change their rules at random.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fake_port.h"
#include "net.h"

static int parse(const char *vlan, const char *trunk, const char *native,
		 struct port_vlan **out, struct err *err)
{
	struct vlan_conf c = { (char *)(uintptr_t)vlan,
			       (char *)(uintptr_t)trunk,
			       (char *)(uintptr_t)native, false };

	return port_vlan_parse(&c, out, err);
}

static void test_good(void **state)
{
	struct port_vlan *v;
	struct err err;

	(void)state;
	assert_int_equal(parse(NULL, "", "none", &v, &err), 0);
	assert_null(v);
	assert_int_equal(parse("4094", NULL, NULL, &v, &err), 0);
	assert_int_equal(v->pvid, 4094);
	assert_true(port_vlan_has(v, 4094));
	assert_false(port_vlan_has(v, 4093) || port_vlan_has(v, 0));
	free(v);
	assert_int_equal(parse("", "100:2-3,4", NULL, &v, &err), 0);
	assert_int_equal(v->pvid, VLAN_NONE);
	for (unsigned i = 0; i < VLAN_COUNT; i++)
		assert_int_equal(port_vlan_has(v, i),
				 i == 100 || (i >= 2 && i <= 4));
	free(v);
	assert_int_equal(parse("none", "1-4094", "64", &v, &err), 0);
	assert_int_equal(v->pvid, 64);
	assert_false(port_vlan_has(v, 0) || port_vlan_has(v, 4095));
	free(v);
	for (unsigned i = 0; i < VLAN_COUNT; i++)
		assert_int_equal(port_vlan_has(&port_vlan_plain, i), i != 4095);
}

static void test_bad(void **state)
{
	static const struct {
		const char *vlan, *trunk, *native, *message;
	} rows[] = {
		{ "0", NULL, NULL, "vlan=0: must be 1 to 4094, or none" },
		{ "4095", NULL, NULL, "vlan=4095: must be 1 to 4094, or none" },
		{ "1x", NULL, NULL, "vlan=1x: must be 1 to 4094, or none" },
		{ "-1", NULL, NULL, "vlan=-1: must be 1 to 4094, or none" },
		{ "5", "6", NULL,
		  "vlan=5: cannot stand together with trunk=6; one of them "
		  "must be none" },
		{ NULL, NULL, "6",
		  "native=6: needs trunk=, the VLANs it is one of" },
		{ NULL, "1:2", "3", "native=3: must be one of trunk=1:2" },
		{ NULL, "1:2", "x", "native=x: must be 1 to 4094, or none" },
		{ NULL, "9-7", NULL, "trunk=9-7: a range rises: 7-9" },
		{ NULL, "10:", NULL, "trunk=10:: '' is no VLAN" },
		{ NULL, "10::11", NULL, "trunk=10::11: '' is no VLAN" },
		{ NULL, "10-", NULL, "trunk=10-: '10-' is no range" },
		{ NULL, "5-7:6", NULL, "trunk=5-7:6: '6' names a VLAN again" },
		{ NULL, "a", NULL, "trunk=a: 'a' is no VLAN" },
		{ NULL, "99999999999999999999", NULL,
		  "trunk=99999999999999999999: '99999999999999999999' is no "
		  "VLAN" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct port_vlan *v;
		struct err err;

		assert_int_equal(parse(rows[i].vlan, rows[i].trunk,
				       rows[i].native, &v, &err),
				 -EINVAL);
		assert_null(v);
		/* an example may follow */
		err.msg[strlen(rows[i].message)] = '\0';
		assert_string_equal(err.msg, rows[i].message);
	}
}

#define PORTS 12

/* Checks that the domain of @vlan has exactly the ports that the rules name. */
static void check_domain(struct net *net, unsigned vlan,
			 struct fake_port *const *port)
{
	const struct topology *t =
		vlan ? net->vlans->domain[vlan].topology : net->base.topology;
	unsigned count = 0, wanted = 0;

	for (unsigned i = 0; i < t->count; i++)
		count += t->port[i] != NULL;
	for (unsigned i = 0; i < PORTS; i++) {
		const struct port_vlan *v;

		if (!port[i])
			continue;
		v = port[i]->port.vlan;
		if (!port_vlan_has(v ? v : &port_vlan_plain, vlan))
			continue;
		wanted++;
		assert_true(port[i]->port.slot < t->count);
		assert_ptr_equal(t->port[port[i]->port.slot], &port[i]->port);
	}
	assert_int_equal(count, wanted);
}

static void check(struct fake_port *const *port)
{
	unsigned rules = 0, first = PORTS;
	struct net *net;

	for (unsigned i = 0; i < PORTS; i++) {
		if (!port[i])
			continue;
		first = i;
		rules += port[i]->port.vlan != NULL;
	}
	if (first == PORTS)
		return;
	net = port[first]->port.net;
	assert_int_equal(net->rule_count, rules);
	assert_int_equal(!net->vlans, !rules);
	check_domain(net, 0, port);
	for (unsigned v = 1; net->vlans && v <= VLAN_MAX; v++)
		check_domain(net, v, port);
}

/* Makes random options in @text; unset ones stay NULL. */
static struct vlan_conf random_rules(struct rng *r, char text[3][64])
{
	struct vlan_conf c = { .dot1ad = false };
	unsigned a = 1 + rng_below(r, 50), b = a + rng_below(r, 4000);

	switch (rng_below(r, 5)) {
	case 0:
		snprintf(text[0], 64, "%u", 1 + rng_below(r, 20));
		c.vlan = text[0];
		break;
	case 1:
		snprintf(text[1], 64, "%u-%u", a, b);
		snprintf(text[2], 64, "%u", a);
		c.trunk = text[1];
		c.native = text[2];
		break;
	case 2:
		snprintf(text[1], 64, "%u:%u", a, b + 1);
		c.trunk = text[1];
		break;
	case 3:
		snprintf(text[1], 64, "1-4094");
		c.trunk = text[1];
		break;
	default:
		break;
	}
	return c;
}

static void test_random_domains(void **state)
{
	struct world w = start(1);
	struct fake_port *port[PORTS] = { NULL };
	struct rng r = rng_start();

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		unsigned i = rng_below(&r, PORTS);
		char text[3][64], name[8];
		struct vlan_conf c = random_rules(&r, text);
		struct err err;

		snprintf(name, sizeof(name), "p%u", i);
		if (!port[i]) {
			port[i] = add_port(&w, name, "x");
			send_frame(port[i], 255, i, 0);
		} else if (!rng_below(&r, 4)) {
			remove_port(&w, port[i]);
			port[i] = NULL;
		} else {
			assert_int_equal(
				switch_set_vlan(&port[i]->port, &c, &err), 0);
			send_frame(port[i], 255, i, 0);
		}
		if (round % 8 == 0)
			check(port);
	}
	for (unsigned i = 0; i < PORTS; i++)
		if (port[i])
			remove_port(&w, port[i]);
	stop(&w);
}

/* Rules that cannot be read leave the port unchanged. */
static void test_refused(void **state)
{
	struct world w = start(1);
	struct fake_port *p = add_port(&w, "p", "x");
	char good[] = "7", bad[] = "4095";
	struct vlan_conf c = { .vlan = good };
	const struct port_vlan *before;
	struct err err;

	(void)state;
	assert_int_equal(switch_set_vlan(&p->port, &c, &err), 0);
	before = p->port.vlan;
	c.vlan = bad;
	assert_int_equal(switch_set_vlan(&p->port, &c, &err), -EINVAL);
	assert_ptr_equal(p->port.vlan, before);
	assert_int_equal(p->port.vlan->pvid, 7);
	remove_port(&w, p);
	stop(&w);
}

/* Returns how many different topologies the VLANs of @net have. */
static unsigned topologies(const struct net *net)
{
	unsigned n = 0;

	for (unsigned v = 1; v <= VLAN_MAX; v++) {
		const struct topology *t = net->vlans->domain[v].topology;
		unsigned before = 1;

		while (before < v && net->vlans->domain[before].topology != t)
			before++;
		n += before == v;
	}
	return n;
}

/* Domains that again have the same ports share a topology again. */
static void test_sharing(void **state)
{
	struct world w = start(1);
	struct fake_port *a = add_port(&w, "a", "x"),
			 *b = add_port(&w, "b", "x"),
			 *c = add_port(&w, "c", "x");
	char text[8];
	struct vlan_conf conf = { .vlan = text };

	(void)state;
	snprintf(text, sizeof(text), "1");
	assert_int_equal(switch_set_vlan(&a->port, &conf, NULL), 0);
	for (unsigned i = 1; i <= 64; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(switch_set_vlan(&b->port, &conf, NULL), 0);
		snprintf(text, sizeof(text), "none");
		assert_int_equal(switch_set_vlan(&b->port, &conf, NULL), 0);
	}
	/* b and c in all VLANs, and a besides in VLAN 1 */
	assert_int_equal(topologies(a->port.net), 2);
	remove_port(&w, b);
	assert_int_equal(topologies(a->port.net), 2);
	remove_port(&w, a);
	remove_port(&w, c);
	stop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_random_domains),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_sharing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
