/* SPDX-License-Identifier: Apache-2.0 */
/* Legacy registers of virtio over PCI, with a driver as those before the
 * standard on one side and a device that echoes on the other. */
#include "test.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <string.h>
#undef PCI_IO_BASE

#include "echo_dev.h"
#include "fd.h"
#include "layout.h"
#include "virtio_pci.h"
#include "vmm_rig.h"
#include "vq_drv.h"

#define SLOT	 3
#define RING(i)	 (0x10000ull + (i)*0x20000ull) /* and its buffers */
#define BUFS(i)	 (RING(i) + 0x8000)
#define BUF_SIZE 0x8000ull
#define VECTOR_0 20 /* of the configuration; that of the ring follows */

enum { ACK = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct echo_dev model;
	struct virtio_pci *v;
	uint16_t ports;
	struct vq_drv *drv;
};

/* --- The driver */

static uint64_t in(struct state *s, unsigned off, unsigned size)
{
	return rig_in(&s->rig, (uint16_t)(s->ports + off), size);
}

static void out(struct state *s, unsigned off, unsigned size, uint64_t value)
{
	rig_out(&s->rig, (uint16_t)(s->ports + off), size, value);
}

static unsigned status(struct state *s)
{
	return (unsigned)in(s, 18, 1);
}

static void plug(struct state *s, enum virtio_pci_kind kind, int vectors)
{
	struct virtio_pci_conf c = { .slot = SLOT,
				     .vectors = vectors,
				     .kind = kind };
	struct err err;

	echo_dev_init(&s->model);
	assert_int_equal(
		virtio_pci_create(s->bus, &s->model.dev, &c, &s->v, &err), 0);
	s->ports = (uint16_t)rig_bar(&s->rig, SLOT, 0);
	rig_config_write(&s->rig, SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY |
				 PCI_COMMAND_MASTER);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct err err;

	vmm_rig_init(&s->rig);
	assert_int_equal(pci_bus_create(&s->rig.vm, &s->bus, &err), 0);
	plug(s, VIRTIO_PCI_TRANSITIONAL, -1);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	virtio_pci_destroy(s->v);
	assert_int_equal(s->model.starts, s->model.stops);
	pci_bus_destroy(s->bus);
	vmm_rig_fini(&s->rig);
	vq_drv_destroy(s->drv);
	free(s);
	return 0;
}

static void replug(struct state *s, enum virtio_pci_kind kind, int vectors)
{
	virtio_pci_destroy(s->v);
	plug(s, kind, vectors);
}

static void begin(struct state *s, uint32_t features)
{
	out(s, 18, 1, 0);
	assert_int_equal(status(s), 0);
	out(s, 18, 1, ACK);
	out(s, 18, 1, ACK | DRIVER);
	assert_int_equal(status(s), ACK | DRIVER);
	out(s, 4, 4, features);
	assert_int_equal(in(s, 4, 4), features);
}

/* Gives the device ring @idx at its place (clause 2.7.2). */
static void add_ring(struct state *s, unsigned idx)
{
	out(s, 14, 2, idx);
	assert_int_equal(in(s, 14, 2), idx);
	assert_int_equal(in(s, 12, 2), ECHO_QUEUE_MAX);
	assert_int_equal(in(s, 8, 4), 0);
	memset(s->rig.ram + RING(idx), 0, 0x8000);
	out(s, 8, 4, RING(idx) / 4096);
	assert_int_equal(in(s, 8, 4), RING(idx) / 4096);
}

static void open_drv(struct state *s, unsigned idx, uint64_t features)
{
	uint8_t *ring = s->rig.ram + RING(idx);
	struct vq_drv_config c = {
		.features = features,
		.count = ECHO_QUEUE_MAX,
		.area = { ring, ring + 16 * ECHO_QUEUE_MAX, ring + 4096 },
		.base = s->rig.ram + BUFS(idx),
		.gpa = BUFS(idx),
		.size = BUF_SIZE,
		.kick_fd = -1,
	};

	vq_drv_destroy(s->drv);
	s->drv = vq_drv_create(&c);
	assert_non_null(s->drv);
	vq_drv_arm(s->drv);
}

static void push(struct state *s, unsigned idx, const char *text)
{
	uint8_t *buf = s->rig.ram + BUFS(idx);
	struct iovec iov[2] = { { buf, strlen(text) + 1 },
				{ buf + 256, strlen(text) + 1 } };
	struct vq_drv_buf b = { .iov = iov,
				.readable_count = 1,
				.writable_count = 1,
				.cookie = buf };

	strcpy((char *)buf, text);
	memset(buf + 256, 0, 64);
	assert_int_equal(vq_drv_push_burst(s->drv, &b, 1), 1);
	out(s, 16, 2, idx);
}

