/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2, clause 5.4): random bytes of the host for the guest,
 * with a limit on their rate. Control thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "device_types.h"
#include "rings.h"
#include "serve.h"
#include "shm.h"
#include "virtio.h"

#define TURN_CHAINS 16
#define TURN_IOV    64
/* Bytes for one chain: a driver asks again for the rest (clause 5.4.6.1). A
 * turn takes a fraction of a millisecond then. */
#define CHAIN_BYTES 4096
#define RING_SIZE   64

struct rng_conf {
	struct device_conf common;
	uint64_t max_bytes;
	uint32_t period_ms;
	bool packed;
};

struct rng {
	struct virtio_dev dev;
	struct rings rings;
	struct serve serve;
	struct loop *loop;
	uint64_t max_bytes, period_ms; /* [const] */
	uint64_t left;		       /* bytes left in this period */
	struct loop_timer refill;      /* end of the period; armed while bytes
					* of it were given */
	uint64_t given;		       /* bytes given so far */
};

static struct rng *to_rng(struct virtio_dev *d)
{
	return container_of(d, struct rng, dev);
}

static void on_refill(struct loop_timer *t)
{
	struct rng *r = container_of(t, struct rng, refill);

	r->left = r->max_bytes;
	serve_now(&r->serve);
}

/* Fills the beginning of @chain; returns how many bytes. */
static uint32_t fill(struct rng *r, const struct vq_chain *chain)
{
	uint64_t limit = MIN(r->left, CHAIN_BYTES);
	uint32_t done = 0;

	for (unsigned i = 0; i < chain->writable_count && done < limit; i++) {
		const struct iovec *v = &chain->iov[chain->readable_count + i];
		size_t n = MIN(v->iov_len, limit - done);
		ssize_t got = getrandom(v->iov_base, n, GRND_NONBLOCK);

		if (got < 0)
			break;
		done += (uint32_t)got;
		if ((size_t)got < n)
			break;
	}
	r->left -= done;
	r->given += done;
	return done;
}

static enum serve_result turn(struct serve *s)
{
	struct rng *r = container_of(s, struct rng, serve);
	struct iovec iov[TURN_IOV];
	struct vq_chain chain[TURN_CHAINS];
	struct vq_done done[TURN_CHAINS];
	unsigned served = 0, n;

	if (!r->left)
		return SERVE_WAITS;
	n = vq_dev_pop_burst(s->vq, chain, TURN_CHAINS, iov, TURN_IOV);
	if (!n)
		return SERVE_EMPTY;
	for (; served < n; served++) {
		uint32_t size = fill(r, &chain[served]);

		/* Nothing for a chain with room: later. */
		if (!size && chain[served].writable_count)
			break;
		done[served] =
			(struct vq_done){ chain[served].id,
					  chain[served].slot_count, size };
	}
	vq_dev_unpop(s->vq, chain + served, n - served);
	serve_push(s->vq, done, served);
	if (r->left < r->max_bytes && !r->refill.loop)
		loop_timer_arm(r->loop, &r->refill, r->period_ms, on_refill);
	return r->left ? SERVE_AGAIN : SERVE_WAITS;
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *from)
{
	struct rng *r = to_rng(d);
	int rc = rings_start(&r->rings, idx, from);

	if (rc)
		return rc;
	rc = serve_start(&r->serve, r->loop, &r->rings.ring[idx].vq,
			 from->kick_fd, turn);
	if (rc)
		rings_stop(&r->rings, idx);
	return rc;
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	serve_stop(&to_rng(d)->serve);
	rings_stop(&to_rng(d)->rings, idx);
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	virtio_dev_set_call(&to_rng(d)->rings.ring[idx].vq, fd);
}

static void show(const struct virtio_dev *d, struct show *s)
{
	const struct rng *r = container_of(d, const struct rng, dev);

	show_num(s, "bytes", r->given);
}

static void destroy(struct virtio_dev *d)
{
	struct rng *r = to_rng(d);

	stop_ring(d, 0);
	loop_timer_disarm(&r->refill);
	rings_fini(&r->rings);
	free(r);
}

static const struct virtio_dev_ops rng_ops = {
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.show = show,
	.destroy = destroy,
};

static int create(const void *conf_, struct loop *loop, struct virtio_dev **out,
		  struct err *err)
{
	const struct rng_conf *conf = conf_;
	struct rng *r;
	uint8_t byte;
	int rc;

	if (getrandom(&byte, sizeof(byte), GRND_NONBLOCK) < 0)
		return err_set(err, -errno,
			       "the host has no random bytes now: %s",
			       strerror(errno));
	r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->loop = loop;
	r->max_bytes = r->left = conf->max_bytes;
	r->period_ms = conf->period_ms;
	r->dev = (struct virtio_dev){
		.ops = &rng_ops,
		.name = conf->common.id,
		.type = 4,
		.ring_count = 1,
		.ring_size = RING_SIZE,
		.features = rings_features(conf->packed),
		.loop = loop,
	};
	rc = rings_init(&r->rings, loop, &r->dev, 1);
	if (rc) {
		free(r);
		return err_set(err, rc, "%s", strerror(-rc));
	}
	*out = &r->dev;
	return 0;
}

#define OPT(k, member, t, ...)                                           \
	{                                                                \
		.key = k, .kind = t,                                     \
		.offset = offsetof(struct rng_conf, member), __VA_ARGS__ \
	}

static const struct opt_row rng_rows[] = {
	DEVICE_ROWS(rng_conf),
	OPT("max-bytes", max_bytes, OPT_UINT64, .min = 1, .max = INT64_MAX,
	    .def = "9223372036854775807", .arg = "N",
	    .help = "bytes for the guest in each period: without it no limit"),
	OPT("period", period_ms, OPT_UINT, .min = 1, .max = INT32_MAX,
	    .def = "65536", .arg = "MS", .help = "period of max-bytes"),
	OPT("packed", packed, OPT_BOOL, .def = "off",
	    .help = "offer packed rings"),
	{ NULL },
};

const struct device_type device_rng_type = {
	.name = "virtio-rng-pci",
	.help = "random numbers of the host",
	.rows = rng_rows,
	.conf_size = sizeof(struct rng_conf),
	.create = create,
};
