/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio/: driver side against device side, with every format, feature and kind
 * of size. After each random operation the state is compared with a model made
 * of plain arrays. RINGWAY_TEST_SEED repeats or varies a run.
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "vq_rig.h"

#define SLOT_SIZE 700 /* bytes a buffer list may use; no divisor of a page */
#define MAX_IOV	  6
#define BURST	  40

/* One buffer list, from offer to return. Its number is its cookie - 1 and its
 * place in the buffer area. */
struct list {
	struct iovec iov[MAX_IOV];
	unsigned readable_count, writable_count;
	uint32_t readable_size, writable_size;
	unsigned pieces;    /* iovecs that the device sees */
	uint8_t pattern;    /* value of the readable bytes */
	uint32_t used_size; /* bytes of ~pattern that the device wrote */
	struct vq_done done;
};

/* The events that one side wants, and those it got. */
struct wish {
	bool is_armed, was_told;
	bool is_first;			     /* it has not asked its peer yet */
	bool has_news, has_news_since_armed; /* entries since it last asked */
	unsigned slots_since_armed;
};

struct model {
	struct vq_rig rig;
	struct rng rng;
	bool has_event_idx, is_packed, is_in_order, is_one_way;
	struct list *list;
	unsigned list_count;
	unsigned *free, free_count;	/* numbers of unused lists */
	unsigned *avail, avail_count;	/* offered, oldest first */
	unsigned *popped, popped_count; /* popped by the device, oldest first */
	unsigned *used, used_count;	/* pushed, oldest first */
	struct wish device, driver;
	bool unannounced; /* pushed since the driver last asked */
	struct vq_chain chain[BURST];
	struct iovec iov[BURST * MAX_IOV * 2];
};

static unsigned take(unsigned *array, unsigned *count, unsigned i)
{
	unsigned v = array[i];

	memmove(&array[i], &array[i + 1], (*count - i - 1) * sizeof(*array));
	(*count)--;
	return v;
}

static void model_init(struct model *m, const struct vq_rig_config *config,
		       struct rng rng, bool is_one_way)
{
	memset(m, 0, sizeof(*m));
	vq_rig_init(&m->rig, config);
	m->rng = rng;
	m->has_event_idx = feat_has(config->features, VIRTIO_F_EVENT_IDX);
	m->is_packed = feat_has(config->features, VIRTIO_F_RING_PACKED);
	m->is_in_order = feat_has(config->features, VIRTIO_F_IN_ORDER);
	m->is_one_way = is_one_way;
	m->list_count = config->count;
	m->list = calloc(m->list_count, sizeof(*m->list));
	m->free = calloc(m->list_count, sizeof(unsigned));
	m->avail = calloc(m->list_count, sizeof(unsigned));
	m->popped = calloc(m->list_count, sizeof(unsigned));
	m->used = calloc(m->list_count, sizeof(unsigned));
	for (unsigned i = 0; i < m->list_count; i++)
		m->free[m->free_count++] = i;
	m->device.is_first = m->driver.is_first = true;
}

static void model_fini(struct model *m)
{
	vq_rig_fini(&m->rig);
	free(m->list);
	free(m->free);
	free(m->avail);
	free(m->popped);
	free(m->used);
}

/* Cuts the list's place into buffers, in ascending order with gaps. */
static void make_list(struct model *m, unsigned number, unsigned max_iov)
{
	struct list *l = &m->list[number];
	unsigned n = 1 + rng_below(&m->rng, max_iov);
	uint64_t off = (uint64_t)number * SLOT_SIZE;

	memset(l, 0, sizeof(*l));
	l->readable_count = m->is_one_way ? n : rng_below(&m->rng, n + 1);
	l->writable_count = n - l->readable_count;
	l->pattern = (uint8_t)rng_next(&m->rng);
	for (unsigned i = 0; i < n; i++) {
		uint32_t size = 1 + rng_below(&m->rng, SLOT_SIZE / n - 2);
		bool is_writable = i >= l->readable_count;

		off += rng_below(&m->rng, 2);
		l->iov[i] = (struct iovec){ m->rig.base + off, size };
		memset(l->iov[i].iov_base, is_writable ? 0 : l->pattern, size);
		l->pieces += vq_rig_pieces(&m->rig, off, size);
		*(is_writable ? &l->writable_size : &l->readable_size) += size;
		off += size;
	}
}

static void *cookie_of(unsigned number)
{
	return (void *)(uintptr_t)(number + 1);
}

static void note_news(struct wish *teller, unsigned slots)
{
	teller->has_news |= slots > 0;
	teller->has_news_since_armed |= slots > 0;
	teller->slots_since_armed += slots;
}

