/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of the guest. A GSI (global system interrupt) below IRQS_LINES is
 * a line to the interrupt chips, the others are messages (MSI), which devices
 * allocate. KVM has one routing table; changes are collected and given to it at
 * once. Any thread.
 *
 * The chips are KVM's own, or split: KVM has the local APICs, and an I/O APIC
 * of ours (struct irqs_chip) makes messages of the lines. Then the route of a
 * line is the message of its pin: from it KVM knows which ends of interrupts it
 * has to tell of.
 */
#ifndef RW_VMM_IRQS_H
#define RW_VMM_IRQS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define IRQS_LINES 24 /* pins of the IOAPIC */

/* One request to KVM, as ioctl(2), but returns 0 (or a positive number) or
 * -errno. Tests have one of their own. */
typedef int kvm_request_fn(int fd, unsigned long request, void *arg);
int kvm_request(int fd, unsigned long request, void *arg);

struct irqs_msi {
	uint64_t address;
	uint32_t data;
	bool is_used;
	bool is_set; /* it has a message */
};

/* The interrupt chip of ours. Any thread calls. */
struct irqs_chip {
	void (*set_line)(struct irqs_chip *c, unsigned gsi, bool level);
	/* A processor ended the interrupt @vector, which was a level. */
	void (*eoi)(struct irqs_chip *c, uint8_t vector);
};

/* Waits for the ends of a line's interrupts, with a split chip. */
struct irqs_ended {
	/* A processor ended an interrupt of @gsi, which may be up again when
	 * this returns. vCPU threads. */
	void (*fn)(struct irqs_ended *e);
	unsigned gsi;
	struct irqs_ended *next;
};

struct irqs {
	int vm_fd; /* [const] borrowed */
	kvm_request_fn *request;
	bool is_split;		/* [const] see above */
	struct irqs_chip *chip; /* [const while vCPUs run] borrowed; NULL: lines
				 * go nowhere, if split */
	pthread_mutex_t lock;
	struct irqs_msi pin[IRQS_LINES]; /* if split */
	struct irqs_msi *msi; /* heap array; index: GSI - IRQS_LINES */
	unsigned count;
	bool is_changed;	    /* irqs_commit() has work to do */
	pthread_mutex_t ended_lock; /* held during the calls, before others */
	struct irqs_ended *ended;
};

/* Its owner sets is_split behind it, before anything else. */
void irqs_init(struct irqs *q, int vm_fd, kvm_request_fn *request);
void irqs_fini(struct irqs *q);

/* Allocates a GSI for messages. Returns 0, -ENOMEM, or -ENOSPC when KVM has no
 * more. irqs_free() gives it back; its descriptors are detached then. */
int irqs_alloc(struct irqs *q, unsigned *gsi);
void irqs_free(struct irqs *q, unsigned gsi);

/* Sets the message of @gsi, from the next irqs_commit() on; if split, also of a
 * line. */
void irqs_set_msi(struct irqs *q, unsigned gsi, uint64_t address,
		  uint32_t data);
/* Gives KVM the routing table, if it changed. Returns 0 or -errno. */
int irqs_commit(struct irqs *q);

/* Connects the eventfd @fd with @gsi: a signal on it is an interrupt, without a
 * thread of ours. A signal from before counts, too. Return 0 or -errno. */
int irqs_attach(struct irqs *q, unsigned gsi, int fd);
int irqs_detach(struct irqs *q, unsigned gsi, int fd);

/* The same for a line, which is up from a signal on @fd until a processor ends
 * the interrupt; then KVM signals @ended_fd, and whoever still wants the line
 * up signals @fd again. Not if split: -EINVAL. */
int irqs_attach_line(struct irqs *q, unsigned gsi, int fd, int ended_fd);

/* Sets the level of line @gsi (0 to IRQS_LINES - 1). */
void irqs_set_line(struct irqs *q, unsigned gsi, bool level);

/* If split: calls @e->fn for each end of an interrupt of line @gsi, until
 * irqs_unwatch_ended(), after which it runs no more. */
void irqs_watch_ended(struct irqs *q, unsigned gsi, struct irqs_ended *e);
void irqs_unwatch_ended(struct irqs *q, struct irqs_ended *e);

/* If split: tells the chip of KVM's exit for an end of @vector; tells those who
 * wait for it only, before the chip does the same for a write to a register of
 * its own; and interrupts the processors that the message is for, now. */
void irqs_eoi(struct irqs *q, uint8_t vector);
void irqs_tell_ended(struct irqs *q, uint8_t vector);
void irqs_send_msi(struct irqs *q, uint64_t address, uint32_t data);

#endif
