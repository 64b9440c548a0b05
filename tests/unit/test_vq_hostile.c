/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio/: rings of a hostile driver. A table lists each fault and the value
 * that it must become: the good chain before it is delivered, the fault is
 * sticky, and memory outside the queue stays untouched. Then threads scribble
 * over a ring while it is read.
 */
#include "test.h"

#include <pthread.h>
#include <string.h>

#include "shm.h"
#include "vq_rig.h"

#define COUNT	  8u
#define TABLE_OFF 0x1000u
#define BURST	  16
#define PACKED	  (1ull << VIRTIO_F_RING_PACKED)
#define INDIRECT  (1ull << VIRTIO_F_INDIRECT_DESC)
#define AREA_SIZE (64 * 4096ull)
#define BAD_ADDR  (RIG_GPA + AREA_SIZE)

/* Flags common to both formats; the writer adds those that make a packed
 * descriptor available. */
enum {
	N = VQ_DESC_F_NEXT,
	W = VQ_DESC_F_WRITE,
	I = VQ_DESC_F_INDIRECT,
};

struct d {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

#define MAX_D 10

struct hostile {
	const char *name;
	uint64_t features;
	enum vq_fault fault;
	uint16_t head;	       /* split: head of the chain */
	struct d ring[MAX_D];  /* from slot 1 on; an empty entry ends it */
	struct d table[MAX_D]; /* indirect table at TABLE_OFF */
	uint16_t ahead;	       /* split: added to avail idx */
};

#define TABLE (RIG_GPA + TABLE_OFF)
#define GOOD  RIG_GPA, 64

static const struct hostile split_faults[] = {
	{ "idx ahead",
	  0,
	  VQ_FAULT_AVAIL_RANGE,
	  .head = 1,
	  { { GOOD } },
	  .ahead = COUNT },
	{ "idx behind",
	  0,
	  VQ_FAULT_AVAIL_RANGE,
	  .head = 1,
	  { { GOOD } },
	  .ahead = 0xfffd },
	{ "head = size", 0, VQ_FAULT_HEAD_RANGE, .head = COUNT, { { GOOD } } },
	{ "head 65535", 0, VQ_FAULT_HEAD_RANGE, .head = 65535, { { GOOD } } },
	{ "next = size",
	  0,
	  VQ_FAULT_NEXT_RANGE,
	  .head = 1,
	  { { GOOD, N, COUNT } } },
	{ "next 65535",
	  0,
	  VQ_FAULT_NEXT_RANGE,
	  .head = 1,
	  { { GOOD, N, 65535 } } },
	{ "loop of one", 0, VQ_FAULT_LOOP, .head = 1, { { GOOD, N, 1 } } },
	{ "loop of two",
	  0,
	  VQ_FAULT_LOOP,
	  .head = 1,
	  { { GOOD, N, 2 }, { GOOD, N, 1 } } },
	{ "address", 0, VQ_FAULT_ADDRESS, .head = 1, { { BAD_ADDR, 1 } } },
	{ "address 0", 0, VQ_FAULT_ADDRESS, .head = 1, { { 0, 1 } } },
	{ "end past memory",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { BAD_ADDR - 10, 11 } } },
	{ "start before memory",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { RIG_GPA - 1, 64 } } },
	{ "end past 2^64",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { UINT64_MAX - 10, 64 } } },
	{ "wraps to memory",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { UINT64_MAX, UINT32_MAX } } },
	{ "length 2^32 - 1",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { RIG_GPA, UINT32_MAX } } },
	{ "second address",
	  0,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { GOOD, N, 2 }, { BAD_ADDR, 1 } } },
	{ "order",
	  0,
	  VQ_FAULT_ORDER,
	  .head = 1,
	  { { GOOD, W | N, 2 }, { GOOD } } },
	{ "empty", 0, VQ_FAULT_EMPTY, .head = 1, { { RIG_GPA, 0 } } },
	{ "empty at no address",
	  0,
	  VQ_FAULT_EMPTY,
	  .head = 1,
	  { { BAD_ADDR, 0 } } },
	{ "empty twice",
	  0,
	  VQ_FAULT_EMPTY,
	  .head = 1,
	  { { RIG_GPA, 0, N, 2 }, { RIG_GPA, 0 } } },
	{ "not negotiated",
	  0,
	  VQ_FAULT_INDIRECT,
	  .head = 1,
	  { { TABLE, 16, I } },
	  { { GOOD } } },
	{ "indirect and next",
	  INDIRECT,
	  VQ_FAULT_INDIRECT,
	  .head = 1,
	  { { TABLE, 16, I | N, 2 }, { GOOD } },
	  { { GOOD } } },
	{ "nested",
	  INDIRECT,
	  VQ_FAULT_INDIRECT,
	  .head = 1,
	  { { TABLE, 16, I } },
	  { { TABLE, 16, I } } },
	{ "nested behind",
	  INDIRECT,
	  VQ_FAULT_INDIRECT,
	  .head = 1,
	  { { TABLE, 32, I } },
	  { { GOOD, N, 1 }, { TABLE, 16, I } } },
	{ "table of 0",
	  INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  .head = 1,
	  { { TABLE, 0, I } } },
	{ "table of 15",
	  INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  .head = 1,
	  { { TABLE, 15, I } } },
	{ "table of 17",
	  INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  .head = 1,
	  { { TABLE, 17, I } },
	  { { GOOD } } },
	{ "table too long",
	  INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  .head = 1,
	  { { TABLE, 32769 * 16, I } },
	  { { GOOD } } },
	{ "table outside",
	  INDIRECT,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { BAD_ADDR, 16, I } } },
	{ "table half outside",
	  INDIRECT,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { BAD_ADDR - 8, 16, I } } },
	{ "table past 2^64",
	  INDIRECT,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { UINT64_MAX - 7, 16, I } } },
	{ "table's next",
	  INDIRECT,
	  VQ_FAULT_NEXT_RANGE,
	  .head = 1,
	  { { TABLE, 32, I } },
	  { { GOOD, N, 2 } } },
	{ "table's loop",
	  INDIRECT,
	  VQ_FAULT_LOOP,
	  .head = 1,
	  { { TABLE, 32, I } },
	  { { GOOD, N, 1 }, { GOOD, N, 0 } } },
	{ "table's address",
	  INDIRECT,
	  VQ_FAULT_ADDRESS,
	  .head = 1,
	  { { TABLE, 16, I } },
	  { { BAD_ADDR, 1 } } },
	{ "table's order",
	  INDIRECT,
	  VQ_FAULT_ORDER,
	  .head = 1,
	  { { TABLE, 32, I } },
	  { { GOOD, W | N, 1 }, { GOOD } } },
	{ "order into table",
	  INDIRECT,
	  VQ_FAULT_ORDER,
	  .head = 1,
	  { { GOOD, W | N, 2 }, { TABLE, 16, I } },
	  { { GOOD } } },
	{ "loop before table",
	  INDIRECT,
	  VQ_FAULT_LOOP,
	  .head = 1,
	  { { GOOD, N, 2 }, { GOOD, N, 1 }, { TABLE, 16, I } } },
	{ "good", 0, VQ_FAULT_NONE, .head = 1, { { GOOD } } },
	{ "good chain",
	  0,
	  VQ_FAULT_NONE,
	  .head = 1,
	  { { GOOD, N, 2 }, { GOOD, N | W, 3 }, { GOOD, W } } },
	{ "good table after direct",
	  INDIRECT,
	  VQ_FAULT_NONE,
	  .head = 1,
	  { { GOOD, N, 2 }, { TABLE, 32, I } },
	  { { GOOD, N, 1 }, { GOOD, W } } },
	{ "good table, write ignored",
	  INDIRECT,
	  VQ_FAULT_NONE,
	  .head = 1,
	  { { TABLE, 16, I | W } },
	  { { GOOD } } },
	{ "good table, odd address",
	  INDIRECT,
	  VQ_FAULT_NONE,
	  .head = 1,
	  { { TABLE, 16, I } },
	  { { RIG_GPA + 1, 3 } } },
};

