/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupt routes of a machine, see irqs.h. */
#include "irqs.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* KVM has at most 4096 routes. Those of the lines come first. */
#define MSI_MAX	    (4096 - LINE_ROUTES)
#define PIC_LINES   16
#define LINE_ROUTES (PIC_LINES + IRQS_LINES)

int kvm_request(int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);

	return rc < 0 ? -errno : rc;
}

void irqs_init(struct irqs *q, int vm_fd, kvm_request_fn *request)
{
	memset(q, 0, sizeof(*q));
	q->vm_fd = vm_fd;
	q->request = request;
	q->is_changed = true; /* KVM's own table lacks the override of line 0 */
	pthread_mutex_init(&q->lock, NULL);
	pthread_mutex_init(&q->ended_lock, NULL);
}

void irqs_fini(struct irqs *q)
{
	pthread_mutex_destroy(&q->lock);
	pthread_mutex_destroy(&q->ended_lock);
	free(q->msi);
	q->msi = NULL;
	q->count = 0;
}

static int alloc(struct irqs *q, unsigned *gsi)
{
	struct irqs_msi *grown;
	unsigned i = 0;

	while (i < q->count && q->msi[i].is_used)
		i++;
	if (i == MSI_MAX)
		return -ENOSPC;
	if (i == q->count) {
		grown = realloc(q->msi, (q->count + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		q->msi = grown;
		q->count++;
	}
	q->msi[i] = (struct irqs_msi){ .is_used = true };
	*gsi = IRQS_LINES + i;
	return 0;
}

int irqs_alloc(struct irqs *q, unsigned *gsi)
{
	int rc;

	pthread_mutex_lock(&q->lock);
	rc = alloc(q, gsi);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

void irqs_free(struct irqs *q, unsigned gsi)
{
	pthread_mutex_lock(&q->lock);
	q->is_changed |= q->msi[gsi - IRQS_LINES].is_set;
	q->msi[gsi - IRQS_LINES] = (struct irqs_msi){ 0 };
	pthread_mutex_unlock(&q->lock);
}

void irqs_set_msi(struct irqs *q, unsigned gsi, uint64_t address, uint32_t data)
{
	struct irqs_msi *m;

	pthread_mutex_lock(&q->lock);
	m = gsi < IRQS_LINES ? &q->pin[gsi] : &q->msi[gsi - IRQS_LINES];
	if (!m->is_set || m->address != address || m->data != data)
		q->is_changed = true;
	m->address = address;
	m->data = data;
	m->is_set = true;
	pthread_mutex_unlock(&q->lock);
}

static void add_pin(struct kvm_irq_routing *t, unsigned gsi, unsigned chip,
		    unsigned pin)
{
	t->entries[t->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* The timer is line 0 of the PIC and pin 2 of the IOAPIC, as the MADT says. */
static void add_lines(struct kvm_irq_routing *t)
{
	for (unsigned i = 0; i < PIC_LINES; i++)
		if (i != 2) /* the slave PIC */
			add_pin(t, i,
				i < 8 ? KVM_IRQCHIP_PIC_MASTER
				      : KVM_IRQCHIP_PIC_SLAVE,
				i % 8);
	for (unsigned i = 0; i < IRQS_LINES; i++)
		if (i != 2)
			add_pin(t, i, KVM_IRQCHIP_IOAPIC, i ? i : 2);
}

static void add_msi(struct kvm_irq_routing *t, unsigned gsi,
		    const struct irqs_msi *m)
{
	if (!m->is_set)
		return;
	t->entries[t->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)m->address,
			   .address_hi = (uint32_t)(m->address >> 32),
			   .data = m->data },
	};
}

static int commit(struct irqs *q)
{
	struct kvm_irq_routing *t = calloc(
		1, sizeof(*t) + (LINE_ROUTES + q->count) *
					sizeof(struct kvm_irq_routing_entry));
	int rc;

	if (!t)
		return -ENOMEM;
	if (!q->is_split)
		add_lines(t);
	for (unsigned i = 0; i < IRQS_LINES; i++)
		add_msi(t, i, &q->pin[i]);
	for (unsigned i = 0; i < q->count; i++)
		add_msi(t, IRQS_LINES + i, &q->msi[i]);
	rc = q->request(q->vm_fd, KVM_SET_GSI_ROUTING, t);
	free(t);
	return rc;
}

int irqs_commit(struct irqs *q)
{
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	if (q->is_changed)
		rc = commit(q);
	if (!rc)
		q->is_changed = false;
	pthread_mutex_unlock(&q->lock);
	return rc;
}

static int set_irqfd(struct irqs *q, unsigned gsi, int fd, uint32_t flags)
{
	struct kvm_irqfd f = { .fd = (uint32_t)fd, .gsi = gsi, .flags = flags };

	return q->request(q->vm_fd, KVM_IRQFD, &f);
}

int irqs_attach(struct irqs *q, unsigned gsi, int fd)
{
	return set_irqfd(q, gsi, fd, 0);
}

int irqs_attach_line(struct irqs *q, unsigned gsi, int fd, int ended_fd)
{
	struct kvm_irqfd f = { .fd = (uint32_t)fd,
			       .gsi = gsi,
			       .flags = KVM_IRQFD_FLAG_RESAMPLE,
			       .resamplefd = (uint32_t)ended_fd };

	return q->request(q->vm_fd, KVM_IRQFD, &f);
}

int irqs_detach(struct irqs *q, unsigned gsi, int fd)
{
	return set_irqfd(q, gsi, fd, KVM_IRQFD_FLAG_DEASSIGN);
}

void irqs_set_line(struct irqs *q, unsigned gsi, bool level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	if (!q->is_split)
		q->request(q->vm_fd, KVM_IRQ_LINE, &l);
	else if (q->chip)
		q->chip->set_line(q->chip, gsi, level);
}

void irqs_watch_ended(struct irqs *q, unsigned gsi, struct irqs_ended *e)
{
	e->gsi = gsi;
	pthread_mutex_lock(&q->ended_lock);
	e->next = q->ended;
	q->ended = e;
	pthread_mutex_unlock(&q->ended_lock);
}

void irqs_unwatch_ended(struct irqs *q, struct irqs_ended *e)
{
	struct irqs_ended **at = &q->ended;

	pthread_mutex_lock(&q->ended_lock);
	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	pthread_mutex_unlock(&q->ended_lock);
}

/* Returns whether the interrupts of line @gsi are @vector. */
static bool is_vector(struct irqs *q, unsigned gsi, uint8_t vector)
{
	bool is;

	pthread_mutex_lock(&q->lock);
	is = q->pin[gsi].is_set && (uint8_t)q->pin[gsi].data == vector;
	pthread_mutex_unlock(&q->lock);
	return is;
}

void irqs_tell_ended(struct irqs *q, uint8_t vector)
{
	pthread_mutex_lock(&q->ended_lock);
	for (struct irqs_ended *e = q->ended; e; e = e->next)
		if (is_vector(q, e->gsi, vector))
			e->fn(e);
	pthread_mutex_unlock(&q->ended_lock);
}

void irqs_eoi(struct irqs *q, uint8_t vector)
{
	irqs_tell_ended(q, vector);
	if (q->chip)
		q->chip->eoi(q->chip, vector);
}

void irqs_send_msi(struct irqs *q, uint64_t address, uint32_t data)
{
	struct kvm_msi m = { .address_lo = (uint32_t)address,
			     .address_hi = (uint32_t)(address >> 32),
			     .data = data };

	q->request(q->vm_fd, KVM_SIGNAL_MSI, &m);
}
