/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver's cost of each way of copying large frames. One thread copies
 * frames from one set of buffers to another, 32 at a time, and a thread on
 * another core reads them, as a switch and a guest that reads its frames do.
 * Prints TSC cycles per frame of both threads, the median of bursts; waiting
 * for each other is not counted.
 *
 * copy_bench [BYTES [READ]]	frames of 1518 bytes, of which the reader
 *				touches READ (all)
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "copy_large.h"
#include "cycles.h"

#define BURST  32u
#define BURSTS 20000u
#define WINDOW 4u /* bursts that the copier may be ahead */
#define STEP   7u /* step in the order of use of the buffers */

static const char *const method_names[COPY_METHODS] = {
	[COPY_PLAIN] = "plain", [COPY_AHEAD] = "ahead", [COPY_STREAM] = "stream"
};

struct side {
	uint8_t *base;
	unsigned next;
	uint32_t cycles[BURSTS];
};

struct bench {
	size_t frame, read, stride;
	unsigned slots;
	enum copy_method method;
	struct side from, to;
	int reader_cpu;
	unsigned written __cacheline; /* [atomic] bursts written */
	unsigned done __cacheline;    /* [atomic] bursts read */
};

static uint8_t *take(const struct bench *b, struct side *s)
{
	uint8_t *p = s->base + s->next * b->stride;

	s->next = (s->next + STEP) % b->slots;
	return p;
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static uint64_t look_at(const uint8_t *p, size_t n)
{
	uint64_t sum = 0, v;

	for (size_t i = 0; i + sizeof(v) <= n; i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		sum += v;
	}
	return sum;
}

static void *reader(void *arg)
{
	struct bench *b = arg;
	struct side *s = &b->to;
	unsigned next = 0;
	uint64_t sum = 0;

	run_on(b->reader_cpu);
	for (unsigned i = 0; i < BURSTS; i++) {
		uint64_t since;

		while (shm_load_acquire(&b->written) == i)
			cpu_relax();
		since = cycles_now();
		for (unsigned k = 0; k < BURST; k++) {
			sum += look_at(s->base + next * b->stride, b->read);
			next = (next + STEP) % b->slots;
		}
		s->cycles[i] = (uint32_t)(cycles_now() - since);
		shm_store_release(&b->done, i + 1);
	}
	return (void *)(uintptr_t)(sum | 1);
}

static void copy_burst(struct bench *b)
{
	copy_large_fn *copy = copy_large_get(b->method);
	uint8_t *src = take(b, &b->from), *dst = take(b, &b->to);

	for (unsigned k = 0; k < BURST; k++) {
		struct copy_next next = { 0 };
		uint8_t *now[] = { src, dst };

		if (k + 1 < BURST) {
			src = take(b, &b->from);
			dst = take(b, &b->to);
			next = (struct copy_next){ dst, src, b->frame };
		}
		copy(now[1], now[0], b->frame, next.dst, next.src, next.size);
	}
	if (b->method == COPY_STREAM)
		copy_stream_fence();
}

static void copier(struct bench *b)
{
	for (unsigned i = 0; i < BURSTS; i++) {
		uint64_t since;

		while (i - shm_load_acquire(&b->done) >= WINDOW)
			cpu_relax();
		since = cycles_now();
		copy_burst(b);
		b->from.cycles[i] = (uint32_t)(cycles_now() - since);
		shm_store_release(&b->written, i + 1);
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double median(struct side *s)
{
	qsort(s->cycles, BURSTS, sizeof(uint32_t), by_value);
	return s->cycles[BURSTS / 2] / (double)BURST;
}

static uint8_t *buffers(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		perror("copy_bench: buffers");
		exit(1);
	}
	return p;
}

static void measure(struct bench *b, size_t set, const int cpus[2])
{
	size_t size;
	pthread_t thread;

	b->slots = (unsigned)(set / 2 / b->stride);
	b->slots += b->slots % STEP == 0;
	size = b->slots * b->stride;
	b->from.base = buffers(size);
	b->to.base = buffers(size);
	memset(b->from.base, 1, size);
	memset(b->to.base, 1, size);
	for (int m = 0; m < COPY_METHODS; m++) {
		double copy, look;

		if (!copy_large_has((enum copy_method)m))
			continue;
		b->method = (enum copy_method)m;
		b->written = b->done = b->from.next = b->to.next = 0;
		b->reader_cpu = cpus[0];
		if (pthread_create(&thread, NULL, reader, b))
			exit(1);
		run_on(cpus[1]);
		copier(b);
		pthread_join(thread, NULL);
		copy = median(&b->from);
		look = median(&b->to);
		printf("%8zu %7.1f MiB  %-8s %10.0f %10.0f %10.0f\n", b->frame,
		       (double)set / (1 << 20), method_names[m], copy, look,
		       copy + look);
	}
	munmap(b->from.base, size);
	munmap(b->to.base, size);
}

int main(int argc, char **argv)
{
	static const size_t sets[] = { 512u << 10, 8u << 20, 256u << 20 };
	static struct bench b;
	int cpus[2], n = 0;
	cpu_set_t set;

	b.frame = argc > 1 ? (size_t)atol(argv[1]) : 1518;
	b.read = argc > 2 ? (size_t)atol(argv[2]) : b.frame;
	b.stride = align_up(b.frame + 128, 64);
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = i;
	if (n < 2 || b.frame < COPY_LARGE || b.read > b.frame) {
		fprintf(stderr,
			"usage: copy_bench [BYTES >= %d [READ]], on two CPUs\n",
			COPY_LARGE);
		return 2;
	}
	printf("%8s %12s  %-8s %10s %10s %10s\n", "bytes", "working set", "way",
	       "copier", "reader", "both");
	for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
		measure(&b, sets[i], cpus);
	return 0;
}