static const struct hostile packed_faults[] = {
	{ "whole ring linked",
	  PACKED,
	  VQ_FAULT_LOOP,
	  0,
	  { { GOOD, N },
	    { GOOD, N },
	    { GOOD, N },
	    { GOOD, N },
	    { GOOD, N },
	    { GOOD, N },
	    { GOOD, N },
	    { GOOD, N } } },
	{ "address", PACKED, VQ_FAULT_ADDRESS, 0, { { BAD_ADDR, 1 } } },
	{ "end past memory",
	  PACKED,
	  VQ_FAULT_ADDRESS,
	  0,
	  { { BAD_ADDR - 10, 11 } } },
	{ "end past 2^64",
	  PACKED,
	  VQ_FAULT_ADDRESS,
	  0,
	  { { UINT64_MAX - 10, 64 } } },
	{ "length 2^32 - 1",
	  PACKED,
	  VQ_FAULT_ADDRESS,
	  0,
	  { { RIG_GPA, UINT32_MAX } } },
	{ "second address",
	  PACKED,
	  VQ_FAULT_ADDRESS,
	  0,
	  { { GOOD, N }, { BAD_ADDR, 1 } } },
	{ "order", PACKED, VQ_FAULT_ORDER, 0, { { GOOD, W | N }, { GOOD } } },
	{ "empty", PACKED, VQ_FAULT_EMPTY, 0, { { RIG_GPA, 0 } } },
	{ "not negotiated",
	  PACKED,
	  VQ_FAULT_INDIRECT,
	  0,
	  { { TABLE, 16, I } },
	  { { GOOD } } },
	{ "indirect and next",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT,
	  0,
	  { { TABLE, 16, I | N }, { GOOD } },
	  { { GOOD } } },
	{ "table after direct",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT,
	  0,
	  { { GOOD, N }, { TABLE, 16, I } },
	  { { GOOD } } },
	{ "nested",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT,
	  0,
	  { { TABLE, 16, I } },
	  { { TABLE, 16, I } } },
	{ "table of 0",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  0,
	  { { TABLE, 0, I } } },
	{ "table of 17",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  0,
	  { { TABLE, 17, I } },
	  { { GOOD } } },
	{ "table too long",
	  PACKED | INDIRECT,
	  VQ_FAULT_INDIRECT_SIZE,
	  0,
	  { { TABLE, 32769 * 16, I } },
	  { { GOOD } } },
	{ "table outside",
	  PACKED | INDIRECT,
	  VQ_FAULT_ADDRESS,
	  0,
	  { { BAD_ADDR, 16, I } } },
	{ "table's order",
	  PACKED | INDIRECT,
	  VQ_FAULT_ORDER,
	  0,
	  { { TABLE, 32, I } },
	  { { GOOD, W }, { GOOD } } },
	{ "good", PACKED, VQ_FAULT_NONE, 0, { { GOOD } } },
	{ "good chain",
	  PACKED,
	  VQ_FAULT_NONE,
	  0,
	  { { GOOD, N }, { GOOD, N | W }, { GOOD, W } } },
	{ "good table, next ignored",
	  PACKED | INDIRECT,
	  VQ_FAULT_NONE,
	  0,
	  { { TABLE, 32, I | W } },
	  { { GOOD, N }, { GOOD, W } } },
};

