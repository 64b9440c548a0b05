/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio/: addresses without a translation yet. A ring of random chains is
 * popped with the whole memory map, and again with a map whose holes are filled
 * one by one as the queue asks. Both give the same chains, none too early and
 * none twice.
 */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "util.h"
#include "vq_rig.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define RING	  64u
#define AREA	  (64u << 10)
#define REGIONS	  8u
#define TABLE	  6u /* descriptors per indirect table */
#define LISTS	  16u

/* Counts of the cases reached: the test fails if it no longer reaches them. */
struct seen {
	unsigned first, middle, table, read, write, crossing;
};

struct bed {
	struct vq_rig rig;
	struct rng rng;
	struct vq_chain want[RING], got[RING];
	struct iovec want_iov[VQ_BURST_IOV], got_iov[VQ_BURST_IOV];
	unsigned n;
	struct seen seen;
	int report_fd;
};

/* Returns the guest physical address of @host in @m. */
static uint64_t to_gpa(const struct gmem *m, const void *host)
{
	for (unsigned i = 0; i < m->count; i++) {
		uint64_t off =
			(uint64_t)((const uint8_t *)host - m->region[i].host);

		if (off < m->region[i].size)
			return m->region[i].gpa + off;
	}
	fail_msg("buffer outside the map");
	return 0;
}

/* Makes one random buffer list available. Returns false when the ring is
 * full. */
static bool push_list(struct bed *b)
{
	struct iovec iov[TABLE];
	unsigned count = 1 + rng_below(&b->rng, TABLE);
	struct vq_drv_buf buf = { .iov = iov, .cookie = b };
	uint64_t limit = AREA;

	for (unsigned i = 0; i < count; i++) {
		uint32_t size = 1 + rng_below(&b->rng, 3000);

		iov[i].iov_base =
			b->rig.base + rng_below(&b->rng, limit - size);
		iov[i].iov_len = size;
	}
	/* mostly one direction, as in network queues */
	buf.readable_count = rng_below(&b->rng, 3)
				     ? (rng_below(&b->rng, 2) ? count : 0)
				     : rng_below(&b->rng, count + 1);
	buf.writable_count = count - buf.readable_count;
	buf.indirect = rng_below(&b->rng, 2);
	return vq_drv_push_burst(b->rig.drv, &buf, 1) == 1;
}

static void activate(struct bed *b, struct gmem *m, struct vq_position p,
		     enum vq_on_miss on_miss)
{
	struct vq_dev_config c = { .features = b->rig.config.features,
				   .count = RING,
				   .area = b->rig.area,
				   .mem = m,
				   .position = p,
				   .call_fd = -1,
				   .report_fd = &b->report_fd,
				   .on_miss = on_miss };

	assert_int_equal(vq_dev_activate(&b->rig.dev, &c), 0);
}

/* Returns the map without the regions of @holes. */
static struct gmem *map_without(const struct bed *b, unsigned holes)
{
	struct gmem *m = gmem_get(b->rig.mem);

	for (unsigned i = 0; i < REGIONS; i++) {
		const struct gmem_region *g = &b->rig.mem->region[i];
		struct gmem *next;

		if (!(holes >> i & 1))
			continue;
		assert_int_equal(
			gmem_remove(m, g->gpa, g->size, g->uva, &next, NULL),
			0);
		gmem_put(m);
		m = next;
	}
	return m;
}

static void compare(const struct bed *b, const struct vq_chain *want,
		    const struct vq_chain *got)
{
	unsigned count = want->readable_count + want->writable_count;

	assert_int_equal(got->id, want->id);
	assert_int_equal(got->slot_count, want->slot_count);
	assert_int_equal(got->readable_count, want->readable_count);
	assert_int_equal(got->writable_count, want->writable_count);
	assert_int_equal(got->readable_size, want->readable_size);
	assert_int_equal(got->writable_size, want->writable_size);
	assert_int_equal(got->flags, want->flags);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(got->iov[i].iov_len, want->iov[i].iov_len);
		assert_true(to_gpa(b->rig.dev.mem, got->iov[i].iov_base) ==
			    to_gpa(b->rig.mem, want->iov[i].iov_base));
	}
}

