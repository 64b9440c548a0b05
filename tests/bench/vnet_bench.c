/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of a frame from one guest's transmitq to another's receiveq: ring
 * and virtio-net, both directions, without a switch. Prints TSC cycles per
 * frame by stage, the median of all bursts. One thread plays guests and switch
 * in turn, so everything is warm: a lower bound, which shows the cost of the
 * code itself.
 *
 * vnet_bench [BURSTS [ROW]]
 * vnet_bench copies [BURSTS]   every way of copying with buffers of the two
 *                              guests in L2, in L3 and in memory: cycles a
 *                              frame, and what the queue chose by itself
 */
#include "../unit/test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../unit/vq_rig.h"
#include "vnet.h"

#define BIT(f)	   (1ull << VIRTIO_##f)
#define MRG	   (BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF))
#define INDIRECT   BIT(F_INDIRECT_DESC)
#define PACKED	   (MRG | BIT(F_RING_PACKED))

#define RING	   256
#define BURST	   32
#define BURSTS_MAX 100000
#define STEP	   7 /* from slot to slot; not a divisor of their number */

enum { STAGE_RX, STAGE_TX, STAGE_DONE, STAGE_ALL, STAGE_COUNT };

static const struct shape {
	const char *name;
	uint64_t features;
	uint32_t len;	/* bytes of a frame */
	uint32_t rxbuf; /* bytes of a receive buffer */
	bool is_apart;	/* the header has its own buffer */
} shapes[] = {
	{ "split mergeable", MRG, 64, 2048, false },
	{ "split mergeable, header apart", MRG, 64, 2048, true },
	{ "packed mergeable, header apart", PACKED, 64, 2048, true },
	{ "split indirect, header apart", MRG | INDIRECT, 64, 2048, true },
	{ "packed indirect, header apart", PACKED | INDIRECT, 64, 2048, true },
	{ "split", BIT(F_VERSION_1), 64, 2048, false },
	{ "packed mergeable", PACKED, 64, 2048, false },
	{ "packed in-order", PACKED | BIT(F_IN_ORDER), 64, 2048, false },
	{ "split mergeable", MRG, 512, 2048, false },
	{ "split mergeable", MRG, 1518, 2048, false },
	{ "packed mergeable", PACKED, 1518, 2048, false },
	{ "split mergeable", MRG, 65000, 16384, false },
	{ "split mergeable", MRG, 65000, 4096, false },
	{ "split mergeable", MRG, 65000, 1536, false },
};

