/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vhost/ and virtio/: our front-end against our back-end, with traffic. A
 * device thread sends all frames of a transmit queue back through the receive
 * queue of the pair. The front-end checks each byte, while it stops and
 * restarts queues, replaces call descriptors, and leaves.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "log.h"
#include "rcu.h"
#include "shm.h"
#include "virtio.h"
#include "vu_backend.h"
#include "vu_guest.h"

#define PAIRS	  2
#define RING	  128u
#define SLOT	  2048u
#define BURST	  32u
#define BIT(name) (1ull << VIRTIO_##name)
#define PROTO	  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define OFFER                                                         \
	(BIT(F_VERSION_1) | BIT(F_EVENT_IDX) | BIT(F_INDIRECT_DESC) | \
	 BIT(F_IN_ORDER) | BIT(F_RING_PACKED))

struct device {
	struct loop *loop;
	pthread_t control, worker;
	struct vu_backend *b;
	int sock;
	pthread_mutex_t lock; /* guards vq; a worker holds it in a round */
	struct vq_dev *vq[2 * PAIRS];
	sem_t done; /* posted when connected and when closed */
	bool stop;
	uint64_t echoed;
};

static uint32_t copy_chain(const struct vq_chain *from,
			   const struct vq_chain *to)
{
	size_t size = from->readable_size, done = 0, in_off = 0, out_off = 0;
	const struct iovec *in = from->iov, *out = to->iov;

	assert_true(to->writable_size >= size);
	while (done < size) {
		size_t n = MIN(in->iov_len - in_off, out->iov_len - out_off);

		memcpy((char *)out->iov_base + out_off,
		       (char *)in->iov_base + in_off, n);
		done += n;
		in_off += n;
		out_off += n;
		if (in_off == in->iov_len) {
			in++;
			in_off = 0;
		}
		if (out_off == out->iov_len) {
			out++;
			out_off = 0;
		}
	}
	return (uint32_t)size;
}

static unsigned echo(struct vq_dev *tx, struct vq_dev *rx)
{
	static __thread struct iovec iov[2][VQ_BURST_IOV];
	struct vq_chain in[BURST], out[BURST];
	struct vq_done in_done[BURST], out_done[BURST];
	unsigned n = vq_dev_pop_burst(tx, in, BURST, iov[0], VQ_BURST_IOV);
	unsigned m;

	if (!n)
		return 0;
	m = vq_dev_pop_burst(rx, out, n, iov[1], VQ_BURST_IOV);
	if (m < n)
		vq_dev_unpop(tx, in + m, n - m);
	for (unsigned i = 0; i < m; i++) {
		uint32_t size = copy_chain(&in[i], &out[i]);

		in_done[i] = (struct vq_done){ in[i].id, in[i].slot_count, 0 };
		out_done[i] =
			(struct vq_done){ out[i].id, out[i].slot_count, size };
	}
	if (!m)
		return 0;
	vq_dev_push_burst(tx, in_done, m);
	vq_dev_push_burst(rx, out_done, m);
	if (vq_dev_should_notify(tx))
		vq_dev_notify(tx);
	if (vq_dev_should_notify(rx))
		vq_dev_notify(rx);
	return m;
}

static void *worker_main(void *arg)
{
	struct device *d = arg;

	rcu_register();
	while (!shm_load(&d->stop)) {
		unsigned n = 0;

		pthread_mutex_lock(&d->lock);
		for (unsigned i = 0; i < 2 * PAIRS; i += 2)
			if (d->vq[i] && d->vq[i + 1])
				n += echo(d->vq[i + 1], d->vq[i]);
		pthread_mutex_unlock(&d->lock);
		rcu_quiescent();
		stat_add(&d->echoed, n);
		if (!n)
			sched_yield();
	}
	rcu_unregister();
	return NULL;
}

static void set_queue(struct device *d, unsigned idx, struct vq_dev *vq)
{
	pthread_mutex_lock(&d->lock);
	d->vq[idx] = vq;
	pthread_mutex_unlock(&d->lock);
}

static void on_features(void *ctx, uint64_t features)
{
	(void)ctx;
	(void)features;
}

static void on_start(void *ctx, unsigned idx, const struct vu_ring *ring)
{
	set_queue(ctx, idx, ring->vq);
}

static void on_stop(void *ctx, const unsigned *idx, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		set_queue(ctx, idx[i], NULL);
}

static void on_changed(void *ctx)
{
	(void)ctx;
}

static void on_enable(void *ctx, unsigned idx, bool enabled)
{
	(void)ctx;
	(void)idx;
	(void)enabled;
}

static void on_closed(void *ctx, bool by_error, const char *reason)
{
	struct device *d = ctx;

	(void)by_error;
	(void)reason;
	vu_backend_destroy(d->b);
	d->b = NULL;
	sem_post(&d->done);
}