static unsigned count_d(const struct d *d)
{
	unsigned n = 0;

	while (n < MAX_D && (d[n].addr || d[n].len || d[n].flags))
		n++;
	return n;
}

/* Writes a good chain to slot 0 and the hostile one behind it. */
static void write_split(struct vq_rig *rig, const struct hostile *h)
{
	struct vq_desc *ring = rig->area.desc;
	struct vq_desc *table = (struct vq_desc *)(rig->base + TABLE_OFF);
	struct vq_avail *avail = rig->area.driver;

	ring[0] = (struct vq_desc){ RIG_GPA, 64, 0, 0 };
	for (unsigned i = 0; i < count_d(h->ring); i++)
		ring[1 + i] =
			(struct vq_desc){ h->ring[i].addr, h->ring[i].len,
					  h->ring[i].flags, h->ring[i].next };
	for (unsigned i = 0; i < count_d(h->table); i++)
		table[i] =
			(struct vq_desc){ h->table[i].addr, h->table[i].len,
					  h->table[i].flags, h->table[i].next };
	avail->ring[1] = h->head;
	avail->idx = (uint16_t)(2 + h->ahead);
}

static void write_packed(struct vq_rig *rig, const struct hostile *h)
{
	struct vq_packed_desc *ring = rig->area.desc;
	struct vq_packed_desc *table = (void *)(rig->base + TABLE_OFF);

	ring[0] = (struct vq_packed_desc){ RIG_GPA, 64, 0, VQ_DESC_F_AVAIL };
	for (unsigned i = 0; i < count_d(h->ring); i++) {
		uint16_t flags = h->ring[i].flags | VQ_DESC_F_AVAIL;

		/* the chain that links the whole ring also reaches slot 0 */
		if (1 + i == COUNT)
			flags = VQ_DESC_F_AVAIL | N;
		ring[(1 + i) % COUNT] =
			(struct vq_packed_desc){ h->ring[i].addr,
						 h->ring[i].len, 7, flags };
	}
	for (unsigned i = 0; i < count_d(h->table); i++)
		table[i] = (struct vq_packed_desc){ h->table[i].addr,
						    h->table[i].len, 0,
						    h->table[i].flags };
}

