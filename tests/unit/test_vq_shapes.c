/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops for common chains against the general walk. Two devices read the
 * same random ring image. One pops bursts. The other pops chain by chain and
 * forgets before each the regions used last, so no buffer has a common shape.
 * Results and faults must be equal.
 */
#include "test.h"

#include <string.h>

#include "vq_rig.h"

#define BIT(f) (1ull << VIRTIO_##f)
#define COUNT  64
#define AREA   (1u << 20)
#define TABLES (AREA - 65536) /* indirect tables start here */

struct image {
	struct vq_rig rig;
	struct rng rng;
	bool is_packed, is_writable;
	bool has_faults;  /* some chains are bad */
	unsigned ahead;	  /* packed: next buffer id; split: entries used */
	unsigned next;	  /* next free descriptor */
	unsigned table;	  /* indirect tables in use */
	unsigned tables;  /* every @tables-th chain is a table, on average */
	unsigned commons; /* chains of one or two buffers */
};

static void set_desc(struct image *m, void *desc, uint64_t addr, uint32_t len,
		     uint16_t flags, uint16_t link)
{
	if (m->is_packed)
		*(struct vq_packed_desc *)desc = (struct vq_packed_desc){
			cpu_to_le64(addr), cpu_to_le32(len), cpu_to_le16(link),
			cpu_to_le16(flags)
		};
	else
		*(struct vq_desc *)desc =
			(struct vq_desc){ cpu_to_le64(addr), cpu_to_le32(len),
					  cpu_to_le16(flags),
					  cpu_to_le16(link) };
}

/* Writes a buffer inside a region or across a border; rarely empty or outside
 * memory. */
static void put_buffer(struct image *m, void *desc, uint16_t flags,
		       uint16_t link)
{
	uint32_t len = 1 + rng_below(&m->rng, 2000);
	uint64_t off = rng_below(&m->rng, TABLES - len);

	if (rng_below(&m->rng, 10) == 0) {
		off = m->rig.cut[rng_below(&m->rng, 2)] - len;
		off += rng_below(&m->rng, 2) * rng_below(&m->rng, len + 1);
	}
	if (m->has_faults && rng_below(&m->rng, 60) == 0)
		off = rng_below(&m->rng, 2) ? AREA - len / 2 : UINT32_MAX;
	if (rng_below(&m->rng, 40) == 0)
		len = 0;
	if (m->has_faults && rng_below(&m->rng, 60) == 0)
		len = UINT32_MAX - rng_below(&m->rng, 5);
	if (m->is_writable)
		flags ^= VQ_DESC_F_WRITE;
	if (rng_below(&m->rng, m->has_faults ? 40 : 400) == 0)
		flags |= VQ_DESC_F_WRITE;
	set_desc(m, desc, RIG_GPA + off, len, flags, link);
}

static void put_table(struct image *m, void *desc, uint16_t flags, uint16_t id)
{
	unsigned n = 1 + rng_below(&m->rng, 4);
	uint64_t off = TABLES + m->table++ * 128 + rng_below(&m->rng, 16);
	struct vq_desc *table = (void *)(m->rig.base + off);

	for (unsigned i = 0; i < n; i++) {
		uint16_t link = (uint16_t)(i + 1);
		struct vq_desc d;

		if (m->has_faults && rng_below(&m->rng, 60) == 0)
			link = (uint16_t)rng_next(&m->rng);
		put_buffer(m, &d,
			   i + 1 < n && !m->is_packed ? VQ_DESC_F_NEXT : 0,
			   m->is_packed ? 0 : link);
		memcpy(&table[i], &d, sizeof(d));
	}
	n *= 16;
	if (m->has_faults && rng_below(&m->rng, 60) == 0)
		n = rng_below(&m->rng, 3) * 8;
	set_desc(m, desc, RIG_GPA + off, n, flags | VQ_DESC_F_INDIRECT, id);
}

