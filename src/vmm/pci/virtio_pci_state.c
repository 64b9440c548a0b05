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
#define DRIVERS_BITS                                           \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |    \
	 VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK | \
	 VIRTIO_STATUS_FAILED)

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

/* Returns whether the device takes the driver's features, and keeps them. */
static bool take_features(struct virtio_pci *v)
{
	struct virtio_dev *d = v->dev;
	uint64_t features;
	bool wants_more;

	pci_lock(&v->pci);
	features = v->driver_features;
	wants_more = v->wants_more;
	pci_unlock(&v->pci);
	if (wants_more || features & ~d->features ||
	    !feat_has(features, VIRTIO_F_VERSION_1) ||
	    (d->ops->set_features && !d->ops->set_features(d, features)))
		return false;
	d->driver_features = features;
	return true;
}

/* The driver set DRIVER_OK: from now on it uses the rings. */
static void go(struct virtio_pci *v)
{
	int rc = 0;

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
	vpci_regs_reset(v);
	pci_unlock(&v->pci);
	vpci_irq_reset(v);
}

static void set_status(struct virtio_pci *v, uint8_t value)
{
	uint8_t add;

	if (!value) {
		vpci_reset(v);
		return;
	}
	add = value & DRIVERS_BITS & ~shm_load(&v->status);
	if (add & VIRTIO_STATUS_FEATURES_OK && !take_features(v))
		add &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	/* A driver without VERSION_1 would skip that step. */
	if (!((shm_load(&v->status) | add) & VIRTIO_STATUS_FEATURES_OK))
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
	if (is_new && has_status(v, VIRTIO_STATUS_DRIVER_OK) &&
	    !has_status(v, VIRTIO_STATUS_NEEDS_RESET))
		start(r);
}

static void reset_ring(struct virtio_pci *v, unsigned idx)
{
	struct vpci_ring *r = &v->ring[idx];

	if (!feat_has(v->dev->driver_features, VIRTIO_F_RING_RESET))
		return;
	vpci_ring_stop(r);
	pci_lock(&v->pci);
	vpci_ring_regs_reset(r);
	pci_unlock(&v->pci);
}

static void make_change(struct virtio_pci *v, const struct vpci_change *c)
{
	switch (c->verb) {
	case VPCI_NOTHING:
		break;
	case VPCI_SET_STATUS:
		set_status(v, c->value);
		break;
	case VPCI_ENABLE_RING:
		enable_ring(v, c->idx);
		break;
	case VPCI_RESET_RING:
		reset_ring(v, c->idx);
		break;
	case VPCI_UPDATE_CALLS:
		for (unsigned i = 0; i < v->dev->ring_count; i++)
			vpci_ring_update_call(&v->ring[i]);
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
