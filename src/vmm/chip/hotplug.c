/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller of hot plug, see chips.h. Three registers of 32 bits, a bit
 * for each slot. vCPU threads; the control thread raises events and ejects.
 *
 * Reading LOOK or ASK clears it: the guest's methods notify the operating
 * system once for each event. Writing EJECT returns when the slots are empty.
 */
#include <errno.h>
#include <stdlib.h>

#include "chips.h"
#include "layout.h"

enum { REG_LOOK = 0, REG_ASK = 4, REG_EJECT = 8, REGS = 12 };

struct hotplug {
	struct vm *vm;
	struct pm *pm;
	struct bus_range range;
	pthread_mutex_t lock;
	uint32_t look, ask; /* [under the lock] */
	void (*eject)(void *arg, unsigned slot);
	void *arg;
};

/* Returns *@reg and clears it. */
static uint32_t take(struct hotplug *h, uint32_t *reg)
{
	uint32_t v;

	pthread_mutex_lock(&h->lock);
	v = *reg;
	*reg = 0;
	pthread_mutex_unlock(&h->lock);
	return v;
}

static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct hotplug *h = container_of(r, struct hotplug, range);

	if (size != 4)
		return 0;
	switch (off) {
	case REG_LOOK:
		return take(h, &h->look);
	case REG_ASK:
		return take(h, &h->ask);
	default:
		return 0;
	}
}

struct eject_call {
	struct hotplug *h;
	uint32_t slots;
};

static void on_eject(void *arg)
{
	const struct eject_call *c = arg;

	for (unsigned i = 0; i < 32; i++)
		if (c->slots >> i & 1)
			c->h->eject(c->h->arg, i);
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct hotplug *h = container_of(r, struct hotplug, range);
	struct eject_call c = { h, (uint32_t)value };

	if (size == 4 && off == REG_EJECT)
		vm_call(h->vm, on_eject, &c);
}

static void raise_event(struct hotplug *h, uint32_t *reg, unsigned slot)
{
	pthread_mutex_lock(&h->lock);
	*reg |= 1u << slot;
	pthread_mutex_unlock(&h->lock);
	pm_raise_event(h->pm, GPE_PLUG);
}

void hotplug_look(struct hotplug *h, unsigned slot)
{
	pthread_mutex_lock(&h->lock);
	h->ask &= ~(1u << slot); /* of what was there before */
	pthread_mutex_unlock(&h->lock);
	raise_event(h, &h->look, slot);
}

void hotplug_ask(struct hotplug *h, unsigned slot)
{
	raise_event(h, &h->ask, slot);
}

int hotplug_create(struct vm *vm, struct pm *pm,
		   void (*eject)(void *arg, unsigned slot), void *arg,
		   struct hotplug **out, struct err *err)
{
	struct hotplug *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return err_set(err, -ENOMEM, "hot plug: out of memory");
	h->vm = vm;
	h->pm = pm;
	h->eject = eject;
	h->arg = arg;
	pthread_mutex_init(&h->lock, NULL);
	h->range = (struct bus_range){ .name = "hot plug",
				       .base = PORT_PLUG,
				       .size = REGS,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->ports, &h->range, err);
	if (rc) {
		pthread_mutex_destroy(&h->lock);
		free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void hotplug_destroy(struct hotplug *h)
{
	if (!h)
		return;
	bus_remove(&h->vm->ports, &h->range);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
