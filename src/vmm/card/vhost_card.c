/* SPDX-License-Identifier: Apache-2.0 */
/* Start and end of a card on a vhost back-end, see vhost_card.h. Control
 * thread. */
#include "vhost_card.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ether_text.h"
#include "fd.h"
#include "vhost_impl.h"
#include "virtio.h"

#define DEVICE		   "/dev/vhost-net"
#define VHOST_NET_MAJOR	   10 /* the same everywhere, by the kernel's list */
#define VHOST_NET_MINOR	   238
#define VHOST_NET_AGAIN_MS 1000

static bool is_vhost_net(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(VHOST_NET_MAJOR, VHOST_NET_MINOR);
}

static int take_passed(const char *fds, unsigned count, int *fd,
		       struct err *err)
{
	char *end = (char *)fds;
	unsigned n = 0;

	for (const char *p = fds; n < count; p = end + 1) {
		long number = strtol(p, &end, 10);

		if (end == p || (*end && *end != ':') || number < 0)
			break;
		fd[n] = fd_find_named((int)number);
		if (fd[n] < 0 || !is_vhost_net(fd[n]))
			return err_set(err, -EBADF,
				       "vhostfds=%s: descriptor %ld must be an "
				       "open " DEVICE,
				       fds, number);
		for (unsigned i = 0; i < n; i++)
			if (fd[i] == fd[n])
				return err_set(err, -EINVAL,
					       "vhostfds=%s: %ld is given "
					       "twice",
					       fds, number);
		n++;
		if (!*end)
			break;
	}
	if (n < count || *end)
		return err_set(err, -EINVAL,
			       "vhostfds=%s: must be %u descriptors, one for "
			       "each queue",
			       fds, count);
	for (n = 0; n < count; n++) {
		fcntl(fd[n], F_SETFD, FD_CLOEXEC);
		fd_use_named(fd[n]);
	}
	return 0;
}

int vhost_net_open(const char *fds, unsigned count, int *fd, struct err *err)
{
	int rc = 0;

	if (fds)
		return take_passed(fds, count, fd, err);
	for (unsigned i = 0; i < count && !rc; i++) {
		fd[i] = open(DEVICE, O_RDWR | O_CLOEXEC);
		if (fd[i] >= 0)
			continue;
		rc = err_set(err, -errno, "vhost: cannot open " DEVICE ": %s%s",
			     strerror(errno),
			     errno == ENOENT ? " (modprobe vhost_net)" : "");
		while (i)
			fd_close(&fd[--i]);
	}
	return rc;
}

/* The kernel met a bad ring. */
static void on_err(struct loop_watch *w, uint32_t events)
{
	struct vhost_card *v = container_of(w, struct vhost_card, err_watch);

	(void)events;
	fd_drain(w->fd);
	if (v->is_live && v->face.dev.transport)
		v->face.dev.transport->needs_reset(
			&v->face.dev, "vhost-net stopped at a bad ring");
}

static void free_card(struct vhost_card *v)
{
	vu_listen_close(&v->listen);
	vhost_link_close(v);
	if (v->kind == VHOST_VDPA)
		vhost_vdpa_unwatch(v);
	card_face_quiet(&v->face);
	loop_watch_remove(&v->err_watch);
	fd_close(&v->err_fd);
	rings_fini(&v->rings);
	if (v->use.tap.count)
		tap_use_end(&v->use);
	log_limit_fini(&v->log);
	free(v->ring);
	free(v);
}

/* Returns 0, or -EINVAL with @err for options that no vhost back-end but vDPA
 * has. */
static int check(const struct vhost_card *v, const struct card_conf *conf,
		 struct err *err)
{
	if (v->kind == VHOST_VDPA || (!conf->rss && !conf->hash))
		return 0;
	return err_set(err, -EINVAL,
		       "%s=on: works where this process moves the frames: "
		       "leave it off, or vhost",
		       conf->rss ? "rss" : "hash");
}

static int init(struct vhost_card *v, const struct vhost_card_setup *setup,
		struct err *err)
{
	const struct card_conf *conf = setup->conf;
	int rc = check(v, conf, err);

	if (!rc)
		rc = ether_from_text("mac", conf->common.mac,
				     v->face.config.mac, err);
	if (rc)
		return rc;
	v->face.control = &v->control.state;
	card_face_init(&v->face, setup->id, &vhost_dev_ops, v->loop, conf);
	vnet_ctrl_init(&v->control, v->loop, v->face.pairs,
		       vhost_control_changed);
	v->ring = calloc(vhost_ring_count(v), sizeof(*v->ring));
	v->err_fd = fd_eventfd();
	rc = v->ring ? MIN(v->err_fd, 0) : -ENOMEM;
	if (!rc)
		rc = loop_watch_add(v->loop, &v->err_watch, v->err_fd, EPOLLIN,
				    on_err);
	if (!rc)
		rc = rings_init(&v->rings, v->loop, &v->face.dev,
				v->face.dev.ring_count);
	return rc ? err_set(err, rc, "%s", strerror(-rc)) : 0;
}

