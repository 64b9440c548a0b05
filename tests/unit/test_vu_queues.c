/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/: how a session hands queues to its owner and takes them back:
 * together, with the state the owner needs, and the control queue apart. */
#include "vu_rig.h"

#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "virtio.h"

#define V1	(1ull << VIRTIO_F_VERSION_1)
#define PROTO	(1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define CTRL	(1ull << VIRTIO_NET_F_CTRL_VQ)
#define MQ	(1ull << VIRTIO_NET_F_MQ)
#define CONTROL (V1 | CTRL | MQ)

static void set_up(struct rig *r, uint64_t offer, uint64_t features,
		   unsigned queues)
{
	rig_open(r, offer);
	rig_negotiate(r, features);
	rig_send(r, rig_mem_table(r));
	for (unsigned i = 0; i < queues; i++)
		rig_set_up_queue(r, i);
}

/* Requests that take all queues back do so in one call, and several starts
 * cause one queues_changed. */
static void test_together(void **state)
{
	static const struct {
		struct vu_msg m;
		unsigned starts; /* starts of each queue afterwards */
	} messages[] = {
		{ { .hdr = { VU_SET_FEATURES, VU_VERSION, 8 },
		    .payload.u64 = V1 },
		  2 },
		{ { .hdr = { VU_SET_STATUS, VU_VERSION, 8 } }, 1 },
		{ { .hdr = { VU_RESET_DEVICE, VU_VERSION, 0 } }, 1 },
	};

	(void)state;
	for (unsigned i = 0; i <= ARRAY_SIZE(messages); i++) {
		unsigned starts = 2, changed;
		struct rig r;

		set_up(&r, V1 | MQ, V1 | PROTO, 2 * RIG_PAIRS);
		changed = r.changed;
		if (i < ARRAY_SIZE(messages)) {
			rig_send(&r, messages[i].m);
			starts = messages[i].starts;
		} else {
			rig_send(&r,
				 rig_region(&r, VU_ADD_MEM_REG, 0, 4096, true));
			assert_int_equal(r.closed, 1); /* the regions overlap */
			starts = 1;
		}
		assert_int_equal(r.stop_calls, 1);
		assert_int_equal(r.changed, changed + (starts == 2));
		for (unsigned q = 0; q < 2 * RIG_PAIRS; q++) {
			assert_int_equal(r.queue[q].stops, 1);
			assert_int_equal(r.queue[q].starts, starts);
		}
		rig_close(&r);
	}
}

/* The owner learns whether a ring goes on where it left it. */
static void test_resumed(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r, V1, V1 | PROTO, 2);
	assert_false(r.queue[1].is_resumed);
	/* new memory, new kick, stop and kick: the same ring */
	rig_send(&r, rig_mem_table(&r));
	assert_int_equal(r.queue[1].starts, 2);
	assert_true(r.queue[1].is_resumed);
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(r.queue[1].starts, 3);
	assert_true(r.queue[1].is_resumed);
	rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_true(r.queue[1].is_resumed);
	/* the front-end sets the position: perhaps a new ring */
	rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0));
	rig_set_up_queue(&r, 1);
	assert_false(r.queue[1].is_resumed);
	/* a new size */
	rig_send(&r, rig_state(VU_SET_VRING_NUM, 1, 128));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_non_null(r.queue[1].vq);
	assert_false(r.queue[1].is_resumed);
	rig_send(&r,
		 (struct vu_msg){ .hdr = { VU_RESET_DEVICE, VU_VERSION, 0 } });
	rig_set_up_queue(&r, 1);
	assert_false(r.queue[1].is_resumed);
	rig_close(&r);
}

/* The control queue has index 2 without MQ and the last index with MQ.
 * Otherwise these indexes are queues of pairs, or invalid. */
static void test_control(void **state)
{
	static const struct {
		uint64_t features;
		unsigned idx;
		bool is_control, is_good;
	} cases[] = {
		{ V1 | CTRL, 2, true, true },
		{ V1 | CTRL | MQ, 2, false, true },
		{ V1 | CTRL | MQ, 4, true, true },
		{ V1 | CTRL, 4, false, false },
		{ V1, 4, false, false },
		{ V1, 2, false, true },
		{ V1 | CTRL | MQ, 5, false, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct leaks before = leaks_count();
		unsigned idx = cases[i].idx;
		struct rig_queue *q;
		struct rig r;

		set_up(&r, CONTROL, cases[i].features | PROTO, 2);
		rig_send(&r, rig_state(VU_SET_VRING_NUM, idx, 64));
		if (r.b)
			rig_send(&r, rig_addr(idx));
		if (r.b)
			rig_send(&r,
				 rig_fd(VU_SET_VRING_KICK, idx, fd_eventfd()));
		assert_int_equal(r.closed, !cases[i].is_good);
		q = &r.queue[cases[i].is_control ? RIG_CONTROL : idx];
		if (cases[i].is_good) {
			assert_int_equal(q->vq->count, 64);
			assert_int_equal(
				rig_call(&r,
					 (struct vu_msg){
						 .hdr = { VU_GET_QUEUE_NUM,
							  VU_VERSION, 0 } })
					.payload.u64,
				RIG_PAIRS);
			/* it moves with the others, and enabling has no
			 * effect */
			rig_send(&r, rig_mem_table(&r));
			assert_int_equal(q->starts, 2);
			rig_send(&r, rig_state(VU_SET_VRING_ENABLE, idx, 1));
			assert_int_equal(q->enables, !cases[i].is_control);
			rig_call(&r, rig_state(VU_GET_VRING_BASE, idx, 0));
			assert_null(q->vq);
			assert_int_equal(q->stops, 2);
		}
		rig_close(&r);
		leaks_assert_none(before);
	}
}

/* Without the protocol's MQ there is one pair, even if the driver took MQ. A
 * queue is given back in the role in which it was handed over. */
static void test_control_of_one_pair(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, CONTROL);
	rig_send(&r, rig_u64(VU_SET_FEATURES, CONTROL | PROTO));
	rig_send(&r, rig_mem_table(&r));
	for (unsigned i = 0; i < 3; i++)
		rig_set_up_queue(&r, i);
	assert_non_null(r.queue[RIG_CONTROL].vq);
	assert_null(r.queue[2].vq);
	rig_send(&r,
		 rig_u64(VU_SET_PROTOCOL_FEATURES, 1ull << VU_PROTOCOL_F_MQ));
	rig_call(&r, rig_state(VU_GET_VRING_BASE, 2, 0));
	assert_null(r.queue[RIG_CONTROL].vq);
	assert_int_equal(r.closed, 0);
	rig_close(&r);
}

/* A front-end that leaves while everything runs. */
static void test_control_ends(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r, CONTROL, CONTROL | PROTO, RIG_QUEUES);
	assert_non_null(r.queue[RIG_CONTROL].vq);
	fd_close(&r.sock);
	rig_step(&r);
	assert_int_equal(r.closed, 1);
	assert_int_equal(r.queue[RIG_CONTROL].stops, 1);
	assert_int_equal(r.stop_calls, 1);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_control_of_one_pair),
		cmocka_unit_test(test_control_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