static void run_row(const struct hostile *h)
{
	struct vq_rig_config config = { h->features, COUNT, AREA_SIZE, 3, 0 };
	bool is_packed = feat_has(h->features, VIRTIO_F_RING_PACKED);
	/* a wrong idx invalidates the whole burst, and the linked ring has no
	 * good chain */
	bool has_good = h->fault != VQ_FAULT_AVAIL_RANGE &&
			!(is_packed && h->fault == VQ_FAULT_LOOP);
	struct vq_chain chain[BURST];
	struct iovec iov[64];
	struct vq_rig rig;
	unsigned n;

	vq_rig_init(&rig, &config);
	if (is_packed)
		write_packed(&rig, h);
	else
		write_split(&rig, h);
	n = vq_dev_pop_burst(&rig.dev, chain, BURST, iov, ARRAY_SIZE(iov));
	if (rig.dev.fault != h->fault)
		fail_msg("%s: fault %u instead of %u", h->name, rig.dev.fault,
			 h->fault);
	if (n != (unsigned)has_good + (h->fault == VQ_FAULT_NONE))
		fail_msg("%s: %u chains", h->name, n);
	if (has_good) {
		assert_int_equal(chain[0].readable_size, 64);
		assert_int_equal(chain[0].iov[0].iov_len, 64);
	}
	if (h->fault) {
		/* the fault is sticky, whatever the ring contains now */
		memset(rig.area.desc, 0, COUNT * sizeof(struct vq_desc));
		assert_int_equal(vq_dev_pop_burst(&rig.dev, chain, BURST, iov,
						  ARRAY_SIZE(iov)),
				 0);
		assert_int_equal(rig.dev.fault, h->fault);
		assert_true(vq_dev_arm(&rig.dev));
		assert_string_not_equal(vq_fault_name(h->fault),
					vq_fault_name(VQ_FAULT_COUNT));
	}
	vq_rig_fini(&rig);
}

static void test_split_faults(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(split_faults); i++)
		run_row(&split_faults[i]);
}

static void test_packed_faults(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(packed_faults); i++)
		run_row(&packed_faults[i]);
}

/* A table repeats the same megabyte up to 4 GiB and more: sizes have 32 bits
 * and must not wrap. */
static void test_size(void **state)
{
	struct vq_rig_config config = { INDIRECT, COUNT, 4 << 20, 1, 0 };
	struct hostile h = { .head = 1, .ring = { { TABLE, 4097 * 16, I } } };
	static struct iovec iov[5000];
	struct vq_chain chain[2];
	struct vq_desc *table;
	struct vq_rig rig;

	(void)state;
	vq_rig_init(&rig, &config);
	write_split(&rig, &h);
	table = (struct vq_desc *)(rig.base + TABLE_OFF);
	for (unsigned i = 0; i < 4097; i++)
		table[i] = (struct vq_desc){ RIG_GPA + (1 << 20), 1 << 20, N,
					     (uint16_t)(i + 1) };
	assert_int_equal(vq_dev_pop_burst(&rig.dev, chain, 2, iov, 5000), 1);
	assert_int_equal(rig.dev.fault, VQ_FAULT_SIZE);
	vq_rig_fini(&rig);
}

/* A legal chain with more buffers than the caller has room for is no fault and
 * does not block the queue: it is consumed, marked, and all its slots are given
 * back. */
