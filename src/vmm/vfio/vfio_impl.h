/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card of the host in a machine. Private to vfio/.
 *
 * Theory of operation. The guest has a PCI function of ours (struct pci_dev)
 * whose configuration space is partly ours, partly the card's
 * (vfio_config.c). Registers in memory are mapped into the guest where the
 * kernel allows that: no exit. What must not be mapped (the MSI-X table, which
 * is ours; ports; BARs smaller than a page) is an exit each, read and written
 * through the card's file. An interrupt is an eventfd that VFIO signals and KVM
 * has as irqfd: no thread of ours.
 *
 * Registers may be mapped only while the card answers: with decoding of memory
 * on, and in power state D0. Else an access of the guest would be a fault that
 * KVM ends the machine for.
 *
 * Threads: vCPUs, under the function's lock; the control thread makes and ends
 * it.
 */
#ifndef RW_VMM_VFIO_IMPL_H
#define RW_VMM_VFIO_IMPL_H

#include <linux/pci_regs.h>
#include <linux/vfio.h>
/* A register of bridges, which we have none of; layout.h has the name, too. */
#undef PCI_IO_BASE
#include <sys/types.h>

#include "log.h"
#include "loop.h"
#include "vfio.h"

#define VFIO_AREAS 8 /* mapped parts of a BAR */

/* What the kernel is asked for. Tests have one of their own. */
struct vfio_ops {
	kvm_request_fn *request;
	/* As pread(2) and pwrite(2), but return -errno. */
	ssize_t (*read)(int fd, void *data, size_t size, uint64_t at);
	ssize_t (*write)(int fd, const void *data, size_t size, uint64_t at);
	/* Maps @size bytes at @at of the file. Returns NULL when it cannot. */
	void *(*map)(int fd, uint64_t size, uint64_t at);
};
extern const struct vfio_ops vfio_kernel;

struct vfio_area {
	uint64_t off, size; /* in the BAR, whole pages */
	uint8_t *host;
	int mapping; /* of vm_map(); -1: the guest does not have it now */
};

struct vfio_region {
	uint64_t size, at; /* in the card's file; size 0: there is none */
	unsigned count;
	struct vfio_area area[VFIO_AREAS];
};

/* A place among the registers of a BAR. */
struct vfio_place {
	unsigned bar;
	uint64_t off, size; /* size 0: there is none */
};

