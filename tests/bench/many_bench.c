/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many guests at one daemon. Connects a front-end to each of PREFIX0.sock ...
 * PREFIX(PORTS-1).sock, gives all of them receive buffers, and lets the first
 * BUSY of them send 64-byte frames in pairs, port 2k to port 2k + 1, from this
 * one thread. Prints the time to connect and the rate that arrived. Then stays
 * silent until its standard input is closed, for a look at the idle daemon.
 * bench/many.py drives it.
 *
 * many_bench PREFIX PORTS BUSY SECONDS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "unix_sock.h"
#include "util.h"
#include "virtio.h"
#include "../unit/vu_guest.h"

#define BIT(f) (1ull << VIRTIO_##f)
#define FEATURES                                                      \
	(BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF) | BIT(F_EVENT_IDX) | \
	 (1ull << VHOST_USER_F_PROTOCOL_FEATURES))

#define RING	256u
#define BURST	32u
#define HDR	12u
#define FRAME	64u
#define RX_SLOT 512u
#define TX_SLOT 128u
#define MEMORY	(RING * (RX_SLOT + TX_SLOT) + (1u << 20)) /* with the rings */

struct guest {
	struct vu_guest *f;
	struct vq_drv *rx, *tx; /* the guest's receiveq and transmitq */
	uint8_t *rx_base, *tx_base;
	uint64_t received;
	unsigned next_tx, in_tx;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "many_bench: %s: %s\n", what, why);
	exit(1);
}

static void give_buffer(struct guest *g, unsigned idx)
{
	struct iovec iov = { g->rx_base + idx * RX_SLOT, RX_SLOT };
	struct vq_drv_buf b = { .iov = &iov,
				.writable_count = 1,
				.cookie = (void *)(uintptr_t)(idx + 1) };

	if (vq_drv_push_burst(g->rx, &b, 1) != 1)
		die("receive ring", "full");
}

/* Makes frame @idx one from address @from to @to; -1: broadcast. */
static void write_frame(struct guest *g, unsigned idx, int to, unsigned from)
{
	uint8_t *p = g->tx_base + idx * TX_SLOT + HDR;
	uint8_t dst[6] = { 2, 0, 0, 0, (uint8_t)(to >> 8), (uint8_t)to };
	uint8_t src[6] = { 2, 0, 0, 0, (uint8_t)(from >> 8), (uint8_t)from };

	memset(p - HDR, 0, HDR + FRAME);
	memcpy(p, dst, 6);
	if (to < 0)
		memset(p, 0xff, 6);
	memcpy(p + 6, src, 6);
	p[12] = 0x88; /* the local experimental ethertype */
	p[13] = 0xb5;
}

static void kick(struct vq_drv *vq)
{
	if (vq_drv_should_notify(vq))
		vq_drv_notify(vq);
}

static void open_guest(struct guest *g, const char *prefix, unsigned idx)
{
	struct vu_guest_config c = { .features = FEATURES,
				     .protocol_features = UINT64_MAX,
				     .queue_pairs = 1,
				     .queue_size = RING,
				     .memory_size = MEMORY };
	char path[256];
	struct err err;
	uint64_t size;
	int sock;

	snprintf(path, sizeof(path), "%s%u.sock", prefix, idx);
	sock = unix_connect("path", path, &err);
	if (sock < 0)
		die(path, err.msg);
	g->f = vu_guest_create(sock, &c, &err);
	if (!g->f)
		die(path, err.msg);
	g->rx = vu_guest_queue(g->f, 0);
	g->tx = vu_guest_queue(g->f, 1);
	g->rx_base = vu_guest_memory(g->f, &size);
	g->tx_base = g->rx_base + RING * RX_SLOT;
	if (size < RING * (RX_SLOT + TX_SLOT))
		die(path, "memory too small");
	for (unsigned i = 0; i < RING; i++)
		give_buffer(g, i);
	kick(g->rx);
	vq_drv_disarm(g->rx);
	vq_drv_disarm(g->tx);
}

