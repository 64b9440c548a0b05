/* SPDX-License-Identifier: Apache-2.0 */
/* A machine without KVM for the chips: ports, interrupt lines and the end are
 * kept here. The bus, the interrupts and the end of the real one are not linked
 * in. */
#ifndef CHIP_RIG_H
#define CHIP_RIG_H

#include "vm.h"

#define RIG_RANGES 8

struct chip_rig {
	struct vm vm;
	struct bus_range *range[RIG_RANGES];
	unsigned range_count;
	bool is_full; /* bus_add() fails */
	/* Of each line: the level and how often it rose. Under the lock. */
	pthread_mutex_t lock;
	bool line[IRQS_LINES];
	unsigned rises[IRQS_LINES];
};

struct chip_rig *rig_new(void);
void rig_free(struct chip_rig *r);

bool rig_line(struct chip_rig *r, unsigned gsi);
unsigned rig_rises(struct chip_rig *r, unsigned gsi);

/* Accesses of the guest. A port without a device fails the test. */
uint64_t rig_in(struct chip_rig *r, unsigned port, unsigned size);
void rig_out(struct chip_rig *r, unsigned port, unsigned size, uint64_t v);
uint8_t inb(struct chip_rig *r, unsigned port);
void outb(struct chip_rig *r, unsigned port, uint8_t v);

/* Runs the control thread's loop for @ms milliseconds. */
void rig_run(struct chip_rig *r, unsigned ms);

#endif
