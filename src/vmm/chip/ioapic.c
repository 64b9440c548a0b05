/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The I/O APIC of a machine with a split interrupt chip: KVM has the local
 * APICs only, and this chip makes messages for them of the 24 lines. vCPUs
 * write its registers and tell of EOIs; lines are set by any thread. One lock,
 * under which KVM is asked to take a route or a message: neither waits for a
 * vCPU.
 */
#include <errno.h>
#include <stdlib.h>

#include "chips.h"
#include "ioapic_regs.h"
#include "layout.h"

#define IOAPIC_SIZE 0x1000

struct ioapic {
	struct vm *vm;
	struct bus_range range;
	struct irqs_chip chip;
	pthread_mutex_t lock;
	struct ioapic_regs regs; /* [under the lock] */
};

static void send(struct ioapic_regs *r, uint64_t address, uint32_t data)
{
	struct ioapic *a = container_of(r, struct ioapic, regs);

	irqs_send_msi(&a->vm->irqs, address, data);
}

static void route(struct ioapic_regs *r, unsigned pin, uint64_t address,
		  uint32_t data)
{
	struct ioapic *a = container_of(r, struct ioapic, regs);

	irqs_set_msi(&a->vm->irqs, pin, address, data);
	irqs_commit(&a->vm->irqs);
}

static void set_line(struct irqs_chip *c, unsigned pin, bool level)
{
	struct ioapic *a = container_of(c, struct ioapic, chip);

	pthread_mutex_lock(&a->lock);
	ioapic_regs_set_line(&a->regs, pin, level);
	pthread_mutex_unlock(&a->lock);
}

static void eoi(struct irqs_chip *c, uint8_t vector)
{
	struct ioapic *a = container_of(c, struct ioapic, chip);

	pthread_mutex_lock(&a->lock);
	ioapic_regs_eoi(&a->regs, vector);
	pthread_mutex_unlock(&a->lock);
}

/* Registers are 32 bits wide; drivers access them so. */
static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct ioapic *a = container_of(r, struct ioapic, range);
	uint32_t v;

	(void)size;
	pthread_mutex_lock(&a->lock);
	v = ioapic_regs_read(&a->regs, (unsigned)off);
	pthread_mutex_unlock(&a->lock);
	return v;
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct ioapic *a = container_of(r, struct ioapic, range);

	(void)size;
	if (off == IOAPIC_EOI)
		irqs_tell_ended(&a->vm->irqs, (uint8_t)value);
	pthread_mutex_lock(&a->lock);
	ioapic_regs_write(&a->regs, (unsigned)off, (uint32_t)value);
	pthread_mutex_unlock(&a->lock);
}

int ioapic_create(struct vm *vm, struct ioapic **out, struct err *err)
{
	struct ioapic *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_set(err, -ENOMEM, "I/O APIC: out of memory");
	a->vm = vm;
	pthread_mutex_init(&a->lock, NULL);
	a->regs.send = send;
	a->regs.route = route;
	ioapic_regs_reset(&a->regs);
	a->chip = (struct irqs_chip){ .set_line = set_line, .eoi = eoi };
	a->range = (struct bus_range){ .name = "I/O APIC",
				       .base = IOAPIC_BASE,
				       .size = IOAPIC_SIZE,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->memory, &a->range, err);
	if (rc) {
		pthread_mutex_destroy(&a->lock);
		free(a);
		return rc;
	}
	vm->irqs.chip = &a->chip;
	*out = a;
	return 0;
}

void ioapic_destroy(struct ioapic *a)
{
	if (!a)
		return;
	a->vm->irqs.chip = NULL;
	bus_remove(&a->vm->memory, &a->range);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
