/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device, with a driver written after the standard (virtio 1.2,
 * clause 5.4): what a chain gets, the limit on the rate, and what a hostile
 * driver sends. */
#include "test.h"

#include <string.h>

#include "dev_rig.h"
#include "virtio.h"
#include "vq.h"

static uint8_t *at(struct dev_rig *r, unsigned off)
{
	return r->vm.ram + DEV_RIG_DATA + off;
}

static void open_rng(struct dev_rig *r, const char *options)
{
	struct err err;

	assert_int_equal(dev_rig_open(r, &device_rng_type, options, &err), 0);
	dev_rig_agree(r, 0);
	dev_rig_start(r, 0, 16);
}

/* Gives a buffer of @size bytes and returns how many the device wrote. */
static uint32_t get(struct dev_rig *r, uint32_t size)
{
	struct iovec iov = { at(r, 0), size };
	struct vq_drv_used used;

	memset(at(r, 0), 0, size + 8);
	dev_rig_give(r, 0, &iov, 0, 1, r);
	assert_true(dev_rig_take(r, 0, 5000, &used));
	assert_false(used.is_too_long);
	for (unsigned i = used.size; i < size + 8; i++)
		assert_int_equal(*at(r, i), 0);
	return used.size;
}

static bool is_zero(const uint8_t *p, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

static void test_bytes(void **state)
{
	static const char *const options[] = { "id=a", "id=a,packed=on" };
	struct dev_rig r;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		struct iovec iov[3];
		struct vq_drv_used used;

		open_rng(&r, options[i]);
		assert_int_equal(get(&r, 64), 64);
		assert_false(is_zero(at(&r, 0), 64));
		assert_int_equal(get(&r, 1), 1);
		/* a part of a large one; the driver asks again */
		assert_int_equal(get(&r, 10000), 4096);

		/* several buffers, after one that is to be read */
		memset(at(&r, 0), 0, 4096);
		iov[0] = (struct iovec){ at(&r, 0), 100 };
		iov[1] = (struct iovec){ at(&r, 1000), 100 };
		iov[2] = (struct iovec){ at(&r, 2000), 100 };
		dev_rig_give(&r, 0, iov, 1, 2, &r);
		assert_true(dev_rig_take(&r, 0, 5000, &used));
		assert_int_equal(used.size, 200);
		assert_true(is_zero(at(&r, 0), 1000));
		assert_false(is_zero(at(&r, 1000), 100));
		assert_true(is_zero(at(&r, 1100), 900));
		assert_false(is_zero(at(&r, 2000), 100));
		/* nowhere to write */
		dev_rig_give(&r, 0, iov, 3, 0, &r);
		assert_true(dev_rig_take(&r, 0, 5000, &used));
		assert_int_equal(used.size, 0);
		dev_rig_close(&r);
	}
}

/* Chains beyond the limit wait for the next period, also over a stop. */
static void test_rate(void **state)
{
	struct iovec iov = { NULL, 64 };
	struct vq_drv_used used;
	struct dev_rig r;

	(void)state;
	open_rng(&r, "max-bytes=100,period=300");
	assert_int_equal(get(&r, 64), 64);
	assert_int_equal(get(&r, 64), 36);
	iov.iov_base = at(&r, 0);
	dev_rig_give(&r, 0, &iov, 0, 1, &r);
	assert_false(dev_rig_take(&r, 0, 20, &used));
	assert_true(dev_rig_take(&r, 0, 20000, &used));
	assert_int_equal(used.size, 64);

	/* a chain waits while the ring stops and starts again */
	assert_int_equal(get(&r, 64), 36);
	dev_rig_give(&r, 0, &iov, 0, 1, &r);
	assert_false(dev_rig_take(&r, 0, 5, &used));
	dev_rig_stop(&r, 0);
	dev_rig_start(&r, 0, 16);
	assert_true(get(&r, 64) > 0);
	dev_rig_close(&r);
}

/* Descriptors as no driver makes them: the device needs a reset, and works
 * then. */
static void test_hostile(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} bad[] = {
		{ RIG_RAM_SIZE, 16, 2, 0 },	 /* beyond the memory */
		{ RIG_RAM_SIZE - 8, 16, 2, 0 },	 /* its end is */
		{ UINT64_MAX - 7, 16, 2, 0 },	 /* wraps */
		{ DEV_RIG_DATA, 16, 2 | 1, 0 },	 /* follows itself */
		{ DEV_RIG_DATA, 16, 2 | 1, 16 }, /* follows nobody */
		{ DEV_RIG_DATA, 15, 4, 0 },	 /* part of a table */
		{ RIG_RAM_SIZE, 16, 4, 0 },	 /* table nowhere */
	};
	struct dev_rig r;

	(void)state;
	open_rng(&r, "id=a");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vq_desc d = { cpu_to_le64(bad[i].addr),
				     cpu_to_le32(bad[i].len),
				     cpu_to_le16(bad[i].flags),
				     cpu_to_le16(bad[i].next) };
		struct vq_drv_used used;
		/* after the chain of the round before */
		le16 idx = cpu_to_le16(i ? 2 : 1);

		memcpy(r.vm.ram + r.ring[0].desc, &d, sizeof(d));
		memcpy(r.vm.ram + r.ring[0].driver + 2, &idx, 2);
		vq_drv_notify(r.drv[0]);
		for (unsigned t = 0; t < 100 && !r.resets_needed; t++)
			dev_rig_take(&r, 0, 1, &used);
		assert_int_equal(r.resets_needed, 1);
		assert_non_null(strstr(r.why, "queue 0 stopped"));
		dev_rig_stop(&r, 0);
		r.resets_needed = 0;
		dev_rig_start(&r, 0, 16);
		assert_int_equal(get(&r, 16), 16);
	}
	dev_rig_close(&r);
}

static void test_options(void **state)
{
	static const char *const bad[] = { "max-bytes=0", "period=0",
					   "max-byte=3" };
	struct dev_rig r;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(dev_rig_open(&r, &device_rng_type, bad[i], &err) <
			    0);
		dev_rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