struct bench {
	const struct shape *shape;
	struct vq_rig from, to;
	unsigned burst;		       /* frames per burst */
	unsigned lists;		       /* receive buffers per burst */
	unsigned next_from, next_to;   /* buffers used next, in a cycle */
	unsigned slots_from, slots_to; /* number of buffers */
	struct copy_choice choice;
	struct waiting waiting;
	struct vnet_rx_scratch scratch;
	struct frame frames[BURST_MAX];
	struct frame *ptr[BURST_MAX];
	uint32_t *cycles[STAGE_COUNT]; /* per burst */
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

static void rig_start(struct vq_rig *rig, uint64_t features, uint64_t size)
{
	struct vq_rig_config c = {
		.features = features,
		.count = RING,
		.size = size,
		.regions = 1,
		.indirect_max = features & INDIRECT ? 2 : 0,
	};

	vq_rig_init(rig, &c);
}

static void guest_send(struct bench *b)
{
	const struct shape *s = b->shape;
	uint32_t stride = align_up(s->len + 12 + 128, 64);

	for (unsigned i = 0; i < b->burst; i++) {
		uint8_t *p =
			b->from.base + (size_t)b->next_from * stride + 128 - 12;
		struct iovec iov[2] = { { p, s->len + 12 } };
		struct vq_drv_buf buf = { .iov = iov,
					  .readable_count = 1,
					  .cookie = b };

		if (s->is_apart) {
			iov[0].iov_len = 12;
			iov[1] = (struct iovec){ p + 12, s->len };
			buf.readable_count = 2;
			buf.indirect = s->features & INDIRECT;
		}
		assert_int_equal(vq_drv_push_burst(b->from.drv, &buf, 1), 1);
		b->next_from = (b->next_from + STEP) % b->slots_from;
	}
}

static void guest_offer(struct bench *b)
{
	uint32_t size = b->shape->rxbuf;
	uint32_t stride = align_up(size + 128, 64);

	for (unsigned i = 0; i < b->lists; i++) {
		uint8_t *p =
			b->to.base + (size_t)b->next_to * stride + 128 - 12;
		struct iovec iov = { p, size };
		struct vq_drv_buf buf = { .iov = &iov,
					  .writable_count = 1,
					  .cookie = b };

		assert_int_equal(vq_drv_push_burst(b->to.drv, &buf, 1), 1);
		b->next_to = (b->next_to + STEP) % b->slots_to;
	}
}

static void guest_reap(struct vq_drv *vq, unsigned n)
{
	struct vq_drv_used used[RING];

	assert_int_equal(vq_drv_pop_burst(vq, used, RING), n);
}

static void one_burst(struct bench *b, unsigned idx)
{
	struct vnet_rx_stats stats = { 0 };
	struct vnet_tx_result r;
	uint64_t t[4];
	unsigned chains, n;

	guest_send(b);
	guest_offer(b);
	t[0] = now();
	n = vnet_rx_burst(&b->from.dev, 0, &b->scratch, &b->waiting, FRAME_SNAP,
			  b->frames, BURST_MAX, &chains, &stats);
	t[1] = now();
	r = vnet_tx_burst(&b->to.dev, &b->choice, b->ptr, n);
	t[2] = now();
	vnet_rx_done(&b->from.dev, &b->scratch, &b->waiting, chains, 0);
	t[3] = now();
	assert_int_equal(n, b->burst);
	assert_int_equal(r.taken, n);
	assert_int_equal(r.too_big, 0);
	guest_reap(b->from.drv, b->burst);
	guest_reap(b->to.drv, b->lists);
	for (int i = 0; i < 3; i++)
		b->cycles[i][idx] = (uint32_t)(t[i + 1] - t[i]);
	b->cycles[STAGE_ALL][idx] = (uint32_t)(t[3] - t[0]);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct bench *b, int stage, unsigned n)
{
	qsort(b->cycles[stage], n, sizeof(uint32_t), by_value);
	return b->cycles[stage][n / 2] / (double)b->burst;
}

/* Prepares for @s with about @set bytes of buffers, half of them on each side;
 * 0: as many buffers as the rings have entries. */
static void start(struct bench *b, const struct shape *s, uint64_t set)
{
	unsigned per_frame = (s->len + 12 + s->rxbuf - 1) / s->rxbuf;
	uint64_t from = s->len + 256, to = s->rxbuf + 256;

	b->shape = s;
	b->burst = MIN(BURST, RING / per_frame);
	b->lists = b->burst * per_frame;
	b->next_from = b->next_to = 0;
	b->slots_from = set ? MAX(RING, set / 2 / from) : RING;
	b->slots_to = set ? MAX(RING, set / 2 / to) : RING;
	b->slots_from += b->slots_from % STEP == 0;
	b->slots_to += b->slots_to % STEP == 0;
	rig_start(&b->from, s->features, b->slots_from * from);
	rig_start(&b->to, s->features, b->slots_to * to);
	memset(b->from.base, 0, b->from.size); /* no offloads */
	memset(b->to.base, 0, b->to.size);
}

static void stop(struct bench *b)
{
	vq_rig_fini(&b->from);
	vq_rig_fini(&b->to);
}

static void run(struct bench *b, const struct shape *s, unsigned bursts)
{
	double all;

	start(b, s, 0);
	memset(&b->choice, 0, sizeof(b->choice));
	if (s->len > 9000)
		bursts = bursts / 20 + 1;
	for (unsigned i = 0; i < bursts; i++)
		one_burst(b, i);
	all = median(b, STAGE_ALL, bursts);
	printf("%-30s %6u %6u %5u %7.0f %7.0f %7.0f %8.0f %8.2f\n", s->name,
	       s->len, s->rxbuf, b->burst, median(b, STAGE_RX, bursts),
	       median(b, STAGE_TX, bursts), median(b, STAGE_DONE, bursts), all,
	       s->len / all);
	stop(b);
}

static const char *const method_name[] = { "plain", "ahead", "stream" };
#define ROUNDS 5

/* Measures one row of `copies`. The ways take turns, because the machine's load
 * changes. The last one is the queue's own choice. */
static void run_copies(struct bench *b, const struct shape *s, uint64_t set,
		       unsigned bursts)
{
	double tx[COPY_METHODS + 1][ROUNDS];
	struct copy_choice own = { 0 };

	if (s->len > 9000)
		bursts = bursts / 20 + 1;
	start(b, s, set);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned m = 0; m <= COPY_METHODS; m++) {
			if (m < COPY_METHODS)
				copy_choice_fix(&b->choice, m);
			else
				b->choice = own;
			for (unsigned i = 0; i < bursts; i++)
				one_burst(b, i);
			if (m == COPY_METHODS)
				own = b->choice;
			tx[m][round] = median(b, STAGE_TX, bursts);
		}
	}
	printf("%6u %6u %9.1f", s->len, s->rxbuf,
	       (double)(b->from.size + b->to.size) / (1 << 20));
	for (unsigned m = 0; m <= COPY_METHODS; m++) {
		for (unsigned i = 1; i < ROUNDS; i++)
			for (unsigned j = i; j && tx[m][j - 1] > tx[m][j];
			     j--) {
				double v = tx[m][j];

				tx[m][j] = tx[m][j - 1];
				tx[m][j - 1] = v;
			}
		printf(" %8.0f", tx[m][ROUNDS / 2]);
	}
	printf("  %s (%u trials)\n", method_name[own.best], own.trials);
	stop(b);
}

