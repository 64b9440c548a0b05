/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of a card. One eventfd for each: VFIO signals it, KVM has it as
 * irqfd (pci/vector.h). vCPU threads, under the function's lock; the control
 * thread hears of errors and requests. Calls the card's file.
 *
 * A card has one kind of interrupts at a time. MSI-X is made ready in VFIO when
 * the guest unmasks the first vector, with as many as it uses, since each is
 * one of the host. Where VFIO cannot add vectors to those that it has, all are
 * made again; an interrupt that comes meanwhile would be lost, so each gets
 * one after that: a driver takes one too many.
 *
 * INTx: VFIO masks the card's line when it signals. With KVM's own chips the
 * end of the interrupt signals a second eventfd, which unmasks it. With a split
 * chip the control thread raises the line, and the chip tells of its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "shm.h"
#include "vfio_impl.h"

#define VECTORS_FIRST 8 /* made ready at once, if the card has them */

static unsigned index_of(enum vfio_irq irq)
{
	return irq == VFIO_IRQ_MSIX  ? VFIO_PCI_MSIX_IRQ_INDEX
	       : irq == VFIO_IRQ_MSI ? VFIO_PCI_MSI_IRQ_INDEX
				     : VFIO_PCI_INTX_IRQ_INDEX;
}

/* Asks VFIO for @flags with @count descriptors, or with none. Returns 0, or how
 * many it can have, or -errno. */
