/* SPDX-License-Identifier: Apache-2.0 */
/* See vmm_rig.h. */
#include "test.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* layout.h has it, too */
#undef PCI_IO_BASE

#include "fd.h"
#include "layout.h"
#include "vmm_rig.h"

/* kvm_request_fn has no argument of its own, so the file descriptor of the
 * machine is the index of its rig. */
static struct vmm_rig *rigs[4];
#define FIRST_FD 1000

static bool is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void interrupt(struct vmm_rig *r, unsigned gsi)
{
	r->route[gsi].count++;
}

static int set_irqfd(struct vmm_rig *r, const struct kvm_irqfd *f)
{
	unsigned i = 0;

	while (i < r->irqfd_count && r->irqfd[i].fd != (int)f->fd)
		i++;
	if (f->flags & KVM_IRQFD_FLAG_DEASSIGN) {
		if (i == r->irqfd_count || r->irqfd[i].gsi != f->gsi)
			return -EINVAL;
		r->irqfd[i] = r->irqfd[--r->irqfd_count];
		return 0;
	}
	if (r->fail_irqfd)
		return r->fail_irqfd;
	if (i < r->irqfd_count)
		return -EBUSY;
	r->irqfd[i].fd = (int)f->fd;
	r->irqfd[i].gsi = f->gsi;
	r->irqfd_count++;
	if (is_ready((int)f->fd)) /* as KVM: the count stays */
		interrupt(r, f->gsi);
	return 0;
}

static int set_ioeventfd(struct vmm_rig *r, const struct kvm_ioeventfd *e)
{
	const uint32_t kind = e->flags & ~(uint32_t)KVM_IOEVENTFD_FLAG_DEASSIGN;
	unsigned i = 0;

	while (i < r->ioeventfd_count &&
	       (r->ioeventfd[i].addr != e->addr ||
		r->ioeventfd[i].flags != kind ||
		r->ioeventfd[i].datamatch != e->datamatch))
		i++;
	if (e->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		if (i == r->ioeventfd_count || r->ioeventfd[i].fd != e->fd)
			return -ENOENT;
		r->ioeventfd[i] = r->ioeventfd[--r->ioeventfd_count];
		return 0;
	}
	if (r->fail_ioeventfd)
		return r->fail_ioeventfd;
	if (i < r->ioeventfd_count)
		return -EEXIST;
	r->ioeventfd[i].addr = e->addr;
	r->ioeventfd[i].fd = e->fd;
	r->ioeventfd[i].flags = kind;
	r->ioeventfd[i].len = e->len;
	r->ioeventfd[i].datamatch = e->datamatch;
	r->ioeventfd_count++;
	return 0;
}

static int set_routes(struct vmm_rig *r, const struct kvm_irq_routing *t)
{
	if (r->fail_routes)
		return r->fail_routes;
	r->commits++;
	for (unsigned i = 0; i < t->nr; i++) {
		const struct kvm_irq_routing_entry *e = &t->entries[i];
		struct vmm_rig_msi m;

		if (e->type != KVM_IRQ_ROUTING_MSI)
			continue;
		assert_in_range(e->gsi, RIG_LINES, RIG_MAX - 1);
		m.address = e->u.msi.address_lo | (uint64_t)e->u.msi.address_hi
							  << 32;
		m.data = e->u.msi.data;
		r->route[e->gsi].address = m.address;
		r->route[e->gsi].data = m.data;
	}
	return 0;
}

static int set_line(struct vmm_rig *r, const struct kvm_irq_level *l)
{
	assert_in_range(l->irq, 0, RIG_LINES - 1);
	r->line_changes++;
	r->level[l->irq] = l->level;
	return 0;
}

