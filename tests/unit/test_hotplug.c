/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that come and go while a guest runs: the registers of hot plug, the
 * bus, and vCPUs that are in a device when it goes. The guest is a model of
 * what its ACPI methods and its bus driver do. */
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <unistd.h>
#undef PCI_IO_BASE

#include "chips.h"
#include "echo_dev.h"
#include "layout.h"
#include "shm.h"
#include "vcpu.h"
#include "virtio_pci.h"
#include "vmm_rig.h"

#define LOOK  PORT_PLUG
#define ASK   (PORT_PLUG + 4)
#define EJECT (PORT_PLUG + 8)
#define SLOT  5
/* Where the guest puts BAR n: n * 0x10000 behind this. Registers are in BAR 4,
 * the table of MSI-X is in BAR 1. */
#define BARS  0xc1000000ull
#define REGS  (BARS + 0x40000)
#define TABLE (BARS + 0x10000)

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct pm *pm;
	struct hotplug *plug;
	struct echo_dev model;
	struct virtio_pci *v; /* NULL: none */
	uint32_t ejected;     /* slots */
	struct vcpus_wait wait;
	bool has_left;
};

static void on_left(struct vcpus_wait *w)
{
	struct state *s = container_of(w, struct state, wait);

	s->has_left = true;
	virtio_pci_destroy(s->v);
	s->v = NULL;
}

