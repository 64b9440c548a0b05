/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost and gain of merging small frames: a burst of 64 TCP frames as read
 * from a tap, copied into a guest's receive buffers one by one, and merged
 * first. Prints TSC cycles per incoming frame, the median of all bursts, and
 * the number of frames that the guest gets. One thread, everything warm.
 *
 * gro_bench [BURSTS]
 */
#include "../unit/pkt.h"

#include <stdio.h>
#include <time.h>

#include "../unit/vq_rig.h"
#include "gro.h"
#include "vnet.h"

#define BIT(f) (1ull << VIRTIO_##f)
#define FEATURES                                                           \
	(BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF) | BIT(NET_F_GUEST_CSUM) | \
	 BIT(NET_F_GUEST_TSO4))
#define OFFLOADS   (OFFLOAD_CSUM | OFFLOAD_TSO4)
#define RING	   256
#define RXBUF	   1536 /* the size that Linux guests offer */
#define BURSTS_MAX 100000

static const struct shape {
	const char *name;
	unsigned payload;
	unsigned flows;	 /* flows of a burst, which alternate */
	bool is_partial; /* the checksum is left to offload */
} shapes[] = {
	{ "one flow, whole checksums", 1448, 1, false },
	{ "one flow, partial checksums", 1448, 1, true },
	{ "8 flows, whole checksums", 1448, 8, false },
	{ "one flow of small frames", 200, 1, false },
	{ "nothing to merge", 1448, 64, false },
};

static uint64_t now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
#endif
}

static uint8_t arena[BURST_MAX][2048];
static struct frame frames[BURST_MAX];
static struct iovec iovs[BURST_MAX];
static struct gro gro;
static struct vq_rig guest;
static uint32_t merge_cycles[BURSTS_MAX], send_cycles[BURSTS_MAX];

/* Makes one burst of TCP frames with time stamps, as between two hosts. */
static void make_burst(const struct shape *s)
{
	struct pkt_spec spec = { .payload = s->payload,
				 .l4_opt = 12,
				 .tcp_flags = 0x10 };
	struct rng rng = rng_start();
	static struct pkt k;

	pkt_build(&k, &spec, &rng);
	for (unsigned i = 0; i < BURST_MAX; i++) {
		uint8_t *p = arena[i], *l4 = p + k.l4_off;
		unsigned serial = i / s->flows;

		memcpy(p, k.data, k.len);
		put_be16(p + k.l3_off + 4, serial);
		put_be16(p + k.l3_off + 10, 0);
		put_be16(p + k.l3_off + 10, ~pkt_sum(0, p + k.l3_off, 20));
		put_be16(l4, i % s->flows);
		put_be32(l4 + 4, serial * s->payload);
		if (!s->is_partial)
			put_be16(l4 + 16, ~pkt_sum(0, l4, k.len - k.l4_off));
		frames[i].hdr = s->is_partial ? pkt_hdr(&k, &spec, 0)
					      : (struct vnet_hdr){ 0 };
		iovs[i] = (struct iovec){ p, k.len };
		frame_from_iov(&frames[i], &iovs[i], 1, k.len, FRAME_HEAD);
	}
}

static void offer(void)
{
	for (unsigned i = 0; i < RING; i++) {
		struct iovec iov = { guest.base + i * 2048, RXBUF };
		struct vq_drv_buf buf = { .iov = &iov,
					  .writable_count = 1,
					  .cookie = &guest };

		if (vq_drv_push_burst(guest.drv, &buf, 1) != 1)
			return;
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double median(uint32_t *cycles, unsigned n)
{
	qsort(cycles, n, sizeof(*cycles), by_value);
	return cycles[n / 2] / (double)BURST_MAX;
}

static void run(const struct shape *s, bool merges, unsigned bursts)
{
	struct frame *in[BURST_MAX], *out[BURST_MAX];
	struct vq_drv_used used[RING];
	double merge, send;
	struct copy_choice choice = { 0 };
	unsigned n = 0;

	make_burst(s);
	for (unsigned i = 0; i < BURST_MAX; i++)
		in[i] = &frames[i];
	for (unsigned i = 0; i < bursts; i++) {
		uint64_t t[3];

		offer();
		t[0] = now();
		n = gro_merge(&gro, in, BURST_MAX, merges ? OFFLOADS : 0, out);
		t[1] = now();
		assert_int_equal(
			vnet_tx_burst(&guest.dev, &choice, out, n).taken, n);
		t[2] = now();
		vq_drv_pop_burst(guest.drv, used, RING);
		merge_cycles[i] = (uint32_t)(t[1] - t[0]);
		send_cycles[i] = (uint32_t)(t[2] - t[1]);
	}
	merge = median(merge_cycles, bursts);
	send = median(send_cycles, bursts);
	printf("%-30s %-4s %8u %8.0f %8.0f %8.0f\n", s->name,
	       merges ? "on" : "off", n, merge, send, merge + send);
}

int main(int argc, char **argv)
{
	unsigned bursts = argc > 1 ? (unsigned)atoi(argv[1]) : 5000;
	struct vq_rig_config c = { .features = FEATURES,
				   .count = RING,
				   .size = RING * 2048ull,
				   .regions = 1 };

	if (!bursts || bursts > BURSTS_MAX) {
		fprintf(stderr, "gro_bench [BURSTS]: at most %u\n", BURSTS_MAX);
		return 2;
	}
	vq_rig_init(&guest, &c);
	printf("%-30s %-4s %8s %8s %8s %8s\n", "64 frames in", "gro", "frames",
	       "merge", "copy", "all");
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		run(&shapes[i], false, bursts);
		run(&shapes[i], true, bursts);
	}
	vq_rig_fini(&guest);
	return 0;
}
