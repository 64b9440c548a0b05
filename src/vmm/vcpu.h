/* SPDX-License-Identifier: Apache-2.0 */
/* The vCPUs of a machine: a thread each, which runs the guest and answers its
 * exits. Control thread, unless said otherwise. */
#ifndef RW_VMM_VCPU_H
#define RW_VMM_VCPU_H

#include "vm.h"

/* Reasons why a vCPU left the guest, as they are counted. */
enum vcpu_exit {
	VCPU_EXIT_PORT,	  /* read or wrote a port */
	VCPU_EXIT_MEMORY, /* read or wrote memory that is no RAM */
	VCPU_EXIT_EOI,	  /* ended a level, with a split interrupt chip */
	VCPU_EXIT_SIGNAL, /* was asked to stop */
	VCPU_EXIT_OTHER,
	VCPU_EXITS
};

struct kvm_run;

struct vcpu {
	struct vm *vm;
	unsigned id;	  /* index in vm.cpu[] */
	unsigned apic_id; /* of its local APIC, and KVM's number for it */
	int fd;
	int stats_fd; /* KVM's counters; -1: none. Opened before the vCPU runs:
		       * KVM answers requests about one only between two runs */
	struct kvm_run *run;
	pthread_t thread;
	bool is_running;	    /* [ctl] the thread exists */
	int tid;		    /* [vcpu -> any, atomic] 0: not yet known */
	uint64_t exits[VCPU_EXITS]; /* [vcpu -> any] */
	uint32_t visits; /* [vcpu -> any, atomic] odd: it may be in a handler of
			  * a device */
};

/* Makes all vCPUs of @vm; the first is to be given an entry with
 * boot_set_cpu(), the others wait for it. Returns 0 or -errno with @err. */
int vcpus_create(struct vm *vm, struct err *err);
void vcpus_destroy(struct vm *vm);

/* Start the threads; and stop them and wait for their end. A vCPU that waits in
 * vm_call() returns from it. After a start that failed call vcpus_stop(). */
int vcpus_start(struct vm *vm);
void vcpus_stop(struct vm *vm);

/* Asks the vCPUs to leave the guest until vcpus_pause(vm, false). Devices go on
 * with what the guest has given them. */
void vcpus_pause(struct vm *vm, bool on);

/* A wait for vCPUs. Embedded in who waits. */
struct vcpus_wait {
	struct vm *vm;
	struct loop_timer timer;
	uint32_t seen[VM_CPUS_MAX]; /* visits that have to end */
	void (*fn)(struct vcpus_wait *w);
};

/* Calls @fn on the control thread, from its loop, when each vCPU that is in a
 * handler of a device now has left it. No vCPU is held up, and those that wait
 * in vm_call() may go on. Whoever cannot be found any more, neither on a bus
 * nor in a slot, is used by no vCPU then. */
void vcpus_leave(struct vm *vm, struct vcpus_wait *w,
		 void (*fn)(struct vcpus_wait *w));
void vcpus_leave_cancel(struct vcpus_wait *w); /* also after the call of fn */

/* Shows KVM's own counters of @c, those that tell why it left the guest: also
 * exits that KVM dealt with itself. Nothing on kernels before 5.14. */
void vcpu_show_kvm(const struct vcpu *c, struct show *s);

#endif
