/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's accesses to ports, and to memory that is not RAM: which device
 * answers at which address. A machine has two buses, one for ports and one for
 * memory.
 *
 * Threads: vCPUs dispatch, each for itself; any thread adds ranges and takes
 * them away. The handlers of a range run on vCPU threads, several at a time: a
 * device has a lock of its own. A range must stay in memory while a vCPU may be
 * in its handlers: a device that goes away stops the vCPUs first.
 */
#ifndef RW_VMM_BUS_H
#define RW_VMM_BUS_H

#include <pthread.h>
#include <stdint.h>

#include "err.h"

/* Embedded in its device. */
struct bus_range {
	const char *name; /* of the device, for messages */
	uint64_t base, size;
	/* Accesses of @size 1, 2, 4 or 8 bytes at base + @off, all inside the
	 * range. Values are numbers (the guest's low byte is the low byte). */
	uint64_t (*read)(struct bus_range *r, uint64_t off, unsigned size);
	void (*write)(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value);
};

struct bus {
	pthread_rwlock_t lock;
	struct bus_range **range; /* sorted by base; heap */
	unsigned count;
	uint64_t strays; /* [any, atomic] accesses that no device answered */
};

void bus_init(struct bus *b);
void bus_fini(struct bus *b);

/* Adds @r, whose members are set. Returns 0, -ENOMEM, or -EEXIST with @err when
 * it overlaps another range. */
int bus_add(struct bus *b, struct bus_range *r, struct err *err);
/* Takes @r away if it is on the bus. */
void bus_remove(struct bus *b, struct bus_range *r);

/* Do one access of @size bytes (1, 2, 4 or 8). One that begins in a range and
 * ends beyond it is done byte by byte. Without a device a read returns all
 * ones, and a write does nothing. */
uint64_t bus_read(struct bus *b, uint64_t addr, unsigned size);
void bus_write(struct bus *b, uint64_t addr, unsigned size, uint64_t value);

#endif
