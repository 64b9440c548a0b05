/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI (PCI 3.0, clause 6.8.1): up to 32 messages that differ in the low bits of
 * their data. vCPU threads, under the function's lock. Calls the interrupts of
 * the machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pci_impl.h"
#include "shm.h"
#include "vector.h"

#define VECTORS_MAX   32
#define ADDRESS_FIXED 3u /* low bits of an address, zero */

struct msi {
	struct irqs *irqs;
	const char *name;
	unsigned cap; /* offset in the configuration space */
	unsigned max; /* vectors that the function has */
	unsigned on;  /* [any, atomic] vectors that the guest enabled; 0: off */
	bool is_64;
	bool has_masks;
	struct log_limit log;
	struct vector vector[VECTORS_MAX];
};

static unsigned data_at(const struct msi *m)
{
	return m->cap + (m->is_64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);
}

static unsigned mask_at(const struct msi *m)
{
	return m->cap + (m->is_64 ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32);
}

static unsigned pending_at(const struct msi *m)
{
	return m->cap + (m->is_64 ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32);
}

/* Returns the bytes of the capability: masks and pending bits are there
 * together, or neither is. */
static unsigned size_of(const struct msi *m)
{
	return m->has_masks ? pending_at(m) + 4 - m->cap
			    : data_at(m) + 2 - m->cap;
}

/* Returns how many vectors the control register enables. More than there are
 * is not allowed, and means all. */
static unsigned read_count(const struct pci_dev *d, const struct msi *m)
{
	uint16_t flags = pci_get16(d, m->cap + PCI_MSI_FLAGS);

	if (!(flags & PCI_MSI_FLAGS_ENABLE))
		return 0;
	return MIN(1u << ((flags & PCI_MSI_FLAGS_QSIZE) >> 4), m->max);
}

static void tell(struct msi *m, unsigned vector, int rc)
{
	log_limited(&m->log, LOG_LEVEL_ERR,
		    "device=%s: MSI vector %u cannot be used: %s", m->name,
		    vector, strerror(-rc));
}

/* Lets all vectors follow the guest's registers, with one commit. */
static void update(struct pci_dev *d, struct msi *m)
{
	uint32_t masks = m->has_masks ? pci_get32(d, mask_at(m)) : 0;
	uint32_t data = pci_get16(d, data_at(m)), wanted = 0;
	uint64_t address = pci_get32(d, m->cap + PCI_MSI_ADDRESS_LO);
	int rc;

	if (m->is_64)
		address |= (uint64_t)pci_get32(d, m->cap + PCI_MSI_ADDRESS_HI)
			   << 32;
	for (unsigned i = 0; i < m->max; i++) {
		if (i >= m->on || masks >> i & 1) {
			vector_detach(&m->vector[i], m->irqs);
			continue;
		}
		rc = vector_prepare(&m->vector[i], m->irqs, address,
				    (data & ~(m->on - 1)) | i);
		if (rc)
			tell(m, i, rc);
		else
			wanted |= 1u << i;
	}
	rc = wanted ? irqs_commit(m->irqs) : 0;
	if (rc)
		tell(m, 0, rc);
	for (unsigned i = 0; i < m->max && !rc; i++) {
		int failed = 0;

		if (wanted >> i & 1 && !m->vector[i].is_attached)
			failed = vector_attach(&m->vector[i], m->irqs);
		if (failed)
			tell(m, i, failed);
	}
}

void msi_config_written(struct pci_dev *d, unsigned off, unsigned size)
{
	struct msi *m = d->msi;

	if (!pci_touches(off, size, m->cap, size_of(m)))
		return;
	shm_store(&m->on, read_count(d, m));
	update(d, m);
}

/* Clause 6.8.1.8: a bit is set from the interrupt of a masked vector until that
 * is unmasked. */
void msi_config_reading(struct pci_dev *d, unsigned off, unsigned size)
{
	struct msi *m = d->msi;
	uint32_t bits = 0;

	if (!m->has_masks || !pci_touches(off, size, pending_at(m), 4))
		return;
	for (unsigned i = 0; i < m->on; i++)
		if (vector_is_pending(&m->vector[i]))
			bits |= 1u << i;
	pci_put(d->config, pending_at(m), 4, bits);
}

/* The bits of the capability that the guest may write. */
static void set_writable(struct pci_dev *d, const struct msi *m)
{
	pci_put(d->writable, m->cap + PCI_MSI_FLAGS, 2,
		PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pci_put(d->writable, m->cap + PCI_MSI_ADDRESS_LO, 4, ~ADDRESS_FIXED);
	if (m->is_64)
		pci_put(d->writable, m->cap + PCI_MSI_ADDRESS_HI, 4, ~0u);
	pci_put(d->writable, data_at(m), 2, 0xffff);
	if (m->has_masks)
		pci_put(d->writable, mask_at(m), 4,
			m->max < 32 ? (1u << m->max) - 1 : ~0u);
}

int msi_create(struct pci_dev *d, unsigned cap, struct err *err)
{
	uint16_t flags = pci_get16(d, cap + PCI_MSI_FLAGS);
	struct msi *m = calloc(1, sizeof(*m));
	int rc = 0;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->irqs = &d->bus->vm->irqs;
	m->name = d->name;
	m->cap = cap;
	m->max = MIN(1u << ((flags & PCI_MSI_FLAGS_QMASK) >> 1),
		     (unsigned)VECTORS_MAX);
	m->is_64 = flags & PCI_MSI_FLAGS_64BIT;
	m->has_masks = flags & PCI_MSI_FLAGS_MASKBIT;
	for (unsigned i = 0; i < VECTORS_MAX; i++)
		m->vector[i].fd = -1;
	for (unsigned i = 0; i < m->max && !rc; i++)
		rc = vector_init(&m->vector[i]);
	d->msi = m;
	if (rc) {
		msi_destroy(d);
		return err_set(err, rc, "no descriptors for MSI vectors: %s",
			       strerror(-rc));
	}
	/* Off, without address, data and masks. What is behind the capability
	 * may be another one. */
	memset(d->config + cap + PCI_MSI_ADDRESS_LO, 0,
	       size_of(m) - PCI_MSI_ADDRESS_LO);
	pci_put(d->config, cap + PCI_MSI_FLAGS, 2,
		flags & (PCI_MSI_FLAGS_QMASK | PCI_MSI_FLAGS_64BIT |
			 PCI_MSI_FLAGS_MASKBIT));
	set_writable(d, m);
	return 0;
}

void msi_destroy(struct pci_dev *d)
{
	struct msi *m = d->msi;

	if (!m)
		return;
	d->msi = NULL;
	for (unsigned i = 0; i < m->max; i++)
		if (m->vector[i].fd >= 0)
			vector_fini(&m->vector[i], m->irqs);
	log_limit_fini(&m->log);
	free(m);
}

unsigned msi_count(const struct pci_dev *d)
{
	return d->msi ? shm_load(&d->msi->on) : 0;
}

int msi_fd(const struct pci_dev *d, unsigned vector)
{
	return d->msi->vector[vector].fd;
}
