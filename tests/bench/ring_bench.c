/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cycles per chain on a ring: bursts of 32 chains of one buffer, as
 * network frames have them.
 *
 *	ring_bench [size] [bursts]	both sides on one thread (warm)
 *	ring_bench -2 [size] [bursts]	driver side on a second thread and core
 *
 * Prints the best window of many (the cost of the code) and the mean (with the
 * machine's disturbances) of the device side; in one thread the driver side's,
 * too.
 */
#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#include "shm.h"
#include "vq_rig.h"

#define BURST	    32
#define WINDOW	    64 /* bursts whose cycles are added up */
#define BUFFER_SIZE 2048

struct cost {
	uint64_t cycles, chains; /* of the present window */
	uint64_t all_cycles, all_chains;
	double best;
};

struct bench {
	struct vq_rig rig;
	bool is_readable;
	unsigned bursts;
	bool is_over;
	unsigned next; /* next buffer to offer */
	struct cost drv_push, dev_pop, dev_push, drv_pop;
	struct vq_chain chain[BURST];
	struct vq_done done[BURST];
	struct iovec iov[BURST];
	struct vq_drv_buf buf[BURST];
	struct iovec buf_iov[BURST];
	struct vq_drv_used used[BURST];
};

static void cost_add(struct cost *c, uint64_t start, unsigned chains)
{
	c->cycles += __rdtsc() - start;
	c->chains += chains;
	if (c->chains < WINDOW * BURST)
		return;
	if (c->best == 0 || (double)c->cycles / (double)c->chains < c->best)
		c->best = (double)c->cycles / (double)c->chains;
	c->all_cycles += c->cycles;
	c->all_chains += c->chains;
	c->cycles = c->chains = 0;
}

static unsigned drive(struct bench *b)
{
	unsigned count = b->rig.config.count, n;
	uint64_t start = __rdtsc();

	n = vq_drv_pop_burst(b->rig.drv, b->used, BURST);
	if (n)
		cost_add(&b->drv_pop, start, n);
	for (unsigned i = 0; i < BURST; i++)
		b->buf_iov[i].iov_base =
			b->rig.base +
			(size_t)((b->next + i) & (count - 1)) * BUFFER_SIZE;
	start = __rdtsc();
	n = vq_drv_push_burst(b->rig.drv, b->buf, BURST);
	if (n)
		cost_add(&b->drv_push, start, n);
	b->next += n;
	return n;
}

static unsigned serve(struct bench *b)
{
	uint64_t start = __rdtsc();
	unsigned n =
		vq_dev_pop_burst(&b->rig.dev, b->chain, BURST, b->iov, BURST);

	if (n == 0)
		return 0;
	cost_add(&b->dev_pop, start, n);
	for (unsigned i = 0; i < n; i++)
		b->done[i] = (struct vq_done){ b->chain[i].id,
					       b->chain[i].slot_count,
					       b->is_readable ? 0 : 64 };
	start = __rdtsc();
	vq_dev_push_burst(&b->rig.dev, b->done, n);
	cost_add(&b->dev_push, start, n);
	return n;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *drive_loop(void *arg)
{
	struct bench *b = arg;

	pin(1);
	while (!shm_load(&b->is_over))
		drive(b);
	return NULL;
}

static void run(struct bench *b, bool has_thread)
{
	pthread_t thread;

	if (!has_thread) {
		for (unsigned i = 0; i < b->bursts; i++) {
			drive(b);
			serve(b);
		}
		return;
	}
	pin(0);
	pthread_create(&thread, NULL, drive_loop, b);
	for (unsigned i = 0; i < b->bursts; i++)
		while (!serve(b))
			;
	shm_store(&b->is_over, true);
	pthread_join(thread, NULL);
}

static double mean(const struct cost *c)
{
	return c->all_chains ? (double)c->all_cycles / (double)c->all_chains
			     : 0;
}

static void bench(const char *name, uint64_t features, bool is_readable,
		  uint32_t count, unsigned bursts, bool has_thread)
{
	static struct bench b;
	struct vq_rig_config config = { features, count,
					(uint64_t)count * BUFFER_SIZE, 1, 0 };

	memset(&b, 0, sizeof(b));
	b.is_readable = is_readable;
	b.bursts = bursts;
	vq_rig_init(&b.rig, &config);
	for (unsigned i = 0; i < BURST; i++) {
		b.buf_iov[i].iov_len = BUFFER_SIZE;
		b.buf[i] = (struct vq_drv_buf){
			.iov = &b.buf_iov[i],
			.readable_count = is_readable,
			.writable_count = !is_readable,
			.cookie = &b,
		};
	}
	run(&b, has_thread);
	printf("%-26s pop %5.1f (%5.1f)  push %5.1f (%5.1f)", name,
	       b.dev_pop.best, mean(&b.dev_pop), b.dev_push.best,
	       mean(&b.dev_push));
	if (!has_thread)
		printf("  | driver push %5.1f  pop %5.1f", b.drv_push.best,
		       b.drv_pop.best);
	printf("\n");
	vq_rig_fini(&b.rig);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		uint64_t features;
	} kinds[] = {
		{ "split", 0 },
		{ "split in-order", 1ull << VIRTIO_F_IN_ORDER },
		{ "packed", 1ull << VIRTIO_F_RING_PACKED },
		{ "packed in-order",
		  1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER },
	};
	bool has_thread = argc > 1 && !strcmp(argv[1], "-2");
	int at = has_thread ? 2 : 1;
	uint32_t count = argc > at ? (uint32_t)atoi(argv[at]) : 256;
	unsigned bursts = argc > at + 1 ? (unsigned)atoi(argv[at + 1]) : 400000;

	printf("ring of %u, bursts of %u, TSC cycles a chain, best (mean)\n",
	       count, BURST);
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		for (int is_readable = 1; is_readable >= 0; is_readable--) {
			char name[64];

			snprintf(name, sizeof(name), "%s %s", kinds[i].name,
				 is_readable ? "readable" : "writable");
			bench(name, kinds[i].features, is_readable, count,
			      bursts, has_thread);
		}
	return 0;
}
