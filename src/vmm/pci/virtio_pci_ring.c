/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of virtio over PCI: what the model gets of them, and the driver's
 * notifications. Control thread, but for the functions that are called under
 * the lock. Calls the model and KVM.
 *
 * A notification goes from KVM to the model (ioeventfd). Without that (KVM has
 * a limit; or the driver uses the window) it comes to the BAR's handler, which
 * signals the same eventfd.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "fd.h"
#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

static const struct pci_bar *bar_of(const struct virtio_pci *v,
				    enum vpci_way way)
{
	return &v->pci.bar[way == VPCI_WAY_LEGACY ? VPCI_BAR_LEGACY
						  : VPCI_BAR_REGS];
}

/* A ring has an address of its own in the modern registers. There an access of
 * any length counts: KVM then need not decode the instruction. The legacy
 * register is one for all, and the value says which ring. */
static int request(struct vpci_ring *r, enum vpci_way way, uint32_t flags)
{
	uint64_t base = bar_of(r->v, way)->range.base;
	struct vm *vm = r->v->vm;
	struct kvm_ioeventfd e = { .fd = r->kick_fd, .flags = flags };

	if (way == VPCI_WAY_LEGACY) {
		e.addr = base + VPCI_LEGACY_NOTIFY;
		e.len = 2;
		e.datamatch = r->idx;
		e.flags |=
			KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH;
	} else {
		e.addr = base + VPCI_NOTIFY +
			 (uint64_t)r->idx * VPCI_NOTIFY_SIZE;
	}
	return vm->irqs.request(vm->fd, KVM_IOEVENTFD, &e);
}

static void wire(struct vpci_ring *r, enum vpci_way way)
{
	int rc = request(r, way, 0);

	r->is_wired[way] = !rc;
	if (rc)
		log_limited(&r->v->log, LOG_LEVEL_WARN,
			    "device=%s: notifications of ring %u are slow: "
			    "KVM_IOEVENTFD: %s",
			    r->v->pci.name, r->idx, strerror(-rc));
}

/* A legacy driver may notify a ring before the device has started, which only
 * the handler sees: there KVM has running rings only. */
static bool may_wire(const struct vpci_ring *r, enum vpci_way way)
{
	return bar_of(r->v, way)->is_mapped && r->kick_fd >= 0 &&
	       (way != VPCI_WAY_LEGACY || r->is_running);
}

static void update_wire(struct vpci_ring *r, enum vpci_way way)
{
	bool is_wanted = may_wire(r, way);

	if (is_wanted && !r->is_wired[way])
		wire(r, way);
	if (is_wanted || !r->is_wired[way])
		return;
	request(r, way, KVM_IOEVENTFD_FLAG_DEASSIGN);
	r->is_wired[way] = false;
}

/* Under the lock. */
static void set_running(struct vpci_ring *r, bool is_running)
{
	r->is_running = is_running;
	for (unsigned way = 0; way < VPCI_WAYS; way++)
		update_wire(r, way);
}

void vpci_rings_wire(struct virtio_pci *v)
{
	for (unsigned i = 0; i < v->dev->ring_count; i++)
		for (unsigned way = 0; way < VPCI_WAYS; way++)
			update_wire(&v->ring[i], way);
}

void vpci_ring_kick(struct vpci_ring *r)
{
	if (r->is_running)
		fd_signal(r->kick_fd);
}

/* Returns the eventfd for the interrupts of @r, or -1. */
static int call_fd(const struct vpci_ring *r)
{
	return msix_is_on(&r->v->pci) ? msix_fd(&r->v->pci, r->vector)
				      : r->v->intx_fd;
}

/* Fills in what the model gets. Under the lock. */
static int prepare(struct vpci_ring *r)
{
	if (r->kick_fd < 0)
		r->kick_fd = fd_eventfd();
	if (r->kick_fd < 0)
		return r->kick_fd;
	/* A kick from before this start is not for it. */
	fd_drain(r->kick_fd);
	r->given = (struct virtio_ring){
		.size = r->size,
		.desc = r->desc,
		.driver = r->driver,
		.device = r->device,
		.kick_fd = r->kick_fd,
		.call_fd = call_fd(r),
	};
	set_running(r, true);
	return 0;
}

int vpci_ring_start(struct vpci_ring *r)
{
	struct virtio_pci *v = r->v;
	int rc;

	pci_lock(&v->pci);
	rc = prepare(r);
	pci_unlock(&v->pci);
	if (rc)
		return rc;
	rc = v->dev->ops->start_ring(v->dev, r->idx, &r->given);
	if (!rc)
		return 0;
	pci_lock(&v->pci);
	set_running(r, false);
	pci_unlock(&v->pci);
	return rc;
}

void vpci_ring_stop(struct vpci_ring *r)
{
	struct virtio_pci *v = r->v;

	if (!r->is_running)
		return;
	v->dev->ops->stop_ring(v->dev, r->idx);
	pci_lock(&v->pci);
	set_running(r, false);
	pci_unlock(&v->pci);
}

void vpci_ring_update_call(struct vpci_ring *r)
{
	struct virtio_pci *v = r->v;
	int fd;

	if (!r->is_running)
		return;
	pci_lock(&v->pci);
	fd = call_fd(r);
	pci_unlock(&v->pci);
	if (fd == r->given.call_fd)
		return;
	r->given.call_fd = fd;
	if (v->dev->ops->set_call)
		v->dev->ops->set_call(v->dev, r->idx, fd);
}

void vpci_ring_call(struct vpci_ring *r)
{
	if (r->is_running && r->given.call_fd >= 0)
		fd_signal(r->given.call_fd);
}
