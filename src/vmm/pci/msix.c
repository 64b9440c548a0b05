/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X (PCI 3.0, clause 6.8.2): capability, table, pending bits. vCPU threads,
 * under the function's lock. Calls the interrupts of the machine and the
 * kernel.
 *
 * Theory of operation. A vector is an eventfd, made at the start and kept to
 * the end, so that whoever signals it never cares about masks. While the vector
 * is unmasked, KVM has the eventfd (irqfd). While it is masked nobody reads it:
 * the eventfd then is the pending bit, and unmasking makes an interrupt of it.
 * A vector gets a GSI when it is unmasked first, because KVM has few, and
 * guests use few of many vectors.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "pci_impl.h"
#include "shm.h"

#define ENTRY	      PCI_MSIX_ENTRY_SIZE
#define VECTORS_MAX   2048
#define PAGE	      4096u
#define ADDRESS_FIXED 3u /* low bits of an address, zero */

struct vector {
	uint32_t entry[ENTRY / 4]; /* address, its high half, data, control */
	int fd;
	unsigned gsi;
	bool has_gsi;
	bool is_attached; /* KVM has the eventfd */
};

struct msix {
	struct irqs *irqs;
	const char *name;
	unsigned cap; /* offset in the configuration space */
	unsigned bar;
	unsigned count;
	unsigned pba;	/* offset of the pending bits in the BAR */
	bool is_on;	/* [any, atomic] written under the lock */
	bool is_masked; /* the whole function */
	struct log_limit log;
	struct vector vector[];
};

static bool is_wanted(const struct msix *m, const struct vector *v)
{
	return m->is_on && !m->is_masked &&
	       !(v->entry[3] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Prepares the message of @v, to be committed. Returns whether it has a GSI. */
static bool prepare(struct msix *m, struct vector *v)
{
	int rc = 0;

	if (!v->has_gsi)
		rc = irqs_alloc(m->irqs, &v->gsi);
	if (rc) {
		log_limited(&m->log, LOG_LEVEL_ERR,
			    "device=%s: no interrupt for MSI-X vector %td: %s",
			    m->name, v - m->vector, strerror(-rc));
		return false;
	}
	v->has_gsi = true;
	irqs_set_msi(m->irqs, v->gsi, v->entry[0] | (uint64_t)v->entry[1] << 32,
		     v->entry[2]);
	return true;
}

/* KVM takes a signal from before the attachment as an interrupt, but leaves it
 * in the eventfd, where it would be a pending bit of the next mask. Later ones
 * KVM reads itself: this drain takes none of them. */
static void attach(struct msix *m, struct vector *v)
{
	int rc = irqs_attach(m->irqs, v->gsi, v->fd);

	if (rc) {
		log_limited(&m->log, LOG_LEVEL_ERR,
			    "device=%s: MSI-X vector %td cannot be used: %s",
			    m->name, v - m->vector, strerror(-rc));
		return;
	}
	v->is_attached = true;
	fd_drain(v->fd);
}

static void detach(struct msix *m, struct vector *v)
{
	irqs_detach(m->irqs, v->gsi, v->fd);
	v->is_attached = false;
}

/* Lets @n vectors from @first follow the guest's registers. One commit for all:
 * KVM's table is one, and a change of it is slow. */
static void update(struct msix *m, unsigned first, unsigned n)
{
	struct vector *v = &m->vector[first], *end = v + n;
	bool is_any = false;
	int rc;

	for (; v < end; v++) {
		if (is_wanted(m, v))
			is_any |= prepare(m, v);
		else if (v->is_attached)
			detach(m, v);
	}
	rc = is_any ? irqs_commit(m->irqs) : 0;
	if (rc) {
		log_limited(&m->log, LOG_LEVEL_ERR,
			    "device=%s: KVM takes no interrupt routes: %s",
			    m->name, strerror(-rc));
		return;
	}
	for (v = end - n; v < end; v++)
		if (is_wanted(m, v) && v->has_gsi && !v->is_attached)
			attach(m, v);
}

void msix_config_written(struct pci_dev *d, unsigned off, unsigned size)
{
	struct msix *m = d->msix;
	uint16_t control;
	bool is_on, is_masked;

	if (!pci_touches(off, size, m->cap + PCI_MSIX_FLAGS, 2))
		return;
	control = pci_get16(d, m->cap + PCI_MSIX_FLAGS);
	is_on = control & PCI_MSIX_FLAGS_ENABLE;
	is_masked = control & PCI_MSIX_FLAGS_MASKALL;
	if (is_on == m->is_on && is_masked == m->is_masked)
		return;
	shm_store(&m->is_on, is_on);
	m->is_masked = is_masked;
	update(m, 0, m->count);
}

/* --- The BAR */

static uint32_t read_pending(const struct msix *m, unsigned first)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 32 && first + i < m->count; i++) {
		const struct vector *v = &m->vector[first + i];
		struct pollfd p = { .fd = v->fd, .events = POLLIN };

		if (!v->is_attached && poll(&p, 1, 0) == 1)
			bits |= 1u << i;
	}
	return bits;
}

