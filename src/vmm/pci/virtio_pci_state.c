/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a virtio device over PCI: status, features, enabled rings
 * (virtio 1.2, clauses 2.1, 2.2, 2.6.1 and 3.1). Control thread; vCPUs wait for
 * it. Calls the model.
 */
#include <stdio.h>
#include <string.h>

#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

/* Bits that a driver may set. It clears bits by a reset only (clause 2.1.1). */
#define LEGACY_BITS                                         \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | \
	 VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FAILED)
#define MODERN_BITS (LEGACY_BITS | VIRTIO_STATUS_FEATURES_OK)

static bool has_status(const struct virtio_pci *v, uint8_t bit)
{
	return shm_load(&v->status) & bit;
}

static void start(struct vpci_ring *r)
{
	char why[96];
	int rc = vpci_ring_start(r);

	if (!rc)
		return;
	snprintf(why, sizeof(why), "ring %u cannot be used: %s", r->idx,
		 strerror(-rc));
	vpci_needs_reset(r->v, why);
}

static bool set_features(struct virtio_pci *v, uint64_t features)
{
	struct virtio_dev *d = v->dev;

	if (d->ops->set_features && !d->ops->set_features(d, features))
		return false;
	d->driver_features = features;
	return true;
}

/* Returns whether the device takes the driver's features, and keeps them. */
static bool take_features(struct virtio_pci *v)
{
	uint64_t features;
	bool wants_more;

	pci_lock(&v->pci);
	features = v->driver_features;
	wants_more = v->wants_more;
	pci_unlock(&v->pci);
	return !wants_more && !(features & ~v->dev->features) &&
	       feat_has(features, VIRTIO_F_VERSION_1) &&
	       set_features(v, features);
}

/* The same for a legacy driver, which has no way to hear of a refusal. Bits
 * that it was not offered count for nothing, as with others' devices. That
 * buffers have any layout (ANY_LAYOUT) is true of all models. */
static bool take_legacy_features(struct virtio_pci *v)
{
	uint64_t features;

	pci_lock(&v->pci);
	features = v->driver_features & vpci_legacy_features(v);
	pci_unlock(&v->pci);
	return set_features(v, features & ~feat_bit(VIRTIO_F_ANY_LAYOUT));
}

/* The driver set DRIVER_OK: from now on it uses the rings. A legacy driver may
 * have begun before that. */
static void go(struct virtio_pci *v)
{
	int rc = 0;

	if (v->is_live)
		return;
	pci_lock(&v->pci);
	v->is_live = true;
	pci_unlock(&v->pci);
	if (!has_status(v, VIRTIO_STATUS_FEATURES_OK) &&
	    !take_legacy_features(v)) {
		vpci_needs_reset(v,
				 "the driver's features do not fit together");
		return;
	}

	for (unsigned i = 0; i < v->dev->ring_count; i++)
		if (v->ring[i].is_enabled &&
		    !has_status(v, VIRTIO_STATUS_NEEDS_RESET))
			start(&v->ring[i]);
	if (has_status(v, VIRTIO_STATUS_NEEDS_RESET))
		return;
	if (v->dev->ops->driver_ok)
		rc = v->dev->ops->driver_ok(v->dev);
	if (rc)
		vpci_needs_reset(v, strerror(-rc));
}

void vpci_reset(struct virtio_pci *v)
{
	struct virtio_dev *d = v->dev;

	for (unsigned i = 0; i < d->ring_count; i++)
		vpci_ring_stop(&v->ring[i]);
	if (d->ops->reset)
		d->ops->reset(d);
	d->driver_features = 0;
	pci_lock(&v->pci);
	v->is_live = false;
	vpci_regs_reset(v);
	pci_unlock(&v->pci);
	vpci_irq_reset(v);
}

static void set_status(struct virtio_pci *v, uint8_t value, bool is_legacy)
{
	uint8_t add;

	if (!value) {
		vpci_reset(v);
		return;
	}
	add = value & (is_legacy ? LEGACY_BITS : MODERN_BITS) &
	      ~shm_load(&v->status);
	if (add & VIRTIO_STATUS_FEATURES_OK &&
	    (v->is_live || !take_features(v)))
		add &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	/* A driver without VERSION_1 would skip that step. */
	if (!is_legacy &&
	    !((shm_load(&v->status) | add) & VIRTIO_STATUS_FEATURES_OK))
		add &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
	shm_fetch_or(&v->status, add);
	if (add & VIRTIO_STATUS_DRIVER_OK)
		go(v);
}

static void enable_ring(struct virtio_pci *v, unsigned idx)
{
	struct vpci_ring *r = &v->ring[idx];
	bool is_new;

	pci_lock(&v->pci);
	is_new = !r->is_enabled;
	r->is_enabled = true;
	pci_unlock(&v->pci);
	if (is_new && v->is_live && !has_status(v, VIRTIO_STATUS_NEEDS_RESET))
		start(r);
}

static void reset_ring(struct virtio_pci *v, unsigned idx)
{
	struct vpci_ring *r = &v->ring[idx];

	vpci_ring_stop(r);
	pci_lock(&v->pci);
	vpci_ring_regs_reset(r);
	pci_unlock(&v->pci);
}

static void update_calls(struct virtio_pci *v, bool is_switched)
{
	for (unsigned i = 0; i < v->dev->ring_count; i++) {
		vpci_ring_update_call(&v->ring[i]);
		/* One that was made the other way may have been lost. */
		if (is_switched)
			vpci_ring_call(&v->ring[i]);
	}
}

static void make_change(struct virtio_pci *v, const struct vpci_change *c)
{
	switch (c->verb) {
	case VPCI_NOTHING:
		break;
	case VPCI_SET_STATUS:
	case VPCI_LEGACY_STATUS:
		set_status(v, c->value, c->verb == VPCI_LEGACY_STATUS);
		break;
	case VPCI_ENABLE_RING:
		enable_ring(v, c->idx);
		break;
	case VPCI_RESET_RING:
		if (feat_has(v->dev->driver_features, VIRTIO_F_RING_RESET))
			reset_ring(v, c->idx);
		break;
	case VPCI_UPDATE_CALLS:
	case VPCI_SWITCH_CALLS:
		update_calls(v, c->verb == VPCI_SWITCH_CALLS);
		break;
	case VPCI_LEGACY_START:
		go(v);
		break;
	case VPCI_LEGACY_REMOVE:
		reset_ring(v, c->idx);
		break;
	}
}

struct call {
	struct virtio_pci *v;
	const struct vpci_change *change;
};

static void on_call(void *arg)
{
	const struct call *c = arg;

	make_change(c->v, c->change);
}

void vpci_change(struct virtio_pci *v, const struct vpci_change *c)
{
	struct call call = { v, c };

	if (c->verb != VPCI_NOTHING)
		vm_call(v->vm, on_call, &call);
}
