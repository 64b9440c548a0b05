/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/: what a session notices of a guest whose memory is not shared. */
#include "vu_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "virtio.h"

#define V1     (1ull << VIRTIO_F_VERSION_1)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define PROTO  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)

/* A struct show that keeps the strings it was given. */
struct memo {
	struct show show;
	char text[1024];
};

static void memo_open(struct show *s, const char *key)
{
	(void)s;
	(void)key;
}

static void memo_end(struct show *s)
{
	(void)s;
}

static void memo_str(struct show *s, const char *key, const char *value)
{
	struct memo *m = container_of(s, struct memo, show);

	if (key)
		snprintf(m->text + strlen(m->text),
			 sizeof(m->text) - strlen(m->text), "%s=%s;", key,
			 value);
}

static void memo_num(struct show *s, const char *key, uint64_t value)
{
	(void)s;
	(void)key;
	(void)value;
}

static void memo_flag(struct show *s, const char *key, bool value)
{
	memo_num(s, key, value);
}

static const struct show_ops memo_ops = {
	.object = memo_open,
	.array = memo_open,
	.end = memo_end,
	.str = memo_str,
	.num = memo_num,
	.flag = memo_flag,
};

static bool says_private(struct rig *r)
{
	struct memo m = { .show.ops = &memo_ops };

	vu_backend_show(r->b, &m.show);
	assert_non_null(strstr(m.text, "state="));
	return strstr(m.text, "share=on") != NULL;
}

static void start(struct rig *r, uint64_t features)
{
	rig_open(r, V1 | PACKED);
	rig_negotiate(r, features | PROTO);
	rig_send(r, rig_mem_table(r));
	rig_set_up_queue(r, 1);
	if (!(features & PACKED))
		return;
	rig_send(r, rig_state(VU_SET_VRING_BASE, 1, 0x80008000));
	rig_send(r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
}

/* Acts as the worker: sleeps @n times without touching the ring. Returns the
 * number of reports. */
static unsigned sleep_idle(struct rig *r, unsigned n)
{
	uint64_t reports = 0;

	for (unsigned i = 0; i < n; i++) {
		vq_dev_disarm(r->queue[1].vq);
		assert_true(vq_dev_arm(r->queue[1].vq));
	}
	if (read(r->report_fd, &reports, sizeof(reports)) < 0)
		return 0;
	return (unsigned)reports;
}

/* Runs the loop until the second look is over. */
static void second_look(struct rig *r)
{
	for (unsigned i = 0; i < 11; i++) {
		usleep(100000);
		rig_step(r);
	}
}

static void test_private(void **state)
{
	static const uint64_t formats[] = { V1, V1 | PACKED };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		struct rig r;

		start(&r, formats[i]);
		assert_int_equal(sleep_idle(&r, 1), 0);
		assert_int_equal(sleep_idle(&r, 1), 1);
		/* woken up without kicks */
		vu_backend_check(r.b);
		second_look(&r);
		assert_false(says_private(&r));
		/* reports get rare: 4, 8, 16, 32, 64 */
		r.kicks[1] = 2;
		assert_int_equal(sleep_idle(&r, 100), 5);
		vu_backend_check(r.b);
		assert_false(says_private(&r));
		second_look(&r);
		assert_true(says_private(&r));
		/* the queue starts anew */
		rig_send(&r, rig_mem_table(&r));
		assert_false(says_private(&r));
		rig_close(&r);
	}
}

/* With EVENT_IDX the driver kicks only once, however much it sends. */
static void test_one_kick(void **state)
{
	static const uint64_t event_idx = 1ull << VIRTIO_F_EVENT_IDX;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig r;

		rig_open(&r, V1 | event_idx);
		rig_negotiate(&r, (i == 3 ? V1 : V1 | event_idx) | PROTO);
		rig_send(&r, rig_mem_table(&r));
		rig_set_up_queue(&r, 1);
		/* its receiveq: missing, in use, or untouched */
		if (i == 1)
			assert_int_equal(
				pwrite(r.mem_fd, &(uint16_t){ 1 }, 2, 0x4002),
				2);
		if (i)
			rig_set_up_queue(&r, 0);
		assert_int_equal(sleep_idle(&r, 2), 1);
		r.kicks[1] = 1;
		vu_backend_check(r.b);
		second_look(&r);
		assert_int_equal(says_private(&r), i == 2);
		rig_close(&r);
	}
}

/* A slow driver: the ring is used before the second look. */
static void test_slow(void **state)
{
	uint16_t one = 1, avail = 0x80;
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		start(&r, i ? V1 | PACKED : V1);
		r.kicks[1] = 2;
		assert_int_equal(sleep_idle(&r, 2), 1);
		vu_backend_check(r.b);
		if (i)
			assert_int_equal(
				pwrite(r.mem_fd, &avail, 2, 0x10000 + 14), 2);
		else
			assert_int_equal(
				pwrite(r.mem_fd, &one, 2, 0x10000 + 0x4002), 2);
		second_look(&r);
		assert_false(says_private(&r));
		rig_close(&r);
	}
}

/* A ring beyond its first slot is never suspected. */
static void test_in_use(void **state)
{
	struct rig r;

	(void)state;
	start(&r, V1);
	rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0));
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 7));
	assert_int_equal(
		pwrite(r.mem_fd, &(uint16_t){ 7 }, 2, 0x10000 + 0x4002), 2);
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(sleep_idle(&r, 20), 0);
	rig_close(&r);
}

/* The line about a buffer outside memory names its address and the nearest
 * region. */
static void test_outside(void **state)
{
	static const struct {
		uint64_t gpa;
		uint32_t len;
		const char *says;
	} cases[] = {
		{ 0x1000, 100, "0x1000+0x64" },
		{ RIG_GPA + RIG_MEM_SIZE - 10, 100, "0x400ffff6+0x64" },
		{ UINT64_MAX - 10, 100, "0xfffffffffffffff5+0x64" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vq_desc desc = { .addr = cpu_to_le64(cases[i].gpa),
					.len = cpu_to_le32(cases[i].len) };
		struct iovec iov[16];
		struct vq_chain chain;
		struct rig r;

		start(&r, V1);
		assert_int_equal(pwrite(r.mem_fd, &desc, 16, 0x10000), 16);
		assert_int_equal(
			pwrite(r.mem_fd, &(uint16_t){ 1 }, 2, 0x10000 + 0x4002),
			2);
		assert_int_equal(
			vq_dev_pop_burst(r.queue[1].vq, &chain, 1, iov, 16), 0);
		vu_backend_check(r.b);
		assert_non_null(strstr(r.fault, cases[i].says));
		assert_non_null(strstr(r.fault, "0x40000000+0x100000"));
		assert_non_null(strstr(r.fault, "share=on"));
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private), cmocka_unit_test(test_one_kick),
		cmocka_unit_test(test_slow),	cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
