/* SPDX-License-Identifier: Apache-2.0 */
/* wakebench - measures latencies between cores 0 and 1 (cache line ping-pong,
 * eventfd to epoll wake-up) and the cost of the system calls that a switch
 * makes for a kick or call. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <poll.h>

static void pin(int c)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(c, &s);
	pthread_setaffinity_np(pthread_self(), sizeof s, &s);
}
static uint64_t ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static int cmp(const void *a, const void *b)
{
	uint64_t x = *(uint64_t *)a, y = *(uint64_t *)b;
	return x < y ? -1 : x > y;
}
static void pr(const char *n, uint64_t *v, int k)
{
	qsort(v, k, 8, cmp);
	printf("%-44s p50 %8.0f ns  p90 %8.0f  p99 %8.0f  max %9.0f  (n=%d)\n",
	       n, (double)v[k / 2], (double)v[k * 9 / 10],
	       (double)v[k * 99 / 100], (double)v[k - 1], k);
	fflush(stdout);
}
struct {
	_Alignas(128) atomic_uint_fast64_t a;
	_Alignas(128) atomic_uint_fast64_t b;
} L;
static void *pong(void *x)
{
	pin(1);
	uint64_t n = (uint64_t)(uintptr_t)x;
	for (uint64_t i = 1; i <= n; i++) {
		while (atomic_load_explicit(&L.a, memory_order_acquire) != i)
			;
		atomic_store_explicit(&L.b, i, memory_order_release);
	}
	return 0;
}
static int efd, spin;
static atomic_uint_fast64_t twake;
static atomic_int stop;
static void *waiter(void *x)
{
	(void)x;
	pin(1);
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN };
	epoll_ctl(ep, EPOLL_CTL_ADD, efd, &e);
	while (!stop) {
		int k = epoll_wait(ep, &e, 1, spin ? 0 : 1000);
		if (k > 0) {
			atomic_store(&twake, ns());
			uint64_t v;
			if (read(efd, &v, 8) < 0) {
			}
		}
	}
	close(ep);
	return 0;
}
int main(void)
{
	pthread_t t;
	pin(0);
	for (int r = 0; r < 3; r++) {
		uint64_t N = 2000000;
		L.a = L.b = 0;
		pthread_create(&t, 0, pong, (void *)(uintptr_t)N);
		uint64_t t0 = ns();
		for (uint64_t i = 1; i <= N; i++) {
			atomic_store_explicit(&L.a, i, memory_order_release);
			while (atomic_load_explicit(&L.b,
						    memory_order_acquire) != i)
				;
		}
		printf("cache line ping-pong: round trip %.1f ns, one way %.1f "
		       "ns\n",
		       (ns() - t0) / (double)N, (ns() - t0) / (double)N / 2);
		pthread_join(t, 0);
	}
	efd = eventfd(0, EFD_NONBLOCK);
	static uint64_t v[200000], w[200000];
	int gaps[] = { 20, 100, 1000 };
	for (int m = 0; m < 2; m++)
		for (int g = 0; g < 3; g++) {
			spin = m;
			stop = 0;
			pthread_create(&t, 0, waiter, 0);
			usleep(20000);
			int n = gaps[g] == 1000 ? 2000 : 10000;
			for (int i = 0; i < n; i++) {
				uint64_t s = ns() + gaps[g] * 1000ull;
				while (ns() < s)
					;
				twake = 0;
				uint64_t a = ns(), one = 1;
				if (write(efd, &one, 8) < 0) {
				}
				uint64_t b = ns();
				while (!atomic_load(&twake))
					;
				v[i] = twake - a;
				w[i] = b - a;
			}
			stop = 1;
			uint64_t one = 1;
			if (write(efd, &one, 8) < 0) {
			}
			pthread_join(t, 0);
			char nm[96];
			snprintf(nm, 96, "eventfd->%s wake, every %d us",
				 m ? "spinning epoll_wait(0)"
				   : "blocking epoll_wait",
				 gaps[g]);
			pr(nm, v, n);
			snprintf(nm, 96, "   writer's own write() cost");
			pr(nm, w, n);
		}
	/* System calls on one core. */
	int N = 500000;
	uint64_t t0, x;
	uint64_t one = 1;
	t0 = ns();
	for (int i = 0; i < N; i++)
		syscall(SYS_getppid);
	printf("getppid                     %6.0f ns\n",
	       (ns() - t0) / (double)N);
	t0 = ns();
	for (int i = 0; i < N; i++)
		x = write(efd, &one, 8);
	printf("eventfd write, no waiter    %6.0f ns\n",
	       (ns() - t0) / (double)N);
	x = read(efd, &one, 8);
	t0 = ns();
	for (int i = 0; i < N; i++)
		x = read(efd, &one, 8);
	printf("eventfd read (EAGAIN)       %6.0f ns\n",
	       (ns() - t0) / (double)N);
	int ep = epoll_create1(0);
	struct epoll_event e = { .events = EPOLLIN }, o[16];
	epoll_ctl(ep, EPOLL_CTL_ADD, efd, &e);
	t0 = ns();
	for (int i = 0; i < N; i++)
		x = epoll_wait(ep, o, 16, 0);
	printf("epoll_wait(0), empty        %6.0f ns\n",
	       (ns() - t0) / (double)N);
	struct pollfd p = { efd, POLLIN, 0 };
	t0 = ns();
	for (int i = 0; i < N; i++)
		x = poll(&p, 1, 0);
	printf("poll(1 fd, 0)               %6.0f ns\n",
	       (ns() - t0) / (double)N);
	t0 = ns();
	for (int i = 0; i < N; i++)
		sched_yield();
	printf("sched_yield                 %6.0f ns\n",
	       (ns() - t0) / (double)N);
	t0 = ns();
	for (int i = 0; i < N; i++)
		x = ns();
	printf("clock_gettime (vdso)        %6.0f ns\n",
	       (ns() - t0) / (double)N);
	struct timespec ts = { 0, 1 };
	N = 5000;
	t0 = ns();
	for (int i = 0; i < N; i++)
		nanosleep(&ts, 0);
	printf("nanosleep(1ns)              %6.0f ns\n",
	       (ns() - t0) / (double)N);
	t0 = ns();
	for (int i = 0; i < 500; i++)
		epoll_wait(ep, o, 16, 1);
	printf("epoll_wait(1ms) really takes %6.0f ns\n", (ns() - t0) / 500.0);
	(void)x;
	return 0;
}