enum vfio_irq { VFIO_IRQ_NONE, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

struct vfio_group;

struct vfio_dev {
	struct pci_dev pci;
	const struct vfio_ops *ops; /* [const] */
	struct vm *vm;		    /* [const] */
	const char *name;	    /* [const] id; borrowed */
	char address[HOST_ADDRESS]; /* [const] */
	struct vfio_group *group;   /* [const] */
	int fd;
	bool has_reset; /* [const] the card has a reset of its own */
	void (*asked)(void *arg);
	void *arg;
	struct vfio_region bar[PCI_BARS]; /* [const] but for mappings */
	struct vfio_region config;	  /* [const] */
	/* [const] bits of the configuration space that are the card's */
	uint8_t direct[4096];
	bool linked[64];	       /* capabilities in the chain */
	unsigned power;		       /* [const] its register; 0: none */
	unsigned cap_msi, cap_msix;    /* [const] 0: none */
	struct vfio_place table, bits; /* [const] of MSI-X */
	bool is_decoding; /* the card's command register has memory on */
	bool is_asleep;	  /* it is not in D0 */
	enum vfio_irq irq;
	unsigned vectors;    /* that VFIO has, of @irq */
	unsigned enabled;    /* messages of MSI that the guest enabled */
	unsigned table_size; /* [const] vectors of MSI-X */
	bool can_grow;	     /* [const] MSI-X vectors can be added one by one */
	struct log_limit log;
	/* INTx */
	int line_fd, ended_fd;
	struct loop_watch line;	    /* with a split chip */
	struct irqs_ended on_ended; /* the same */
	/* News of the kernel */
	int error_fd, request_fd;
	struct loop_watch error, requested;
	bool has_failed;
};

static inline struct vfio_dev *vfio_of(struct pci_dev *p)
{
	return container_of(p, struct vfio_dev, pci);
}

/* --- vfio.c: vfio_create() in two steps, between which the card's file becomes
 * d->fd. vfio_alloc() returns NULL without memory, vfio_start() 0 or -errno
 * with @err. */
struct vfio_dev *vfio_alloc(const struct vfio_ops *ops, struct vm *vm,
			    const char *id, const struct vfio_plug *p);
int vfio_start(struct vfio_dev *d, const struct vfio_plug *p, struct err *err);

/* --- vfio_region.c: opens what the kernel says of the card. Returns 0 or
 * -errno with @err. */
int vfio_region_read(struct vfio_dev *d, unsigned index, struct vfio_region *r,
		     struct err *err);
/* Maps the parts of @r that may be, but for the pages of @holes. */
void vfio_region_map(struct vfio_dev *d, unsigned index, struct vfio_region *r,
		     const struct vfio_place *const *holes, unsigned count);
void vfio_region_unmap(struct vfio_region *r);

/* --- vfio_bar.c */
/* Sets kind, size and handlers of the BARs, before pci_add(). */
void vfio_bars_init(struct vfio_dev *d);
/* Lets the guest's mappings follow the BARs, the command register and the power
 * state. Under the lock. */
void vfio_bars_update(struct vfio_dev *d);
void vfio_bar_changed(struct pci_dev *p, unsigned bar);

/* --- vfio_config.c */
/* Fills the identity of the card. Returns 0 or -errno with @err. */
int vfio_config_read_id(struct vfio_dev *d, struct pci_id *id, struct err *err);
/* Makes the configuration space, after pci_add(). Returns 0 or -errno. */
int vfio_config_init(struct vfio_dev *d, struct err *err);
/* Read and write the card's own. Return 0 or -errno. */
int vfio_config_get(const struct vfio_dev *d, unsigned off, unsigned size,
		    void *data);
int vfio_config_put(const struct vfio_dev *d, unsigned off, unsigned size,
		    const void *data);
void vfio_config_reading(struct pci_dev *p, unsigned off, unsigned size);
void vfio_config_written(struct pci_dev *p, unsigned off, unsigned size);

/* --- vfio_caps.c: chains the capabilities that the guest may see, of the
 * card's configuration space @raw, into ours. Returns 0 or -errno with @err. */
int vfio_caps_init(struct vfio_dev *d, const uint8_t *raw, struct err *err);
/* Makes @size bytes at @off the card's: the guest reads and writes them there.
 */
void vfio_caps_direct(struct vfio_dev *d, unsigned off, unsigned size);
/* Finds table and pending bits of MSI-X, and the number of vectors. */
void vfio_caps_find_msix(struct vfio_dev *d, const uint8_t *raw);

/* --- vfio_irq.c */
/* Lets the card's interrupts follow what the guest enabled. Under the lock. */
void vfio_irq_update(struct vfio_dev *d);
void vfio_irq_used(struct pci_dev *p, unsigned end);
/* Makes the card's interrupts ready, and watches for news of the kernel.
 * Returns 0 or -errno with @err. vfio_irq_fini() is due in both cases. */
int vfio_irq_init(struct vfio_dev *d, struct err *err);
void vfio_irq_fini(struct vfio_dev *d);

/* --- vfio_reset.c: resets a card that the kernel does not reset when it is
 * opened and closed: with all others of its group. */
void vfio_reset(struct vfio_dev *d);

/* --- vfio_group.c */
/* Opens the group of @address, lets it reach the guest's memory, and opens the
 * card. Returns its descriptor, or -errno with @err. */
int vfio_group_open(struct vfio_host *h, const char *address,
		    struct vfio_group **out, struct err *err);
void vfio_group_put(struct vfio_group *g); /* may be NULL */
int vfio_group_number(const struct vfio_group *g);
int vfio_group_fd(const struct vfio_group *g);
/* Returns how many of its cards are open. */
unsigned vfio_group_cards(const struct vfio_group *g);
struct vm *vfio_host_vm(const struct vfio_host *h);
/* Shows what the IOMMU maps for the card. */
void vfio_group_show(const struct vfio_group *g, struct show *s);

#endif