static const struct vu_backend_ops ops = {
	.features_set = on_features,
	.queue_start = on_start,
	.queue_enable = on_enable,
	.queues_changed = on_changed,
	.queues_stop = on_stop,
	.closed = on_closed,
};

static void connect_on_control(void *arg)
{
	static struct log_limit limit;
	const struct vu_backend_config config = { .name = "traffic",
						  .log = &limit,
						  .features = OFFER,
						  .queue_pairs = PAIRS };
	struct device *d = arg;

	d->b = vu_backend_create(d->loop, d->sock, &config, &ops, d);
	sem_post(&d->done);
}

static void *control_main(void *arg)
{
	loop_run(((struct device *)arg)->loop);
	return NULL;
}

static void device_start(struct device *d)
{
	*d = (struct device){ .loop = loop_create() };
	pthread_mutex_init(&d->lock, NULL);
	sem_init(&d->done, 0, 0);
	pthread_create(&d->control, NULL, control_main, d);
	pthread_create(&d->worker, NULL, worker_main, d);
}

static void device_stop(struct device *d)
{
	loop_stop(d->loop);
	pthread_join(d->control, NULL);
	shm_store(&d->stop, true);
	pthread_join(d->worker, NULL);
	loop_destroy(d->loop);
	sem_destroy(&d->done);
	pthread_mutex_destroy(&d->lock);
}

