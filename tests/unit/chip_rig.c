/* SPDX-License-Identifier: Apache-2.0 */
/* See chip_rig.h. */
#include "test.h"

#include "chip_rig.h"

#include <errno.h>
#include <string.h>

#include "shm.h"

struct chip_rig *rig_new(void)
{
	struct chip_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	pthread_mutex_init(&r->lock, NULL);
	r->vm.loop = loop_create();
	assert_non_null(r->vm.loop);
	return r;
}

void rig_free(struct chip_rig *r)
{
	/* A chip that is gone has left the bus. */
	assert_int_equal(r->range_count, 0);
	loop_destroy(r->vm.loop);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int bus_add(struct bus *b, struct bus_range *range, struct err *err)
{
	struct chip_rig *r = container_of(b, struct chip_rig, vm.ports);

	if (r->is_full)
		return err_set(err, -EEXIST, "the ports are taken");
	assert_in_range(r->range_count, 0, RIG_RANGES - 1);
	r->range[r->range_count++] = range;
	return 0;
}

void bus_remove(struct bus *b, struct bus_range *range)
{
	struct chip_rig *r = container_of(b, struct chip_rig, vm.ports);

	for (unsigned i = 0; i < r->range_count; i++)
		if (r->range[i] == range)
			r->range[i--] = r->range[--r->range_count];
}

void irqs_set_line(struct irqs *q, unsigned gsi, bool level)
{
	struct chip_rig *r = container_of(q, struct chip_rig, vm.irqs);

	pthread_mutex_lock(&r->lock);
	r->rises[gsi] += level && !r->line[gsi];
	r->line[gsi] = level;
	pthread_mutex_unlock(&r->lock);
}

void vm_end(struct vm *vm, enum vm_end why)
{
	enum vm_end none = VM_END_NONE;

	shm_compare_exchange(&vm->end, &none, why);
	loop_stop(vm->loop);
}

bool rig_line(struct chip_rig *r, unsigned gsi)
{
	bool level;

	pthread_mutex_lock(&r->lock);
	level = r->line[gsi];
	pthread_mutex_unlock(&r->lock);
	return level;
}

unsigned rig_rises(struct chip_rig *r, unsigned gsi)
{
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->rises[gsi];
	pthread_mutex_unlock(&r->lock);
	return n;
}

static struct bus_range *find(struct chip_rig *r, unsigned port, unsigned size)
{
	for (unsigned i = 0; i < r->range_count; i++)
		if (port >= r->range[i]->base &&
		    range_is_inside(port - r->range[i]->base, size,
				    r->range[i]->size))
			return r->range[i];
	fail_msg("no device at port %#x", port);
	return NULL;
}

uint64_t rig_in(struct chip_rig *r, unsigned port, unsigned size)
{
	struct bus_range *range = find(r, port, size);

	return range->read(range, port - range->base, size);
}

void rig_out(struct chip_rig *r, unsigned port, unsigned size, uint64_t v)
{
	struct bus_range *range = find(r, port, size);

	range->write(range, port - range->base, size, v);
}

uint8_t inb(struct chip_rig *r, unsigned port)
{
	uint64_t v = rig_in(r, port, 1);

	assert_in_range(v, 0, 0xff);
	return (uint8_t)v;
}

void outb(struct chip_rig *r, unsigned port, uint8_t v)
{
	rig_out(r, port, 1, v);
}

static void nothing(struct loop_timer *t)
{
	(void)t;
}

void rig_run(struct chip_rig *r, unsigned ms)
{
	struct loop_timer t = { 0 };
	uint64_t end = loop_now_ms() + ms;

	/* So that a step does not wait for longer. */
	while (loop_now_ms() < end) {
		if (!t.loop)
			loop_timer_arm(r->vm.loop, &t, 1, nothing);
		if (!loop_step(r->vm.loop))
			break;
	}
	loop_timer_disarm(&t);
}