/* Returns the number of descriptors of the next chain. */
static unsigned chain_length(struct image *m)
{
	unsigned kind = rng_below(&m->rng, m->tables == 1 ? 12 : 20), n = 1;

	if (kind >= 10)
		n = 2;
	if (kind == 19)
		n = 3 + rng_below(&m->rng, 5);
	return MIN(n, COUNT - m->next);
}

static void put_split(struct image *m)
{
	struct vq_desc *desc = m->rig.area.desc;
	struct vq_avail *avail = m->rig.area.driver;
	unsigned n = chain_length(m), head = m->next;

	if (m->has_faults && rng_below(&m->rng, 60) == 0)
		head = rng_below(&m->rng, 2 * COUNT);
	avail->ring[m->ahead++] = cpu_to_le16((uint16_t)head);
	m->commons += n <= 2;
	if (n == 1 && rng_below(&m->rng, m->tables) == 0) {
		put_table(m, &desc[m->next++], 0, 0);
		return;
	}
	while (n--) {
		unsigned link = m->next + 1;

		if (m->has_faults && rng_below(&m->rng, 60) == 0)
			link = rng_below(&m->rng, 2 * COUNT);
		put_buffer(m, &desc[m->next], n ? VQ_DESC_F_NEXT : 0,
			   (uint16_t)link);
		m->next++;
	}
}

static void put_packed(struct image *m)
{
	struct vq_packed_desc *desc = m->rig.area.desc;
	unsigned n = chain_length(m);
	uint16_t id = (uint16_t)rng_below(&m->rng, COUNT);

	m->commons += n <= 2;
	if (n == 1 && rng_below(&m->rng, m->tables) == 0) {
		put_table(m, &desc[m->next++], VQ_DESC_F_AVAIL, id);
		return;
	}
	while (n--)
		put_buffer(m, &desc[m->next++],
			   VQ_DESC_F_AVAIL | (n ? VQ_DESC_F_NEXT : 0), id);
}

struct popped {
	struct vq_chain chain[COUNT];
	struct iovec iov[4 * COUNT];
	unsigned count, iov_count;
};

static void pop_bursts(struct vq_dev *vq, struct popped *p, struct rng *rng)
{
	unsigned n;

	do {
		n = vq_dev_pop_burst(
			vq, p->chain + p->count,
			MIN(1 + rng_below(rng, COUNT), COUNT - p->count),
			p->iov + p->iov_count, 4 * COUNT);
		for (unsigned i = 0; i < n; i++) {
			struct vq_chain *c = &p->chain[p->count + i];

			p->iov_count += c->readable_count + c->writable_count;
		}
		p->count += n;
	} while (n && p->count < COUNT);
}

static void pop_generally(struct vq_dev *vq, struct popped *p)
{
	static const struct gmem_region nothing;
	unsigned n;

	do {
		struct vq_chain *c = &p->chain[p->count];

		vq->hot = vq->warm = &nothing;
		n = vq_dev_pop_burst(vq, c, MIN(1, COUNT - p->count),
				     p->iov + p->iov_count, 4 * COUNT);
		if (n)
			p->iov_count += c->readable_count + c->writable_count;
		p->count += n;
	} while (n);
}

static void check_same(const struct popped *a, const struct popped *b)
{
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->iov_count, b->iov_count);
	for (unsigned i = 0; i < a->count; i++) {
		const struct vq_chain *x = &a->chain[i], *y = &b->chain[i];

		assert_int_equal(x->iov - a->iov, y->iov - b->iov);
		assert_int_equal(x->readable_size, y->readable_size);
		assert_int_equal(x->writable_size, y->writable_size);
		assert_int_equal(x->readable_count, y->readable_count);
		assert_int_equal(x->writable_count, y->writable_count);
		assert_int_equal(x->id, y->id);
		assert_int_equal(x->slot_count, y->slot_count);
		assert_int_equal(x->flags, y->flags);
	}
	assert_memory_equal(a->iov, b->iov, a->iov_count * sizeof(*a->iov));
}