static int set_memory(struct vmm_rig *r,
		      const struct kvm_userspace_memory_region *m)
{
	assert_in_range(m->slot, 0, RIG_MAX - 1);
	for (unsigned i = 0; i < RIG_MAX && m->memory_size; i++)
		if (m->guest_phys_addr < r->map[i].gpa + r->map[i].size &&
		    r->map[i].gpa < m->guest_phys_addr + m->memory_size)
			return -EEXIST;
	r->map[m->slot].gpa = m->guest_phys_addr;
	r->map[m->slot].size = m->memory_size;
	r->map[m->slot].host = m->userspace_addr;
	if (r->mapped)
		r->mapped(r, m->guest_phys_addr, m->memory_size);
	return 0;
}

static int play_kvm(int fd, unsigned long request, void *arg)
{
	struct vmm_rig *r = rigs[fd - FIRST_FD];
	int rc = -ENOTTY;

	pthread_mutex_lock(&r->lock);
	switch (request) {
	case KVM_IRQFD:
		rc = set_irqfd(r, arg);
		break;
	case KVM_IOEVENTFD:
		rc = set_ioeventfd(r, arg);
		break;
	case KVM_SET_GSI_ROUTING:
		rc = set_routes(r, arg);
		break;
	case KVM_SET_USER_MEMORY_REGION:
		rc = set_memory(r, arg);
		break;
	case KVM_IRQ_LINE:
		rc = set_line(r, arg);
		break;
	}
	r->faults += rc < 0;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void vmm_rig_init(struct vmm_rig *r)
{
	struct gmem_desc desc = { .size = RIG_RAM_SIZE };
	unsigned i = 0;
	struct err err;

	memset(r, 0, sizeof(*r));
	while (rigs[i])
		i++;
	rigs[i] = r;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->vm.lock, NULL);
	r->memfd = desc.fd = memfd_create("ram", MFD_CLOEXEC);
	assert_true(r->memfd >= 0);
	assert_int_equal(ftruncate(r->memfd, (off_t)RIG_RAM_SIZE), 0);
	assert_int_equal(gmem_create(&desc, 1, &r->vm.ram, &err), 0);
	r->ram = gmem_translate(r->vm.ram, 0, RIG_RAM_SIZE);
	r->vm.ram_size = RIG_RAM_SIZE;
	r->vm.fd = FIRST_FD + (int)i;
	r->vm.control = pthread_self();
	r->vm.wake_fd = fd_eventfd();
	r->vm.loop = loop_create();
	assert_non_null(r->vm.loop);
	bus_init(&r->vm.ports);
	bus_init(&r->vm.memory);
	irqs_init(&r->vm.irqs, r->vm.fd, play_kvm);
}

/* Nothing may be left of a device that is gone. */
void vmm_rig_fini(struct vmm_rig *r)
{
	assert_int_equal(r->vm.ports.count, 0);
	assert_int_equal(r->vm.memory.count, 0);
	assert_int_equal(r->irqfd_count, 0);
	assert_int_equal(r->ioeventfd_count, 0);
	for (unsigned i = 0; i < RIG_LINES; i++)
		assert_false(r->level[i]);
	for (unsigned i = 0; i < RIG_MAX; i++)
		assert_int_equal(r->map[i].size, 0);
	rigs[r->vm.fd - FIRST_FD] = NULL;
	irqs_fini(&r->vm.irqs);
	bus_fini(&r->vm.ports);
	bus_fini(&r->vm.memory);
	loop_destroy(r->vm.loop);
	gmem_put(r->vm.ram);
	fd_close(&r->vm.wake_fd);
	fd_close(&r->memfd);
	pthread_mutex_destroy(&r->vm.lock);
	pthread_mutex_destroy(&r->lock);
}

uint64_t rig_read(struct vmm_rig *r, uint64_t addr, unsigned size)
{
	return bus_read(&r->vm.memory, addr, size);
}

/* Returns the ioeventfd that takes a write, or -1. */
static int find_ioeventfd(struct vmm_rig *r, bool is_port, uint64_t addr,
			  unsigned size, uint64_t value)
{
	int fd = -1;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->ioeventfd_count; i++) {
		uint32_t flags = r->ioeventfd[i].flags;

		if (r->ioeventfd[i].addr == addr &&
		    is_port == !!(flags & KVM_IOEVENTFD_FLAG_PIO) &&
		    (!r->ioeventfd[i].len || r->ioeventfd[i].len == size) &&
		    (!(flags & KVM_IOEVENTFD_FLAG_DATAMATCH) ||
		     r->ioeventfd[i].datamatch == value))
			fd = r->ioeventfd[i].fd;
	}
	pthread_mutex_unlock(&r->lock);
	return fd;
}