/* Sends as many frames as the ring takes, at most a burst. */
static void send_frames(struct guest *g, unsigned n)
{
	struct vq_drv_buf b[BURST];
	struct vq_drv_used used[RING];
	struct iovec iov[BURST];

	g->in_tx -= vq_drv_pop_burst(g->tx, used, RING);
	n = MIN(n, RING - g->in_tx);
	for (unsigned i = 0; i < n; i++) {
		iov[i] = (struct iovec){ g->tx_base + g->next_tx * TX_SLOT,
					 HDR + FRAME };
		b[i] = (struct vq_drv_buf){ .iov = &iov[i],
					    .readable_count = 1,
					    .cookie = g };
		g->next_tx = (g->next_tx + 1) % RING;
	}
	if (vq_drv_push_burst(g->tx, b, n) != n)
		die("transmit ring", "full");
	g->in_tx += n;
	kick(g->tx);
}

static unsigned receive_frames(struct guest *g)
{
	struct vq_drv_used used[BURST];
	unsigned n = vq_drv_pop_burst(g->rx, used, BURST);

	for (unsigned i = 0; i < n; i++)
		give_buffer(g, (unsigned)(uintptr_t)used[i].cookie - 1);
	if (n)
		kick(g->rx);
	return n;
}

static unsigned receive_all(struct guest *g, unsigned ports)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ports; i++)
		n += receive_frames(&g[i]);
	return n;
}

/* Makes the busy guests known to the switch. Their frames are flooded, and the
 * first frame into a guest's memory takes page faults; all of that must be over
 * before the measurement. */
static void announce(struct guest *g, unsigned ports, unsigned busy)
{
	for (unsigned i = 0; i < busy; i++) {
		write_frame(&g[i], 0, -1, i);
		send_frames(&g[i], 1);
		receive_all(g, ports);
	}
	for (unsigned quiet = 0; quiet < 20; quiet++) {
		usleep(10000);
		if (receive_all(g, ports))
			quiet = 0;
	}
	for (unsigned i = 0; i < busy; i++)
		for (unsigned k = 0; k < RING; k++)
			write_frame(&g[i], k, (int)(i ^ 1), i);
}

static double run(struct guest *g, unsigned busy, double seconds)
{
	uint64_t start = clock_ns(), until, now = start, frames = 0;

	until = start + (uint64_t)(seconds * 1e9);
	while (now < until) {
		for (unsigned k = 0; k < 64; k++)
			for (unsigned i = 0; i < busy; i += 2) {
				send_frames(&g[i], BURST);
				frames += receive_frames(&g[i + 1]);
			}
		now = clock_ns();
	}
	return (double)frames * 1e3 / (double)(now - start);
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	unsigned ports, busy;
	struct guest *g;
	uint64_t start;
	double seconds;
	char c;

	if (argc != 5) {
		fprintf(stderr,
			"usage: many_bench PREFIX PORTS BUSY SECONDS\n");
		return 2;
	}
	ports = (unsigned)atoi(argv[2]);
	busy = (unsigned)atoi(argv[3]) & ~1u;
	seconds = atof(argv[4]);
	if (!ports || busy > ports)
		die("ports", "more are busy than there are");
	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	g = calloc(ports, sizeof(*g));
	if (!g)
		die("ports", strerror(ENOMEM));
	start = clock_ns();
	for (unsigned i = 0; i < ports; i++)
		open_guest(&g[i], argv[1], i);
	printf("CONNECTED seconds=%.3f\n", (double)(clock_ns() - start) / 1e9);
	fflush(stdout);
	announce(g, ports, busy);
	if (busy)
		run(g, busy, 0.2); /* warms up */
	printf("READY ports=%u\n", ports);
	fflush(stdout);
	printf("RATE mpps=%.3f\n", busy ? run(g, busy, seconds) : 0);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (unsigned i = 0; i < ports; i++)
		vu_guest_destroy(g[i].f);
	free(g);
	return 0;
}