static struct vu_guest *device_connect(struct device *d, uint64_t features,
				       uint64_t protocol_features)
{
	const struct vu_guest_config config = {
		.features = features,
		.protocol_features = protocol_features,
		.queue_pairs = protocol_features & 1 ? PAIRS : 1,
		.queue_size = RING,
		.memory_size = 8 << 20,
	};
	struct vu_guest *f;
	struct err err = { "" };
	int sock[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	d->sock = sock[1];
	assert_int_equal(loop_post(d->loop, connect_on_control, d), 0);
	wait_posted(&d->done);
	f = vu_guest_create(sock[0], &config, &err);
	if (!f)
		fail_msg("%s", err.msg);
	return f;
}

/* The driver's half of one queue pair. */
struct driver {
	struct vu_guest *f;
	unsigned pair;
	uint8_t *tx, *rx;	 /* SLOT bytes for each of BURST buffers */
	uint32_t sent, received; /* frames */
	bool tx_busy[BURST], rx_busy[BURST];
};

/* Return size and bytes of frame number @n. */
static uint32_t frame_size(uint32_t n)
{
	return 1 + n * 2654435761u % (SLOT - 1);
}

static uint8_t frame_byte(uint32_t n, uint32_t i)
{
	return (uint8_t)(n * 31 + i);
}

static void push(struct driver *d, unsigned queue, unsigned slot, uint8_t *area,
		 uint32_t size, bool readable)
{
	uint32_t first = size > 100 ? size / 3 : size;
	struct iovec iov[2] = {
		{ area + slot * SLOT, first },
		{ area + slot * SLOT + first, size - first },
	};
	unsigned count = first < size ? 2 : 1;
	struct vq_drv_buf buf = {
		.iov = iov,
		.readable_count = readable ? count : 0,
		.writable_count = readable ? 0 : count,
		.cookie = (void *)(uintptr_t)(slot + 1),
		.indirect = slot & 1,
	};
	struct vq_drv *vq = vu_guest_queue(d->f, 2 * d->pair + queue);

	assert_int_equal(vq_drv_push_burst(vq, &buf, 1), 1);
	if (vq_drv_should_notify(vq))
		vq_drv_notify(vq);
}

static void check_received(struct driver *d, unsigned slot, uint32_t size)
{
	const uint8_t *p = d->rx + slot * SLOT;

	assert_int_equal(size, frame_size(d->received));
	for (uint32_t i = 0; i < size; i++)
		if (p[i] != frame_byte(d->received, i))
			fail_msg("frame %u byte %u", d->received, i);
	d->received++;
}

/* Runs one round: takes finished buffers back, offers new ones, sends up to
 * @limit frames. */
static void drive(struct driver *d, uint32_t limit)
{
	struct vq_drv_used used[BURST];
	unsigned n;

	n = vq_drv_pop_burst(vu_guest_queue(d->f, 2 * d->pair + 1), used,
			     BURST);
	for (unsigned i = 0; i < n; i++)
		d->tx_busy[(uintptr_t)used[i].cookie - 1] = false;
	n = vq_drv_pop_burst(vu_guest_queue(d->f, 2 * d->pair), used, BURST);
	for (unsigned i = 0; i < n; i++) {
		unsigned slot = (unsigned)(uintptr_t)used[i].cookie - 1;

		check_received(d, slot, used[i].size);
		d->rx_busy[slot] = false;
	}
	for (unsigned i = 0; i < BURST; i++) {
		if (!d->rx_busy[i])
			push(d, 0, i, d->rx, SLOT, false);
		d->rx_busy[i] = true;
		if (d->tx_busy[i] || d->sent >= limit)
			continue;
		for (uint32_t b = 0; b < frame_size(d->sent); b++)
			d->tx[i * SLOT + b] = frame_byte(d->sent, b);
		push(d, 1, i, d->tx, frame_size(d->sent), true);
		d->tx_busy[i] = true;
		d->sent++;
	}
}

static struct driver driver_make(struct vu_guest *f, unsigned pair)
{
	uint64_t size;
	uint8_t *mem = vu_guest_memory(f, &size);

	assert_true(size >= 4 * PAIRS * BURST * SLOT);
	mem += pair * 2 * BURST * SLOT;
	return (struct driver){
		.f = f, .pair = pair, .tx = mem, .rx = mem + BURST * SLOT
	};
}

static void restart_queue(struct vu_guest *f, unsigned idx)
{
	int64_t base = vu_guest_queue_stop(f, idx);

	assert_true(base >= 0);
	assert_int_equal(vu_guest_queue_start(f, idx, (uint32_t)base), 0);
}

static void run(struct device *d, uint64_t features, uint64_t protocol_features)
{
	struct vu_guest *f = device_connect(d, features, protocol_features);
	unsigned pairs = protocol_features & 1 ? PAIRS : 1;
	const uint32_t frames = 1000;
	time_t until = time(NULL) + 30;
	struct driver drv[PAIRS];
	struct rng r = rng_start();
	bool more = true;

	assert_true((features & ~vu_guest_features(f)) == 0);
	for (unsigned i = 0; i < pairs; i++)
		drv[i] = driver_make(f, i);
	while (more) {
		more = false;
		for (unsigned i = 0; i < pairs; i++) {
			drive(&drv[i], frames);
			more |= drv[i].received < frames;
		}
		if (rng_below(&r, 100) == 0)
			restart_queue(f, rng_below(&r, 2 * pairs));
		if (rng_below(&r, 100) == 0)
			assert_int_equal(vu_guest_queue_call(
						 f, rng_below(&r, 2 * pairs)),
					 0);
		assert_true(time(NULL) < until);
		sched_yield();
	}
	/* It leaves while its rings are full of buffers. */
	for (unsigned i = 0; i < pairs; i++)
		drive(&drv[i], frames + BURST);
	vu_guest_destroy(f);
	wait_posted(&d->done);
	assert_null(d->b);
}

/* Every combination of features on one device: each guest connects to what the
 * previous one left. */
static void test_traffic(void **state)
{
	static const uint64_t features[] = {
		0,
		BIT(F_EVENT_IDX),
		BIT(F_VERSION_1),
		BIT(F_VERSION_1) | BIT(F_EVENT_IDX) | BIT(F_INDIRECT_DESC),
		BIT(F_VERSION_1) | BIT(F_IN_ORDER),
		BIT(F_VERSION_1) | BIT(F_RING_PACKED),
		BIT(F_VERSION_1) | BIT(F_RING_PACKED) | BIT(F_IN_ORDER),
		BIT(F_VERSION_1) | BIT(F_RING_PACKED) | BIT(F_EVENT_IDX) |
			BIT(F_INDIRECT_DESC),
	};
	struct leaks before = leaks_count();
	struct device d;

	(void)state;
	device_start(&d);
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		run(&d, features[i], 0);
		run(&d, features[i] | PROTO, 0);
		run(&d, features[i] | PROTO, UINT64_MAX);
	}
	device_stop(&d);
	leaks_assert_none(before);
}

static void test_too_many_pairs(void **state)
{
	struct vu_guest_config config = { .features = OFFER | PROTO,
					  .protocol_features = UINT64_MAX,
					  .queue_pairs = PAIRS + 1,
					  .queue_size = RING,
					  .memory_size = 8 << 20 };
	struct err err = { "" };
	struct device d;
	int sock[2];

	(void)state;
	device_start(&d);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC,
					    0, sock),
				 0);
		d.sock = sock[1];
		assert_int_equal(loop_post(d.loop, connect_on_control, &d), 0);
		wait_posted(&d.done);
		assert_null(vu_guest_create(sock[0], &config, &err));
		assert_true(strlen(err.msg));
		wait_posted(&d.done);
		/* next: too little memory for its own rings */
		config.queue_pairs = 1;
		config.memory_size = 4096;
	}
	device_stop(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_too_many_pairs),
	};

	log_level = LOG_LEVEL_ERR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
