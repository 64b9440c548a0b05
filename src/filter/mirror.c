/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter-mirror sends copies of the port's frames to a peer. filter-redirector
 * takes them out of the port's path and sends them (outdev=), and puts frames
 * of a peer into the path, behind itself (indev=). mirror_see() and
 * redirector_take() run on workers, the rest on the control thread; the peers
 * have threads of their own (peer.h).
 *
 * While outdev has no connection, frames pass a redirector, as in QEMU.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter_impl.h"
#include "peer.h"

#define LANE_BYTES (4u << 20)

struct mirror_conf {
	char *indev, *outdev;
	bool vnet_hdr;
};

#define VNET_HDR                                                           \
	{                                                                  \
		.key = "vnet_hdr_support", .kind = OPT_BOOL,               \
		.offset = offsetof(struct mirror_conf, vnet_hdr),          \
		.def = "off",                                              \
		.help = "frames have their virtio_net_hdr in front; off: " \
			"large "                                           \
			"frames are cut, missing checksums filled in"      \
	}

static const struct opt_row mirror_rows[] = {
	{ .key = "outdev",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct mirror_conf, outdev),
	  .required = true,
	  .arg = "CHARDEV",
	  .help = "where copies go: a chardev's id, unix:PATH or "
		  "tcp:HOST:PORT" },
	VNET_HDR,
	{ NULL },
};

static const struct opt_row redirector_rows[] = {
	{ .key = "indev",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct mirror_conf, indev),
	  .arg = "CHARDEV",
	  .help = "where frames come from: a chardev's id, unix:PATH or "
		  "tcp:HOST:PORT" },
	{ .key = "outdev",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct mirror_conf, outdev),
	  .arg = "CHARDEV",
	  .help = "where frames go, instead of on their way" },
	VNET_HDR,
	{ NULL },
};

struct mirror {
	struct filter filter;
	struct peer *out, *in; /* [const] may be NULL */
	struct lane *lane[2];  /* [const] of in, by is_rx; may be NULL */
	struct device *out_dev, *in_dev; /* chardevs; NULL: addresses */
};

static struct mirror *to_mirror(struct filter *f)
{
	return container_of(f, struct mirror, filter);
}

static void mirror_see(struct filter *f, bool is_rx,
		       struct frame *const *frames, unsigned n)
{
	(void)is_rx;
	peer_send(to_mirror(f)->out, frames, n);
}

static bool redirector_take(struct filter *f, bool is_rx,
			    struct frame *const *frames, unsigned n)
{
	struct mirror *m = to_mirror(f);

	(void)is_rx;
	return m->out && shm_load(&f->is_on) && peer_send(m->out, frames, n);
}

static int mirror_start(struct filter *f, struct err *err)
{
	struct mirror *m = to_mirror(f);
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(m->lane) && !rc; i++)
		if (m->lane[i])
			rc = lane_attach(m->lane[i]);
	if (rc)
		return err_set(err, rc, "cannot give the queue to a worker");
	if (m->out)
		rc = peer_start(m->out, err);
	if (!rc && m->in)
		rc = peer_start(m->in, err);
	return rc;
}

static void mirror_settle(struct filter *f)
{
	struct mirror *m = to_mirror(f);

	if (m->in)
		peer_pause(m->in, !f->is_on);
}

static void mirror_drain(struct filter *f)
{
	struct mirror *m = to_mirror(f);

	peer_destroy(m->in);
	m->in = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(m->lane); i++)
		if (m->lane[i])
			lane_drain(m->lane[i]);
}

static void mirror_free(struct mirror *m)
{
	peer_destroy(m->out);
	peer_destroy(m->in);
	for (unsigned i = 0; i < ARRAY_SIZE(m->lane); i++)
		lane_destroy(m->lane[i]);
	device_release(m->out_dev);
	device_release(m->in_dev);
	free(m);
}

static void mirror_destroy(struct filter *f)
{
	mirror_free(to_mirror(f));
}

static void show_peer(const struct peer *p, const char *key, struct show *s)
{
	if (!p)
		return;
	show_object(s, key);
	peer_show(p, s);
	show_end(s);
}

