/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a whole, see vm.h. */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "fd.h"
#include "layout.h"
#include "shm.h"
#include "vcpu.h"

#define FOUR_GIB 0x100000000ull
/* Numbers of memory slots; 0 and 1 are the RAM */
#define SLOT_ROM  2
#define SLOT_MAPS 3

/* A call of a vCPU to the control thread; on the vCPU's stack. */
struct vm_call {
	void (*fn)(void *arg);
	void *arg;
	bool is_done;
	struct vm_call *next;
};

struct needed {
	long cap;
	const char *name;
};

static int check_caps(const struct vm *vm, const struct needed *n,
		      unsigned count, struct err *err)
{
	for (unsigned i = 0; i < count; i++)
		if (kvm_request(vm->kvm_fd, KVM_CHECK_EXTENSION,
				(void *)n[i].cap) <= 0)
			return err_set(err, -ENOTSUP,
				       "/dev/kvm: this KVM lacks %s (in the "
				       "kernel, or in its emulation)",
				       n[i].name);
	return 0;
}

static int check_kvm(const struct vm *vm, bool split_irqchip, struct err *err)
{
	static const struct needed all[] = {
		{ KVM_CAP_IRQCHIP, "interrupt chips" },
		{ KVM_CAP_IRQ_ROUTING, "routing of interrupts" },
		{ KVM_CAP_IRQFD, "irqfd" },
		{ KVM_CAP_IOEVENTFD, "ioeventfd" },
		{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	};
	static const struct needed whole[] = { { KVM_CAP_PIT2, "timer" } };
	static const struct needed split[] = {
		{ KVM_CAP_SPLIT_IRQCHIP, "kernel-irqchip=split" },
		{ KVM_CAP_SIGNAL_MSI, "messages of interrupts" },
	};
	int rc;

	if (kvm_request(vm->kvm_fd, KVM_GET_API_VERSION, NULL) !=
	    KVM_API_VERSION)
		return err_set(err, -ENOTSUP,
			       "/dev/kvm: no KVM with API version %d",
			       KVM_API_VERSION);
	rc = check_caps(vm, all, ARRAY_SIZE(all), err);
	if (!rc && split_irqchip)
		rc = check_caps(vm, split, ARRAY_SIZE(split), err);
	else if (!rc)
		rc = check_caps(vm, whole, ARRAY_SIZE(whole), err);
	return rc;
}

static int open_kvm(struct vm *vm, struct err *err)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0 && errno == EACCES)
		return err_set(err, -EACCES,
			       "/dev/kvm: no right to it: join the group that "
			       "has it (`ls -l /dev/kvm`), mostly kvm");
	if (vm->kvm_fd < 0)
		return err_set(err, -errno,
			       "/dev/kvm: %s: this needs a processor with "
			       "virtualisation that is on in its firmware, and "
			       "the module kvm_intel or kvm_amd",
			       strerror(errno));
	return 0;
}

/* A machine on an overloaded host is interrupted here by signals at times. */
static int create_vm_fd(struct vm *vm, struct err *err)
{
	do
		vm->fd = kvm_request(vm->kvm_fd, KVM_CREATE_VM, NULL);
	while (vm->fd == -EINTR);
	if (vm->fd < 0)
		return err_set(err, vm->fd, "KVM makes no machine: %s",
			       strerror(-vm->fd));
	return 0;
}

static int create_kernel_chips(const struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	int rc = kvm_request(vm->fd, KVM_CREATE_IRQCHIP, NULL);

	return rc ? rc : kvm_request(vm->fd, KVM_CREATE_PIT2, &pit);
}

/* GSIs below IRQS_LINES are then pins of an I/O APIC that KVM does not have. */
static int split_chips(const struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP,
				      .args = { IRQS_LINES } };

	return kvm_request(vm->fd, KVM_ENABLE_CAP, &cap);
}

