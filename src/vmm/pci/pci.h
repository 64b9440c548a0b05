/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI bus: one host bridge, bus 0 with 32 slots, reached by ports CF8/CFC
 * and by ECAM; configuration space of 4096 bytes a function; BARs that the
 * guest moves; MSI-X; INTx for functions without.
 *
 * Threads: registers are accessed on vCPU threads. Each function has a lock,
 * which its handlers of BARs take themselves (pci_lock()). Functions are added
 * and removed by the control thread. While vCPUs run, one is hidden until all
 * of it is there, and hidden before it is removed: a vCPU that is in a handler
 * of it then must have left (vcpus_leave()) before pci_remove().
 */
#ifndef RW_VMM_PCI_H
#define RW_VMM_PCI_H

#include "vm.h"

#define PCI_SLOTS 32
#define PCI_BARS  6
#define PCI_ROM	  PCI_BARS /* place of the expansion ROM, behind the BARs */

struct pci_bus;
struct pci_dev;

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEM32,
	PCI_BAR_MEM64,
	PCI_BAR_ROM, /* of PCI_ROM only */
};

struct pci_bar {
	enum pci_bar_kind kind;
	uint64_t size;		/* power of two */
	bool is_prefetchable;	/* of memory */
	struct bus_range range; /* read and write set by the owner; base and
				 * presence follow the guest */
	struct pci_dev *dev;	/* whose it is; set by pci_add() */
	bool is_mapped;		/* it is on the bus, at range.base */
	bool is_waiting;	/* the guest put it where something else is */
	bool was_refused;	/* that was logged */
};

struct pci_id {
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t revision;
	uint32_t class; /* 24 bits: class, subclass, programming interface */
};

struct pci_rom; /* pci_rom.h */

struct pci_dev {
	const char *name; /* id, for messages; borrowed */
	struct pci_bus *bus;
	unsigned slot;
	bool is_hot;	/* [const] it comes while the guest runs */
	bool is_hidden; /* [any, atomic] the guest finds nothing in the slot;
			 * set by the owner before pci_add(), or pci_hide() */
	pthread_mutex_t lock;
	uint8_t config[4096];
	uint8_t writable[4096]; /* bits that the guest may write */
	uint8_t w1c[4096];	/* bits that a written 1 clears */
	unsigned caps_end;	/* first free byte for capabilities */
	struct pci_bar bar[PCI_BARS + 1];
	struct pci_rom *rom; /* NULL: none; borrowed until pci_remove() */
	struct msix *msix;   /* NULL: none */
	struct msi *msi;     /* NULL: none */
	/* INTx, under the lock of the bus for lines. */
	bool intx_wanted; /* [any, atomic] pci_set_intx() */
	bool intx_off;	  /* the guest disabled it, or uses messages */
	/* The guest wrote @size bytes at @off of the configuration space, which
	 * has them already. Under the lock. May be NULL. */
	void (*config_written)(struct pci_dev *d, unsigned off, unsigned size);
	/* Reads of registers that are not in config[] (virtio's window). Fills
	 * @d->config before it is read. May be NULL. */
	void (*config_reading)(struct pci_dev *d, unsigned off, unsigned size);
	/* As config_written(), after it and without the lock: may vm_call().
	 * May be NULL. */
	void (*config_after)(struct pci_dev *d, unsigned off, unsigned size);
	/* BAR @bar came onto the bus or left it (is_mapped; its range still has
	 * the old base then). Under the lock. May be NULL. */
	void (*bar_changed)(struct pci_dev *d, unsigned bar);
	/* The guest unmasked MSI-X vectors, all below @end. Under the lock. May
	 * be NULL. */
	void (*msix_used)(struct pci_dev *d, unsigned end);
};

int pci_bus_create(struct vm *vm, struct pci_bus **out, struct err *err);
void pci_bus_destroy(struct pci_bus *b); /* its devices are gone */
/* Makes the host bridge one that SeaBIOS knows, Intel's 440FX as QEMU has it.
 * Before the vCPUs run. */
void pci_bus_be_440fx(struct pci_bus *b);

/* Puts a function with @id, zeroed but for name, bar[] (kind, size, handlers),
 * rom, is_hot, is_hidden and the callbacks, into @slot (-1: the first free
 * one). Its BARs get addresses, as firmware would give them (is_hot: none, the
 * guest gives them), and decoding is off. Returns 0, or -EEXIST with @err,
 * which names who has the slot, or -ENOSPC, or -EINVAL for a slot that a bus
 * does not have. pci_remove() may be called for a function that was not added.
 */