/* Reads the 4 bytes at @off, a multiple of 4. */
static uint32_t read_word(const struct msix *m, uint64_t off)
{
	if (off < (uint64_t)m->count * ENTRY)
		return m->vector[off / ENTRY].entry[off % ENTRY / 4];
	if (off >= m->pba && (off - m->pba) * 8 < m->count)
		return read_pending(m, (unsigned)(off - m->pba) * 8);
	return 0;
}

/* The parts of a word that an access of another size asks for are given. */
static uint64_t read_bar(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_bar *bar = container_of(r, struct pci_bar, range);
	const struct msix *m = bar->dev->msix;
	uint64_t value;

	if (off & (size - 1))
		return 0;
	pci_lock(bar->dev);
	value = read_word(m, off & ~3ull);
	if (size == 8)
		value |= (uint64_t)read_word(m, off + 4) << 32;
	pci_unlock(bar->dev);
	return value >> (8 * (off & 3));
}

static void write_word(struct msix *m, uint64_t off, uint32_t value)
{
	struct vector *v;

	if (off >= (uint64_t)m->count * ENTRY)
		return;
	v = &m->vector[off / ENTRY];
	if (off % ENTRY == PCI_MSIX_ENTRY_LOWER_ADDR)
		value &= ~ADDRESS_FIXED;
	if (off % ENTRY == PCI_MSIX_ENTRY_VECTOR_CTRL)
		value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	v->entry[off % ENTRY / 4] = value;
}

/* The table takes words and double words only (clause 6.8.2). */
static void write_bar(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	struct pci_bar *bar = container_of(r, struct pci_bar, range);
	struct msix *m = bar->dev->msix;

	if (size < 4 || off & (size - 1))
		return;
	pci_lock(bar->dev);
	write_word(m, off, (uint32_t)value);
	if (size == 8)
		write_word(m, off + 4, (uint32_t)(value >> 32));
	if (off / ENTRY < m->count)
		update(m, (unsigned)(off / ENTRY), 1);
	pci_unlock(bar->dev);
}

/* --- Life */

static void init_cap(struct pci_dev *d, struct msix *m)
{
	m->cap = pci_add_cap(d, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	pci_put(d->config, m->cap + PCI_MSIX_FLAGS, 2, m->count - 1);
	pci_put(d->writable, m->cap + PCI_MSIX_FLAGS, 2,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_put(d->config, m->cap + PCI_MSIX_TABLE, 4, m->bar);
	pci_put(d->config, m->cap + PCI_MSIX_PBA, 4, m->pba | m->bar);
}

static int open_vectors(struct msix *m)
{
	for (unsigned i = 0; i < m->count; i++)
		m->vector[i] = (struct vector){
			.entry = { [3] = PCI_MSIX_ENTRY_CTRL_MASKBIT }, .fd = -1
		};
	for (unsigned i = 0; i < m->count; i++) {
		m->vector[i].fd = fd_eventfd();
		if (m->vector[i].fd < 0)
			return m->vector[i].fd;
	}
	return 0;
}

/* Table and pending bits have pages of their own. */
int msix_create(struct pci_dev *d, unsigned vectors, unsigned bar,
		struct err *err)
{
	struct msix *m = calloc(1, sizeof(*m) + vectors * sizeof(m->vector[0]));
	struct pci_bar *b = &d->bar[bar];
	int rc;

	assert(vectors && vectors <= VECTORS_MAX && b->kind == PCI_BAR_NONE);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->irqs = &d->bus->vm->irqs;
	m->name = d->name;
	m->bar = bar;
	m->count = vectors;
	m->pba = (unsigned)align_up(vectors * ENTRY, PAGE);
	d->msix = m;
	rc = open_vectors(m);
	if (rc) {
		err_set(err, rc, "no descriptors for %u MSI-X vectors: %s",
			vectors, strerror(-rc));
		goto err_destroy;
	}
	*b = (struct pci_bar){ .kind = PCI_BAR_MEM32,
			       .size = 2ull * PAGE,
			       .range = { .read = read_bar,
					  .write = write_bar } };
	while (b->size < m->pba + PAGE)
		b->size *= 2;
	rc = pci_bar_init(d, bar, err);
	if (rc)
		goto err_destroy;
	init_cap(d, m);
	return 0;

err_destroy:
	msix_destroy(d);
	b->kind = PCI_BAR_NONE;
	return rc;
}

/* The BAR leaves the bus first, as a handler uses what is freed here. */
void msix_destroy(struct pci_dev *d)
{
	struct msix *m = d->msix;

	if (!m)
		return;
	pci_lock(d);
	pci_bars_unmap(d);
	d->msix = NULL;
	pci_unlock(d);
	for (unsigned i = 0; i < m->count; i++) {
		struct vector *v = &m->vector[i];

		if (v->is_attached)
			detach(m, v);
		if (v->has_gsi)
			irqs_free(m->irqs, v->gsi);
		fd_close(&v->fd);
	}
	log_limit_fini(&m->log);
	free(m);
}

int msix_fd(const struct pci_dev *d, unsigned vector)
{
	return d->msix && vector < d->msix->count ? d->msix->vector[vector].fd
						  : -1;
}

bool msix_is_on(const struct pci_dev *d)
{
	return d->msix && shm_load(&d->msix->is_on);
}

unsigned msix_count(const struct pci_dev *d)
{
	return d->msix ? d->msix->count : 0;
}
