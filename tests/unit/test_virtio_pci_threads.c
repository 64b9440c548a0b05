/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtio over PCI with vCPUs that are threads: one drives the device again and
 * again from its reset to its use, others write registers meanwhile. The
 * control thread serves the device. The calls of vCPUs to the control thread
 * are made here, as vm.c does it only with KVM.
 */
#include "test.h"

#include <linux/pci_regs.h>
#include <sched.h>
#include <string.h>
#undef PCI_IO_BASE

#include "echo_dev.h"
#include "shm.h"
#include "virtio_pci.h"
#include "vmm_rig.h"
#include "vq_drv.h"

#define SLOT   2
#define ROUNDS 100
#define ECHOES 5
#define CPUS   3
#define DESC   0x10000ull
#define DRIVER 0x12000ull
#define DEVICE 0x14000ull
#define BUFS   0x20000ull
#define BAR    0xd0000000ull
#define NOTIFY (BAR + 0x3000)
#define STATUS (BAR + 20)

struct call {
	void (*fn)(void *arg);
	void *arg;
	sem_t done;
};

static void on_call(void *arg)
{
	struct call *c = arg;

	c->fn(c->arg);
	sem_post(&c->done);
}

void vm_call(struct vm *vm, void (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg };

	if (pthread_equal(pthread_self(), vm->control)) {
		fn(arg);
		return;
	}
	sem_init(&c.done, 0, 0);
	if (!loop_post(vm->loop, on_call, &c))
		wait_posted(&c.done);
	sem_destroy(&c.done);
}

void vm_end(struct vm *vm, enum vm_end why)
{
	shm_store(&vm->end, why);
}

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct echo_dev echo;
	struct virtio_pci *v;
	bool is_over;	 /* [any, atomic] the driver's work is done */
	unsigned ended;	 /* [any, atomic] vCPUs */
	unsigned echoes; /* of the driver; after its end */
	bool is_wrong;	 /* the driver saw something wrong */
	uint64_t features;
	struct loop_timer timer;
};

/* A model with a thread or a loop of its own would watch the kicks. */
static void on_timer(struct loop_timer *t)
{
	struct state *s = container_of(t, struct state, timer);

	for (unsigned i = 0; i < ECHO_RINGS; i++)
		echo_dev_serve(&s->echo, i);
	s->echo.dev.transport->config_changed(&s->echo.dev);
	if (shm_load(&s->ended) == CPUS)
		loop_stop(s->rig.vm.loop);
	else
		loop_timer_arm(s->rig.vm.loop, t, 1, on_timer);
}

static void set(struct state *s, unsigned off, unsigned size, uint64_t value)
{
	rig_write(&s->rig, BAR + off, size, value);
}

static bool use_ring(struct state *s)
{
	uint8_t *ram = s->rig.ram, *buf = ram + BUFS;
	struct vq_drv_config c = { .features = s->features,
				   .count = 16,
				   .area = { ram + DESC, ram + DRIVER,
					     ram + DEVICE },
				   .base = buf,
				   .gpa = BUFS,
				   .size = 0x10000,
				   .kick_fd = -1 };
	struct iovec iov[2] = { { buf, 64 }, { buf + 64, 64 } };
	struct vq_drv_buf b = { .iov = iov,
				.readable_count = 1,
				.writable_count = 1,
				.cookie = buf };
	struct vq_drv *drv = vq_drv_create(&c);
	struct vq_drv_used used;
	unsigned n = 0;

	for (unsigned i = 0; drv && i < ECHOES; i++) {
		vq_drv_push_burst(drv, &b, 1);
		rig_write(&s->rig, NOTIFY, 2, 0);
		while (!vq_drv_pop_burst(drv, &used, 1) &&
		       vq_drv_fault(drv) == VQ_FAULT_NONE)
			sched_yield();
		n += used.size == 64;
	}
	s->echoes += n;
	vq_drv_destroy(drv);
	return n == ECHOES;
}