/* Fills the ring of @m. */
static void fill(struct image *m)
{
	struct vq_avail *avail = m->rig.area.driver;

	m->next = m->ahead = m->table = 0;
	m->tables = 1 + rng_below(&m->rng, 8);
	while (m->next < COUNT && m->ahead < COUNT) {
		if (m->is_packed)
			put_packed(m);
		else
			put_split(m);
	}
	if (!m->is_packed)
		avail->idx = cpu_to_le16((uint16_t)m->ahead);
}

static void compare(uint64_t features, bool is_writable, bool has_faults)
{
	struct image m = { .rng = rng_start(),
			   .is_packed =
				   feat_has(features, VIRTIO_F_RING_PACKED),
			   .is_writable = is_writable,
			   .has_faults = has_faults };
	struct vq_rig_config c = {
		.features = features, .count = COUNT, .size = AREA, .regions = 3
	};
	unsigned faults = 0;

	vq_rig_init(&m.rig, &c);
	for (unsigned i = 0; i < 400; i++) {
		struct vq_dev a, b;
		struct popped x = { 0 }, y = { 0 };

		fill(&m);
		a = b = m.rig.dev;
		pop_bursts(&a, &x, &m.rng);
		pop_generally(&b, &y);
		check_same(&x, &y);
		assert_int_equal(a.next_avail, b.next_avail);
		assert_int_equal(a.avail_wrap, b.avail_wrap);
		assert_int_equal(a.saw_writable, b.saw_writable);
		assert_int_equal(a.fault, b.fault);
		assert_int_equal(a.fault_detail, b.fault_detail);
		faults += a.fault != VQ_FAULT_NONE;
	}
	if (has_faults)
		assert_in_range(faults, 100, 400);
	assert_true(m.commons > 2000);
	vq_rig_fini(&m.rig);
}

static void compare_all(uint64_t features)
{
	for (unsigned i = 0; i < 4; i++)
		compare(features | BIT(F_VERSION_1) | BIT(F_INDIRECT_DESC),
			i & 1, i & 2);
}

static void test_split(void **state)
{
	(void)state;
	compare_all(0);
}

static void test_packed(void **state)
{
	(void)state;
	compare_all(BIT(F_RING_PACKED));
}

/* Buffers that alternate between two regions do not take the general walk: it
 * would look up their region in the map, which the test makes empty. */
static void test_two_regions(void **state)
{
	struct vq_rig_config c = { .features = BIT(F_VERSION_1),
				   .count = COUNT,
				   .size = AREA,
				   .regions = 2 };
	static const struct gmem no_memory;
	struct vq_chain chain[COUNT];
	struct iovec iov[COUNT];
	struct vq_avail *avail;
	struct vq_desc *desc;
	struct vq_rig rig;
	struct gmem *mem;

	(void)state;
	vq_rig_init(&rig, &c);
	avail = rig.area.driver;
	desc = rig.area.desc;
	for (uint16_t i = 0; i < COUNT; i++) {
		uint64_t off = (i & 1) * (AREA / 2) + i * 64;

		desc[i] = (struct vq_desc){ cpu_to_le64(RIG_GPA + off),
					    cpu_to_le32(64), 0, 0 };
		avail->ring[i] = cpu_to_le16(i);
	}
	avail->idx = cpu_to_le16(COUNT);
	assert_int_equal(vq_dev_pop_burst(&rig.dev, chain, 2, iov, 2), 2);
	mem = rig.dev.mem;
	rig.dev.mem = (struct gmem *)&no_memory;
	assert_int_equal(vq_dev_pop_burst(&rig.dev, chain, COUNT, iov, COUNT),
			 COUNT - 2);
	rig.dev.mem = mem;
	for (unsigned i = 0; i < COUNT - 2; i++)
		assert_int_equal(iov[i].iov_len, 64);
	vq_rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_two_regions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
