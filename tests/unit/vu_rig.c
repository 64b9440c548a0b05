/* SPDX-License-Identifier: Apache-2.0 */
/* See vu_rig.h. */
#include "vu_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "virtio.h"

#define QUEUE_SPACE 0x10000u

static void on_features(void *ctx, uint64_t features)
{
	struct rig *r = ctx;

	for (unsigned i = 0; i < RIG_QUEUES; i++)
		assert_null(r->queue[i].vq);
	r->features = features;
	r->features_set++;
}

static void take_ring(struct rig *r, unsigned idx, const struct vu_ring *ring)
{
	assert_true(r->features_set > 0);
	assert_null(r->queue[idx].vq);
	r->queue[idx].vq = ring->vq;
	r->queue[idx].kick_fd = ring->kick_fd;
	r->queue[idx].enabled = ring->enabled;
	r->queue[idx].is_resumed = ring->is_resumed;
	r->queue[idx].starts++;
}

static void on_start(void *ctx, unsigned idx, const struct vu_ring *ring)
{
	struct rig *r = ctx;

	assert_true(idx < 2 * RIG_PAIRS);
	take_ring(r, idx, ring);
	r->unsettled++;
}

static void give_ring(struct rig *r, unsigned idx)
{
	assert_non_null(r->queue[idx].vq);
	r->queue[idx].vq = NULL;
	r->queue[idx].stops++;
}

static void on_stop(void *ctx, const unsigned *idx, unsigned n)
{
	struct rig *r = ctx;

	r->stop_calls++;
	for (unsigned i = 0; i < n; i++)
		give_ring(r, idx[i]);
}

static void on_changed(void *ctx)
{
	struct rig *r = ctx;

	assert_true(r->unsettled > 0);
	r->unsettled = 0;
	r->changed++;
}

static void on_control_start(void *ctx, const struct vu_ring *ring)
{
	take_ring(ctx, RIG_CONTROL, ring);
}

static void on_control_stop(void *ctx)
{
	give_ring(ctx, RIG_CONTROL);
}

static void on_enable(void *ctx, unsigned idx, bool enabled)
{
	struct rig *r = ctx;

	assert_non_null(r->queue[idx].vq);
	assert_true(r->queue[idx].enabled != enabled);
	r->queue[idx].enabled = enabled;
	r->queue[idx].enables++;
	r->unsettled++;
}

static void on_fault(void *ctx, unsigned idx, const char *text)
{
	struct rig *r = ctx;

	assert_non_null(r->queue[idx].vq);
	snprintf(r->fault, sizeof(r->fault), "%s", text);
}

static uint64_t on_queue_kicks(void *ctx, unsigned idx)
{
	return ((struct rig *)ctx)->kicks[idx];
}

static void on_rarp(void *ctx, const uint8_t mac[6])
{
	memcpy(((struct rig *)ctx)->mac, mac, 6);
}

static void on_mtu(void *ctx, uint16_t mtu)
{
	((struct rig *)ctx)->mtu = mtu;
}

static void on_closed(void *ctx, bool by_error, const char *reason)
{
	struct rig *r = ctx;

	for (unsigned i = 0; i < RIG_QUEUES; i++)
		assert_null(r->queue[i].vq);
	r->closed++;
	assert_int_equal(by_error, !strstr(reason, "front-end left"));
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	vu_backend_destroy(r->b);
	r->b = NULL;
}

static const struct vu_backend_ops ops = {
	.features_set = on_features,
	.queue_start = on_start,
	.queue_enable = on_enable,
	.queues_changed = on_changed,
	.queues_stop = on_stop,
	.fault = on_fault,
	.queue_kicks = on_queue_kicks,
	.rarp = on_rarp,
	.mtu = on_mtu,
	.closed = on_closed,
};

static struct vu_backend_ops ops_with_control(void)
{
	struct vu_backend_ops with = ops;

	with.control_start = on_control_start;
	with.control_stop = on_control_stop;
	return with;
}

static void connect_session(struct rig *r, uint64_t features)
{
	const struct vu_backend_config config = { .name = "test",
						  .log = &r->log,
						  .features = features,
						  .report_fd = &r->report_fd,
						  .queue_pairs = RIG_PAIRS };
	int sock[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	r->sock = sock[0];
	r->ops = features & 1ull << VIRTIO_NET_F_CTRL_VQ ? ops_with_control()
							 : ops;
	r->b = vu_backend_create(r->loop, sock[1], &config, &r->ops, r);
	assert_non_null(r->b);
}

void rig_open(struct rig *r, uint64_t features)
{
	*r = (struct rig){ .loop = loop_create() };
	assert_non_null(r->loop);
	r->report_fd = fd_eventfd();
	r->mem_fd = memfd_create("rig", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->mem_fd, RIG_MEM_SIZE), 0);
	connect_session(r, features);
}

