/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linebench CPU CPU: prints the distance between two processors at this moment,
 * the round trip of a cache line between them in ns. It is the median of 41
 * windows of half a millisecond, which are short so that a processor that does
 * something else for some milliseconds spoils few of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WINDOWS	  41
#define WINDOW_NS 5e5
#define TRIPS	  50 /* between two looks at the clock */

/* The cache line: main() writes odd numbers, the other thread even ones. */
static struct {
	_Alignas(128) atomic_uint number;
} line;
static _Alignas(128) atomic_bool is_over;
static int cpu[2];

static void pin_to(int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)number, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		fprintf(stderr, "linebench: processor %d: %s\n", number,
			strerror(errno));
		exit(1);
	}
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *send_back(void *arg)
{
	unsigned awaited = 1;

	(void)arg;
	pin_to(cpu[1]);
	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		if (atomic_load_explicit(&line.number, memory_order_acquire) !=
		    awaited)
			continue;
		atomic_store_explicit(&line.number, awaited + 1,
				      memory_order_release);
		awaited += 2;
	}
	return NULL;
}

/* Makes one round trip; @number is even. */
static unsigned round_trip(unsigned number)
{
	atomic_store_explicit(&line.number, number + 1, memory_order_release);
	while (atomic_load_explicit(&line.number, memory_order_acquire) !=
	       number + 2)
		;
	return number + 2;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Reads the number of a processor into @number; returns whether @text is one.
 */
static bool read_cpu(const char *text, int *number)
{
	char *end;
	long value = strtol(text, &end, 10);

	*number = (int)value;
	return end != text && !*end && value >= 0 && value < CPU_SETSIZE;
}

int main(int argc, char **argv)
{
	double trip[WINDOWS], start, now;
	unsigned number = 0, n;
	pthread_t other;

	if (argc != 3 || !read_cpu(argv[1], &cpu[0]) ||
	    !read_cpu(argv[2], &cpu[1]) || cpu[0] == cpu[1]) {
		fprintf(stderr, "usage: linebench CPU CPU, two numbers of "
				"different processors\n");
		return 2;
	}
	pin_to(cpu[0]);
	if (pthread_create(&other, NULL, send_back, NULL)) {
		fprintf(stderr, "linebench: no second thread\n");
		return 1;
	}
	number = round_trip(number); /* the other thread runs now */
	for (int i = 0; i < WINDOWS; i++) {
		start = now_ns();
		n = 0;
		do {
			for (int j = 0; j < TRIPS; j++, n++)
				number = round_trip(number);
			now = now_ns();
		} while (now - start < WINDOW_NS);
		trip[i] = (now - start) / n;
	}
	atomic_store(&is_over, true);
	pthread_join(other, NULL);
	qsort(trip, WINDOWS, sizeof(*trip), by_size);
	printf("%.0f\n", trip[WINDOWS / 2]);
	return 0;
}
