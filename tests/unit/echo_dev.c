/* SPDX-License-Identifier: Apache-2.0 */
/* See echo_dev.h. */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "echo_dev.h"

static struct echo_dev *to_echo(struct virtio_dev *d)
{
	return container_of(d, struct echo_dev, dev);
}

static void config_read(struct virtio_dev *d, unsigned off, unsigned size,
			void *data)
{
	assert_true(range_is_inside(off, size, ECHO_CONFIG));
	memcpy(data, to_echo(d)->config + off, size);
}

static void config_write(struct virtio_dev *d, unsigned off, unsigned size,
			 const void *data)
{
	assert_true(range_is_inside(off, size, ECHO_CONFIG));
	memcpy(to_echo(d)->config + off, data, size);
}

static bool set_features(struct virtio_dev *d, uint64_t features)
{
	assert_int_equal(features & ~d->features, 0);
	to_echo(d)->features = features;
	return !to_echo(d)->refuses;
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *r)
{
	struct echo_dev *m = to_echo(d);
	int rc = m->fail_start;

	assert_in_range(idx, 0, ECHO_RINGS - 1);
	assert_false(m->is_running[idx]);
	assert_in_range(r->size, 1, ECHO_QUEUE_MAX);
	assert_true(r->kick_fd >= 0);
	if (!rc)
		rc = virtio_dev_activate(d, r, NULL, &m->vq[idx]);
	if (rc)
		return rc;
	m->ring[idx] = r;
	m->is_running[idx] = true;
	m->starts++;
	return 0;
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct echo_dev *m = to_echo(d);

	assert_true(m->is_running[idx]);
	m->is_running[idx] = false;
	vq_dev_deactivate(&m->vq[idx]);
	m->stops++;
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	assert_true(to_echo(d)->is_running[idx]);
	virtio_dev_set_call(&to_echo(d)->vq[idx], fd);
}

static int driver_ok(struct virtio_dev *d)
{
	to_echo(d)->oks++;
	return to_echo(d)->fail_ok;
}

static void reset(struct virtio_dev *d)
{
	for (unsigned i = 0; i < ECHO_RINGS; i++)
		assert_false(to_echo(d)->is_running[i]);
	to_echo(d)->resets++;
}

static void show(const struct virtio_dev *d, struct show *s)
{
	(void)d;
	show_str(s, "model", "echo");
}

static void destroy(struct virtio_dev *d)
{
	for (unsigned i = 0; i < ECHO_RINGS; i++)
		assert_false(to_echo(d)->is_running[i]);
	to_echo(d)->destroys++;
}

static const struct virtio_dev_ops echo_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.set_features = set_features,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.driver_ok = driver_ok,
	.reset = reset,
	.show = show,
	.destroy = destroy,
};

/* Copies the first buffer of @c to the first writable one, and returns how many
 * bytes. */
static uint32_t copy(const struct vq_chain *c)
{
	const struct iovec *to = &c->iov[c->readable_count];
	size_t size;

	if (!c->readable_count || !c->writable_count)
		return 0;
	size = MIN(c->iov->iov_len, to->iov_len);
	memmove(to->iov_base, c->iov->iov_base, size);
	return (uint32_t)size;
}

unsigned echo_dev_serve(struct echo_dev *m, unsigned idx)
{
	static struct iovec iov[VQ_BURST_IOV];
	struct vq_chain chain[8];
	uint64_t kicks;
	unsigned n;

	if (!m->is_running[idx] ||
	    read(m->ring[idx]->kick_fd, &kicks, sizeof(kicks)) < 0)
		return 0;
	n = vq_dev_pop_burst(&m->vq[idx], chain, 8, iov, VQ_BURST_IOV);
	for (unsigned i = 0; i < n; i++) {
		const struct vq_done done = { chain[i].id, chain[i].slot_count,
					      copy(&chain[i]) };

		vq_dev_push_burst(&m->vq[idx], &done, 1);
	}
	if (m->vq[idx].fault)
		m->dev.transport->needs_reset(&m->dev,
					      vq_fault_name(m->vq[idx].fault));
	if (vq_dev_should_notify(&m->vq[idx]))
		vq_dev_notify(&m->vq[idx]);
	vq_dev_arm(&m->vq[idx]);
	return n;
}

void echo_dev_init(struct echo_dev *m)
{
	*m = (struct echo_dev){ .dev = { .ops = &echo_ops,
					 .name = "echo",
					 .type = 1,
					 .ring_count = ECHO_RINGS,
					 .ring_size = ECHO_QUEUE_MAX,
					 .features = ECHO_FEATURES,
					 .config_size = ECHO_CONFIG } };
	for (unsigned i = 0; i < ECHO_CONFIG; i++)
		m->config[i] = (uint8_t)(0x10 + i);
}