static bool lies_in(const struct bed *b, const struct vq_miss *m,
		    const struct iovec *iov, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (m->gpa - to_gpa(b->rig.mem, iov[i].iov_base) <
		    iov[i].iov_len)
			return true;
	return false;
}

/* Checks that @m lies in the chain @want and has no translation. */
static void check_miss(struct bed *b, const struct vq_miss *m,
		       const struct vq_chain *want)
{
	uint64_t table =
		RIG_GPA + (uint64_t)((uint8_t *)b->rig.indirect - b->rig.base);

	assert_null(gmem_find(b->rig.dev.mem, m->gpa));
	assert_true(m->size > 0);
	if (m->gpa >= table) {
		b->seen.table++;
		assert_int_equal(m->access, VQ_ACCESS_READ);
		assert_true(m->size <= TABLE * sizeof(struct vq_desc));
	} else if (m->access == VQ_ACCESS_READ) {
		b->seen.read++;
		assert_true(lies_in(b, m, want->iov, want->readable_count));
	} else {
		b->seen.write++;
		assert_int_equal(m->access, VQ_ACCESS_WRITE);
		assert_true(lies_in(b, m, want->iov + want->readable_count,
				    want->writable_count));
	}
	/* the answer may be smaller than the range asked for */
	if (!gmem_translate(b->rig.mem, m->gpa, m->size))
		b->seen.crossing++;
}

/* Adds the region that holds @gpa. */
static void fill_hole(struct bed *b, uint64_t gpa)
{
	const struct gmem_region *r = gmem_find(b->rig.mem, gpa);
	struct gmem_desc desc =
		gmem_desc_of(b->rig.mem, (unsigned)(r - b->rig.mem->region));
	struct gmem *m;

	assert_int_equal(gmem_add(b->rig.dev.mem, &desc, &m, NULL), 0);
	vq_dev_resume(&b->rig.dev, m);
	gmem_put(m);
}

/* Gives the chains back on both sides. */
static void finish(struct bed *b, const struct vq_chain *c, unsigned n)
{
	struct vq_drv_used used[RING];
	struct vq_done done[RING];

	for (unsigned i = 0; i < n; i++)
		done[i] = (struct vq_done){ c[i].id, c[i].slot_count, 0 };
	vq_dev_push_burst(&b->rig.dev, done, n);
	assert_int_equal(vq_drv_pop_burst(b->rig.drv, used, RING), n);
}