static void driver_push(struct model *m)
{
	unsigned n = 1 + rng_below(&m->rng, BURST), pushed;
	unsigned max_iov = MIN(MAX_IOV, m->rig.config.count);
	struct vq_drv_buf bufs[BURST];
	unsigned before = vq_drv_free_slots(m->rig.drv);

	n = MIN(n, m->free_count);
	for (unsigned i = 0; i < n; i++) {
		struct list *l = &m->list[m->free[i]];

		make_list(m, m->free[i], max_iov);
		bufs[i] = (struct vq_drv_buf){
			.iov = l->iov,
			.readable_count = l->readable_count,
			.writable_count = l->writable_count,
			.cookie = cookie_of(m->free[i]),
			.indirect = rng_below(&m->rng, 2),
		};
	}
	pushed = vq_drv_push_burst(m->rig.drv, bufs, n);
	assert_true(pushed <= n);
	/* a list that fits is never refused */
	assert_true(pushed == n || before < max_iov * (pushed + 1));
	note_news(&m->driver, before - vq_drv_free_slots(m->rig.drv));
	while (pushed--)
		m->avail[m->avail_count++] = take(m->free, &m->free_count, 0);
}

/* Checks @answer: @teller asked whether @listener wants an event. */
static void check_notify(const struct model *m, struct wish *teller,
			 struct wish *listener, bool answer)
{
	bool expected = listener->is_armed && teller->has_news;

	if (m->has_event_idx)
		expected &= teller->has_news_since_armed && !listener->was_told;
	/* a new side does not know the events of its predecessor */
	if (m->has_event_idx && teller->is_first)
		expected = !m->is_packed || (listener->is_armed &&
					     teller->slots_since_armed > 0);
	/* packed event positions repeat after two rounds */
	if (m->has_event_idx && m->is_packed &&
	    teller->slots_since_armed > m->rig.config.count)
		expected = answer;
	if (!(teller->is_first && !teller->has_news))
		assert_int_equal(answer, expected);
	if (answer && teller->has_news_since_armed)
		listener->was_told = true;
	teller->is_first = false;
	teller->has_news = teller->has_news_since_armed = false;
}

static void check_chain(const struct vq_chain *c, const struct list *l)
{
	unsigned i = 0;
	uint32_t size = 0;

	assert_int_equal(c->flags, 0);
	assert_int_equal(c->readable_size, l->readable_size);
	assert_int_equal(c->writable_size, l->writable_size);
	assert_int_equal(c->readable_count + c->writable_count, l->pieces);
	for (; i < c->readable_count; i++) {
		const uint8_t *p = c->iov[i].iov_base;

		for (size_t j = 0; j < c->iov[i].iov_len; j++)
			assert_int_equal(p[j], l->pattern);
		size += (uint32_t)c->iov[i].iov_len;
	}
	assert_int_equal(size, l->readable_size);
	for (; i < l->pieces; i++)
		size += (uint32_t)c->iov[i].iov_len;
	assert_int_equal(size, l->readable_size + l->writable_size);
}

/* Writes part of the buffers at once, so the iovecs of the chain need not be
 * kept. */
static void device_write(struct model *m, const struct vq_chain *c,
			 struct list *l)
{
	uint32_t left = rng_below(&m->rng, l->writable_size + 1);
	struct iovec *iov = c->iov + c->readable_count;

	l->used_size = left;
	for (unsigned i = 0; i < c->writable_count; i++) {
		uint32_t part = MIN(left, (uint32_t)iov[i].iov_len);

		memset(iov[i].iov_base, (uint8_t)~l->pattern, part);
		left -= part;
	}
}