static void pop(struct state *s, unsigned idx, const char *text)
{
	struct vq_drv_used used;

	assert_int_equal(vq_drv_pop_burst(s->drv, &used, 1), 1);
	assert_string_equal((char *)s->rig.ram + BUFS(idx) + 256, text);
	vq_drv_arm(s->drv);
	rig_settle(&s->rig);
}

static void echo(struct state *s, unsigned idx, const char *text)
{
	push(s, idx, text);
	assert_int_equal(echo_dev_serve(&s->model, idx), 1);
	pop(s, idx, text);
}

static void enable_msix(struct state *s, bool is_on)
{
	unsigned cap = rig_find_cap(&s->rig, SLOT, PCI_CAP_ID_MSIX, 0);
	uint64_t table = rig_bar(&s->rig, SLOT, 1);

	rig_config_write(&s->rig, SLOT, cap + PCI_MSIX_FLAGS, 2,
			 is_on ? PCI_MSIX_FLAGS_ENABLE : 0);
	for (unsigned i = 0; i <= ECHO_RINGS; i++) {
		rig_write(&s->rig, table + 16 * i, 4, 0xfee00000);
		rig_write(&s->rig, table + 16 * i + 8, 4, 0x40 + i);
		rig_write(&s->rig, table + 16 * i + 12, 4, 0);
	}
}

static unsigned interrupts(struct state *s, unsigned vector)
{
	return rig_interrupts(&s->rig, 0xfee00000, 0x40 + vector);
}

static bool line(struct state *s)
{
	return s->rig.level[IRQ_PCI_FIRST + (SLOT & (IRQ_PCI_COUNT - 1))];
}

/* --- Tests */

static void test_identity(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(rig_config_read(r, SLOT, 0, 4), 0x10001af4);
		assert_int_equal(rig_config_read(r, SLOT, 8, 1), 0);
		assert_int_equal(rig_config_read(r, SLOT, 0x2c, 4), 0x00011af4);
		assert_int_equal(
			rig_config_read(r, SLOT, PCI_BASE_ADDRESS_0, 4) & 3,
			PCI_BASE_ADDRESS_SPACE_IO);
		assert_int_equal(!!rig_find_cap(r, SLOT, PCI_CAP_ID_VNDR, 0),
				 i == 0);
		assert_int_equal(!!rig_bar(r, SLOT, 4), i == 0);
		assert_int_equal(in(s, 0, 4),
				 ((uint32_t)ECHO_FEATURES | 1u << 27));
		replug(s, VIRTIO_PCI_LEGACY, 2);
	}
	replug(s, VIRTIO_PCI_MODERN, 2);
	assert_int_equal(rig_config_read(r, SLOT, PCI_BASE_ADDRESS_0, 4), 0);
}

static void test_refused(void **state)
{
	struct state *s = *state;
	struct virtio_pci_conf c = { .slot = 9, .kind = VIRTIO_PCI_LEGACY };
	struct virtio_pci *v = NULL;
	struct echo_dev m = s->model;
	struct err err;

	m.dev.type = 19;
	assert_int_equal(virtio_pci_create(s->bus, &m.dev, &c, &v, &err),
			 -EINVAL);
	assert_non_null(strstr(err.msg, "disable-legacy"));
}

static void test_config(void **state)
{
	struct state *s = *state;

	assert_int_equal(in(s, 20, 4), 0x13121110);
	out(s, 22, 1, 0x99);
	assert_int_equal(s->model.config[2], 0x99);
	assert_int_equal(in(s, 20 + ECHO_CONFIG, 4), 0); /* behind its end */
	enable_msix(s, true);
	assert_int_equal(in(s, VECTOR_0, 4), 0xffffffff);
	assert_int_equal(in(s, 24, 4), 0x13991110);
	out(s, VECTOR_0, 2, ECHO_RINGS);
	assert_int_equal(in(s, VECTOR_0, 2), ECHO_RINGS);
	out(s, VECTOR_0, 2, ECHO_RINGS + 1);
	assert_int_equal(in(s, VECTOR_0, 2), 0xffff);
	assert_int_equal(s->model.config[0], 0x10);
}

