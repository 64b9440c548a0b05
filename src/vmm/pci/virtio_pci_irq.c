/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of virtio over PCI: by MSI-X, or by the ISR status and INTx
 * (virtio 1.2, clauses 4.1.4.5, 4.1.5.3 and 4.1.5.4). Any thread. Takes
 * isr_lock and the lock of the lines, never the function's.
 *
 * The status and the line change together: a line that is up without a bit of
 * the status would never be lowered. That needs a lock and a request to KVM, so
 * workers leave it to the control thread, by an eventfd like those of MSI-X.
 * Only guests without MSI-X wait for that: boot loaders, and those that were
 * told to.
 */
#include "fd.h"
#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

static void raise_isr(struct virtio_pci *v, uint8_t bit)
{
	pthread_mutex_lock(&v->isr_lock);
	v->isr |= bit;
	pci_set_intx(&v->pci, true);
	pthread_mutex_unlock(&v->isr_lock);
}

uint8_t vpci_read_isr(struct virtio_pci *v)
{
	uint8_t isr;

	pthread_mutex_lock(&v->isr_lock);
	isr = v->isr;
	v->isr = 0;
	pci_set_intx(&v->pci, false);
	pthread_mutex_unlock(&v->isr_lock);
	return isr;
}

void vpci_irq_reset(struct virtio_pci *v)
{
	fd_drain(v->intx_fd);
	vpci_read_isr(v);
}

static void signal_vector(struct virtio_pci *v, uint16_t vector)
{
	int fd = msix_fd(&v->pci, vector);

	if (fd >= 0)
		fd_signal(fd);
}

static void on_intx(struct loop_watch *w, uint32_t events)
{
	struct virtio_pci *v = container_of(w, struct virtio_pci, intx_watch);

	(void)events;
	fd_drain(v->intx_fd);
	if (!msix_is_on(&v->pci))
		raise_isr(v, ISR_QUEUE);
}

static void notify_config(struct virtio_pci *v)
{
	if (!(shm_load(&v->status) & VIRTIO_STATUS_DRIVER_OK))
		return;
	raise_isr(v, ISR_CONFIG); /* with MSI-X, too; the line stays low */
	if (msix_is_on(&v->pci))
		signal_vector(v, shm_load(&v->config_vector));
}

static void config_changed(struct virtio_dev *d)
{
	struct virtio_pci *v = d->transport_arg;

	shm_fetch_add_release(&v->generation, 1);
	notify_config(v);
}

void vpci_needs_reset(struct virtio_pci *v, const char *why)
{
	log_limited(&v->log, LOG_LEVEL_WARN, "device=%s: stopped: %s",
		    v->pci.name, why);
	shm_fetch_or(&v->status, VIRTIO_STATUS_NEEDS_RESET);
	notify_config(v);
}

static void needs_reset(struct virtio_dev *d, const char *why)
{
	vpci_needs_reset(d->transport_arg, why);
}

const struct virtio_transport_ops vpci_transport = {
	.config_changed = config_changed,
	.needs_reset = needs_reset,
};

int vpci_irq_init(struct virtio_pci *v)
{
	pthread_mutex_init(&v->isr_lock, NULL);
	v->intx_fd = fd_eventfd();
	if (v->intx_fd < 0)
		return v->intx_fd;
	return loop_watch_add(v->vm->loop, &v->intx_watch, v->intx_fd, EPOLLIN,
			      on_intx);
}

void vpci_irq_fini(struct virtio_pci *v)
{
	loop_watch_remove(&v->intx_watch);
	fd_close(&v->intx_fd);
	pthread_mutex_destroy(&v->isr_lock);
}
