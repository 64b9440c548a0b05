/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of a card on a vhost back-end, see vhost_impl.h. Control
 * thread. Requests to the back-end are waited for.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fd.h"
#include "vhost_impl.h"
#include "virtio.h"
#include "vnet.h"

/* No set of OFFLOAD_*. */
#define OFFLOADS_UNKNOWN UINT_MAX

static struct vhost_card *to_card(struct virtio_dev *d)
{
	return container_of(d, struct vhost_card, face.dev);
}

/* Makes the tap send the offloads that are on. Returns 0 or -errno. */
static int set_offloads(struct vhost_card *v)
{
	const struct vnet_ctrl_state *s = &v->control.state;
	unsigned offloads = vnet_offloads_to_driver(s->features & ~s->off);
	int rc;

	if (v->kind != VHOST_NET || offloads == v->offloads_told)
		return 0;
	rc = tap_if_set_towards(&v->use.tap, offloads);
	if (rc)
		log_err("device %s: tap %s: offloads: %s", v->face.dev.name,
			v->use.tap.name, strerror(-rc));
	else
		v->offloads_told = offloads;
	return rc;
}

/* vhost-net reads and writes the tap's frames with the header that the driver
 * has. Returns 0 or -errno. */
static int set_tap(struct vhost_card *v, uint64_t features)
{
	int rc = v->kind == VHOST_NET
			 ? tap_if_set_hdr_size(&v->use.tap,
					       vnet_hdr_size(features))
			 : 0;

	if (rc)
		log_err("device %s: tap %s: header: %s", v->face.dev.name,
			v->use.tap.name, strerror(-rc));
	return rc ? rc : set_offloads(v);
}

static bool set_features(struct virtio_dev *d, uint64_t features)
{
	struct vhost_card *v = to_card(d);

	if (vnet_features_prune(features) != features)
		return false;
	/* Devices of the vDPA bus have no legacy interface. */
	if (v->kind == VHOST_VDPA && !feat_has(features, VIRTIO_F_VERSION_1))
		return false;
	vnet_ctrl_reset(&v->control.state, features, v->face.pairs);
	v->offloads_told = OFFLOADS_UNKNOWN;
	return !set_tap(v, features);
}

static struct vu_client_done done_of(struct vhost_card *v)
{
	return vhost_done(&v->outcome);
}

/* Waits for all that was asked; @rc is the outcome of asking. Returns 0 or
 * -errno with v->reason. */
static int settle(struct vhost_card *v, int rc)
{
	return vhost_settle(v->client, &v->outcome, rc);
}

/* Returns how many pairs the driver listens to. Frames of a tap must not be
 * steered to another one. */
static unsigned pairs_on(const struct vhost_card *v)
{
	return feat_has(v->face.dev.driver_features, VIRTIO_NET_F_MQ)
		       ? v->control.state.pairs
		       : 1;
}

/* A vDPA device learns from its control queue which pairs are on. */
static bool is_pair_on(const struct vhost_card *v, unsigned idx)
{
	return v->kind == VHOST_VDPA || idx / 2 < pairs_on(v);
}

/* Makes the tap use the pairs that are on. */
static void steer(struct vhost_card *v)
{
	int rc = v->kind == VHOST_NET
			 ? tap_if_set_active(&v->use.tap, pairs_on(v))
			 : 0;

	v->pairs_told = pairs_on(v);
	if (rc)
		log_err("device %s: tap %s: queues: %s", v->face.dev.name,
			v->use.tap.name, strerror(-rc));
}

static int give(struct vhost_card *v, unsigned idx, bool is_resumed)
{
	struct vu_client_ring ring;
	int rc = vhost_ring_of(&v->face.dev, idx, &v->ring[idx].given,
			       is_resumed, &ring, &v->reason);

	if (rc)
		return rc;
	ring.enabled = is_pair_on(v, idx);
	rc = vu_client_queue_start(v->client, idx, &ring, done_of(v),
				   &v->reason);
	v->ring[idx].is_served = !rc;
	return rc;
}

/* Tells the back-end the driver's features and the guest's memory. */
static int give_memory(struct vhost_card *v)
{
	uint64_t features =
		v->face.dev.driver_features & vhost_backend_features(v);

	features |=
		vu_client_offered(v->client) & vhost_backend_own_features(v);
	return vhost_give_memory(v->client, &v->face.dev, features,
				 &v->outcome);
}