int pci_add(struct pci_bus *b, struct pci_dev *d, const struct pci_id *id,
	    int slot, struct err *err);
void pci_remove(struct pci_dev *d);

/* Lets the guest find @d, which is complete. */
void pci_show(struct pci_dev *d);
/* Takes @d off the guest's bus, as if its slot was empty, and its BARs with it.
 * It keeps the slot until pci_remove(). Handlers that run go on. */
void pci_hide(struct pci_dev *d);

/* Adds a capability of @size bytes (its header included), with @id. Returns its
 * offset, where the rest is zero and read-only. Before the vCPUs run. */
unsigned pci_add_cap(struct pci_dev *d, uint8_t id, unsigned size);

/* Returns the line of the interrupt chips that INTA of @d is. */
unsigned pci_intx_gsi(const struct pci_dev *d);
/* Raises or lowers INTA of @d. Any thread, with or without the lock. With
 * messages in use the level is kept, and the line stays low. */
void pci_set_intx(struct pci_dev *d, bool level);

static inline void pci_lock(struct pci_dev *d)
{
	pthread_mutex_lock(&d->lock);
}

static inline void pci_unlock(struct pci_dev *d)
{
	pthread_mutex_unlock(&d->lock);
}

/* --- What is in the configuration space */

static inline uint16_t pci_get16(const struct pci_dev *d, unsigned off)
{
	return (uint16_t)(d->config[off] | d->config[off + 1] << 8);
}

static inline uint32_t pci_get32(const struct pci_dev *d, unsigned off)
{
	return pci_get16(d, off) | (uint32_t)pci_get16(d, off + 2) << 16;
}

/* Puts @size bytes of @value into @config, one of the three arrays. */
static inline void pci_put(uint8_t *config, unsigned off, unsigned size,
			   uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		config[off + i] = (uint8_t)(value >> (8 * i));
}

/* Returns whether an access to @off and @size bytes touches [@at, @at + @n). */
static inline bool pci_touches(unsigned off, unsigned size, unsigned at,
			       unsigned n)
{
	return off < at + n && at < off + size;
}

/* --- msix.c --- */

/* Gives @d an MSI-X capability with @vectors (1 to 2048), whose table and
 * pending bits are in BAR @bar, which this call takes. Each vector has an
 * eventfd; a signal on it is the interrupt. After pci_add(). Returns 0 or
 * -errno with @err. msix_destroy() comes before pci_remove(). */
int msix_create(struct pci_dev *d, unsigned vectors, unsigned bar,
		struct err *err);
/* The same for a capability that is at @cap, with its number of vectors, whose
 * table and pending bits are among the registers of a BAR: its handlers call
 * the functions below for them, without the lock, with offsets in each. */
int msix_create_at(struct pci_dev *d, unsigned cap, struct err *err);
uint64_t msix_table_read(struct pci_dev *d, uint64_t off, unsigned size);
void msix_table_write(struct pci_dev *d, uint64_t off, unsigned size,
		      uint64_t value);
uint64_t msix_pending_read(struct pci_dev *d, uint64_t off, unsigned size);
void msix_destroy(struct pci_dev *d);
/* Returns the eventfd of @vector, or -1 if there is no such vector. */
int msix_fd(const struct pci_dev *d, unsigned vector);
/* Returns whether the guest enabled MSI-X. Under the lock, or a hint. */
bool msix_is_on(const struct pci_dev *d);
/* Returns the number of vectors, 0 without MSI-X. */
unsigned msix_count(const struct pci_dev *d);
/* The counts of interrupts are not ours: KVM has the eventfds. */

/* --- msi.c */

/* Makes the MSI capability work that is at @cap, with what the function has of
 * it (number of vectors, addresses of 64 bits, masks). Each vector has an
 * eventfd, as with MSI-X. After pci_add(). Returns 0 or -errno with @err.
 * msi_destroy() comes before pci_remove(). */
int msi_create(struct pci_dev *d, unsigned cap, struct err *err);
void msi_destroy(struct pci_dev *d);
/* Returns how many vectors the guest enabled, 0 while MSI is off. Under the
 * lock, or a hint. */
unsigned msi_count(const struct pci_dev *d);
/* Returns the eventfd of @vector, which is below msi_count(). */
int msi_fd(const struct pci_dev *d, unsigned vector);

#endif
