/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without KVM, for tests of its devices: RAM, buses, interrupts and
 * the control loop are the real ones; KVM's part is played here from the
 * requests that it got.
 */
#ifndef VMM_RIG_H
#define VMM_RIG_H

#include "vm.h"

#define RIG_RAM_SIZE (2ull << 20) /* guest addresses from 0 */
#define RIG_LINES    24
#define RIG_MAX	     256

struct vmm_rig_msi {
	uint64_t address;
	uint32_t data;
	unsigned count; /* interrupts that it made */
};

struct vmm_rig {
	struct vm vm;
	int memfd;
	uint8_t *ram;
	/* What KVM was told: */
	pthread_mutex_t lock;
	bool level[RIG_LINES];
	unsigned line_changes;
	struct {
		int fd;
		unsigned gsi;
	} irqfd[RIG_MAX];
	unsigned irqfd_count;
	struct {
		uint64_t addr;
		int fd;
		uint32_t flags;	    /* KVM_IOEVENTFD_FLAG_PIO and _DATAMATCH */
		uint32_t len;	    /* of ports */
		uint64_t datamatch; /* of ports */
	} ioeventfd[RIG_MAX];
	unsigned ioeventfd_count;
	struct vmm_rig_msi route[RIG_MAX]; /* index: GSI */
	unsigned commits;
	struct {
		uint64_t gpa, size, host;
	} map[RIG_MAX]; /* memory that is no RAM; size 0: none */
	/* Called for each of them, if set. */
	void (*mapped)(struct vmm_rig *r, uint64_t gpa, uint64_t size);
	unsigned faults; /* requests that KVM would refuse */
	/* What KVM shall refuse: */
	int fail_ioeventfd, fail_irqfd, fail_routes;
};

void vmm_rig_init(struct vmm_rig *r);
void vmm_rig_fini(struct vmm_rig *r);

/* The guest's accesses. Writes go to an ioeventfd, if one is there. */
uint64_t rig_read(struct vmm_rig *r, uint64_t addr, unsigned size);
void rig_write(struct vmm_rig *r, uint64_t addr, unsigned size, uint64_t value);
uint64_t rig_in(struct vmm_rig *r, uint16_t port, unsigned size);
void rig_out(struct vmm_rig *r, uint16_t port, unsigned size, uint64_t value);
/* Configuration space, by ECAM. */
uint64_t rig_config_read(struct vmm_rig *r, unsigned slot, unsigned off,
			 unsigned size);
void rig_config_write(struct vmm_rig *r, unsigned slot, unsigned off,
		      unsigned size, uint64_t value);
/* Returns the offset of the @nth capability with @id (from 0), or 0. */
unsigned rig_find_cap(struct vmm_rig *r, unsigned slot, uint8_t id,
		      unsigned nth);
/* Returns the address that BAR @bar has. */
uint64_t rig_bar(struct vmm_rig *r, unsigned slot, unsigned bar);

/* Does what KVM does when eventfds were signalled, and what the control loop
 * has to do. */
void rig_settle(struct vmm_rig *r);
/* Returns the interrupts so far with this message. */
unsigned rig_interrupts(struct vmm_rig *r, uint64_t address, uint32_t data);

#endif