static void device_pop(struct model *m)
{
	unsigned n = 1 + rng_below(&m->rng, BURST), popped, expected = 0;
	unsigned room = ARRAY_SIZE(m->iov), left;

	if (rng_below(&m->rng, 4) == 0)
		room = 1 + rng_below(&m->rng, 2 * MAX_IOV);
	left = room;
	while (expected < MIN(n, m->avail_count)) {
		unsigned pieces = m->list[m->avail[expected]].pieces;

		if (expected > 0 && pieces > left)
			break;
		expected++;
		left -= MIN(left, pieces);
		if (left == 0)
			break;
	}
	popped = vq_dev_pop_burst(&m->rig.dev, m->chain, n, m->iov, room);
	assert_int_equal(m->rig.dev.fault, VQ_FAULT_NONE);
	assert_int_equal(popped, expected);
	for (unsigned i = 0; i < popped; i++) {
		unsigned number = take(m->avail, &m->avail_count, 0);
		struct list *l = &m->list[number];

		if (i == 0 && l->pieces > room) {
			assert_int_equal(m->chain[i].flags, VQ_CHAIN_TRUNCATED);
			assert_int_equal(m->chain[i].writable_size, 0);
			l->used_size = 0;
		} else {
			check_chain(&m->chain[i], l);
			device_write(m, &m->chain[i], l);
		}
		l->done = (struct vq_done){ m->chain[i].id,
					    m->chain[i].slot_count,
					    l->used_size };
		m->popped[m->popped_count++] = number;
	}
	if (popped && rng_below(&m->rng, 4) == 0) {
		n = rng_below(&m->rng, popped + 1);
		vq_dev_unpop(&m->rig.dev, &m->chain[popped - n], n);
		memmove(m->avail + n, m->avail,
			m->avail_count * sizeof(*m->avail));
		m->avail_count += n;
		m->popped_count -= n;
		memcpy(m->avail, m->popped + m->popped_count,
		       n * sizeof(*m->avail));
	}
}

static void device_push(struct model *m, unsigned n)
{
	struct vq_done done[BURST] = { 0 };
	unsigned slots = 0;

	n = MIN(n, m->popped_count);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = m->is_in_order
				      ? 0
				      : rng_below(&m->rng, m->popped_count);
		unsigned number = take(m->popped, &m->popped_count, at);

		done[i] = m->list[number].done;
		slots += done[i].slot_count;
		m->used[m->used_count++] = number;
	}
	vq_dev_push_burst(&m->rig.dev, done, n);
	note_news(&m->device, slots);
	check_notify(m, &m->device, &m->driver,
		     vq_dev_should_notify(&m->rig.dev));
}

static void check_returned(const struct list *l, uint32_t size)
{
	assert_int_equal(size, l->used_size);
	for (unsigned i = 0; i < l->writable_count; i++) {
		const struct iovec *iov = &l->iov[l->readable_count + i];
		const uint8_t *p = iov->iov_base;

		for (size_t j = 0; j < iov->iov_len && size; j++, size--)
			assert_int_equal(p[j], (uint8_t)~l->pattern);
	}
}

static void driver_pop(struct model *m)
{
	unsigned n = 1 + rng_below(&m->rng, BURST), popped;
	struct vq_drv_used used[BURST];

	popped = vq_drv_pop_burst(m->rig.drv, used, n);
	assert_int_equal(vq_drv_fault(m->rig.drv), VQ_FAULT_NONE);
	assert_int_equal(popped, MIN(n, m->used_count));
	for (unsigned i = 0; i < popped; i++) {
		unsigned number = take(m->used, &m->used_count, 0);

		assert_ptr_equal(used[i].cookie, cookie_of(number));
		check_returned(&m->list[number], used[i].size);
		m->free[m->free_count++] = number;
	}
}

static void arm(struct wish *listener, struct wish *teller, bool is_armed)
{
	listener->is_armed = is_armed;
	listener->was_told = false;
	teller->has_news_since_armed = false;
	teller->slots_since_armed = 0;
}

/* Replaces the device side by a new one at its position. */
static void restart(struct model *m)
{
	uint64_t features = m->rig.config.features;
	struct vq_position p;
	uint32_t word;

	while (m->popped_count)
		device_push(m, BURST);
	p = vq_dev_deactivate(&m->rig.dev);
	word = vq_position_encode(features, p);
	memset(&m->rig.dev, 0xa5, sizeof(m->rig.dev));
	vq_rig_activate(&m->rig, vq_position_decode(features, word));
	m->device.is_first = true;
	arm(&m->device, &m->driver, false);
}

static void step(struct model *m)
{
	switch (rng_below(&m->rng, 9)) {
	case 0:
	case 1:
		driver_push(m);
		break;
	case 2:
		check_notify(m, &m->driver, &m->device,
			     vq_drv_should_notify(m->rig.drv));
		break;
	case 3:
	case 4:
		device_pop(m);
		break;
	case 5:
		device_push(m, rng_below(&m->rng, BURST));
		break;
	case 6:
		driver_pop(m);
		break;
	case 7:
		if (rng_below(&m->rng, 2)) {
			assert_int_equal(vq_dev_arm(&m->rig.dev),
					 m->avail_count == 0);
			arm(&m->device, &m->driver, m->avail_count == 0);
			assert_int_equal(vq_drv_arm(m->rig.drv),
					 m->used_count == 0);
			arm(&m->driver, &m->device, m->used_count == 0);
		} else {
			vq_dev_disarm(&m->rig.dev);
			arm(&m->device, &m->driver, false);
			vq_drv_disarm(m->rig.drv);
			arm(&m->driver, &m->device, false);
		}
		break;
	default:
		if (rng_below(&m->rng, 16) == 0)
			restart(m);
	}
	assert_int_equal(vq_dev_pending(&m->rig.dev, 100),
			 MIN(m->avail_count, 100));
}