/* A life with interrupts by the line: twice, over a reset. */
static void test_life(void **state)
{
	struct state *s = *state;

	for (unsigned i = 0; i < 2; i++) {
		begin(s, 1u << 28);
		add_ring(s, 0);
		add_ring(s, 2);
		open_drv(s, 2, 1ull << 28);
		assert_int_equal(s->model.starts, 3 * i);
		out(s, 18, 1, ACK | DRIVER | DRIVER_OK);
		assert_int_equal(status(s), ACK | DRIVER | DRIVER_OK);
		assert_int_equal(s->model.starts, 3 * i + 2);
		assert_int_equal(s->model.oks, i + 1);
		assert_int_equal(s->model.features, 1ull << 28);
		for (unsigned n = 0; n < 3 * ECHO_QUEUE_MAX; n++) {
			echo(s, 2, "as of old");
			assert_true(line(s));
			assert_int_equal(in(s, 19, 1), 1);
			assert_false(line(s));
		}
		/* too late */
		out(s, 4, 4, 0);
		assert_int_equal(in(s, 4, 4), 1u << 28);
		out(s, 14, 2, 2);
		out(s, 8, 4, 77);
		assert_int_equal(in(s, 8, 4), RING(2) / 4096);
		/* page 0: the ring is no more, the other one is */
		out(s, 8, 4, 0);
		assert_int_equal(in(s, 8, 4), 0);
		assert_false(s->model.is_running[2]);
		assert_true(s->model.is_running[0]);
		out(s, 16, 2, 2);
		add_ring(s, 2);
		assert_true(s->model.is_running[2]);
		open_drv(s, 2, 1ull << 28);
		echo(s, 2, "once more");
		out(s, 18, 1, 0);
		assert_int_equal(s->model.stops, 3 * (i + 1));
		assert_false(line(s));
		assert_int_equal(in(s, 8, 4), 0);
	}
}

static void test_msix(void **state)
{
	struct state *s = *state;

	enable_msix(s, true);
	begin(s, 0);
	out(s, VECTOR_0, 2, 3);
	add_ring(s, 1);
	out(s, VECTOR_0 + 2, 2, 2);
	assert_int_equal(in(s, VECTOR_0 + 2, 2), 2);
	open_drv(s, 1, 0);
	out(s, 18, 1, 7);
	echo(s, 1, "a");
	assert_int_equal(interrupts(s, 2), 1);
	assert_false(line(s));
	s->model.dev.transport->config_changed(&s->model.dev);
	rig_settle(&s->rig);
	assert_int_equal(interrupts(s, 3), 1);
	/* what was owed comes the other way */
	enable_msix(s, false);
	rig_settle(&s->rig);
	assert_true(line(s));
	assert_int_equal(in(s, 19, 1) & 1, 1);
	assert_int_equal(in(s, 20, 1), 0x10);
	echo(s, 1, "b");
	assert_true(line(s));
	enable_msix(s, true);
	rig_settle(&s->rig);
	assert_false(line(s));
	assert_int_equal(interrupts(s, 2), 2);
}

/* Features that were not offered count for nothing; nor does the status bit of
 * modern drivers. */
static void test_features(void **state)
{
	struct state *s = *state;

	begin(s, UINT32_MAX);
	out(s, 18, 1, ACK | DRIVER | FEATURES_OK);
	assert_int_equal(status(s), ACK | DRIVER);
	out(s, 18, 1, 7);
	assert_int_equal(s->model.features, (uint32_t)ECHO_FEATURES);
	assert_int_equal(status(s), 7);
	/* a model that takes them not is stopped */
	s->model.refuses = true;
	begin(s, 0);
	add_ring(s, 0);
	out(s, 18, 1, 7);
	assert_int_equal(status(s), NEEDS_RESET | 7);
	assert_int_equal(s->model.starts, 0);
}

/* Old drivers kick before DRIVER_OK. */
static void test_early(void **state)
{
	struct state *s = *state;

	out(s, 14, 2, 0);
	out(s, 8, 4, RING(0) / 4096);
	out(s, 16, 2, 0); /* without DRIVER it is nonsense */
	assert_int_equal(s->model.starts, 0);
	begin(s, 0);
	out(s, 16, 2, 0); /* no ring */
	add_ring(s, 0);
	open_drv(s, 0, 0);
	push(s, 0, "early");
	assert_int_equal(s->model.starts, 1);
	assert_int_equal(s->model.oks, 1);
	fd_signal(s->model.ring[0]->kick_fd); /* as models look at once */
	assert_int_equal(echo_dev_serve(&s->model, 0), 1);
	pop(s, 0, "early");
	add_ring(s, 1);
	assert_int_equal(s->model.starts, 2);
	out(s, 18, 1, 7);
	assert_int_equal(s->model.oks, 1);
	assert_int_equal(s->model.starts, 2);
	echo(s, 0, "and later");
}

/* Such a driver after another one (firmware, or itself before a reset) had the
 * ring: the notification before DRIVER_OK must not go where nobody looks. */
