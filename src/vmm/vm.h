/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine under KVM: RAM, vCPUs, buses, interrupts. Devices are added
 * by their own folders. See vcpu.h for the vCPUs' threads.
 */
#ifndef RW_VMM_VM_H
#define RW_VMM_VM_H

#include "bus.h"
#include "gmem.h"
#include "irqs.h"
#include "loop.h"
#include "show.h"
#include "cpu_topology.h"

#define VM_CPUS_MAX 64
#define VM_MAPS	    128

enum vm_end {
	VM_END_NONE,
	VM_END_RESET,	 /* the guest asked for a reset */
	VM_END_POWEROFF, /* the guest switched itself off */
	VM_END_QUIT,	 /* a signal, or the control socket */
	VM_END_FAULT,	 /* KVM cannot go on */
};

struct vm_conf {
	struct cpu_topology topology; /* 1 to VM_CPUS_MAX vCPUs */
	uint64_t memory;	      /* bytes, a multiple of 2 MiB */
	/* RAM of huge pages of so many bytes, a power of two; 0: of ordinary
	 * ones */
	uint64_t page_size;
	bool prealloc; /* take the memory from the host now */
	/* KVM has the local APICs only: no 8259, no 8254, and lines go to the
	 * chip that the owner sets in @irqs. */
	bool split_irqchip;
};

struct vm_call;

struct vm {
	struct loop *loop; /* the control thread's */
	pthread_t control; /* the thread that made the machine */
	int kvm_fd, fd;
	int ram_fd;	   /* memfd of the RAM */
	struct gmem *ram;  /* both parts of the RAM; KVM has the same */
	uint64_t ram_size; /* bytes */
	struct bus ports, memory;
	struct irqs irqs;
	struct cpu_topology topology;
	unsigned cpu_count;
	struct vcpu *cpu;
	enum vm_end end; /* [any, atomic] the first reason to end */
	/* Called on the control thread after the first vm_end(), while the
	 * vCPUs still run. Set by the owner. */
	void (*ended)(struct vm *vm);
	void *owner; /* for ended() */
	/* Calls of vCPUs to the control thread, see vm_call(). */
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct vm_call *calls;	 /* [lock] waiting; newest last */
	bool is_stopping;	 /* [any, atomic] written under @lock */
	bool is_paused;		 /* [any, atomic] written under @lock */
	int wake_fd;		 /* eventfd: a call, or the end */
	struct loop_watch watch; /* of @wake_fd */
	uint8_t is_map[VM_MAPS]; /* [lock] mappings that are used */
};

/* Makes the machine without devices, with vCPUs that do not run yet. Returns 0,
 * or -errno with @err, which says what to do (no KVM, no right to it, not
 * enough memory); nothing is left then. */
int vm_create(const struct vm_conf *c, struct loop *loop, struct vm **out,
	      struct err *err);
/* Frees the machine. Its devices are gone. */
void vm_destroy(struct vm *vm);

/* Shows the guest @size bytes at @host, whole pages, at @gpa. It cannot write
 * there. They stay as long as @vm or until no vCPU runs any more. Returns 0 or
 * -errno with @err. */
int vm_add_rom(struct vm *vm, uint64_t gpa, const void *host, uint64_t size,
	       struct err *err);

/* Shows the guest @size bytes at @host, whole pages, at @gpa, to read and write
 * (registers of a card that this process has mapped), until vm_unmap(). Any
 * thread. Returns the number of the mapping, or -errno: -EEXIST over RAM or
 * another mapping, -ENOSPC when KVM or this process has no more of them. */
int vm_map(struct vm *vm, uint64_t gpa, void *host, uint64_t size);
void vm_unmap(struct vm *vm, int mapping);

/* Asks for the end. Any thread; the first reason holds. */
void vm_end(struct vm *vm, enum vm_end why);
const char *vm_end_name(enum vm_end why);

/* Runs @fn(@arg) on the control thread and returns when it is done, or without
 * that when the vCPUs are being stopped. For vCPU threads, in handlers of
 * devices, without a lock that the control thread takes. On the control thread
 * itself it calls @fn. */
void vm_call(struct vm *vm, void (*fn)(void *arg), void *arg);

#endif