static void run_config(const struct vq_rig_config *config, struct rng *rng,
		       unsigned steps)
{
	struct model m;
	bool is_one_way = rng_below(rng, 2);

	rng_next(rng);
	model_init(&m, config, *rng, is_one_way);
	while (steps--)
		step(&m);
	/* returns every list */
	while (m.free_count < m.list_count) {
		device_pop(&m);
		device_push(&m, BURST);
		driver_pop(&m);
	}
	assert_int_equal(vq_drv_free_slots(m.rig.drv), config->count);
	model_fini(&m);
}

static uint64_t combine(bool is_packed, unsigned bits)
{
	return feat_bit(VIRTIO_F_VERSION_1) |
	       (is_packed ? feat_bit(VIRTIO_F_RING_PACKED) : 0) |
	       (bits & 1 ? feat_bit(VIRTIO_F_EVENT_IDX) : 0) |
	       (bits & 2 ? feat_bit(VIRTIO_F_IN_ORDER) : 0) |
	       (bits & 4 ? feat_bit(VIRTIO_F_INDIRECT_DESC) : 0);
}

static void run_all(bool is_packed, const uint32_t *sizes, unsigned n)
{
	struct rng rng = rng_start();

	print_message("seed 0x%llx\n", (unsigned long long)rng.state);
	for (unsigned s = 0; s < n; s++)
		for (unsigned bits = 0; bits < 8; bits++)
			for (unsigned regions = 1; regions <= 8; regions += 7)
				run_config(
					&(struct vq_rig_config){
						.features = combine(is_packed,
								    bits),
						.count = sizes[s],
						.size = (uint64_t)sizes[s] *
							SLOT_SIZE,
						.regions = regions,
						.indirect_max =
							bits & 4 ? 4 : 0,
					},
					&rng, sizes[s] > 1000 ? 200 : 900);
}

static void test_split(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 4, 8, 64, 256, 1024, 32768 };

	(void)state;
	run_all(false, sizes, ARRAY_SIZE(sizes));
}

static void test_packed(void **state)
{
	static const uint32_t sizes[] = { 1,  2,   3,	7,    8,
					  64, 250, 256, 1000, 32768 };

	(void)state;
	run_all(true, sizes, ARRAY_SIZE(sizes));
}

/* Fills a ring of 32768 (or of odd sizes) completely, several times. */
static void fill_and_drain(uint64_t features, uint32_t count)
{
	struct vq_rig_config config = { features, count, 4096, 1, 0 };
	struct vq_rig rig;
	struct vq_chain chain[64];
	struct vq_done done[64];
	struct vq_drv_used used[64];
	struct iovec iov[64];

	vq_rig_init(&rig, &config);
	for (unsigned round = 0; round < 5; round++) {
		struct iovec one = { rig.base, 64 };
		struct vq_drv_buf buf = { &one, 1, 0, &rig, false };
		unsigned n, back = 0;

		for (unsigned i = 0; i < count; i++)
			assert_int_equal(vq_drv_push_burst(rig.drv, &buf, 1),
					 1);
		assert_int_equal(vq_drv_push_burst(rig.drv, &buf, 1), 0);
		assert_int_equal(vq_dev_pending(&rig.dev, 40000), count);
		assert_true(vq_dev_has(&rig.dev, count));
		while ((n = vq_dev_pop_burst(&rig.dev, chain, 64, iov, 64))) {
			for (unsigned i = 0; i < n; i++)
				done[i] = (struct vq_done){ chain[i].id,
							    chain[i].slot_count,
							    0 };
			vq_dev_push_burst(&rig.dev, done, n);
		}
		assert_int_equal(rig.dev.fault, VQ_FAULT_NONE);
		while ((n = vq_drv_pop_burst(rig.drv, used, 64)))
			back += n;
		assert_int_equal(back, count);
	}
	vq_rig_fini(&rig);
}