static int set(const struct vfio_dev *d, unsigned index, uint32_t flags,
	       unsigned start, unsigned count, const int *fds)
{
	size_t size = fds ? count * sizeof(*fds) : 0;
	struct vfio_irq_set *s = calloc(1, sizeof(*s) + size);
	int rc;

	if (!s)
		return -ENOMEM;
	s->argsz = (uint32_t)(sizeof(*s) + size);
	s->flags = flags |
		   (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	s->index = index;
	s->start = start;
	s->count = count;
	if (size)
		memcpy(s->data, fds, size);
	rc = d->ops->request(d->fd, VFIO_DEVICE_SET_IRQS, s);
	free(s);
	return rc;
}

static int set_trigger(const struct vfio_dev *d, unsigned index, int fd)
{
	return set(d, index, VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, &fd);
}

static int unmask(const struct vfio_dev *d)
{
	return set(d, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 0, 1,
		   NULL);
}

static void tell(struct vfio_dev *d, const char *what, int rc)
{
	log_limited(&d->log, LOG_LEVEL_ERR, "device=%s: no %s: %s", d->name,
		    what, strerror(-rc));
}

/* --- INTx */

static void on_line(struct loop_watch *w, uint32_t events)
{
	struct vfio_dev *d = container_of(w, struct vfio_dev, line);

	(void)events;
	fd_drain(w->fd);
	pci_lock(&d->pci);
	if (d->irq == VFIO_IRQ_INTX)
		pci_set_intx(&d->pci, true);
	pci_unlock(&d->pci);
}

/* The line falls before the card may raise it again: then VFIO signals. */
static void on_ended(struct irqs_ended *e)
{
	struct vfio_dev *d = container_of(e, struct vfio_dev, on_ended);

	if (!shm_load(&d->pci.intx_wanted))
		return;
	pci_set_intx(&d->pci, false);
	unmask(d);
}

static int start_line(struct vfio_dev *d)
{
	struct irqs *q = &d->vm->irqs;
	unsigned gsi = pci_intx_gsi(&d->pci);
	int rc = 0;

	if (!q->is_split)
		rc = irqs_attach_line(q, gsi, d->line_fd, d->ended_fd);
	if (!rc)
		rc = set_trigger(d, VFIO_PCI_INTX_IRQ_INDEX, d->line_fd);
	d->vectors = !rc;
	if (!rc && !q->is_split)
		rc = set(d, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK,
			 0, 1, &d->ended_fd);
	if (rc)
		tell(d, "interrupt line", rc);
	return rc;
}

static void stop_line(struct vfio_dev *d)
{
	struct irqs *q = &d->vm->irqs;

	if (!q->is_split)
		irqs_detach(q, pci_intx_gsi(&d->pci), d->line_fd);
	pci_set_intx(&d->pci, false);
	fd_drain(d->line_fd);
	fd_drain(d->ended_fd);
}

/* --- Messages */

static int fd_of(const struct vfio_dev *d, unsigned vector)
{
	return d->irq == VFIO_IRQ_MSIX ? msix_fd(&d->pci, vector)
				       : msi_fd(&d->pci, vector);
}

/* Gives VFIO the eventfds of @count vectors from @start. */
static int give(struct vfio_dev *d, unsigned start, unsigned count)
{
	int *fds = calloc(count, sizeof(*fds)), rc;

	if (!fds)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		fds[i] = fd_of(d, start + i);
	rc = set(d, index_of(d->irq), VFIO_IRQ_SET_ACTION_TRIGGER, start, count,
		 fds);
	free(fds);
	return rc;
}

static void take_all(struct vfio_dev *d)
{
	if (d->vectors)
		set(d, index_of(d->irq), VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0,
		    NULL);
	d->vectors = 0;
}

static void start_messages(struct vfio_dev *d, unsigned count)
{
	int rc = count ? give(d, 0, count) : 0;

	/* The host may have fewer: then as many as it has. */
	if (rc > 0)
		rc = give(d, 0, count = (unsigned)rc);
	if (rc)
		tell(d, "interrupts of messages", rc);
	else
		d->vectors = count;
}

void vfio_irq_used(struct pci_dev *p, unsigned end)
{
	struct vfio_dev *d = vfio_of(p);
	unsigned old;
	int rc;

	/* The control register is on; its hook comes after this call. */
	vfio_irq_update(d);
	if (d->irq != VFIO_IRQ_MSIX || end <= d->vectors)
		return;
	old = d->vectors;
	if (old && d->can_grow) {
		rc = give(d, old, end - old);
		if (rc)
			tell(d, "interrupts of messages", rc);
		else
			d->vectors = end;
		return;
	}
	take_all(d);
	start_messages(
		d, MIN(MAX(end, MAX(2 * old, VECTORS_FIRST)), d->table_size));
	for (unsigned i = 0; i < old; i++)
		fd_signal(msix_fd(p, i));
}

/* --- Which kind */

static enum vfio_irq wanted(const struct vfio_dev *d)
{
	if (msix_is_on(&d->pci))
		return VFIO_IRQ_MSIX;
	if (msi_count(&d->pci))
		return VFIO_IRQ_MSI;
	return d->pci.config[PCI_INTERRUPT_PIN] ? VFIO_IRQ_INTX : VFIO_IRQ_NONE;
}

static void stop(struct vfio_dev *d)
{
	take_all(d);
	if (d->irq == VFIO_IRQ_INTX)
		stop_line(d);
	d->irq = VFIO_IRQ_NONE;
}

void vfio_irq_update(struct vfio_dev *d)
{
	enum vfio_irq irq = wanted(d);
	unsigned enabled = irq == VFIO_IRQ_MSI ? msi_count(&d->pci) : 0;

	/* VFIO may have given fewer than the guest enabled, or none. */
	if (irq == d->irq && enabled == d->enabled)
		return;
	stop(d);
	d->irq = irq;
	d->enabled = enabled;
	if (irq == VFIO_IRQ_INTX && start_line(d)) {
		take_all(d);
		stop_line(d);
	} else if (irq == VFIO_IRQ_MSI) {
		start_messages(d, enabled);
	}
}

/* --- News */

static void on_error(struct loop_watch *w, uint32_t events)
{
	struct vfio_dev *d = container_of(w, struct vfio_dev, error);

	(void)events;
	fd_drain(w->fd);
	if (d->has_failed)
		return;
	d->has_failed = true;
	log_err("device=%s: the card reports an error that it does not recover "
		"from: the guest is asked to let go of it",
		d->name);
	d->asked(d->arg);
}

static void on_request(struct loop_watch *w, uint32_t events)
{
	struct vfio_dev *d = container_of(w, struct vfio_dev, requested);

	(void)events;
	fd_drain(w->fd);
	log_limited(&d->log, LOG_LEVEL_WARN,
		    "device=%s: the host wants %s back: the guest is asked to "
		    "let go of it",
		    d->name, d->address);
	d->asked(d->arg);
}

/* Cards without the index (no AER) have no such news. */
static int watch(struct vfio_dev *d, struct loop_watch *w, int *fd,
		 unsigned index,
		 void (*fn)(struct loop_watch *w, uint32_t events))
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int rc = d->ops->request(d->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (rc < 0 || !info.count)
		return 0;
	*fd = fd_eventfd();
	if (*fd < 0)
		return *fd;
	rc = loop_watch_add(d->vm->loop, w, *fd, EPOLLIN, fn);
	return rc ? rc : set_trigger(d, index, *fd);
}

static int open_line(struct vfio_dev *d)
{
	struct loop *loop = d->vm->loop;

	d->line_fd = fd_eventfd();
	d->ended_fd = fd_eventfd();
	if (d->line_fd < 0 || d->ended_fd < 0)
		return -EMFILE;
	if (!d->vm->irqs.is_split)
		return 0;
	d->on_ended.fn = on_ended;
	irqs_watch_ended(&d->vm->irqs, pci_intx_gsi(&d->pci), &d->on_ended);
	return loop_watch_add(loop, &d->line, d->line_fd, EPOLLIN, on_line);
}

int vfio_irq_init(struct vfio_dev *d, struct err *err)
{
	struct vfio_irq_info info = { .argsz = sizeof(info),
				      .index = VFIO_PCI_MSIX_IRQ_INDEX };
	int rc = open_line(d);

	if (d->ops->request(d->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) >= 0)
		d->can_grow = !(info.flags & VFIO_IRQ_INFO_NORESIZE);
	if (!rc)
		rc = watch(d, &d->error, &d->error_fd, VFIO_PCI_ERR_IRQ_INDEX,
			   on_error);
	if (!rc)
		rc = watch(d, &d->requested, &d->request_fd,
			   VFIO_PCI_REQ_IRQ_INDEX, on_request);
	if (rc)
		return err_set(err, rc, "%s: its interrupts: %s", d->address,
			       strerror(-rc));
	pci_lock(&d->pci);
	vfio_irq_update(d);
	pci_unlock(&d->pci);
	return 0;
}

void vfio_irq_fini(struct vfio_dev *d)
{
	if (d->pci.bus) {
		pci_lock(&d->pci);
		stop(d);
		pci_unlock(&d->pci);
	}
	irqs_unwatch_ended(&d->vm->irqs, &d->on_ended);
	loop_watch_remove(&d->line);
	loop_watch_remove(&d->error);
	loop_watch_remove(&d->requested);
	fd_close(&d->line_fd);
	fd_close(&d->ended_fd);
	fd_close(&d->error_fd);
	fd_close(&d->request_fd);
}
