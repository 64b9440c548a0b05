/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interrupt message of a function (MSI, MSI-X): an eventfd, which exists
 * from the start to the end, so that whoever signals it never cares about
 * masks. While the vector is unmasked, KVM has the eventfd (irqfd). While it is
 * masked nobody reads it: the eventfd then is the pending bit, and unmasking
 * makes an interrupt of it. A vector gets a GSI when it is unmasked first,
 * because KVM has few, and guests use few of many vectors. Under the function's
 * lock.
 */
#ifndef RW_VMM_VECTOR_H
#define RW_VMM_VECTOR_H

#include "irqs.h"

struct vector {
	int fd;
	unsigned gsi;
	bool has_gsi;
	bool is_attached; /* KVM has the eventfd */
};

/* Makes the eventfd. Returns 0, or -errno and no descriptor. */
int vector_init(struct vector *v);
void vector_fini(struct vector *v, struct irqs *q);

/* Prepares the message of @v, for the next irqs_commit(), after which it can be
 * attached. Returns 0 or -errno. */
int vector_prepare(struct vector *v, struct irqs *q, uint64_t address,
		   uint32_t data);
/* Unmasks it. Returns 0 or -errno. Only if it is masked. */
int vector_attach(struct vector *v, struct irqs *q);
/* Masks it, if it is not. */
void vector_detach(struct vector *v, struct irqs *q);
/* Returns whether there was an interrupt while it was masked. */
bool vector_is_pending(const struct vector *v);

#endif