void rig_reconnect(struct rig *r, uint64_t features)
{
	fd_close(&r->sock);
	rig_step(r);
	assert_null(r->b);
	connect_session(r, features);
}

void rig_close(struct rig *r)
{
	vu_backend_destroy(r->b);
	fd_close(&r->sock);
	fd_close(&r->mem_fd);
	fd_close(&r->report_fd);
	log_limit_fini(&r->log);
	loop_destroy(r->loop);
}

static void on_timer(struct loop_timer *t)
{
	loop_stop(container_of(t, struct rig, timer)->loop);
}

void rig_step(struct rig *r)
{
	loop_timer_arm(r->loop, &r->timer, 0, on_timer);
	loop_run(r->loop);
	/* The stop's own wake-up may have used up that round. */
	loop_timer_arm(r->loop, &r->timer, 0, on_timer);
	loop_run(r->loop);
}

void rig_send(struct rig *r, struct vu_msg m)
{
	assert_int_equal(vu_msg_send(r->sock, &m), 0);
	vu_msg_fini(&m);
	rig_step(r);
	assert_int_equal(r->unsettled, 0);
}

bool rig_has_reply(struct rig *r)
{
	char c;

	return recv(r->sock, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

struct vu_msg rig_call(struct rig *r, struct vu_msg m)
{
	struct vu_rx rx = { 0 };

	rig_send(r, m);
	assert_int_equal(vu_rx_poll(r->sock, &rx, NULL), 1);
	assert_int_equal(rx.msg.hdr.request, m.hdr.request);
	assert_int_equal(rx.msg.hdr.flags, VU_VERSION | VU_FLAG_REPLY);
	assert_int_equal(rx.msg.fd_count, 0);
	return rx.msg;
}

struct vu_msg rig_u64(uint32_t request, uint64_t v)
{
	return (struct vu_msg){ .hdr = { request, VU_VERSION, 8 },
				.payload.u64 = v };
}

struct vu_msg rig_state(uint32_t request, uint32_t idx, uint32_t num)
{
	return (struct vu_msg){ .hdr = { request, VU_VERSION, 8 },
				.payload.state = { idx, num } };
}

struct vu_msg rig_fd(uint32_t request, uint64_t idx, int fd)
{
	struct vu_msg m = rig_u64(request, idx);

	if (fd < 0) {
		m.payload.u64 |= VU_VRING_NOFD;
	} else {
		m.fd[0] = fd;
		m.fd_count = 1;
	}
	return m;
}

struct vu_msg rig_mem_table(struct rig *r)
{
	return (struct vu_msg){
		.hdr = { VU_SET_MEM_TABLE, VU_VERSION, 40 },
		.payload.mem = { .count = 1,
				 .region = { { .gpa = RIG_GPA,
					       .size = RIG_MEM_SIZE,
					       .uva = RIG_UVA } } },
		.fd = { dup(r->mem_fd) },
		.fd_count = 1,
	};
}

struct vu_msg rig_region(struct rig *r, uint32_t request, uint64_t off,
			 uint64_t size, bool with_fd)
{
	return (struct vu_msg){
		.hdr = { request, VU_VERSION, 40 },
		.payload.mem_single.region = { .gpa = RIG_GPA + off,
					       .size = size,
					       .uva = RIG_UVA + off,
					       .mmap_offset = off },
		.fd = { with_fd ? dup(r->mem_fd) : -1 },
		.fd_count = with_fd,
	};
}

struct vu_msg rig_addr(uint32_t idx)
{
	uint64_t at = RIG_UVA + idx * QUEUE_SPACE;

	return (struct vu_msg){ .hdr = { VU_SET_VRING_ADDR, VU_VERSION, 40 },
				.payload.addr = { .idx = idx,
						  .desc = at,
						  .avail = at + 0x4000,
						  .used = at + 0x8000 } };
}

void rig_negotiate(struct rig *r, uint64_t features)
{
	struct vu_msg m = { .hdr = { VU_GET_PROTOCOL_FEATURES, VU_VERSION,
				     0 } };

	m = rig_call(r, m);
	rig_send(r, rig_u64(VU_SET_PROTOCOL_FEATURES, m.payload.u64));
	rig_send(r, (struct vu_msg){ .hdr = { VU_SET_OWNER, VU_VERSION, 0 } });
	rig_send(r, rig_u64(VU_SET_FEATURES, features));
	assert_non_null(r->b);
}

void rig_set_up_queue(struct rig *r, uint32_t idx)
{
	rig_send(r, rig_state(VU_SET_VRING_NUM, idx, 256));
	rig_send(r, rig_state(VU_SET_VRING_BASE, idx, 0));
	rig_send(r, rig_addr(idx));
	rig_send(r, rig_fd(VU_SET_VRING_CALL, idx, fd_eventfd()));
	rig_send(r, rig_fd(VU_SET_VRING_KICK, idx, fd_eventfd()));
	assert_non_null(r->b);
}