static bool run_driver(struct state *s)
{
	for (unsigned i = 0; i < 2; i++) {
		set(s, 8, 4, i);
		set(s, 12, 4, s->features >> (32 * i) & UINT32_MAX);
	}
	rig_write(&s->rig, STATUS, 1, 11);
	if (rig_read(&s->rig, STATUS, 1) != 11)
		return false;
	memset(s->rig.ram + DESC, 0, BUFS - DESC);
	set(s, 24, 2, 16);
	set(s, 26, 2, 0);
	set(s, 32, 8, DESC);
	set(s, 40, 8, DRIVER);
	set(s, 48, 8, DEVICE);
	set(s, 28, 2, 1);
	rig_write(&s->rig, STATUS, 1, 15);
	if (rig_read(&s->rig, STATUS, 1) != 15 || !use_ring(s))
		return false;
	rig_write(&s->rig, STATUS, 1, 0);
	return rig_read(&s->rig, STATUS, 1) == 0;
}

static void *driver_main(void *arg)
{
	struct state *s = arg;

	for (unsigned i = 0; i < ROUNDS && !s->is_wrong; i++)
		s->is_wrong = !run_driver(s);
	shm_store(&s->is_over, true);
	shm_fetch_add(&s->ended, 1);
	return NULL;
}

/* What another vCPU may do without harm to the driver. */
static void *other_main(void *arg)
{
	struct state *s = arg;
	struct vmm_rig *r = &s->rig;
	struct rng rng = rng_start();
	unsigned msix = rig_find_cap(r, SLOT, PCI_CAP_ID_MSIX, 0);

	rng.state ^= (uint64_t)(uintptr_t)&rng;
	while (!shm_load(&s->is_over)) {
		uint64_t n = rng_next(&rng);
		uint64_t entry = rig_bar(r, SLOT, 1) + (n >> 8 & 3) * 16;

		switch (n & 7) {
		case 0:
			rig_read(r, BAR + 0x1000, 1); /* ISR */
			break;
		case 1:
			rig_config_write(r, SLOT, msix + PCI_MSIX_FLAGS, 2,
					 n >> 16 & 0xc000);
			break;
		case 2:
			rig_write(r, entry + 12, 4, n >> 12 & 1);
			break;
		case 3:
			rig_write(r, entry, 8, 0xfee00000 + (n & 0xf000));
			break;
		case 4:
			rig_read(r, rig_bar(r, SLOT, 1) + 0x1000, 8);
			break;
		case 5: /* queue_select stays 0 */
			set(s, n >> 12 & 1 ? 16 : 26, 2, n >> 16 & 7);
			break;
		case 6:
			rig_read(r, BAR + (n >> 8 & 0x3f), 4);
			rig_read(r, BAR + 0x2000 + (n >> 8 & 7), 2);
			break;
		case 7:
			rig_config_write(r, SLOT, PCI_COMMAND, 2,
					 PCI_COMMAND_MEMORY | (n & 0x400));
			break;
		}
		sched_yield();
	}
	shm_fetch_add(&s->ended, 1);
	return NULL;
}

static void check(uint64_t features)
{
	struct state *s = calloc(1, sizeof(*s));
	struct virtio_pci_conf c = { .slot = SLOT, .vectors = -1 };
	pthread_t cpu[CPUS];
	struct err err;

	s->features = features;
	vmm_rig_init(&s->rig);
	assert_int_equal(pci_bus_create(&s->rig.vm, &s->bus, &err), 0);
	echo_dev_init(&s->echo);
	assert_int_equal(
		virtio_pci_create(s->bus, &s->echo.dev, &c, &s->v, &err), 0);
	rig_config_write(&s->rig, SLOT, PCI_BASE_ADDRESS_4, 4, BAR);
	rig_config_write(&s->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	loop_timer_arm(s->rig.vm.loop, &s->timer, 1, on_timer);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&cpu[i], NULL, i ? other_main : driver_main, s);
	loop_run(s->rig.vm.loop);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(cpu[i], NULL);
	assert_false(s->is_wrong);
	assert_int_equal(s->echoes, ROUNDS * ECHOES);
	assert_int_equal(s->rig.faults, 0);
	virtio_pci_destroy(s->v);
	assert_int_equal(s->echo.starts, s->echo.stops);
	pci_bus_destroy(s->bus);
	vmm_rig_fini(&s->rig);
	free(s);
}

static void test_split(void **state)
{
	(void)state;
	check(feat_bit(VIRTIO_F_VERSION_1));
}

static void test_packed(void **state)
{
	(void)state;
	check(ECHO_FEATURES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_packed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
