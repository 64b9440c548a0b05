/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gain from more queue pairs and more workers: two ports send 64-byte
 * frames of many flows to each other, both ways, on all their queues. The
 * workers are the switch's own. Each also plays the guests: it fills a queue's
 * transmitq before it polls the queue, and empties the receiveq before it sends
 * to it. So the guests need no core, and no queue is ever empty or full. The
 * guests' cycles are counted apart.
 *
 * scale_bench [SECONDS [PAIRS WORKERS]]
 *	1, 2 and 4 pairs by 1, 2 and 4 workers, as far as there are processors;
 *	or just this. bench/scaling.py counts instructions of the latter.
 */
#include "../unit/test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../unit/fake_port.h"
#include "../unit/vq_rig.h"
#include "cycles.h"
#include "switch.h"
#include "worker.h"
#include "vnet.h"

#define FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_NET_F_MRG_RXBUF)
#define RING	 256u
#define BURST	 32u
#define FLOWS	 16u /* flows of each queue pair */
#define HDR	 12u
#define FRAME	 64u
#define SLOT	 512u
#define AT_MOST	 4u /* most pairs, most workers */

/* A queue pair and its guest. */
struct queue_pair {
	struct rxq rxq;
	struct vq_rig out_of_guest; /* the guest's transmitq */
	struct vnet_rx_stats bad;
	struct waiting waiting;
	unsigned next;	      /* next slot to send */
	uint64_t send_cycles; /* the guest's cycles in rx_burst */
	struct txq txq __cacheline;
	struct vq_rig into_guest; /* the guest's receiveq */
	struct copy_choice choice;
	uint64_t receive_cycles; /* the guest's cycles in tx_burst */
} __cacheline;

struct side {
	struct port port;
	unsigned pairs;
	struct queue_pair pair[AT_MOST];
};

/* The guest's part; scaling.py leaves it out of the count. */
static __attribute__((noinline)) void guest_send(struct queue_pair *p)
{
	struct vq_drv_used used[RING];
	struct vq_drv_buf buf[BURST];
	struct iovec iov[BURST];

	vq_drv_pop_burst(p->out_of_guest.drv, used, RING);
	for (unsigned i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){ p->out_of_guest.base +
						 (size_t)p->next * SLOT,
					 HDR + FRAME };
		buf[i] = (struct vq_drv_buf){ .iov = &iov[i],
					      .readable_count = 1,
					      .cookie = p };
		p->next = (p->next + 1) % RING;
	}
	vq_drv_push_burst(p->out_of_guest.drv, buf, BURST);
}

static void guest_offer(struct queue_pair *p, unsigned slot)
{
	struct iovec iov = { p->into_guest.base + (size_t)slot * SLOT, SLOT };
	struct vq_drv_buf buf = { .iov = &iov,
				  .writable_count = 1,
				  .cookie = (void *)(uintptr_t)(slot + 1) };

	vq_drv_push_burst(p->into_guest.drv, &buf, 1);
}

static __attribute__((noinline)) void guest_receive(struct queue_pair *p)
{
	struct vq_drv_used used[RING];
	unsigned n = vq_drv_pop_burst(p->into_guest.drv, used, RING);

	for (unsigned i = 0; i < n; i++)
		guest_offer(p, (unsigned)(uintptr_t)used[i].cookie - 1);
}

static unsigned rx_burst(struct rxq *rxq, struct burst *b)
{
	struct queue_pair *p = container_of(rxq, struct queue_pair, rxq);
	uint64_t since = cycles_now();

	guest_send(p);
	stat_add(&p->send_cycles, cycles_now() - since);
	return vnet_rx_burst(&p->out_of_guest.dev, 0, (void *)b->scratch,
			     &p->waiting, rxq->snap, b->frame, b->want,
			     &b->borrowed, &p->bad);
}

static void rx_done(struct rxq *rxq, struct burst *b)
{
	struct queue_pair *p = container_of(rxq, struct queue_pair, rxq);

	vnet_rx_done(&p->out_of_guest.dev, (void *)b->scratch, &p->waiting,
		     b->borrowed, b->held_mask);
}

static unsigned tx_burst(struct txq *txq, struct frame *const *frames,
			 unsigned n)
{
	struct queue_pair *p = container_of(txq, struct queue_pair, txq);
	uint64_t since = cycles_now();

	guest_receive(p);
	stat_add(&p->receive_cycles, cycles_now() - since);
	n = vnet_tx_burst(&p->into_guest.dev, &p->choice, frames, n).taken;
	return n;
}

static const struct port_ops ops = { .rx_burst = rx_burst,
				     .rx_done = rx_done,
				     .tx_burst = tx_burst };
static const struct port_type type = { .name = "side" };

static void rig_start(struct vq_rig *rig)
{
	struct vq_rig_config c = { .features = FEATURES,
				   .count = RING,
				   .size = RING * SLOT,
				   .regions = 1 };

	vq_rig_init(rig, &c);
	vq_drv_disarm(rig->drv);
}

/* Writes frames of FLOWS flows between the two ports' addresses. */
static void write_frames(struct queue_pair *p, bool is_back, unsigned idx)
{
	for (unsigned i = 0; i < RING; i++) {
		uint8_t *at = p->out_of_guest.base + (size_t)i * SLOT + HDR;
		unsigned flow = idx * FLOWS + i % FLOWS;
		struct message m;

		if (is_back)
			make_udp_back(&m, 1, 2, flow, i);
		else
			make_udp(&m, 2, 1, flow, i);
		memcpy(at, m.data, FRAME);
	}
}