static void test_full(void **state)
{
	static const uint32_t packed[] = { 1, 3, 7, 250, 4097, 32767, 32768 };

	(void)state;
	for (unsigned bits = 0; bits < 4; bits++) {
		for (uint32_t size = 1; size <= VQ_MAX_SIZE; size *= 2)
			fill_and_drain(combine(false, bits), size);
		for (unsigned i = 0; i < ARRAY_SIZE(packed); i++)
			fill_and_drain(combine(true, bits), packed[i]);
	}
}

/* Sends one list there and back; counts the events that each side wanted. */
static void ping(struct vq_rig *rig, unsigned *kicks, unsigned *calls)
{
	struct iovec one = { rig->base, 64 }, iov;
	struct vq_drv_buf buf = { &one, 1, 0, rig, false };
	struct vq_chain chain;
	struct vq_drv_used used;

	assert_int_equal(vq_drv_push_burst(rig->drv, &buf, 1), 1);
	*kicks += vq_drv_should_notify(rig->drv);
	assert_int_equal(vq_dev_pop_burst(&rig->dev, &chain, 1, &iov, 1), 1);
	vq_dev_push_burst(&rig->dev, &(struct vq_done){ chain.id, 1, 0 }, 1);
	*calls += vq_dev_should_notify(&rig->dev);
	assert_int_equal(vq_drv_pop_burst(rig->drv, &used, 1), 1);
}

/* A busy ring needs no notification; an armed ring needs exactly one. */
static void test_quiet(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 8; bits++) {
		struct vq_rig_config config = { combine(bits & 4, bits & 3), 8,
						4096, 1, 0 };
		bool is_event_split = !(bits & 4) && (bits & 1);
		unsigned kicks = 0, calls = 0;
		struct vq_rig rig;

		vq_rig_init(&rig, &config);
		for (unsigned i = 0; i < 200000; i++)
			ping(&rig, &kicks, &calls);
		/* with an event index the first one, as it has no "never" */
		assert_int_equal(kicks, is_event_split);
		assert_int_equal(calls, is_event_split);
		for (unsigned i = 0; i < 1000; i++) {
			kicks = calls = 0;
			assert_true(vq_dev_arm(&rig.dev));
			assert_true(vq_drv_arm(rig.drv));
			ping(&rig, &kicks, &calls);
			assert_int_equal(kicks, 1);
			assert_int_equal(calls, 1);
			vq_dev_disarm(&rig.dev);
			vq_drv_disarm(rig.drv);
			ping(&rig, &kicks, &calls);
			assert_int_equal(kicks, 1);
			assert_int_equal(calls, 1);
		}
		vq_rig_fini(&rig);
	}
}

static void test_position(void **state)
{
	uint64_t packed = feat_bit(VIRTIO_F_RING_PACKED);
	struct rng rng = rng_start();
	struct vq_position p;

	(void)state;
	assert_int_equal(vq_position_encode(packed, vq_rig_start()),
			 0x80008000);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t word = (uint32_t)rng_next(&rng);

		p = vq_position_decode(packed, word);
		assert_int_equal(vq_position_encode(packed, p), word);
		p = vq_position_decode(0, word);
		assert_int_equal(p.used, p.avail);
		assert_int_equal(vq_position_encode(0, p), word & 0xffff);
	}
}

static void test_activate_refuses(void **state)
{
	struct vq_rig_config config = { 0, 8, 4096, 1, 0 };
	struct vq_rig rig;
	struct vq_dev_config c;
	struct vq_dev dev;

	(void)state;
	vq_rig_init(&rig, &config);
	c = (struct vq_dev_config){
		.count = 8, .area = rig.area, .mem = rig.mem, .call_fd = -1
	};
	for (uint32_t count = 0; count < 70000; count++)
		assert_int_equal(vq_size_is_valid(0, count),
				 count <= 32768 && is_power_of_two(count));
	c.count = 7;
	assert_int_equal(vq_dev_activate(&dev, &c), -EINVAL);
	c.count = 65536 + 8;
	assert_int_equal(vq_dev_activate(&dev, &c), -EINVAL);
	c.count = 8;
	c.area.desc = (uint8_t *)rig.area.desc + 8;
	assert_int_equal(vq_dev_activate(&dev, &c), -EINVAL);
	c.area.desc = rig.area.desc;
	c.area.device = (uint8_t *)rig.area.device + 2;
	assert_int_equal(vq_dev_activate(&dev, &c), -EINVAL);
	c.area = rig.area;
	c.features = feat_bit(VIRTIO_F_RING_PACKED);
	c.position.avail = 8;
	assert_int_equal(vq_dev_activate(&dev, &c), -EINVAL);
	assert_int_equal(rig.mem->ref_count, 2);
	vq_rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_position),
		cmocka_unit_test(test_activate_refuses),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
