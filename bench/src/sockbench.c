/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sockbench - measures AF_UNIX sockets as frame transports (QEMU -netdev
 * stream/dgram, vde, passt). The sender runs on core 0, the receiver on core 1.
 * stream: 4-byte length and frame per write, bulk reads; dgram: one frame per
 * message.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <arpa/inet.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static void pin(int c)
{
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(c, &s);
	pthread_setaffinity_np(pthread_self(), sizeof s, &s);
}
static int sv[2], size, kind;
static volatile int stop;
static volatile uint64_t rxb, rxn;
static unsigned char f[70000];
static void *tx(void *x)
{
	(void)x;
	pin(0);
	struct iovec v = { f, size };
	struct mmsghdr m[32];
	memset(m, 0, sizeof m);
	for (int i = 0; i < 32; i++) {
		m[i].msg_hdr.msg_iov = &v;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	static unsigned char big[32 * 1600];
	for (int i = 0; i < 32 && size <= 1550; i++) {
		*(uint32_t *)(big + i * (size + 4)) = htonl(size);
	}
	while (!stop) {
		if (kind == 0) {
			uint32_t l = htonl(size);
			struct iovec w[2] = { { &l, 4 }, { f, size } };
			if (writev(sv[0], w, 2) < 0)
				break;
		} else if (kind == 1) {
			if (send(sv[0], f, size, 0) < 0 && errno != ENOBUFS)
				break;
		} else if (kind == 2) {
			if (sendmmsg(sv[0], m, 32, 0) < 0)
				break;
		} else {
			if (write(sv[0], big, 32 * (size + 4)) < 0)
				break;
		}
	}
	return 0;
}
static void *rx(void *x)
{
	(void)x;
	pin(1);
	static unsigned char b[256 << 10];
	static unsigned char rb[32][66000];
	struct iovec v[32];
	struct mmsghdr m[32];
	memset(m, 0, sizeof m);
	for (int i = 0; i < 32; i++) {
		v[i] = (struct iovec){ rb[i], 66000 };
		m[i].msg_hdr.msg_iov = v + i;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (!stop) {
		if (kind == 0 || kind == 3) {
			ssize_t k = read(sv[1], b, sizeof b);
			if (k <= 0)
				break;
			rxb += k;
		} else if (kind == 1) {
			ssize_t k = recv(sv[1], b, sizeof b, 0);
			if (k <= 0)
				break;
			rxn++;
		} else {
			int k = recvmmsg(sv[1], m, 32, MSG_WAITFORONE, 0);
			if (k <= 0)
				break;
			rxn += k;
		}
	}
	return 0;
}
int main(void)
{
	const char *N[] = { "unix stream writev/frame", "unix dgram send/frame",
			    "unix dgram sendmmsg x32",
			    "unix stream 32 frames/write" };
	int S[] = { 64, 1500, 65000 };
	for (kind = 0; kind < 4; kind++)
		for (int s = 0; s < 3; s++) {
			size = S[s];
			if (kind == 3 && size > 1550)
				continue;
			double r[3];
			for (int i = 0; i < 3; i++) {
				socketpair(AF_UNIX,
					   kind == 0 || kind == 3 ? SOCK_STREAM
								  : SOCK_DGRAM,
					   0, sv);
				int bsz = 4 << 20;
				for (int k = 0; k < 2; k++) {
					setsockopt(sv[k], SOL_SOCKET, SO_SNDBUF,
						   &bsz, sizeof bsz);
					setsockopt(sv[k], SOL_SOCKET, SO_RCVBUF,
						   &bsz, sizeof bsz);
				}
				stop = 0;
				rxb = rxn = 0;
				pthread_t a, b;
				pthread_create(&a, 0, tx, 0);
				pthread_create(&b, 0, rx, 0);
				usleep(300000);
				uint64_t x = rxb, y = rxn;
				double t0 = now();
				usleep(1000000);
				double e = now() - t0;
				r[i] = (kind == 0 || kind == 3)
					       ? (rxb - x) /
							 (double)(size + 4) / e
					       : (rxn - y) / e;
				stop = 1;
				shutdown(sv[0], 2);
				shutdown(sv[1], 2);
				pthread_join(a, 0);
				pthread_join(b, 0);
				close(sv[0]);
				close(sv[1]);
			}
			for (int i = 0; i < 3; i++)
				for (int j = i + 1; j < 3; j++)
					if (r[j] < r[i]) {
						double q = r[i];
						r[i] = r[j];
						r[j] = q;
					}
			printf("%-28s size %6d  %8.3f Mpps  %8.2f Gbit/s  "
			       "spread %.0f%%\n",
			       N[kind], size, r[1] / 1e6, r[1] * size * 8 / 1e9,
			       100 * (r[2] - r[0]) / r[1]);
			fflush(stdout);
		}
	return 0;
}
