/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of the switch itself per frame: learning, lookup, grouping and
 * counters, between rings that cost nothing. Prints TSC cycles per frame, the
 * median of all bursts, for frames to a number of ports in turn.
 *
 * forward_bench [BURSTS]
 */
#include "../unit/test.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "edit.h"
#include "key.h"
#include "switch_impl.h"

#define PORTS	   65
#define BURST	   32
#define BURSTS_MAX 1000000

struct sink {
	struct port port;
	struct txq txq;
};

static unsigned take_all(struct txq *q, struct frame *const *frames, unsigned n)
{
	(void)frames;
	(void)q;
	return n;
}

static const struct port_ops ops = { .tx_burst = take_all };
static const struct port_type type = { .name = "sink" };

static uint64_t now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return clock_ns();
#endif
}

static struct sink *add_sink(struct vswitch *sw, unsigned i)
{
	struct sink *s = aligned_alloc(64, align_up(sizeof(*s), 64));
	struct port_env env = switch_port_env(sw);
	struct txq *txq = &s->txq;
	struct err err;
	char name[16], net[] = "lan";
	struct port_conf conf = { .id = name, .net = net, .max_macs = 100 };

	memset(s, 0, sizeof(*s));
	snprintf(name, sizeof(name), "p%u", i);
	assert_int_equal(port_init(&s->port, &env, &type, &ops, &conf, 1), 0);
	s->txq.port = &s->port;
	s->port.txq[0] = txq;
	s->port.rxq_count = 0;
	assert_int_equal(port_set_txqs(&s->port, &txq, 1, OFFLOAD_ALL), 0);
	assert_int_equal(switch_add_port(sw, &s->port, "lan", &err), 0);
	return s;
}

static void set_frame(struct frame *f, unsigned dst, unsigned src)
{
	uint8_t *head;

	f->hdr = (struct vnet_hdr){ 0 };
	f->head_off = FRAME_HEADROOM;
	f->head_len = 64;
	f->len = 64;
	f->iov_count = 0;
	f->iov = NULL;
	head = frame_head(f);
	memset(head, 0, 64);
	head[0] = head[6] = 2;
	head[5] = (uint8_t)dst;
	head[11] = (uint8_t)src;
}

static char vlan_ten[] = "10";
static const struct vlan_conf access_port = { .vlan = vlan_ten };
static const struct vlan_conf trunk_port = { .trunk = vlan_ten };

/* Sets the rules of the sender and of all others; their addresses are learned
 * anew. */
static void set_vlans(struct sink *const *sink, struct vlan_conf sender,
		      struct vlan_conf others)
{
	static struct frame plain;
	struct queue_stats stats = { 0 };
	struct vswitch *sw = sink[0]->port.sw;
	struct frame *f = &sw->forward->burst.frame[0];
	struct err err;

	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(switch_set_vlan(&sink[i]->port,
						 i ? &others : &sender, &err),
				 0);
	for (unsigned i = 0; i < PORTS; i++) {
		set_frame(&plain, 255, i);
		*f = plain;
		if (i && others.trunk)
			edit_push_tag(f, &plain, ETHERTYPE_VLAN, 10);
		forward_frames(sw->forward, &sink[i]->port, f, 1, false,
			       &stats);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Measures frames from port 0 to @n others in turn, @run frames each. */
static void measure(struct forward *fw, struct port *from, unsigned n,
		    unsigned run, uint32_t *cycles, unsigned bursts)
{
	struct queue_stats stats = { 0 };

	for (unsigned i = 0; i < bursts; i++) {
		uint64_t t;

		for (unsigned k = 0; k < BURST; k++)
			set_frame(&fw->burst.frame[k],
				  1 + (i * BURST + k) / run % n, 0);
		t = now();
		forward_frames(fw, from, fw->burst.frame, BURST, true, &stats);
		cycles[i] = (uint32_t)(now() - t);
	}
	qsort(cycles, bursts, sizeof(*cycles), by_value);
	printf("%8u %8u %8.1f\n", n, run, cycles[bursts / 2] / (double)BURST);
}

int main(int argc, char **argv)
{
	unsigned bursts = argc > 1 ? (unsigned)atoi(argv[1]) : 50000;
	struct switch_config c = { .workers = 1,
				   .poll_us = -1,
				   .mac_age_s = 300 };
	struct loop *loop = loop_create();
	struct queue_stats stats = { 0 };
	struct sink *sink[PORTS];
	struct vswitch *sw;
	struct forward *fw;
	uint32_t *cycles;
	struct err err;

	if (!bursts || bursts > BURSTS_MAX) {
		fprintf(stderr, "usage: forward_bench [BURSTS <= %d]\n",
			BURSTS_MAX);
		return 2;
	}
	cycles = calloc(bursts, sizeof(*cycles));
	assert_int_equal(switch_create(&c, loop, &sw, &err), 0);
	fw = sw->forward; /* the control thread's, which this thread is */
	for (unsigned i = 0; i < PORTS; i++)
		sink[i] = add_sink(sw, i);
	for (unsigned i = 0; i < PORTS; i++) {
		set_frame(&fw->burst.frame[0], 255, i);
		forward_frames(fw, &sink[i]->port, fw->burst.frame, 1, false,
			       &stats);
	}
	printf("%8s %8s %8s\n", "ports", "run", "cycles");
	for (unsigned n = 1; n < PORTS; n *= 4) {
		measure(fw, &sink[0]->port, n, 1, cycles, bursts);
		if (n > 1)
			measure(fw, &sink[0]->port, n, 8, cycles, bursts);
	}
	set_vlans(sink, access_port, access_port);
	printf("every port in one VLAN, untagged\n");
	measure(fw, &sink[0]->port, 1, 1, cycles, bursts);
	measure(fw, &sink[0]->port, 16, 1, cycles, bursts);
	set_vlans(sink, access_port, trunk_port);
	printf("the receivers tagged: a tag is pushed\n");
	measure(fw, &sink[0]->port, 1, 1, cycles, bursts);
	measure(fw, &sink[0]->port, 16, 1, cycles, bursts);
	for (unsigned i = 0; i < PORTS; i++) {
		switch_remove_port(sw, &sink[i]->port);
		port_fini(&sink[i]->port);
		free(sink[i]);
	}
	switch_destroy(sw);
	loop_destroy(loop);
	free(cycles);
	return 0;
}