static void compare_copies(struct bench *b, unsigned bursts)
{
	static const struct shape shape[] = {
		{ "", MRG, 512, 2048, false },
		{ "", MRG, 1518, 2048, false },
		{ "", MRG, 65000, 16384, false },
		{ "", MRG, 65000, 4096, false },
	};
	static const uint64_t set[] = { 0, 8 << 20, 256 << 20 };

	printf("%6s %6s %9s %8s %8s %8s %8s  chosen\n", "bytes", "rxbuf", "MiB",
	       method_name[0], method_name[1], method_name[2], "own");
	for (unsigned i = 0; i < ARRAY_SIZE(shape); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(set); j++)
			if (j != 1 || shape[i].len < 9000)
				run_copies(b, &shape[i], set[j], bursts);
}

static void compare_shapes(struct bench *b, unsigned bursts, int row)
{
	printf("%-30s %6s %6s %5s %7s %7s %7s %8s %8s\n",
	       "TSC cycles a frame (median)", "bytes", "rxbuf", "burst", "rx",
	       "tx", "done", "all", "B/cycle");
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		if (row < 0 || (unsigned)row == i)
			run(b, &shapes[i], bursts);
}

int main(int argc, char **argv)
{
	bool is_copies = argc > 1 && !strcmp(argv[1], "copies");
	unsigned bursts;
	struct bench *b = aligned_alloc(64, align_up(sizeof(*b), 64));

	if (is_copies) {
		argc--;
		argv++;
	}
	bursts = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	if (!bursts || bursts > BURSTS_MAX || !b) {
		fprintf(stderr,
			"usage: vnet_bench [copies] [BURSTS <= %d [ROW]]\n",
			BURSTS_MAX);
		return 2;
	}
	memset(b, 0, sizeof(*b));
	for (unsigned i = 0; i < BURST_MAX; i++)
		b->ptr[i] = &b->frames[i];
	for (int i = 0; i < STAGE_COUNT; i++)
		b->cycles[i] = calloc(BURSTS_MAX, sizeof(uint32_t));
	if (is_copies)
		compare_copies(b, bursts);
	else
		compare_shapes(b, bursts, argc < 3 ? -1 : atoi(argv[2]));
	for (int i = 0; i < STAGE_COUNT; i++)
		free(b->cycles[i]);
	free(b);
	return 0;
}
