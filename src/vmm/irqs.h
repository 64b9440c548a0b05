/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupts of the guest. A GSI (global system interrupt) below IRQS_LINES is
 * a pin of the in-kernel interrupt chips, the others are messages (MSI), which
 * devices allocate. KVM has one routing table; changes are collected and given
 * to it at once. Any thread.
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

struct irqs {
	int vm_fd; /* [const] borrowed */
	kvm_request_fn *request;
	pthread_mutex_t lock;
	struct irqs_msi *msi; /* heap array; index: GSI - IRQS_LINES */
	unsigned count;
	bool is_changed; /* irqs_commit() has work to do */
};

void irqs_init(struct irqs *q, int vm_fd, kvm_request_fn *request);
void irqs_fini(struct irqs *q);

/* Allocates a GSI for messages. Returns 0, -ENOMEM, or -ENOSPC when KVM has no
 * more. irqs_free() gives it back; its descriptors are detached then. */
int irqs_alloc(struct irqs *q, unsigned *gsi);
void irqs_free(struct irqs *q, unsigned gsi);

/* Sets the message of @gsi, from the next irqs_commit() on. */
void irqs_set_msi(struct irqs *q, unsigned gsi, uint64_t address,
		  uint32_t data);
/* Gives KVM the routing table, if it changed. Returns 0 or -errno. */
int irqs_commit(struct irqs *q);

/* Connects the eventfd @fd with @gsi: a signal on it is an interrupt, without a
 * thread of ours. A signal from before counts, too. Return 0 or -errno. */
int irqs_attach(struct irqs *q, unsigned gsi, int fd);
int irqs_detach(struct irqs *q, unsigned gsi, int fd);

/* Sets the level of line @gsi (0 to IRQS_LINES - 1). */
void irqs_set_line(struct irqs *q, unsigned gsi, bool level);

#endif
