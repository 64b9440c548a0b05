/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of interrupts, see vector.h. vCPU threads. Calls the interrupts of
 * the machine and the kernel. */
#include "vector.h"

#include <poll.h>

#include "fd.h"

int vector_init(struct vector *v)
{
	int fd = fd_eventfd();

	*v = (struct vector){ .fd = fd < 0 ? -1 : fd };
	return fd < 0 ? fd : 0;
}

void vector_fini(struct vector *v, struct irqs *q)
{
	vector_detach(v, q);
	if (v->has_gsi)
		irqs_free(q, v->gsi);
	v->has_gsi = false;
	fd_close(&v->fd);
}

int vector_prepare(struct vector *v, struct irqs *q, uint64_t address,
		   uint32_t data)
{
	int rc = v->has_gsi ? 0 : irqs_alloc(q, &v->gsi);

	if (rc)
		return rc;
	v->has_gsi = true;
	irqs_set_msi(q, v->gsi, address, data);
	return 0;
}

/* KVM takes a signal from before the attachment as an interrupt, but leaves it
 * in the eventfd, where it would be a pending bit of the next mask. Later ones
 * KVM reads itself: this drain takes none of them. */
int vector_attach(struct vector *v, struct irqs *q)
{
	int rc = irqs_attach(q, v->gsi, v->fd);

	if (rc)
		return rc;
	v->is_attached = true;
	fd_drain(v->fd);
	return 0;
}

void vector_detach(struct vector *v, struct irqs *q)
{
	if (v->is_attached)
		irqs_detach(q, v->gsi, v->fd);
	v->is_attached = false;
}

bool vector_is_pending(const struct vector *v)
{
	struct pollfd p = { .fd = v->fd, .events = POLLIN };

	return !v->is_attached && poll(&p, 1, 0) == 1;
}