static void test_early_again(void **state)
{
	struct state *s = *state;

	begin(s, 0);
	add_ring(s, 0);
	out(s, 18, 1, 7);
	assert_int_equal(s->rig.ioeventfd_count, 2);
	begin(s, 0);
	add_ring(s, 0);
	open_drv(s, 0, 0);
	push(s, 0, "early");
	assert_int_equal(s->model.starts, 2);
	assert_int_equal(s->rig.ioeventfd_count, 2);
	fd_signal(s->model.ring[0]->kick_fd); /* as models look at once */
	assert_int_equal(echo_dev_serve(&s->model, 0), 1);
	pop(s, 0, "early");
	out(s, 8, 4, 0);
	assert_int_equal(s->model.stops, 2);
	assert_int_equal(s->rig.faults, 0);
}

/* Notifications: by ioeventfd, one a ring at one port; and without. */
static void test_notify(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	unsigned ports = 0;

	begin(s, 0);
	add_ring(s, 0);
	add_ring(s, 1);
	open_drv(s, 1, 0);
	out(s, 18, 1, 7);
	assert_int_equal(r->ioeventfd_count, 4); /* both kinds of registers */
	for (unsigned i = 0; i < r->ioeventfd_count; i++)
		if (r->ioeventfd[i].flags & KVM_IOEVENTFD_FLAG_PIO) {
			assert_int_equal(r->ioeventfd[i].addr, s->ports + 16);
			assert_int_equal(r->ioeventfd[i].len, 2);
			ports++;
		}
	assert_int_equal(ports, 2);
	rig_config_write(r, SLOT, PCI_BASE_ADDRESS_0, 4, 0x4000);
	s->ports = 0x4000;
	echo(s, 1, "elsewhere");
	rig_config_write(r, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(r->ioeventfd_count, 2);
	r->fail_ioeventfd = -ENOSPC;
	rig_config_write(r, SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	assert_int_equal(r->ioeventfd_count, 2);
	echo(s, 1, "slowly");
	out(s, 16, 2, ECHO_RINGS);
	out(s, 16, 2, 0xffff);
	rig_config_write(r, SLOT, PCI_COMMAND, 2, 0);
	assert_int_equal(r->ioeventfd_count, 0);
}

static void test_outside(void **state)
{
	struct state *s = *state;

	begin(s, 0);
	out(s, 14, 2, 0);
	out(s, 8, 4, RIG_RAM_SIZE / 4096 - 1); /* the used ring is not in it */
	out(s, 18, 1, 7);
	assert_int_equal(status(s), NEEDS_RESET | 7);
	begin(s, 0);
	out(s, 14, 2, 0);
	out(s, 8, 4, UINT32_MAX);
	out(s, 18, 1, 7);
	assert_int_equal(status(s), NEEDS_RESET | 7);
	begin(s, 0);
	out(s, 14, 2, ECHO_RINGS); /* no such ring */
	assert_int_equal(in(s, 12, 2), 0);
	out(s, 8, 4, 16);
	assert_int_equal(in(s, 8, 4), 0);
	out(s, 18, 1, 7);
	assert_int_equal(status(s), 7);
	/* misaligned and long accesses do no harm */
	in(s, 17, 4);
	in(s, 18, 4);
	out(s, 17, 1, 1);
	out(s, 30, 4, 1);
	assert_int_equal(status(s), 7);
}

/* A driver of each kind in turn: the state is one. */
static void test_both(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	uint64_t regs = rig_bar(r, SLOT, 4);

	begin(s, 0);
	add_ring(s, 0);
	out(s, 18, 1, 7);
	assert_int_equal(rig_read(r, regs + 20, 1), 7);
	rig_write(r, regs + 20, 1, 15); /* FEATURES_OK is too late */
	assert_int_equal(status(s), 7);
	rig_write(r, regs + 20, 1, 0);
	assert_int_equal(status(s), 0);
	assert_int_equal(s->model.stops, 1);
	/* modern registers do not know drivers without VERSION_1 */
	rig_write(r, regs + 20, 1, 7);
	assert_int_equal(status(s), ACK | DRIVER);
	rig_write(r, regs + 20, 1, 0);
	rig_write(r, regs + 8, 4, 1);
	rig_write(r, regs + 12, 4, 1);
	rig_write(r, regs + 20, 1, 11);
	out(s, 4, 4, 1u << 28); /* too late */
	rig_write(r, regs + 20, 1, 15);
	assert_int_equal(status(s), 15);
	assert_int_equal(s->model.features, feat_bit(VIRTIO_F_VERSION_1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity), TEST(test_refused),
		TEST(test_config),   TEST(test_life),
		TEST(test_msix),     TEST(test_features),
		TEST(test_early),    TEST(test_early_again),
		TEST(test_notify),   TEST(test_outside),
		TEST(test_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