static void test_truncated(void **state)
{
	(void)state;
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		struct vq_rig_config config = { is_packed ? PACKED : 0, 16,
						AREA_SIZE, 1, 0 };
		struct iovec list[10], iov[4];
		struct vq_drv_buf buf[3];
		struct vq_drv_used used[3];
		struct vq_chain chain[3];
		struct vq_rig rig;

		vq_rig_init(&rig, &config);
		for (unsigned i = 0; i < 10; i++)
			list[i] = (struct iovec){ rig.base + 64 * i, 64 };
		for (unsigned i = 0; i < 3; i++)
			buf[i] = (struct vq_drv_buf){ list, i == 1 ? 10 : 1, 0,
						      &buf[i], false };
		assert_int_equal(vq_drv_push_burst(rig.drv, buf, 3), 3);
		assert_int_equal(vq_dev_pop_burst(&rig.dev, chain, 3, iov, 4),
				 1);
		assert_int_equal(chain[0].flags, 0);
		assert_int_equal(
			vq_dev_pop_burst(&rig.dev, &chain[1], 2, iov, 4), 1);
		assert_int_equal(chain[1].flags, VQ_CHAIN_TRUNCATED);
		assert_int_equal(chain[1].readable_size, 0);
		assert_int_equal(
			vq_dev_pop_burst(&rig.dev, &chain[2], 1, iov, 4), 1);
		for (unsigned i = 0; i < 3; i++)
			vq_dev_push_burst(
				&rig.dev,
				&(struct vq_done){ chain[i].id,
						   chain[i].slot_count, 0 },
				1);
		assert_int_equal(vq_drv_pop_burst(rig.drv, used, 3), 3);
		assert_int_equal(vq_drv_free_slots(rig.drv), 16);
		vq_rig_fini(&rig);
	}
}

/* The opposite direction: a device that lies to the driver side. */
static void test_used_faults(void **state)
{
	uint64_t order = feat_bit(VIRTIO_F_IN_ORDER);
	const struct {
		uint64_t features;
		uint16_t idx;
		uint32_t id;
		enum vq_fault fault;
	} rows[] = {
		{ 0, COUNT + 1, 0, VQ_FAULT_USED_RANGE },
		{ 0, 0xffff, 0, VQ_FAULT_USED_RANGE },
		{ 0, 1, COUNT, VQ_FAULT_USED_ID },
		{ 0, 1, 65536, VQ_FAULT_USED_ID },
		{ 0, 1, 5, VQ_FAULT_USED_ID },
		{ 0, 2, 0, VQ_FAULT_USED_ID },	   /* the same id twice */
		{ order, 1, 1, VQ_FAULT_USED_ID }, /* batch beyond idx */
		{ order, 1, 5, VQ_FAULT_USED_ID },
		{ order, 2, 1, VQ_FAULT_NONE },
		{ PACKED, 0, COUNT, VQ_FAULT_USED_ID },
		{ PACKED, 0, 5, VQ_FAULT_USED_ID },
		{ PACKED | order, 0, 5, VQ_FAULT_USED_ID },
		{ PACKED | order, 0, 1, VQ_FAULT_NONE },
	};

	(void)state;
	for (unsigned r = 0; r < ARRAY_SIZE(rows); r++) {
		struct vq_rig_config config = { rows[r].features, COUNT,
						AREA_SIZE, 1, 0 };
		struct vq_drv_used back[COUNT];
		struct vq_rig rig;
		struct iovec iov;
		unsigned n;

		vq_rig_init(&rig, &config);
		iov = (struct iovec){ rig.base, 64 };
		for (unsigned i = 0; i < 2; i++)
			vq_drv_push_burst(
				rig.drv,
				&(struct vq_drv_buf){ &iov, 1, 0, &rig, 0 }, 1);
		if (feat_has(rows[r].features, VIRTIO_F_RING_PACKED)) {
			struct vq_packed_desc *d = rig.area.desc;

			d->id = (uint16_t)rows[r].id;
			d->len = 100000;
			d->flags = VQ_DESC_F_AVAIL | VQ_DESC_F_USED | W;
		} else {
			struct vq_used *used = rig.area.device;

			for (unsigned i = 0; i < 2; i++)
				used->ring[i] =
					(struct vq_used_elem){ rows[r].id,
							       100000 };
			used->idx = rows[r].idx;
		}
		n = vq_drv_pop_burst(rig.drv, back, COUNT);
		assert_int_equal(vq_drv_fault(rig.drv), rows[r].fault);
		assert_true(n <= 2);
		if (!rows[r].fault)
			assert_int_equal(n, 2);
		while (n--)
			assert_int_equal(back[n].size, 0); /* nothing written */
		assert_int_equal(vq_drv_pop_burst(rig.drv, back, COUNT), 0);
		vq_rig_fini(&rig);
	}
}

