/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSI-X (PCI 3.0, clause 6.8.2): capability, table, pending bits. vCPU threads,
 * under the function's lock. Calls the interrupts of the machine and the
 * kernel.
 *
 * A vector is a struct vector. Table and pending bits are in a BAR of the
 * function's own, which this file answers for, or among other registers: then
 * the owner of these asks for them here.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pci_impl.h"
#include "shm.h"
#include "vector.h"

#define ENTRY	      PCI_MSIX_ENTRY_SIZE
#define VECTORS_MAX   2048
#define PAGE	      4096u
#define ADDRESS_FIXED 3u /* low bits of an address, zero */

struct entry {
	uint32_t word[ENTRY / 4]; /* address, its high half, data, control */
	struct vector vector;
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
	struct pci_dev *dev;
	struct log_limit log;
	struct entry entry[];
};

static bool is_wanted(const struct msix *m, const struct entry *e)
{
	return m->is_on && !m->is_masked &&
	       !(e->word[3] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Prepares the message of @e, to be committed. Returns whether it has a GSI. */
static bool prepare(struct msix *m, struct entry *e)
{
	int rc = vector_prepare(&e->vector, m->irqs,
				e->word[0] | (uint64_t)e->word[1] << 32,
				e->word[2]);

	if (rc)
		log_limited(&m->log, LOG_LEVEL_ERR,
			    "device=%s: no interrupt for MSI-X vector %td: %s",
			    m->name, e - m->entry, strerror(-rc));
	return !rc;
}

/* Attaches the vectors of @n entries from @first that can be. Returns the
 * number behind the last one that was, or 0. */
static unsigned attach(struct msix *m, unsigned first, unsigned n)
{
	unsigned end = 0;

	for (unsigned i = first; i < first + n; i++) {
		struct entry *e = &m->entry[i];
		int rc;

		if (!is_wanted(m, e) || !e->vector.has_gsi ||
		    e->vector.is_attached)
			continue;
		rc = vector_attach(&e->vector, m->irqs);
		if (!rc)
			end = i + 1;
		else
			log_limited(&m->log, LOG_LEVEL_ERR,
				    "device=%s: MSI-X vector %u cannot be "
				    "used: %s",
				    m->name, i, strerror(-rc));
	}
	return end;
}

/* Lets @n vectors from @first follow the guest's registers. One commit for all:
 * KVM's table is one, and a change of it is slow. */
static void update(struct msix *m, unsigned first, unsigned n)
{
	bool is_any = false;
	unsigned end;
	int rc;

	for (struct entry *e = &m->entry[first]; e < &m->entry[first + n];
	     e++) {
		if (is_wanted(m, e))
			is_any |= prepare(m, e);
		else
			vector_detach(&e->vector, m->irqs);
	}
	rc = is_any ? irqs_commit(m->irqs) : 0;
	if (rc) {
		log_limited(&m->log, LOG_LEVEL_ERR,
			    "device=%s: KVM takes no interrupt routes: %s",
			    m->name, strerror(-rc));
		return;
	}
	end = attach(m, first, n);
	if (end && m->dev->msix_used)
		m->dev->msix_used(m->dev, end);
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
		if (vector_is_pending(&m->entry[first + i].vector))
			bits |= 1u << i;
	}
	return bits;
}

static uint32_t read_entry(const struct msix *m, uint64_t off)
{
	return off < (uint64_t)m->count * ENTRY
		       ? m->entry[off / ENTRY].word[off % ENTRY / 4]
		       : 0;
}

static uint32_t read_bits(const struct msix *m, uint64_t off)
{
	return off * 8 < m->count ? read_pending(m, (unsigned)off * 8) : 0;
}

/* The parts of a word that an access of another size asks for are given. */
static uint64_t read_words(struct pci_dev *d, uint64_t off, unsigned size,
			   uint32_t (*word)(const struct msix *m, uint64_t off))
{
	uint64_t value;

	if (off & (size - 1))
		return 0;
	pci_lock(d);
	value = word(d->msix, off & ~3ull);
	if (size == 8)
		value |= (uint64_t)word(d->msix, off + 4) << 32;
	pci_unlock(d);
	return value >> (8 * (off & 3));
}

uint64_t msix_table_read(struct pci_dev *d, uint64_t off, unsigned size)
{
	return read_words(d, off, size, read_entry);
}

uint64_t msix_pending_read(struct pci_dev *d, uint64_t off, unsigned size)
{
	return read_words(d, off, size, read_bits);
}

static void write_word(struct msix *m, uint64_t off, uint32_t value)
{
	if (off >= (uint64_t)m->count * ENTRY)
		return;
	if (off % ENTRY == PCI_MSIX_ENTRY_LOWER_ADDR)
		value &= ~ADDRESS_FIXED;
	if (off % ENTRY == PCI_MSIX_ENTRY_VECTOR_CTRL)
		value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
	m->entry[off / ENTRY].word[off % ENTRY / 4] = value;
}

/* The table takes words and double words only (clause 6.8.2). */
void msix_table_write(struct pci_dev *d, uint64_t off, unsigned size,
		      uint64_t value)
{
	struct msix *m = d->msix;

	if (size < 4 || off & (size - 1))
		return;
	pci_lock(d);
	write_word(m, off, (uint32_t)value);
	if (size == 8)
		write_word(m, off + 4, (uint32_t)(value >> 32));
	if (off / ENTRY < m->count)
		update(m, (unsigned)(off / ENTRY), 1);
	pci_unlock(d);
}

static uint64_t read_bar(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pci_dev *d = container_of(r, struct pci_bar, range)->dev;

	return off < d->msix->pba
		       ? msix_table_read(d, off, size)
		       : msix_pending_read(d, off - d->msix->pba, size);
}

static void write_bar(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	msix_table_write(container_of(r, struct pci_bar, range)->dev, off, size,
			 value);
}

/* --- Life */

static void init_cap(struct pci_dev *d, struct msix *m)
{
	m->cap = pci_add_cap(d, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	pci_put(d->config, m->cap + PCI_MSIX_FLAGS, 2, m->count - 1);
	pci_put(d->config, m->cap + PCI_MSIX_TABLE, 4, m->bar);
	pci_put(d->config, m->cap + PCI_MSIX_PBA, 4, m->pba | m->bar);
}

static int open_vectors(struct msix *m)
{
	int rc = 0;

	for (unsigned i = 0; i < m->count; i++)
		m->entry[i] = (struct entry){
			.word = { [3] = PCI_MSIX_ENTRY_CTRL_MASKBIT },
			.vector = { .fd = -1 }
		};
	for (unsigned i = 0; i < m->count && !rc; i++)
		rc = vector_init(&m->entry[i].vector);
	return rc;
}

static int create(struct pci_dev *d, unsigned vectors, struct err *err)
{
	struct msix *m = calloc(1, sizeof(*m) + vectors * sizeof(m->entry[0]));
	int rc;

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->irqs = &d->bus->vm->irqs;
	m->name = d->name;
	m->dev = d;
	m->count = vectors;
	d->msix = m;
	rc = open_vectors(m);
	return rc ? err_set(err, rc, "no descriptors for %u MSI-X vectors: %s",
			    vectors, strerror(-rc))
		  : 0;
}

static void set_writable(struct pci_dev *d)
{
	pci_put(d->writable, d->msix->cap + PCI_MSIX_FLAGS, 2,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

/* Table and pending bits have pages of their own. */
int msix_create(struct pci_dev *d, unsigned vectors, unsigned bar,
		struct err *err)
{
	struct pci_bar *b = &d->bar[bar];
	struct msix *m;
	int rc;

	assert(vectors && vectors <= VECTORS_MAX && b->kind == PCI_BAR_NONE);
	rc = create(d, vectors, err);
	m = d->msix;
	if (rc)
		goto err_destroy;
	m->bar = bar;
	m->pba = (unsigned)align_up(vectors * ENTRY, PAGE);
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
	set_writable(d);
	return 0;

err_destroy:
	msix_destroy(d);
	b->kind = PCI_BAR_NONE;
	return rc;
}

int msix_create_at(struct pci_dev *d, unsigned cap, struct err *err)
{
	unsigned n = pci_get16(d, cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE;
	int rc = create(d, n + 1, err);

	if (rc) {
		msix_destroy(d);
		return rc;
	}
	d->msix->cap = cap;
	pci_put(d->config, cap + PCI_MSIX_FLAGS, 2, n);
	set_writable(d);
	return 0;
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
	for (unsigned i = 0; i < m->count; i++)
		vector_fini(&m->entry[i].vector, m->irqs);
	log_limit_fini(&m->log);
	free(m);
}

int msix_fd(const struct pci_dev *d, unsigned vector)
{
	return d->msix && vector < d->msix->count
		       ? d->msix->entry[vector].vector.fd
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