/* Returns the number of reports since the last call. */
static uint64_t reports(struct bed *b)
{
	uint64_t n = 0;

	return read(b->report_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* Pops the ring, whose chains are in b->want, and fills each hole as the queue
 * asks for it. */
static void pop_asking(struct bed *b)
{
	struct vq_dev *dev = &b->rig.dev;
	struct vq_miss m, again;

	for (unsigned at = 0; at < b->n;) {
		unsigned n = vq_dev_pop_burst(dev, b->got, RING, b->got_iov,
					      VQ_BURST_IOV);

		assert_int_equal(dev->fault, VQ_FAULT_NONE);
		assert_true(at + n <= b->n);
		for (unsigned i = 0; i < n; i++)
			compare(b, &b->want[at + i], &b->got[i]);
		finish(b, b->got, n);
		at += n;
		if (at == b->n)
			break;
		assert_true(vq_dev_miss(dev, &m));
		check_miss(b, &m, &b->want[at]);
		assert_int_equal(reports(b), 1);
		if (n)
			b->seen.middle++;
		else
			b->seen.first++;
		/* the miss stays, and arming succeeds: no worker polls */
		assert_int_equal(vq_dev_pop_burst(dev, b->got, RING, b->got_iov,
						  VQ_BURST_IOV),
				 0);
		assert_true(vq_dev_miss(dev, &again));
		assert_memory_equal(&m.gpa, &again.gpa, sizeof(m.gpa));
		assert_int_equal(m.size, again.size);
		assert_true(vq_dev_arm(dev));
		assert_int_equal(reports(b), 0);
		fill_hole(b, m.gpa);
		assert_false(vq_dev_miss(dev, &again));
		assert_false(vq_dev_arm(dev));
	}
	assert_false(vq_dev_miss(dev, &m));
	assert_int_equal(
		vq_dev_pop_burst(dev, b->got, RING, b->got_iov, VQ_BURST_IOV),
		0);
	assert_true(vq_dev_arm(dev));
	vq_dev_disarm(dev);
}

static void round_with_holes(struct bed *b)
{
	struct vq_dev *dev = &b->rig.dev;
	unsigned lists = 1 + rng_below(&b->rng, LISTS);
	struct gmem *m;

	for (b->n = 0; b->n < lists && push_list(b);)
		b->n++;
	assert_int_equal(
		vq_dev_pop_burst(dev, b->want, RING, b->want_iov, VQ_BURST_IOV),
		b->n);
	vq_dev_unpop(dev, b->want, b->n);
	m = map_without(b, rng_below(&b->rng, 1u << REGIONS));
	activate(b, m, vq_dev_deactivate(dev), VQ_MISS_ASKS);
	gmem_put(m);
	pop_asking(b);
	activate(b, b->rig.mem, vq_dev_deactivate(dev), VQ_MISS_FAULTS);
}

static void run(uint64_t features)
{
	struct vq_rig_config c = { .features = features,
				   .count = RING,
				   .size = AREA,
				   .regions = REGIONS,
				   .indirect_max = TABLE };
	struct bed *b = calloc(1, sizeof(*b));

	b->rng = rng_start();
	b->report_fd = fd_eventfd();
	vq_rig_init(&b->rig, &c);
	for (unsigned i = 0; i < 3000; i++)
		round_with_holes(b);
	assert_true(b->seen.first > 500 && b->seen.middle > 500);
	assert_true(b->seen.read > 500 && b->seen.write > 500);
	assert_true(b->seen.crossing > 50);
	if (features & BIT(F_INDIRECT_DESC))
		assert_true(b->seen.table > 100);
	vq_rig_fini(&b->rig);
	fd_close(&b->report_fd);
	free(b);
}

static void test_split(void **state)
{
	(void)state;
	run(BIT(F_VERSION_1));
	run(BIT(F_VERSION_1) | BIT(F_INDIRECT_DESC) | BIT(F_EVENT_IDX));
}

static void test_packed(void **state)
{
	(void)state;
	run(BIT(F_VERSION_1) | BIT(F_RING_PACKED));
	run(BIT(F_VERSION_1) | BIT(F_RING_PACKED) | BIT(F_INDIRECT_DESC) |
	    BIT(F_EVENT_IDX));
}

/* Without VQ_MISS_ASKS the same address is a fault and no miss. An address
 * beyond every possible map is a fault even with it. */
static void test_faults(void **state)
{
	static const uint64_t formats[] = { 0, BIT(F_RING_PACKED) };
	struct bed *b = calloc(1, sizeof(*b));
	struct vq_miss m;

	(void)state;
	b->rng = rng_start();
	b->report_fd = fd_eventfd();
	for (unsigned i = 0; i < 2 * ARRAY_SIZE(formats); i++) {
		struct vq_rig_config c = {
			.features = BIT(F_VERSION_1) | formats[i / 2],
			.count = RING,
			.size = AREA,
			.regions = REGIONS,
		};
		struct vq_desc *desc;
		struct gmem *empty;

		vq_rig_init(&b->rig, &c);
		desc = b->rig.area.desc;
		assert_true(push_list(b));
		empty = map_without(b, (1u << REGIONS) - 1);
		activate(b, empty, vq_dev_deactivate(&b->rig.dev),
			 i % 2 ? VQ_MISS_ASKS : VQ_MISS_FAULTS);
		gmem_put(empty);
		if (i % 2) /* ends past the last address */
			desc->addr = cpu_to_le64(UINT64_MAX);
		desc->len = cpu_to_le32(2);
		assert_int_equal(vq_dev_pop_burst(&b->rig.dev, b->got, RING,
						  b->got_iov, VQ_BURST_IOV),
				 0);
		assert_int_equal(b->rig.dev.fault, VQ_FAULT_ADDRESS);
		assert_false(vq_dev_miss(&b->rig.dev, &m));
		vq_rig_fini(&b->rig);
	}
	fd_close(&b->report_fd);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