static void mirror_show(const struct filter *f, struct show *s)
{
	const struct mirror *m = container_of(f, const struct mirror, filter);

	show_peer(m->out, "out", s);
	show_peer(m->in, "in", s);
	if (m->in)
		lanes_show(m->lane, s);
}

static const struct filter_ops mirror_ops = {
	.see = mirror_see,
	.start = mirror_start,
	.destroy = mirror_destroy,
	.show = mirror_show,
};

static const struct filter_ops redirector_ops = {
	.take = redirector_take,
	.start = mirror_start,
	.settle = mirror_settle,
	.drain = mirror_drain,
	.destroy = mirror_destroy,
	.show = mirror_show,
};

static int open_out(struct mirror *m, const struct filter_env *env,
		    const struct mirror_conf *c, struct err *err)
{
	struct device device;
	const struct peer_setup setup = { .device = &device,
					  .key = "outdev",
					  .filter = m->filter.spec->common.id,
					  .has_hdr = c->vnet_hdr };
	int rc = device_take(env->devices, setup.key, c->outdev, setup.filter,
			     &device, &m->out_dev, err);

	return rc ? rc : peer_create(&setup, &m->out, err);
}

static int open_in(struct mirror *m, const struct filter_env *env,
		   const struct mirror_conf *c, struct err *err)
{
	struct device device;
	const struct peer_setup setup = { .device = &device,
					  .key = "indev",
					  .filter = m->filter.spec->common.id,
					  .has_hdr = c->vnet_hdr,
					  .lane = m->lane };
	int rc = device_take(env->devices, setup.key, c->indev, setup.filter,
			     &device, &m->in_dev, err);

	for (unsigned i = 0; i < ARRAY_SIZE(m->lane) && !rc; i++) {
		if (!filter_has(&m->filter, i))
			continue;
		m->lane[i] =
			lane_create(&env->port, &m->filter, i, LANE_BYTES, 0);
		if (!m->lane[i])
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	return rc ? rc : peer_create(&setup, &m->in, err);
}

static int create(const struct filter_env *env, struct port *p,
		  struct filter_spec *spec, const struct filter_ops *ops,
		  struct filter **out, struct err *err)
{
	const struct mirror_conf *c = spec->conf;
	struct mirror *m = calloc(1, sizeof(*m));
	int rc = 0;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	filter_init(&m->filter, ops, p, spec);
	if (c->outdev)
		rc = open_out(m, env, c, err);
	if (!rc && c->indev)
		rc = open_in(m, env, c, err);
	if (rc) {
		mirror_free(m);
		return rc;
	}
	mirror_settle(&m->filter);
	*out = &m->filter;
	return 0;
}

static int mirror_create(const struct filter_env *env, struct port *p,
			 struct filter_spec *spec, struct filter **out,
			 struct err *err)
{
	return create(env, p, spec, &mirror_ops, out, err);
}

static int redirector_create(const struct filter_env *env, struct port *p,
			     struct filter_spec *spec, struct filter **out,
			     struct err *err)
{
	const struct mirror_conf *c = spec->conf;

	if (!c->indev && !c->outdev)
		return err_set(err, -EINVAL,
			       "indev=CHARDEV or outdev=CHARDEV is needed");
	if (c->indev && c->outdev && !strcmp(c->indev, c->outdev))
		return err_set(err, -EINVAL,
			       "indev=%.80s: must not be the same as outdev=",
			       c->indev);
	return create(env, p, spec, &redirector_ops, out, err);
}

const struct filter_type filter_mirror_type = {
	.name = "filter-mirror",
	.help = "send copies of the port's frames over a stream",
	.rows = mirror_rows,
	.conf_size = sizeof(struct mirror_conf),
	.create = mirror_create,
};

const struct filter_type filter_redirector_type = {
	.name = "filter-redirector",
	.help = "send the port's frames over a stream, and take frames from "
		"one",
	.rows = redirector_rows,
	.conf_size = sizeof(struct mirror_conf),
	.create = redirector_create,
};