static struct side *side_create(struct world *w, const char *name,
				unsigned pairs, bool is_back)
{
	struct side *s = aligned_alloc(CACHE_LINE, sizeof(*s));
	struct port_env env = switch_port_env(w->sw);
	char net[] = "lan";
	struct port_conf conf = { .id = (char *)(uintptr_t)name,
				  .net = net,
				  .max_macs = 100 };
	struct err err;

	assert_non_null(s);
	memset(s, 0, sizeof(*s));
	s->pairs = pairs;
	assert_int_equal(port_init(&s->port, &env, &type, &ops, &conf, pairs),
			 0);
	for (unsigned i = 0; i < pairs; i++) {
		struct queue_pair *p = &s->pair[i];

		rig_start(&p->out_of_guest);
		rig_start(&p->into_guest);
		write_frames(p, is_back, i);
		for (unsigned slot = 0; slot < RING; slot++)
			guest_offer(p, slot);
		p->rxq = (struct rxq){ .port = &s->port,
				       .idx = (uint16_t)i,
				       .can_spin = true,
				       .event_fd = -1 };
		p->txq = (struct txq){ .port = &s->port, .idx = (uint16_t)i };
		s->port.rxq[i] = &p->rxq;
		s->port.txq[i] = &p->txq;
	}
	assert_int_equal(port_set_txqs(&s->port, s->port.txq, pairs, 0), 0);
	assert_int_equal(switch_add_port(w->sw, &s->port, net, &err), 0);
	return s;
}

static void side_destroy(struct world *w, struct side *s)
{
	switch_remove_port(w->sw, &s->port);
	for (unsigned i = 0; i < s->pairs; i++) {
		vq_rig_fini(&s->pair[i].out_of_guest);
		vq_rig_fini(&s->pair[i].into_guest);
	}
	port_fini(&s->port);
	free(s);
}

struct sum {
	uint64_t sent, received, dropped, working, guest;
};

static void add_side(struct sum *sum, const struct side *s)
{
	for (unsigned i = 0; i < s->pairs; i++) {
		const struct queue_pair *p = &s->pair[i];

		sum->sent += stat_read(&p->rxq.stats.frames);
		sum->received += stat_read(&p->txq.stats.frames);
		for (unsigned d = 0; d < DROP_COUNT; d++)
			sum->dropped += stat_read(&p->rxq.stats.drops[d]) +
					stat_read(&p->txq.stats.drops[d]);
		sum->guest += stat_read(&p->send_cycles) +
			      stat_read(&p->receive_cycles);
	}
}

static struct sum sum_up(const struct world *w, struct side *const *side)
{
	struct sum sum = { 0 };

	add_side(&sum, side[0]);
	add_side(&sum, side[1]);
	for (unsigned i = 0; i < switch_workers(w->sw)->count; i++)
		sum.working +=
			stat_read(&switch_workers(w->sw)->worker[i].working);
	return sum;
}

static void pass(double seconds)
{
	struct timespec t = { (time_t)seconds, 0 };

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static void measure(unsigned pairs, unsigned workers, double seconds)
{
	int cpus[CPU_SETSIZE];
	unsigned cpu_count = 0;
	struct switch_config c = { .workers = workers,
				   .cpus = cpus,
				   .poll_us = -1,
				   .mac_age_s = 300 };
	struct side *side[2];
	struct sum first, last, end;
	struct world w;
	cpu_set_t set;
	double frames;

	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpus[cpu_count++] = i;
	c.cpu_count = cpu_count;
	w = start_with(&c);
	side[0] = side_create(&w, "a", pairs, false);
	side[1] = side_create(&w, "b", pairs, true);
	for (unsigned i = 0; i < pairs; i++) {
		/* both directions of a pair are on one worker, if there are
		 * several */
		assert_int_equal(rxq_attach(&side[0]->pair[i].rxq), 0);
		assert_int_equal(rxq_attach(&side[1]->pair[i].rxq), 0);
	}
	pass(0.2);
	first = sum_up(&w, side);
	pass(seconds);
	last = sum_up(&w, side);
	for (unsigned i = 0; i < pairs; i++) {
		rxq_detach(&side[0]->pair[i].rxq);
		rxq_detach(&side[1]->pair[i].rxq);
	}
	end = sum_up(&w, side);
	assert_int_equal(end.received + end.dropped, end.sent);
	frames = (double)(last.received - first.received);
	printf("%5u %7u %8.2f %12.1f %12.1f %10llu %8llu\n", pairs, workers,
	       frames / seconds / 1e6,
	       (double)((last.working - first.working) -
			(last.guest - first.guest)) /
		       frames,
	       (double)(last.guest - first.guest) / frames,
	       (unsigned long long)end.received,
	       (unsigned long long)end.dropped);
	fflush(stdout);
	side_destroy(&w, side[0]);
	side_destroy(&w, side[1]);
	stop(&w);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	unsigned pairs = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	unsigned workers = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (seconds <= 0 || argc == 3 || pairs > AT_MOST || workers > AT_MOST) {
		fprintf(stderr,
			"usage: scale_bench [SECONDS [PAIRS WORKERS]], "
			"at most %u of each\n",
			AT_MOST);
		return 2;
	}
	printf("%5s %7s %8s %12s %12s %10s %8s\n", "pairs", "workers", "Mpps",
	       "cycles", "of guests", "frames", "dropped");
	if (pairs && workers) {
		measure(pairs, workers, seconds);
		return 0;
	}
	for (pairs = 1; pairs <= AT_MOST; pairs *= 2)
		for (workers = 1; workers <= MIN(AT_MOST, cpus); workers *= 2)
			measure(pairs, workers, seconds);
	return 0;
}
