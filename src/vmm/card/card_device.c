/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The card as a virtio device: its rings are given to the queue pairs of vnet/
 * and taken back. Control thread.
 */
#include <errno.h>
#include <string.h>

#include "card_impl.h"
#include "log.h"
#include "virtio.h"
#include "workers.h"

static struct card *to_card(struct virtio_dev *d)
{
	return container_of(d, struct card, face.dev);
}

static bool set_features(struct virtio_dev *d, uint64_t features)
{
	struct card *c = to_card(d);

	if (vnet_features_prune(features) != features)
		return false;
	vnet_ctrl_reset(&c->control.state, features, c->pairs.count);
	card_face_update(&c->face);
	return true;
}

static void say_down(const struct card *c, int rc)
{
	if (rc)
		log_err("device %s: link down: %s", c->port.name,
			strerror(-rc));
}

void card_control_changed(struct vnet_ctrl *ctrl)
{
	struct card *c = container_of(ctrl, struct card, control);

	card_face_update(&c->face);
	say_down(c, vnet_ctrl_apply(ctrl, &c->pairs));
}

/* Rings that the driver has no right to: those of pairs and of a control queue
 * that it did not negotiate. */
static bool is_legal(const struct card *c, unsigned idx)
{
	uint64_t features = c->face.dev.driver_features;

	if (idx == card_control_index(&c->face))
		return feat_has(features, VIRTIO_NET_F_CTRL_VQ);
	return idx < card_control_index(&c->face);
}

static int give(struct card *c, unsigned idx, const struct virtio_ring *r)
{
	struct vq_dev *vq = &c->rings.ring[idx].vq;
	const struct vnet_ring to_pair = { .vq = vq,
					   .kick_fd = r->kick_fd,
					   .enabled = true };
	int rc;

	if (idx == card_control_index(&c->face)) {
		vnet_ctrl_start(&c->control, vq, r->kick_fd, false);
		return 0;
	}
	rc = vnet_pairs_start(&c->pairs, idx, &to_pair);
	if (!rc && c->is_live)
		rc = vnet_pairs_publish(&c->pairs);
	return rc;
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct card *c = to_card(d);

	if (!c->rings.ring[idx].is_held)
		return;
	if (idx == card_control_index(&c->face))
		vnet_ctrl_stop(&c->control);
	else
		say_down(c, vnet_pairs_stop(&c->pairs, &idx, 1));
	rings_stop(&c->rings, idx);
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *r)
{
	struct card *c = to_card(d);
	int rc = is_legal(c, idx) ? rings_start(&c->rings, idx, r) : -EINVAL;

	if (rc)
		return rc;
	rc = give(c, idx, r);
	if (rc)
		stop_ring(d, idx);
	return rc;
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	virtio_dev_set_call(&to_card(d)->rings.ring[idx].vq, fd);
}

static int driver_ok(struct virtio_dev *d)
{
	struct card *c = to_card(d);

	c->is_live = true;
	return vnet_pairs_publish(&c->pairs);
}

static void reset(struct virtio_dev *d)
{
	struct card *c = to_card(d);

	c->is_live = false;
	card_face_quiet(&c->face);
	vnet_ctrl_reset(&c->control.state, 0, c->pairs.count);
	card_control_changed(&c->control);
}

void card_ring_broken(struct rings *r, unsigned idx, const char *why)
{
	port_tell_fault(&container_of(r, struct card, rings)->port, idx, why);
}

/* The counters of ring @ring, which the queue with @q serves. */
static void show_queue(unsigned ring, const struct queue_stats *q,
		       struct show *s)
{
	show_object(s, NULL);
	show_num(s, "ring", ring);
	show_num(s, "frames", stat_read(&q->frames));
	show_num(s, "kicks", stat_read(&q->kicks));
	show_num(s, "interrupts", stat_read(&q->calls));
	show_end(s);
}

/* The guest's receive rings are even (virtio 1.2, clause 5.1.2). */
static void show_queues(const struct card *c, struct show *s)
{
	show_array(s, "queues");
	for (unsigned i = 0; i < c->port.txq_count; i++) {
		show_queue(2 * i, &c->port.txq[i]->stats, s);
		show_queue(2 * i + 1, &c->port.rxq[i]->stats, s);
	}
	show_end(s);
}

static void show(const struct virtio_dev *d, struct show *s)
{
	const struct card *c = container_of(d, const struct card, face.dev);

	show_mac(s, "mac", c->face.config.mac);
	show_num(s, "queue_pairs", c->pairs.count);
	show_str(s, "moved_by", "workers of this process");
	show_num(s, "interrupts", port_show_work(&c->port, s));
	show_queues(c, s);
	show_flag(s, "link", c->face.has_link);
	if (c->control.vq)
		vnet_ctrl_show(&c->control, s);
}

/* The port has the memory. */
static void unplugged(struct virtio_dev *d)
{
	card_face_quiet(&to_card(d)->face);
	d->transport = NULL;
	d->ram = NULL;
}

const struct virtio_dev_ops card_dev_ops = {
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
