/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs, see vcpu.h. A vCPU is stopped by a signal to its thread, after
 * kvm_run.immediate_exit was set: so the next KVM_RUN returns at once if the
 * signal came too early to interrupt one.
 */
#include "vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "shm.h"
#include "vcpu_cpuid.h"

#define STOP_SIGNAL SIGRTMIN

static void do_nothing(int sig)
{
	(void)sig;
}

static void do_port(struct vcpu *c)
{
	struct kvm_run *r = c->run;
	uint8_t *data = (uint8_t *)r + r->io.data_offset;
	unsigned size = r->io.size;

	stat_inc(&c->exits[VCPU_EXIT_PORT]);
	for (uint32_t i = 0; i < r->io.count; i++, data += size) {
		uint64_t value = 0;

		if (r->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			bus_write(&c->vm->ports, r->io.port, size, value);
		} else {
			value = bus_read(&c->vm->ports, r->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

/* An access by an instruction that moves 3, 5, 6 or 7 bytes does not exist. */
static void do_memory(struct vcpu *c)
{
	struct kvm_run *r = c->run;
	unsigned size = MIN(r->mmio.len, 8u);
	uint64_t value = 0;

	stat_inc(&c->exits[VCPU_EXIT_MEMORY]);
	if (r->mmio.is_write) {
		memcpy(&value, r->mmio.data, size);
		bus_write(&c->vm->memory, r->mmio.phys_addr, size, value);
	} else {
		value = bus_read(&c->vm->memory, r->mmio.phys_addr, size);
		memcpy(r->mmio.data, &value, size);
	}
}

static void fail(struct vcpu *c, const char *what, uint64_t detail)
{
	struct kvm_regs regs = { 0 };

	kvm_request(c->fd, KVM_GET_REGS, &regs);
	log_err("vCPU %u: %s (0x%" PRIx64 "), at instruction 0x%" PRIx64, c->id,
		what, detail, (uint64_t)regs.rip);
	vm_end(c->vm, VM_END_FAULT);
}

static void do_system_event(struct vcpu *c)
{
	switch (c->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_end(c->vm, VM_END_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_end(c->vm, VM_END_RESET);
		break;
	default:
		fail(c, "the guest crashed", c->run->system_event.type);
		break;
	}
}

static void do_exit(struct vcpu *c)
{
	const struct kvm_run *r = c->run;

	switch (r->exit_reason) {
	case KVM_EXIT_IO:
		do_port(c);
		return;
	case KVM_EXIT_MMIO:
		do_memory(c);
		return;
	case KVM_EXIT_IOAPIC_EOI:
		stat_inc(&c->exits[VCPU_EXIT_EOI]);
		irqs_eoi(&c->vm->irqs, r->eoi.vector);
		return;
	case KVM_EXIT_INTR:
		stat_inc(&c->exits[VCPU_EXIT_SIGNAL]);
		return;
	case KVM_EXIT_SHUTDOWN:
		/* Three faults in a row, which is also a kernel's last way to
		 * reset. */
		log_info("vCPU %u: triple fault", c->id);
		vm_end(c->vm, VM_END_RESET);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		do_system_event(c);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fail(c, "the processor refuses to enter the guest",
		     r->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		fail(c, "KVM cannot emulate what the guest did",
		     r->internal.suberror);
		break;
	default:
		fail(c, "unknown exit", r->exit_reason);
		break;
	}
	stat_inc(&c->exits[VCPU_EXIT_OTHER]);
}

/* vcpu:B  A handler is found under the lock of a bus or of the slots. If that
 * is before the device was taken away there, under the same lock, the odd
 * number is seen by vcpus_leave(), which comes after; else nothing is found.
 * The release is for what the handler did. */
static void visit(struct vcpu *c)
{
	shm_store(&c->visits, c->visits + 1);
	do_exit(c);
	shm_store_release(&c->visits, c->visits + 1);
}

/* Waits while the machine is paused. */
static void park(struct vcpu *c)
{
	struct vm *vm = c->vm;

	/* The guest's clock shall not take the pause for a hang. It fails when
	 * the guest uses another clock. */
	kvm_request(c->fd, KVM_KVMCLOCK_CTRL, NULL);
	pthread_mutex_lock(&vm->lock);
	while (vm->is_paused && !vm->is_stopping)
		pthread_cond_wait(&vm->done, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
}

/* Lets the vCPU into the guest again after it was asked to leave, also when the
 * pause was over before it looked. */
static void let_in(struct vcpu *c)
{
	struct vm *vm = c->vm;

	/* vcpu:A  under the lock: the next pause sets it again behind us */
	pthread_mutex_lock(&vm->lock);
	if (!vm->is_paused && !vm->is_stopping && !shm_load(&vm->end))
		shm_store(&c->run->immediate_exit, 0);
	pthread_mutex_unlock(&vm->lock);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *c = arg;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", c->id);
	pthread_setname_np(pthread_self(), name);
	shm_store(&c->tid, gettid());
	while (!shm_load_acquire(&c->vm->is_stopping)) {
		int rc;

		if (unlikely(shm_load(&c->vm->is_paused))) {
			park(c);
			let_in(c);
			continue;
		}
		rc = kvm_request(c->fd, KVM_RUN, NULL);
		/* EAGAIN: another vCPU reset this one and did not start it yet.
		 */
		if (rc == -EINTR || rc == -EAGAIN) {
			stat_inc(&c->exits[VCPU_EXIT_SIGNAL]);
			let_in(c);
			continue;
		}
		if (rc < 0) {
			fail(c, strerror(-rc), 0);
			break;
		}
		visit(c);
		/* After the end the machine must not go on: a reset that did
		 * not happen would let the guest run into its own remains. */
		if (shm_load(&c->vm->end))
			shm_store(&c->run->immediate_exit, 1);
	}
	return NULL;
}

static int create_one(struct vm *vm, struct vcpu *c, unsigned id,
		      size_t run_size)
{
	void *run;

	c->vm = vm;
	c->id = id;
	c->apic_id = cpu_topology_apic_id(&vm->topology, id);
	c->fd = kvm_request(vm->fd, KVM_CREATE_VCPU,
			    (void *)(unsigned long)c->apic_id);
	if (c->fd < 0)
		return c->fd;
	c->stats_fd = kvm_request(c->fd, KVM_GET_STATS_FD, NULL);
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd,
		   0);
	if (run == MAP_FAILED)
		return -errno;
	c->run = run;
	return vcpu_set_cpuid(c);
}

static size_t run_size_of(const struct vm *vm)
{
	int n = kvm_request(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

	return n > 0 ? (size_t)n : sizeof(struct kvm_run);
}

static int check_count(const struct vm *vm, struct err *err)
{
	int max = kvm_request(vm->kvm_fd, KVM_CHECK_EXTENSION,
			      (void *)KVM_CAP_MAX_VCPUS);

	if (max > 0 && vm->cpu_count > (unsigned)max)
		return err_set(err, -EINVAL,
			       "smp=%u: this KVM has at most %d vCPUs",
			       vm->cpu_count, max);
	return 0;
}

int vcpus_create(struct vm *vm, struct err *err)
{
	struct sigaction sa = { .sa_handler = do_nothing };
	int rc = check_count(vm, err);

	if (rc)
		return rc;
	sigaction(STOP_SIGNAL, &sa, NULL);
	vm->cpu = calloc(vm->cpu_count, sizeof(*vm->cpu));
	if (!vm->cpu)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < vm->cpu_count; i++)
		vm->cpu[i].fd = vm->cpu[i].stats_fd = -1;
	for (unsigned i = 0; i < vm->cpu_count && !rc; i++)
		rc = create_one(vm, &vm->cpu[i], i, run_size_of(vm));
	return rc ? err_set(err, rc, "KVM makes no vCPU: %s", strerror(-rc))
		  : 0;
}

void vcpus_destroy(struct vm *vm)
{
	for (unsigned i = 0; vm->cpu && i < vm->cpu_count; i++) {
		struct vcpu *c = &vm->cpu[i];

		if (c->run)
			munmap(c->run, run_size_of(vm));
		fd_close(&c->stats_fd);
		fd_close(&c->fd);
	}
	free(vm->cpu);
	vm->cpu = NULL;
}

/* The control thread takes all signals that end the process. */
int vcpus_start(struct vm *vm)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	sigdelset(&all, STOP_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned i = 0; i < vm->cpu_count && !rc; i++) {
		struct vcpu *c = &vm->cpu[i];

		rc = -pthread_create(&c->thread, NULL, vcpu_main, c);
		c->is_running = !rc;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* Makes all vCPUs leave the guest, to see what was set. */
static void kick_all(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct vcpu *c = &vm->cpu[i];

		if (!c->is_running)
			continue;
		shm_store(&c->run->immediate_exit, 1);
		pthread_kill(c->thread, STOP_SIGNAL);
	}
}

void vcpus_pause(struct vm *vm, bool on)
{
	pthread_mutex_lock(&vm->lock);
	shm_store_release(&vm->is_paused, on);
	pthread_cond_broadcast(&vm->done);
	pthread_mutex_unlock(&vm->lock);
	if (on)
		kick_all(vm);
}

#define LOOK_AGAIN_MS 1

static void look(struct loop_timer *t)
{
	struct vcpus_wait *w = container_of(t, struct vcpus_wait, timer);

	for (unsigned i = 0; i < w->vm->cpu_count; i++) {
		/* vcpu:B */
		uint32_t now = shm_load_acquire(&w->vm->cpu[i].visits);

		if (w->seen[i] & 1 && w->seen[i] == now) {
			loop_timer_arm(w->vm->loop, t, LOOK_AGAIN_MS, look);
			return;
		}
	}
	w->fn(w);
}

void vcpus_leave(struct vm *vm, struct vcpus_wait *w,
		 void (*fn)(struct vcpus_wait *w))
{
	w->vm = vm;
	w->fn = fn;
	for (unsigned i = 0; i < vm->cpu_count; i++)
		w->seen[i] = shm_load_acquire(&vm->cpu[i].visits); /* vcpu:B */
	loop_timer_arm(vm->loop, &w->timer, 0, look);
}

void vcpus_leave_cancel(struct vcpus_wait *w)
{
	loop_timer_disarm(&w->timer);
}

void vcpus_stop(struct vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	shm_store_release(&vm->is_stopping, true);
	pthread_cond_broadcast(&vm->done);
	pthread_mutex_unlock(&vm->lock);
	kick_all(vm);
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct vcpu *c = &vm->cpu[i];

		if (c->is_running)
			pthread_join(c->thread, NULL);
		c->is_running = false;
	}
}