/* What a back-end will know that was not there yet: all of them have these.
 * Offloads are offered to drivers that begin after it came. */
#define COMMON                                                             \
	(feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_INDIRECT_DESC) | \
	 feat_bit(VIRTIO_NET_F_MRG_RXBUF))

/* Features that the back-end must know are offered if it does. One behind a
 * socket cannot be told of offloads that change at run time, and vDPA not of
 * the reset of one ring. */
void vhost_offer(struct vhost_card *v)
{
	uint64_t must = vhost_backend_features(v);
	uint64_t has = v->client ? vu_client_offered(v->client) : COMMON;

	v->face.dev.features = card_features(v->conf, v->face.pairs);
	if (v->kind == VHOST_USER)
		v->face.dev.features &=
			~feat_bit(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (v->kind == VHOST_VDPA) {
		v->face.dev.features |= vhost_vdpa_offers(v);
		v->face.dev.features &= ~feat_bit(VIRTIO_F_RING_RESET);
	}
	if (v->kind == VHOST_NET && !(v->use.tap.offloads & OFFLOAD_USO4))
		must |= feat_bit(VIRTIO_NET_F_HOST_USO) |
			feat_bit(VIRTIO_NET_F_GUEST_USO4) |
			feat_bit(VIRTIO_NET_F_GUEST_USO6);
	v->face.dev.features =
		vnet_features_prune(v->face.dev.features & (~must | has));
}

int vhost_card_create(struct loop *loop, const struct vhost_card_setup *setup,
		      struct vhost_card **out, struct err *err)
{
	struct vhost_card *v = calloc(1, sizeof(*v));
	int rc = v ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (v) {
		v->loop = loop;
		v->outcome.reason = &v->reason;
		v->face.pairs = setup->pairs;
		v->conf = setup->conf;
		v->path = setup->path;
		v->is_server = setup->is_server;
		v->poll_us = setup->poll_us;
		v->kind = setup->vdpa	? VHOST_VDPA
			  : setup->path ? VHOST_USER
					: VHOST_NET;
		if (setup->vdpa)
			vhost_vdpa_init(v, setup->vdpa);
		v->err_fd = -1;
		v->is_passed = setup->is_passed;
		/* The kernel's is there again as soon as it is opened. */
		retry_init(&v->retry, v->kind == VHOST_USER || v->is_passed
					      ? setup->reconnect_ms
					      : VHOST_NET_AGAIN_MS);
		if (setup->use)
			tap_use_move(&v->use, setup->use);
		rc = init(v, setup, err);
	}
	if (rc) {
		for (unsigned i = 0; i < setup->pairs && setup->vhost_fd; i++)
			fd_close(&(int){ setup->vhost_fd[i] });
	} else {
		rc = vhost_link_open(v, setup->vhost_fd);
		if (rc)
			*err = v->reason;
		if (rc && v->path && v->client)
			err_prefix(err, rc, "path=%s", v->path);
	}
	if (rc) {
		if (v)
			free_card(v);
		return rc;
	}
	vhost_offer(v);
	*out = v;
	return 0;
}

int vhost_card_wait(struct vhost_card *v, struct err *err)
{
	if (v->connections)
		return 0;
	log_warn("device %s: waits for a vhost-user back-end to connect to %s "
		 "(wait=off goes on without; Ctrl-C ends)",
		 v->face.dev.name, v->path);
	while (!v->connections)
		if (!loop_step(v->loop))
			return err_set(err, -EINTR,
				       "path=%s: ended while no back-end had "
				       "connected",
				       v->path);
	return 0;
}

void vhost_card_destroy(struct vhost_card *v)
{
	if (v)
		free_card(v);
}

pid_t vhost_card_peer(const struct vhost_card *v)
{
	return vhost_is_up(v) ? v->peer_pid : 0;
}

const char *vhost_card_tap(const struct vhost_card *v)
{
	return v->kind == VHOST_NET ? v->use.tap.name : NULL;
}

const char *vhost_card_vdpa(const struct vhost_card *v)
{
	return v->kind == VHOST_VDPA ? v->vdpa.dev.name : NULL;
}

struct virtio_dev *vhost_card_device(struct vhost_card *v)
{
	return &v->face.dev;
}