void rig_write(struct vmm_rig *r, uint64_t addr, unsigned size, uint64_t value)
{
	int fd = find_ioeventfd(r, false, addr, size, value);

	if (fd >= 0)
		fd_signal(fd);
	else
		bus_write(&r->vm.memory, addr, size, value);
}

uint64_t rig_in(struct vmm_rig *r, uint16_t port, unsigned size)
{
	return bus_read(&r->vm.ports, port, size);
}

void rig_out(struct vmm_rig *r, uint16_t port, unsigned size, uint64_t value)
{
	int fd = find_ioeventfd(r, true, port, size, value);

	if (fd >= 0)
		fd_signal(fd);
	else
		bus_write(&r->vm.ports, port, size, value);
}

static uint64_t ecam(unsigned slot, unsigned off)
{
	return ECAM_BASE + (slot << 15) + off;
}

uint64_t rig_config_read(struct vmm_rig *r, unsigned slot, unsigned off,
			 unsigned size)
{
	return rig_read(r, ecam(slot, off), size);
}

void rig_config_write(struct vmm_rig *r, unsigned slot, unsigned off,
		      unsigned size, uint64_t value)
{
	bus_write(&r->vm.memory, ecam(slot, off), size, value);
}

unsigned rig_find_cap(struct vmm_rig *r, unsigned slot, uint8_t id,
		      unsigned nth)
{
	unsigned at;

	if (!(rig_config_read(r, slot, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST))
		return 0;
	at = (unsigned)rig_config_read(r, slot, PCI_CAPABILITY_LIST, 1);
	for (unsigned n = 0; at; n++) {
		assert_in_range(at, 0x40, 0xfc);
		assert_int_equal(at & 3, 0);
		assert_true(n < 48); /* no loop */
		if (rig_config_read(r, slot, at, 1) == id && nth-- == 0)
			return at;
		at = (unsigned)rig_config_read(r, slot, at + 1, 1);
	}
	return 0;
}

uint64_t rig_bar(struct vmm_rig *r, unsigned slot, unsigned bar)
{
	unsigned reg = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t low = rig_config_read(r, slot, reg, 4);

	if (low & PCI_BASE_ADDRESS_SPACE_IO)
		return low & ~3ull;
	if (low & PCI_BASE_ADDRESS_MEM_TYPE_64)
		low |= rig_config_read(r, slot, reg + 4, 4) << 32;
	return low & ~15ull;
}

static void run_loop(struct vmm_rig *r)
{
	/* A step that has nothing to do would wait. */
	fd_signal(r->vm.wake_fd);
	loop_step(r->vm.loop);
	fd_drain(r->vm.wake_fd);
}

static void wake(struct loop_watch *w, uint32_t events)
{
	(void)w;
	(void)events;
}

void rig_settle(struct vmm_rig *r)
{
	assert_int_equal(loop_watch_add(r->vm.loop, &r->vm.watch, r->vm.wake_fd,
					EPOLLIN, wake),
			 0);
	run_loop(r);
	loop_watch_remove(&r->vm.watch);
	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->irqfd_count; i++)
		if (is_ready(r->irqfd[i].fd)) {
			fd_drain(r->irqfd[i].fd);
			interrupt(r, r->irqfd[i].gsi);
		}
	pthread_mutex_unlock(&r->lock);
}

unsigned rig_interrupts(struct vmm_rig *r, uint64_t address, uint32_t data)
{
	unsigned count = 0;

	for (unsigned i = 0; i < RIG_MAX; i++)
		if (r->route[i].address == address && r->route[i].data == data)
			count += r->route[i].count;
	return count;
}