struct noise {
	struct vq_rig *rig;
	struct rng rng;
	bool is_over;
};

/* Writes plausible and wild values to all memory that a driver can write. */
static void *make_noise(void *arg)
{
	struct noise *n = arg;
	struct vq_area_sizes size =
		vq_area_sizes(n->rig->config.features, n->rig->config.count);
	struct {
		uint8_t *at;
		uint64_t size;
	} target[] = { { n->rig->area.desc, size.desc },
		       { n->rig->area.driver, size.driver },
		       { n->rig->area.device, size.device },
		       { n->rig->base + TABLE_OFF, 4096 } };

	while (!shm_load(&n->is_over)) {
		unsigned t = rng_below(&n->rng, ARRAY_SIZE(target));
		uint32_t off = rng_below(&n->rng, (uint32_t)target[t].size / 2);
		uint16_t *at = (uint16_t *)target[t].at + off;
		uint16_t v = (uint16_t)rng_next(&n->rng);

		shm_store(at, v & 0x8000 ? v : (uint16_t)(v & 0x0087));
	}
	return NULL;
}

/* Checks that all buffers of @c lie in guest memory. */
static void check_inside(const struct vq_rig *rig, const struct vq_chain *c)
{
	unsigned n = c->readable_count + c->writable_count;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = c->iov[i].iov_base;
		bool is_inside = false;

		for (unsigned r = 0; r < rig->mem->count; r++) {
			const struct gmem_region *g = &rig->mem->region[r];

			is_inside |=
				p >= g->host &&
				range_is_inside((uint64_t)(p - g->host),
						c->iov[i].iov_len, g->size);
		}
		assert_true(is_inside);
	}
}

static void endure(uint64_t features, uint32_t count, struct rng *rng)
{
	struct vq_rig_config config = { features, count, AREA_SIZE, 3, 0 };
	struct vq_rig rig;
	struct noise noise = { &rig, *rng, false };
	struct vq_chain chain[BURST];
	struct vq_done done[BURST];
	struct iovec iov[64];
	pthread_t thread;
	struct hostile start = { .head = 1,
				 .ring = { { GOOD, N, 2 }, { TABLE, 64, I } },
				 .table = { { GOOD, N, 1 }, { GOOD } } };

	vq_rig_init(&rig, &config);
	pthread_create(&thread, NULL, make_noise, &noise);
	for (unsigned i = 0; i < 40000; i++) {
		unsigned n;

		if (rig.dev.fault) {
			vq_dev_deactivate(&rig.dev);
			vq_rig_activate(&rig, vq_rig_start());
		}
		if (i % 4 == 0) {
			if (feat_has(features, VIRTIO_F_RING_PACKED))
				write_packed(&rig, &start);
			else
				write_split(&rig, &start);
		}
		n = vq_dev_pop_burst(&rig.dev, chain, BURST, iov,
				     1 + rng_below(rng, 64));
		for (unsigned k = 0; k < n; k++) {
			check_inside(&rig, &chain[k]);
			done[k] = (struct vq_done){ chain[k].id,
						    chain[k].slot_count, 1 };
		}
		if (rng_below(rng, 4) == 0)
			vq_dev_unpop(&rig.dev, chain, n);
		else
			vq_dev_push_burst(&rig.dev, done, n);
		vq_dev_should_notify(&rig.dev);
		if (rng_below(rng, 8) == 0)
			vq_dev_arm(&rig.dev);
		vq_dev_pending(&rig.dev, BURST);
		vq_dev_disarm(&rig.dev);
	}
	shm_store(&noise.is_over, true);
	pthread_join(thread, NULL);
	*rng = noise.rng;
	vq_rig_fini(&rig);
}

static void test_noise(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	print_message("seed 0x%llx\n", (unsigned long long)rng.state);
	for (unsigned bits = 0; bits < 8; bits++) {
		uint64_t features =
			(bits & 1 ? feat_bit(VIRTIO_F_EVENT_IDX) : 0) |
			(bits & 2 ? feat_bit(VIRTIO_F_IN_ORDER) : 0) |
			(bits & 4 ? INDIRECT : 0);

		endure(features, COUNT, &rng);
		endure(features | PACKED, COUNT, &rng);
		endure(features | PACKED, 11, &rng);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_faults),
		cmocka_unit_test(test_packed_faults),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_used_faults),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