/* An interrupt that the last back-end owed may be lost. */
static void wake_driver(const struct vhost_card *v)
{
	for (unsigned i = 0; i < vhost_ring_count(v); i++)
		if (v->ring[i].is_in_use && v->ring[i].given.call_fd >= 0)
			fd_signal(v->ring[i].given.call_fd);
}

int vhost_start_all(struct vhost_card *v, bool is_resumed)
{
	unsigned count = vhost_ring_count(v);
	int rc = give_memory(v);

	steer(v);
	/* All before the first one starts: some back-ends count them then. */
	for (unsigned i = 0; i < count && !rc; i++)
		if (v->ring[i].is_in_use)
			rc = vu_client_queue_announce(v->client, i,
						      v->ring[i].given.call_fd,
						      done_of(v), &v->reason);
	for (unsigned i = 0; i < count && !rc; i++)
		if (v->ring[i].is_in_use)
			rc = give(v, i, is_resumed);
	if (!rc)
		rc = vu_client_driver_ok(v->client, done_of(v), &v->reason);
	rc = settle(v, rc);
	v->was_served |= !rc;
	if (!rc && is_resumed)
		wake_driver(v);
	return rc;
}

static int start_control(struct vhost_card *v, unsigned idx,
			 const struct virtio_ring *r)
{
	int rc = feat_has(v->face.dev.driver_features, VIRTIO_NET_F_CTRL_VQ)
			 ? rings_start(&v->rings, idx, r)
			 : -EINVAL;

	if (!rc)
		vnet_ctrl_start(&v->control, &v->rings.ring[idx].vq, r->kick_fd,
				false);
	return rc;
}

/* A start has failed with @rc. Without a back-end the rings wait for the next
 * one; one that refuses what the driver set up makes it reset the card. */
static int judge(const struct vhost_card *v, int rc)
{
	if (!vhost_is_up(v))
		return 0;
	log_err("device %s: %s", v->face.dev.name, v->reason.msg);
	return rc;
}

/* Returns whether this process serves ring @idx. */
static bool is_own(const struct vhost_card *v, unsigned idx)
{
	return v->kind != VHOST_VDPA && idx == card_control_index(&v->face);
}

/* Returns the place in v->ring, and number for the back-end, of ring @idx. */
static unsigned place_of(const struct vhost_card *v, unsigned idx)
{
	return idx == card_control_index(&v->face) ? 2 * v->face.pairs : idx;
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *r)
{
	struct vhost_card *v = to_card(d);
	int rc;

	if (is_own(v, idx))
		return start_control(v, idx, r);
	if (idx > card_control_index(&v->face))
		return -EINVAL;
	idx = place_of(v, idx);
	v->ring[idx].given = *r;
	v->ring[idx].is_in_use = true;
	/* Before DRIVER_OK the others are not known yet. */
	if (!v->is_live || !vhost_is_up(v))
		return 0;
	rc = settle(v, give(v, idx, false));
	return rc ? judge(v, rc) : 0;
}

/* The back-end lets go of ring @idx. */
static void take_back(struct vhost_card *v, unsigned idx)
{
	struct vhost_ring *r = &v->ring[idx];

	r->is_in_use = false;
	if (!r->is_served)
		return;
	r->is_served = false;
	/* If it does not say that it has let go, the end of the connection
	 * does. */
	if (vhost_is_up(v) &&
	    settle(v, vu_client_queue_stop(v->client, idx, done_of(v),
					   &v->reason)))
		vhost_link_drop(v);
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct vhost_card *v = to_card(d);

	if (!is_own(v, idx)) {
		take_back(v, place_of(v, idx));
		return;
	}
	vnet_ctrl_stop(&v->control);
	rings_stop(&v->rings, idx);
}

/* Forgets the driver: nothing of it may reach the next one, or be in a table of
 * memory that is gone. */
static void forget_driver(struct vhost_card *v)
{
	v->is_live = v->was_served = false;
	for (unsigned i = 0; i < vhost_ring_count(v); i++)
		take_back(v, i);
	vnet_ctrl_reset(&v->control.state, 0, v->face.pairs);
	card_face_quiet(&v->face);
	card_face_update(&v->face);
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	struct vhost_card *v = to_card(d);

	if (is_own(v, idx)) {
		virtio_dev_set_call(&v->rings.ring[idx].vq, fd);
		return;
	}
	idx = place_of(v, idx);
	v->ring[idx].given.call_fd = fd;
	if (v->ring[idx].is_served && vhost_is_up(v))
		settle(v, vu_client_queue_call(v->client, idx, fd, done_of(v),
					       &v->reason));
}