static void on_eject(void *arg, unsigned slot)
{
	struct state *s = arg;

	s->ejected |= 1u << slot;
	if (!s->v || virtio_pci_slot(s->v) != slot)
		return;
	virtio_pci_hide(s->v);
	vcpus_leave(&s->rig.vm, &s->wait, on_left);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct vm *vm = &s->rig.vm;
	struct err err;

	vmm_rig_init(&s->rig);
	vm->cpu_count = 2;
	vm->cpu = calloc(2, sizeof(*vm->cpu));
	assert_non_null(vm->cpu);
	assert_int_equal(pci_bus_create(vm, &s->bus, &err), 0);
	assert_int_equal(pm_create(vm, &s->pm, &err), 0);
	assert_int_equal(hotplug_create(vm, s->pm, on_eject, s, &s->plug, &err),
			 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	vcpus_leave_cancel(&s->wait);
	virtio_pci_destroy(s->v);
	hotplug_destroy(s->plug);
	pm_destroy(s->pm);
	pci_bus_destroy(s->bus);
	free(s->rig.vm.cpu);
	vmm_rig_fini(&s->rig);
	free(s);
	return 0;
}

static int add(struct state *s, int slot, struct err *err)
{
	const struct virtio_pci_conf c = { .slot = slot,
					   .vectors = 2,
					   .is_hot = true };
	struct virtio_pci *v;
	int rc;

	if (!s->v)
		echo_dev_init(&s->model);
	rc = virtio_pci_create(s->bus, &s->model.dev, &c, &v, err);
	if (!rc) {
		s->v = v;
		hotplug_look(s->plug, virtio_pci_slot(v));
	}
	return rc;
}

/* --- The guest */

/* Listens to the event, as an operating system does when it starts. */
static void listen(struct state *s)
{
	rig_out(&s->rig, PORT_GPE + 1, 1, 1 << GPE_PLUG);
}

/* Deals with an event: what the DSDT's method reads. */
static void take_event(struct state *s, uint32_t *look, uint32_t *ask)
{
	struct vmm_rig *r = &s->rig;

	assert_true(r->level[IRQ_SCI]);
	assert_int_equal(rig_in(r, PORT_GPE, 1), 1 << GPE_PLUG);
	rig_out(r, PORT_GPE + 1, 1, 0);
	assert_false(r->level[IRQ_SCI]);
	rig_out(r, PORT_GPE, 1, 1 << GPE_PLUG);
	*look = (uint32_t)rig_in(r, LOOK, 4);
	*ask = (uint32_t)rig_in(r, ASK, 4);
	listen(s);
}

static bool is_there(struct state *s, unsigned slot)
{
	return rig_config_read(&s->rig, slot, 0, 4) != UINT32_MAX;
}

/* Gives the BARs of a new device addresses, and uses it. */
static void start_device(struct state *s, unsigned slot)
{
	struct vmm_rig *r = &s->rig;

	for (unsigned i = 1; i <= 4; i += 3) {
		unsigned reg = PCI_BASE_ADDRESS_0 + 4 * i;

		assert_int_equal(rig_bar(r, slot, i), 0);
		rig_config_write(r, slot, reg, 4, UINT32_MAX);
		assert_true(rig_config_read(r, slot, reg, 4) != UINT32_MAX);
		rig_config_write(r, slot, reg, 4, BARS + i * 0x10000);
	}
	rig_config_write(r, slot, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	rig_write(r, REGS, 4, 1); /* device_feature_select */
	assert_int_equal(rig_read(r, REGS, 4), 1);
}

static void run_loop(struct state *s)
{
	for (unsigned i = 0; i < 4; i++) {
		usleep(1000);
		rig_settle(&s->rig);
	}
}

/* --- */

static void test_registers(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	uint32_t look, ask;

	/* Before the guest listens events are kept. */
	assert_false(pm_event_is_known(s->pm, GPE_PLUG));
	hotplug_look(s->plug, 3);
	hotplug_ask(s->plug, 31);
	assert_false(r->level[IRQ_SCI]);
	listen(s);
	assert_true(pm_event_is_known(s->pm, GPE_PLUG));
	take_event(s, &look, &ask);
	assert_int_equal(look, 1 << 3);
	assert_int_equal(ask, 1u << 31);
	assert_true(pm_event_is_known(s->pm, GPE_PLUG));
	/* Reading took them. */
	assert_int_equal(rig_in(r, LOOK, 4), 0);
	assert_int_equal(rig_in(r, ASK, 4), 0);
	/* One event for several, and a new one while one is dealt with. */
	hotplug_look(s->plug, 1);
	hotplug_look(s->plug, 2);
	rig_out(r, PORT_GPE, 1, 1 << GPE_PLUG);
	hotplug_ask(s->plug, 2);
	take_event(s, &look, &ask);
	assert_int_equal(look, 6);
	assert_int_equal(ask, 4);
	/* What was asked for is gone and something new is in its slot. */
	hotplug_ask(s->plug, 1);
	hotplug_ask(s->plug, 2);
	hotplug_look(s->plug, 1);
	take_event(s, &look, &ask);
	assert_int_equal(look, 2);
	assert_int_equal(ask, 4);
	/* Other sizes and offsets do nothing, and take nothing. */
	hotplug_look(s->plug, 1);
	assert_int_equal(rig_in(r, LOOK, 1), 0);
	assert_int_equal(rig_in(r, LOOK, 2), 0);
	assert_int_equal(rig_in(r, LOOK + 1, 4), 0);
	assert_int_equal(rig_in(r, EJECT, 4), 0);
	assert_int_equal(rig_in(r, LOOK, 8), 0);
	rig_out(r, LOOK, 4, UINT32_MAX);
	rig_out(r, EJECT, 1, 0xff);
	rig_out(r, EJECT, 2, 0xffff);
	assert_int_equal(s->ejected, 0);
	assert_int_equal(rig_in(r, LOOK, 4), 2);
	/* Any slots, at once, with nothing in them. */
	rig_out(r, EJECT, 4, 0x80000021);
	assert_int_equal(s->ejected, 0x80000021);
	rig_out(r, PORT_GPE, 1, 1 << GPE_PLUG);
	assert_false(r->level[IRQ_SCI]);
}

static void test_add_and_eject(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	uint32_t look, ask;
	struct err err;

	listen(s);
	assert_false(is_there(s, SLOT));
	assert_int_equal(add(s, SLOT, &err), 0);
	take_event(s, &look, &ask);
	assert_true(look == 1u << SLOT && !ask);
	assert_true(is_there(s, SLOT));
	start_device(s, SLOT);
	hotplug_ask(s->plug, SLOT);
	take_event(s, &look, &ask);
	assert_true(!look && ask == 1u << SLOT);
	/* It is still there until the guest lets go. */
	assert_true(is_there(s, SLOT));
	rig_out(r, EJECT, 4, 1u << SLOT);
	assert_false(is_there(s, SLOT));
	assert_int_equal(rig_read(r, REGS, 4), UINT32_MAX);
	run_loop(s);
	assert_true(s->has_left);
	assert_int_equal(s->model.destroys, 1);
	/* A second one is nothing. */
	rig_out(r, EJECT, 4, 1u << SLOT);
}

/* Addresses are the guest's to give, so they do not run out. */
static void test_often(void **state)
{
	struct state *s = *state;
	struct err err;

	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(add(s, -1, &err), 0);
		assert_int_equal(virtio_pci_slot(s->v), 1);
		virtio_pci_hide(s->v);
		virtio_pci_destroy(s->v);
		s->v = NULL;
	}
}

/* A device keeps its slot while a vCPU is in it, and what that vCPU does does
 * not bring it back. */
static void test_vcpu_inside(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	struct vcpu *cpu = r->vm.cpu;
	const struct bus_range *bar;
	struct echo_dev other;
	struct virtio_pci_conf c = { .slot = SLOT };
	struct virtio_pci *v;
	struct err err;

	assert_int_equal(add(s, SLOT, &err), 0);
	start_device(s, SLOT);
	bar = r->vm.memory.range[1];
	assert_true(bar->base == REGS);
	cpu[0].visits = 7; /* inside */
	cpu[1].visits = 4;
	rig_out(r, EJECT, 4, 1u << SLOT);
	run_loop(s);
	assert_false(s->has_left);
	echo_dev_init(&other);
	assert_int_equal(virtio_pci_create(s->bus, &other.dev, &c, &v, &err),
			 -EEXIST);
	/* It has found the BAR before, and does its access now. */
	assert_int_equal(bar->read((struct bus_range *)bar, 0, 4), 1);
	/* Another one comes and goes meanwhile; it is not waited for. */
	cpu[1].visits = 5;
	run_loop(s);
	assert_false(s->has_left);
	cpu[0].visits = 9; /* it left, and is in another handler */
	run_loop(s);
	assert_true(s->has_left);
	assert_int_equal(virtio_pci_create(s->bus, &other.dev, &c, &v, &err),
			 0);
	virtio_pci_destroy(v);
}

/* The owner ends a wait by itself, as at a reset. */
static void test_cancel(void **state)
{
	struct state *s = *state;
	struct err err;

	assert_int_equal(add(s, SLOT, &err), 0);
	s->rig.vm.cpu[0].visits = 1;
	rig_out(&s->rig, EJECT, 4, 1u << SLOT);
	run_loop(s);
	vcpus_leave_cancel(&s->wait);
	s->rig.vm.cpu[0].visits = 2;
	run_loop(s);
	assert_false(s->has_left);
}

/* --- A vCPU that is everywhere while devices come and go */

struct visitor {
	struct state *s;
	pthread_t thread;
	bool is_over; /* [any, atomic] */
};

static void *wander(void *arg)
{
	struct visitor *w = arg;
	struct vmm_rig *r = &w->s->rig;
	struct vcpu *c = &r->vm.cpu[0];

	for (unsigned i = 0; !shm_load(&w->is_over); i++) {
		shm_store(&c->visits, c->visits + 1);
		rig_config_write(r, SLOT, PCI_BASE_ADDRESS_4, 4, REGS);
		rig_config_write(r, SLOT, PCI_BASE_ADDRESS_1, 4, TABLE);
		rig_config_write(r, SLOT, PCI_COMMAND, 2, i & 3);
		bus_write(&r->vm.memory, REGS, 4, i);
		bus_read(&r->vm.memory, TABLE, 4);
		shm_store_release(&c->visits, c->visits + 1);
	}
	return NULL;
}

static void test_wanderer(void **state)
{
	struct state *s = *state;
	struct visitor w = { .s = s };
	struct err err;

	assert_int_equal(pthread_create(&w.thread, NULL, wander, &w), 0);
	for (unsigned i = 0; i < 100; i++) {
		s->has_left = false;
		assert_int_equal(add(s, SLOT, &err), 0);
		usleep(100);
		on_eject(s, SLOT);
		for (unsigned n = 0; !s->has_left; n++) {
			assert_true(n < 10000);
			usleep(200);
			rig_settle(&s->rig);
		}
	}
	shm_store(&w.is_over, true);
	pthread_join(w.thread, NULL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_registers), TEST(test_add_and_eject),
		TEST(test_often),     TEST(test_vcpu_inside),
		TEST(test_cancel),    TEST(test_wanderer),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