static int create_chips(struct vm *vm, bool is_split, struct err *err)
{
	uint64_t identity = IDENTITY_BASE;
	int rc = kvm_request(vm->fd, KVM_SET_TSS_ADDR, (void *)(long)TSS_BASE);

	if (!rc)
		rc = kvm_request(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (!rc)
		rc = is_split ? split_chips(vm) : create_kernel_chips(vm);
	irqs_init(&vm->irqs, vm->fd, kvm_request);
	vm->irqs.is_split = is_split;
	if (!rc)
		rc = irqs_commit(&vm->irqs);
	return rc ? err_set(err, rc, "KVM makes no interrupt chips: %s",
			    strerror(-rc))
		  : 0;
}

static int open_ram(struct vm *vm, const struct vm_conf *c, struct err *err)
{
	unsigned flags = MFD_CLOEXEC;

	if (c->page_size)
		flags |= MFD_HUGETLB | (unsigned)__builtin_ctzll(c->page_size)
					       << MFD_HUGE_SHIFT;
	vm->ram_fd = memfd_create("ringway-ram", flags);
	if (vm->ram_fd < 0 || ftruncate(vm->ram_fd, (off_t)vm->ram_size) < 0)
		return err_set(err, -errno, "memory of the guest: %s",
			       strerror(errno));
	/* Pages of hugetlbfs are reserved by this; of others, when touched. */
	if ((!c->page_size && !c->prealloc) ||
	    !fallocate(vm->ram_fd, 0, 0, (off_t)vm->ram_size))
		return 0;
	if (c->page_size)
		return err_set(err, -errno,
			       "hugepages: %s: this machine has not enough "
			       "free pages of %" PRIu64
			       " MiB (sysctl vm.nr_hugepages)",
			       strerror(errno), c->page_size >> 20);
	return err_set(err, -errno, "mem-prealloc: %" PRIu64 " MiB: %s",
		       vm->ram_size >> 20, strerror(errno));
}

static int check_ram(const struct vm_conf *c, struct err *err)
{
	struct sysinfo info;
	uint64_t here;

	if (c->page_size && c->memory % c->page_size)
		return err_set(err, -EINVAL,
			       "memory: with hugepages a multiple of %" PRIu64
			       " MiB",
			       c->page_size >> 20);
	if (sysinfo(&info) < 0)
		return 0;
	here = (uint64_t)info.totalram * info.mem_unit;
	if (c->memory > here)
		return err_set(err, -ENOMEM,
			       "memory: %" PRIu64 " MiB are more than this "
			       "machine has (%" PRIu64 " MiB)",
			       c->memory >> 20, here >> 20);
	return 0;
}

/* Maps the RAM here and in the guest. Both parts come from one file. */
static int create_ram(struct vm *vm, const struct vm_conf *c, struct err *err)
{
	uint64_t low = MIN(vm->ram_size, (uint64_t)GAP_BASE);
	struct gmem_desc d[2] = { { .size = low },
				  { .gpa = FOUR_GIB,
				    .uva = FOUR_GIB,
				    .size = vm->ram_size - low,
				    .mmap_offset = low } };
	int rc = open_ram(vm, c, err);

	if (rc)
		return rc;
	d[0].fd = d[1].fd = vm->ram_fd;
	rc = gmem_create(d, d[1].size ? 2 : 1, &vm->ram, err);
	for (unsigned i = 0; !rc && i < vm->ram->count; i++) {
		const struct gmem_region *r = &vm->ram->region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};

		rc = kvm_request(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
		if (rc)
			err_set(err, rc, "KVM takes no memory: %s",
				strerror(-rc));
	}
	return rc;
}

int vm_add_rom(struct vm *vm, uint64_t gpa, const void *host, uint64_t size,
	       struct err *err)
{
	struct kvm_userspace_memory_region slot = {
		.slot = SLOT_ROM,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int rc = kvm_request(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);

	return rc ? err_set(err, rc, "KVM takes no read-only memory: %s",
			    strerror(-rc))
		  : 0;
}

static int set_map(const struct vm *vm, int n, uint64_t gpa, void *host,
		   uint64_t size)
{
	struct kvm_userspace_memory_region slot = {
		.slot = (uint32_t)(SLOT_MAPS + n),
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return vm->irqs.request(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

int vm_map(struct vm *vm, uint64_t gpa, void *host, uint64_t size)
{
	int n = 0, rc;

	pthread_mutex_lock(&vm->lock);
	while (n < VM_MAPS && vm->is_map[n])
		n++;
	rc = n < VM_MAPS ? set_map(vm, n, gpa, host, size) : -ENOSPC;
	if (!rc)
		vm->is_map[n] = true;
	pthread_mutex_unlock(&vm->lock);
	return rc ? rc : n;
}

void vm_unmap(struct vm *vm, int mapping)
{
	pthread_mutex_lock(&vm->lock);
	set_map(vm, mapping, 0, NULL, 0);
	vm->is_map[mapping] = false;
	pthread_mutex_unlock(&vm->lock);
}

static void run_calls(struct vm *vm)
{
	struct vm_call *c;

	pthread_mutex_lock(&vm->lock);
	while ((c = vm->calls)) {
		vm->calls = c->next;
		pthread_mutex_unlock(&vm->lock);
		c->fn(c->arg); /* its vCPU waits, so @c stays */
		pthread_mutex_lock(&vm->lock);
		c->is_done = true;
		pthread_cond_broadcast(&vm->done);
	}
	pthread_mutex_unlock(&vm->lock);
}

/* The owner may destroy @vm when it is told of the end. */
static void on_wake(struct loop_watch *w, uint32_t events)
{
	struct vm *vm = container_of(w, struct vm, watch);

	(void)events;
	fd_drain(w->fd);
	run_calls(vm);
	if (shm_load(&vm->end) && vm->ended) {
		void (*ended)(struct vm *) = vm->ended;

		vm->ended = NULL;
		ended(vm);
	}
}

void vm_call(struct vm *vm, void (*fn)(void *arg), void *arg)
{
	struct vm_call c = { .fn = fn, .arg = arg }, **at;

	if (pthread_equal(pthread_self(), vm->control)) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&vm->lock);
	for (at = &vm->calls; *at; at = &(*at)->next)
		;
	if (!vm->is_stopping) {
		*at = &c;
		fd_signal(vm->wake_fd);
	}
	while (!c.is_done && !vm->is_stopping)
		pthread_cond_wait(&vm->done, &vm->lock);
	/* The control thread is in vcpus_stop(), not in the call. */
	for (at = &vm->calls; *at; at = &(*at)->next)
		if (*at == &c) {
			*at = c.next;
			break;
		}
	pthread_mutex_unlock(&vm->lock);
}

void vm_end(struct vm *vm, enum vm_end why)
{
	enum vm_end none = VM_END_NONE;

	if (shm_compare_exchange(&vm->end, &none, why))
		fd_signal(vm->wake_fd);
}

const char *vm_end_name(enum vm_end why)
{
	static const char *const names[] = {
		[VM_END_NONE] = "running",	[VM_END_RESET] = "reset",
		[VM_END_POWEROFF] = "poweroff", [VM_END_QUIT] = "quit",
		[VM_END_FAULT] = "fault",
	};

	return names[why];
}

static int open_wake(struct vm *vm)
{
	vm->wake_fd = fd_eventfd();
	if (vm->wake_fd < 0)
		return vm->wake_fd;
	return loop_watch_add(vm->loop, &vm->watch, vm->wake_fd, EPOLLIN,
			      on_wake);
}

static int create(struct vm *vm, const struct vm_conf *c, struct err *err)
{
	int rc = check_ram(c, err);

	if (!rc)
		rc = open_kvm(vm, err);
	if (!rc)
		rc = check_kvm(vm, c->split_irqchip, err);
	if (!rc)
		rc = create_vm_fd(vm, err);
	if (!rc)
		rc = create_chips(vm, c->split_irqchip, err);
	if (!rc)
		rc = create_ram(vm, c, err);
	if (!rc)
		rc = vcpus_create(vm, err);
	if (rc)
		return rc;
	rc = open_wake(vm);
	return rc ? err_set(err, rc, "%s", strerror(-rc)) : 0;
}

int vm_create(const struct vm_conf *c, struct loop *loop, struct vm **out,
	      struct err *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int rc;

	if (!vm)
		return err_set(err, -ENOMEM, "out of memory");
	vm->loop = loop;
	vm->control = pthread_self();
	vm->kvm_fd = vm->fd = vm->ram_fd = vm->wake_fd = -1;
	vm->ram_size = c->memory;
	vm->topology = c->topology;
	vm->cpu_count = cpu_topology_count(&c->topology);
	bus_init(&vm->ports);
	bus_init(&vm->memory);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->done, NULL);
	rc = create(vm, c, err);
	if (rc) {
		vm_destroy(vm);
		return rc;
	}
	*out = vm;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	vcpus_destroy(vm);
	loop_watch_remove(&vm->watch);
	if (vm->irqs.request)
		irqs_fini(&vm->irqs);
	fd_close(&vm->wake_fd);
	fd_close(&vm->fd);
	gmem_put(vm->ram);
	fd_close(&vm->ram_fd);
	fd_close(&vm->kvm_fd);
	bus_fini(&vm->ports);
	bus_fini(&vm->memory);
	pthread_cond_destroy(&vm->done);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