static int driver_ok(struct virtio_dev *d)
{
	struct vhost_card *v = to_card(d);
	int rc;

	v->is_live = true;
	if (!vhost_is_up(v))
		return 0;
	rc = vhost_start_all(v, false);
	return rc ? judge(v, rc) : 0;
}

/* Switches pairs and offloads as the driver's commands say. Frames that filters
 * would drop pass: vhost has none. */
void vhost_control_changed(struct vnet_ctrl *c)
{
	struct vhost_card *v = container_of(c, struct vhost_card, control);

	card_face_update(&v->face);
	set_offloads(v);
	if (pairs_on(v) == v->pairs_told)
		return;
	steer(v);
	if (!vhost_is_up(v))
		return;
	for (unsigned i = 0, asked = 0; i < 2 * v->face.pairs && !asked; i++)
		if (v->ring[i].is_served)
			asked = vu_client_queue_enable(v->client, i,
						       is_pair_on(v, i),
						       done_of(v), &v->reason);
	if (settle(v, 0) && vhost_is_up(v))
		log_err("device %s: %s", v->face.dev.name, v->reason.msg);
}

/* The next driver chooses anew, of what the back-end has that is there now. */
static void reset(struct virtio_dev *d)
{
	struct vhost_card *v = to_card(d);

	forget_driver(v);
	if (!vhost_is_up(v))
		return;
	vhost_offer(v);
	if (v->kind == VHOST_VDPA)
		vhost_vdpa_refresh(v);
}

/* The tap counts frames from the guest as received. */
static void show_tap(const struct vhost_card *v, struct show *s)
{
	uint64_t out, in;

	if (!tap_if_frames(&v->use.tap, &out, &in)) {
		show_num(s, "frames_out", out);
		show_num(s, "frames_in", in);
	}
}

static void show(const struct virtio_dev *d, struct show *s)
{
	static const char *const movers[] = {
		[VHOST_NET] = "the kernel's vhost-net",
		[VHOST_USER] = "a vhost-user back-end",
		[VHOST_VDPA] = "a vDPA device",
	};
	const struct vhost_card *v =
		container_of(d, const struct vhost_card, face.dev);

	show_mac(s, "mac", v->face.config.mac);
	show_num(s, "queue_pairs", v->face.pairs);
	show_str(s, "moved_by", movers[v->kind]);
	switch (v->kind) {
	case VHOST_USER:
		show_str(s, "path", v->path);
		show_num(s, "peer_pid", (uint64_t)vhost_card_peer(v));
		break;
	case VHOST_NET:
		show_str(s, "tap", v->use.tap.name);
		show_tap(v, s);
		break;
	case VHOST_VDPA:
		vhost_vdpa_show(v, s);
		break;
	}
	show_str(s, "back_end", vhost_is_up(v) ? "connected" : "gone");
	show_num(s, "connections", v->connections);
	if (*v->reason.msg)
		show_str(s, "last_disconnect", v->reason.msg);
	if (v->control.vq)
		vnet_ctrl_show(&v->control, s);
}

/* The memory goes. The kernel would keep addresses of this process, where
 * something else may be then. A vhost-user back-end has a mapping of its own
 * until the next table comes; DPDK's takes no empty one. */
static void forget_memory(struct vhost_card *v)
{
	if (v->kind != VHOST_USER && vhost_is_up(v) &&
	    settle(v, vu_client_set_memory(v->client, NULL, 0, done_of(v),
					   &v->reason)))
		vhost_link_drop(v);
}

/* The card stays for the next machine. */
static void unplugged(struct virtio_dev *d)
{
	d->transport = NULL;
	forget_driver(to_card(d));
	forget_memory(to_card(d));
	d->ram = NULL;
}

const struct virtio_dev_ops vhost_dev_ops = {
	.config_read = card_config_read,
	.ring_size = card_ring_size,
	.set_features = set_features,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.driver_ok = driver_ok,
	.reset = reset,
	.show = show,
	.destroy = unplugged,
};
