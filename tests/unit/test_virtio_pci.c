/* SPDX-License-Identifier: Apache-2.0 */
/* Virtio over PCI, with a driver written after the standard on one side and a
 * device that echoes on the other. */
#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#undef PCI_IO_BASE

#include "fd.h"
#include "layout.h"
#include "echo_dev.h"
#include "virtio_pci.h"
#include "vmm_rig.h"
#include "vq_drv.h"

#define SLOT 4
/* --- The driver */

#define COMMON(off) (s->common + (off))

struct state {
	struct vmm_rig rig;
	struct pci_bus *bus;
	struct echo_dev model;
	struct virtio_pci *v;
	/* what the driver found */
	uint64_t common, notify, isr, device;
	uint32_t multiplier;
	unsigned window;
	struct vq_drv *drv;
};

static void find_parts(struct state *s)
{
	struct vmm_rig *r = &s->rig;
	unsigned at, found = 0;

	for (unsigned n = 0;; n++) {
		uint64_t addr;
		unsigned type, bar;

		at = rig_find_cap(r, SLOT, PCI_CAP_ID_VNDR, n);
		if (!at)
			break;
		type = (unsigned)rig_config_read(r, SLOT, at + 3, 1);
		bar = (unsigned)rig_config_read(r, SLOT, at + 4, 1);
		addr = rig_bar(r, SLOT, bar) +
		       rig_config_read(r, SLOT, at + 8, 4);
		assert_true(rig_config_read(r, SLOT, at + 2, 1) >= 16);
		found |= 1u << type;
		if (type == 1) {
			s->common = addr;
			assert_int_equal(rig_config_read(r, SLOT, at + 12, 4),
					 60);
		} else if (type == 2) {
			s->notify = addr;
			s->multiplier =
				(uint32_t)rig_config_read(r, SLOT, at + 16, 4);
		} else if (type == 3) {
			s->isr = addr;
		} else if (type == 4) {
			s->device = addr;
			assert_int_equal(rig_config_read(r, SLOT, at + 12, 4),
					 ECHO_CONFIG);
		} else if (type == 5) {
			s->window = at;
		}
	}
	assert_int_equal(found, 0x3e);
	assert_int_equal(s->multiplier, 4);
}

static void plug(struct state *s, int vectors)
{
	struct virtio_pci_conf c = { .slot = SLOT, .vectors = vectors };
	struct err err;

	echo_dev_init(&s->model);
	assert_int_equal(
		virtio_pci_create(s->bus, &s->model.dev, &c, &s->v, &err), 0);
	find_parts(s);
	rig_config_write(&s->rig, SLOT, PCI_COMMAND, 2,
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct err err;

	vmm_rig_init(&s->rig);
	assert_int_equal(pci_bus_create(&s->rig.vm, &s->bus, &err), 0);
	plug(s, -1);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	virtio_pci_destroy(s->v);
	assert_int_equal(s->model.destroys, 1);
	assert_int_equal(s->model.starts, s->model.stops);
	pci_bus_destroy(s->bus);
	vmm_rig_fini(&s->rig);
	vq_drv_destroy(s->drv);
	free(s);
	return 0;
}

/* Plugs another device, with @vectors. */
static void replug(struct state *s, int vectors)
{
	virtio_pci_destroy(s->v);
	plug(s, vectors);
}

static uint64_t get(struct state *s, unsigned off, unsigned size)
{
	return rig_read(&s->rig, COMMON(off), size);
}

static void put(struct state *s, unsigned off, unsigned size, uint64_t value)
{
	rig_write(&s->rig, COMMON(off), size, value);
}

static unsigned status(struct state *s)
{
	return (unsigned)get(s, 20, 1);
}

static void set_features_of(struct state *s, uint64_t features)
{
	for (unsigned i = 0; i < 2; i++) {
		put(s, 8, 4, i);
		put(s, 12, 4, features >> (32 * i) & UINT32_MAX);
	}
}

static uint64_t offered(struct state *s)
{
	uint64_t features = 0;

	for (unsigned i = 0; i < 2; i++) {
		put(s, 0, 4, i);
		features |= get(s, 4, 4) << (32 * i);
	}
	return features;
}

/* Clause 3.1.1, up to FEATURES_OK. Returns whether the device took them. */
static bool negotiate(struct state *s, uint64_t features)
{
	put(s, 20, 1, 0);
	assert_int_equal(status(s), 0);
	put(s, 20, 1, 1);
	put(s, 20, 1, 3);
	set_features_of(s, features);
	put(s, 20, 1, 11);
	return status(s) == 11;
}

#define DESC   0x10000ull
#define DRIVER 0x12000ull
#define DEVICE 0x14000ull
#define BUFS   0x20000ull
#define AREA   0x10000ull /* a ring with its buffers */

/* Sets up and enables ring @idx, with the driver's side of it if @is_used. */
static void add_ring(struct state *s, unsigned idx, uint64_t features,
		     uint16_t size, uint16_t vector)
{
	uint64_t at = idx * 0x40000ull;

	put(s, 22, 2, idx);
	assert_int_equal(get(s, 24, 2), ECHO_QUEUE_MAX);
	assert_int_equal(get(s, 28, 2), 0);
	assert_int_equal(get(s, 30, 2), idx);
	put(s, 24, 2, size);
	assert_int_equal(get(s, 24, 2), size);
	put(s, 26, 2, vector);
	put(s, 32, 4, DESC + at);
	put(s, 36, 4, 0);
	put(s, 40, 4, DRIVER + at);
	put(s, 44, 4, 0);
	put(s, 48, 4, DEVICE + at);
	put(s, 52, 4, 0);
	assert_int_equal(get(s, 32, 8), DESC + at);
	memset(s->rig.ram + DESC + at, 0, BUFS - DESC);
	put(s, 28, 2, 1);
	assert_int_equal(get(s, 28, 2), 1);
	(void)features;
}

static void open_drv(struct state *s, unsigned idx, uint64_t features,
		     uint16_t size)
{
	uint8_t *ram = s->rig.ram + idx * 0x40000ull;
	struct vq_drv_config c = {
		.features = features,
		.count = size,
		.area = { ram + DESC, ram + DRIVER, ram + DEVICE },
		.base = ram + BUFS,
		.gpa = BUFS + idx * 0x40000ull,
		.size = AREA,
		.kick_fd = -1,
	};

	vq_drv_destroy(s->drv);
	s->drv = vq_drv_create(&c);
	assert_non_null(s->drv);
	vq_drv_arm(s->drv);
}

static void kick(struct state *s, unsigned idx)
{
	rig_write(&s->rig, s->notify + idx * s->multiplier, 2, idx);
}

/* Sends @text through ring @idx and checks the echo. Returns whether the driver
 * was to kick. */
static void echo(struct state *s, unsigned idx, const char *text)
{
	uint8_t *buf = s->rig.ram + idx * 0x40000ull + BUFS;
	struct iovec iov[2] = { { buf, strlen(text) + 1 },
				{ buf + 256, strlen(text) + 1 } };
	struct vq_drv_buf b = { .iov = iov,
				.readable_count = 1,
				.writable_count = 1,
				.cookie = buf };
	struct vq_drv_used used;

	strcpy((char *)buf, text);
	memset(buf + 256, 0, 64);
	assert_int_equal(vq_drv_push_burst(s->drv, &b, 1), 1);
	kick(s, idx);
	assert_int_equal(echo_dev_serve(&s->model, idx), 1);
	assert_int_equal(vq_drv_pop_burst(s->drv, &used, 1), 1);
	assert_int_equal(used.size, strlen(text) + 1);
	assert_string_equal((char *)buf + 256, text);
	vq_drv_arm(s->drv);
	rig_settle(&s->rig);
}

/* --- MSI-X as the driver sees it */

static void enable_msix(struct state *s, bool is_on)
{
	unsigned cap = rig_find_cap(&s->rig, SLOT, PCI_CAP_ID_MSIX, 0);
	uint64_t table = rig_bar(&s->rig, SLOT, 1);

	assert_int_not_equal(cap, 0);
	rig_config_write(&s->rig, SLOT, cap + PCI_MSIX_FLAGS, 2,
			 is_on ? PCI_MSIX_FLAGS_ENABLE : 0);
	for (unsigned i = 0; is_on && i < ECHO_RINGS + 1; i++) {
		rig_write(&s->rig, table + i * 16, 8, 0xfee00000);
		rig_write(&s->rig, table + i * 16 + 8, 4, 0x30 + i);
		rig_write(&s->rig, table + i * 16 + 12, 4, 0);
	}
}

static unsigned interrupts(struct state *s, unsigned vector)
{
	return rig_interrupts(&s->rig, 0xfee00000, 0x30 + vector);
}

static bool *line(struct state *s)
{
	return &s->rig.level[IRQ_PCI_FIRST + SLOT];
}

/* --- Tests */

static void test_identity(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	assert_int_equal(rig_config_read(r, SLOT, 0, 4), 0x10411af4);
	assert_true(rig_config_read(r, SLOT, PCI_REVISION_ID, 1) >= 1);
	assert_true(rig_config_read(r, SLOT, PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(offered(s), ECHO_FEATURES);
	put(s, 0, 4, 2);
	assert_int_equal(get(s, 4, 4), 0);
	assert_int_equal(get(s, 18, 2), ECHO_RINGS);
	assert_int_equal(get(s, 16, 2), 0xffff);
	put(s, 22, 2, ECHO_RINGS);
	assert_int_equal(get(s, 24, 2), 0);
	put(s, 28, 2, 1);
	assert_int_equal(get(s, 28, 2), 0);
	/* beyond the end of each part */
	assert_int_equal(get(s, 56, 8), 0);
	assert_int_equal(get(s, 60, 4), 0);
	assert_int_equal(rig_read(r, s->device, 4), 0x13121110);
	assert_int_equal(rig_read(r, s->device + 8, 8), 0x1b1a1918);
	assert_int_equal(rig_read(r, s->device + ECHO_CONFIG, 4), 0);
	rig_write(r, s->device + 10, 4, 0x04030201);
	assert_int_equal(s->model.config[11], 2);
	assert_int_equal(rig_read(r, s->notify, 4), 0);
}

static void test_features(void **state)
{
	struct state *s = *state;

	assert_false(negotiate(s, ECHO_FEATURES | feat_bit(6)));
	assert_int_equal(status(s), 3);
	/* DRIVER_OK without FEATURES_OK does not work either */
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 3);
	assert_false(negotiate(s, feat_bit(5))); /* without VERSION_1 */
	s->model.refuses = true;
	assert_false(negotiate(s, ECHO_FEATURES));
	s->model.refuses = false;
	assert_true(negotiate(s, feat_bit(5) | feat_bit(VIRTIO_F_VERSION_1)));
	assert_int_equal(s->model.dev.driver_features,
			 feat_bit(5) | feat_bit(VIRTIO_F_VERSION_1));
	/* no more now */
	set_features_of(s, ECHO_FEATURES);
	put(s, 8, 4, 0);
	assert_int_equal(get(s, 12, 4), feat_bit(5));
	/* bits are cleared by a reset only */
	put(s, 20, 1, 1);
	assert_int_equal(status(s), 11);
	put(s, 20, 1, 128 + 64);
	assert_int_equal(status(s), 128 + 11);
	put(s, 20, 1, 0);
	assert_int_equal(status(s), 0);
	assert_int_equal(s->model.dev.driver_features, 0);
	/* features that no device has */
	put(s, 8, 4, 2);
	put(s, 12, 4, 1);
	set_features_of(s, ECHO_FEATURES);
	put(s, 20, 1, 11);
	assert_int_equal(status(s), 3);
}

/* Everything, with one format and MSI-X. */
static void check_format(struct state *s, uint64_t features)
{
	enable_msix(s, true);
	assert_true(negotiate(s, features));
	put(s, 16, 2, ECHO_RINGS);
	assert_int_equal(get(s, 16, 2), ECHO_RINGS);
	put(s, 16, 2, ECHO_RINGS + 1); /* no such vector */
	assert_int_equal(get(s, 16, 2), 0xffff);
	put(s, 16, 2, ECHO_RINGS);
	add_ring(s, 0, features, 16, 0);
	add_ring(s, 2, features, ECHO_QUEUE_MAX, 2);
	open_drv(s, 2, features, ECHO_QUEUE_MAX);
	assert_int_equal(s->model.starts, 0);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 15);
	assert_int_equal(s->model.starts, 2);
	assert_int_equal(s->model.oks, 1);
	assert_int_equal(s->rig.ioeventfd_count, 2);
	for (unsigned i = 0; i < 3 * ECHO_QUEUE_MAX; i++) {
		echo(s, 2, "over and over");
		assert_int_equal(interrupts(s, 2), i + 1);
	}
	/* a ring that is enabled late */
	add_ring(s, 1, features, 32, 1);
	assert_int_equal(s->model.starts, 3);
	open_drv(s, 1, features, 32);
	echo(s, 1, "late");
	assert_int_equal(interrupts(s, 1), 1);
	/* what may not change does not */
	put(s, 32, 4, 0x5000);
	put(s, 24, 2, 8);
	put(s, 28, 2, 0);
	assert_int_equal(get(s, 32, 4), DESC + 0x40000);
	assert_int_equal(get(s, 24, 2), 32);
	assert_int_equal(get(s, 28, 2), 1);
	echo(s, 1, "still");
	/* the end */
	put(s, 20, 1, 0);
	assert_int_equal(status(s), 0);
	assert_int_equal(s->model.stops, 3);
	put(s, 22, 2, 1);
	assert_int_equal(get(s, 28, 2), 0);
	assert_int_equal(get(s, 24, 2), ECHO_QUEUE_MAX);
	assert_int_equal(get(s, 26, 2), 0xffff);
	assert_int_equal(get(s, 32, 8), 0);
	assert_int_equal(s->rig.faults, 0);
	/* and another time */
	assert_true(negotiate(s, features));
	add_ring(s, 1, features, 32, 3);
	open_drv(s, 1, features, 32);
	put(s, 20, 1, 15);
	echo(s, 1, "again");
	assert_int_equal(interrupts(s, 3), 1);
	assert_false(*line(s));
}

static void test_split(void **state)
{
	check_format(*state, feat_bit(VIRTIO_F_VERSION_1));
}

static void test_packed(void **state)
{
	check_format(*state, ECHO_FEATURES & ~feat_bit(VIRTIO_F_EVENT_IDX));
}

/* Starts with ring 0 in use. */
static void start(struct state *s, uint64_t features, uint16_t vector)
{
	assert_true(negotiate(s, features));
	add_ring(s, 0, features, 16, vector);
	open_drv(s, 0, features, 16);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 15);
}

static void test_intx(void **state)
{
	struct state *s = *state;

	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	echo(s, 0, "by line");
	assert_true(*line(s));
	echo(s, 0, "once more");
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 1);
	assert_false(*line(s));
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 0);
	s->model.dev.transport->config_changed(&s->model.dev);
	assert_true(*line(s));
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 2);
	assert_false(*line(s));
	/* the line is not held over a reset, nor by what waits */
	echo(s, 0, "left over");
	fd_signal(s->model.ring[0]->call_fd);
	put(s, 20, 1, 0);
	rig_settle(&s->rig);
	assert_false(*line(s));
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 0);
}

static void test_no_msix(void **state)
{
	struct state *s = *state;

	replug(s, 0);
	assert_int_equal(rig_find_cap(&s->rig, SLOT, PCI_CAP_ID_MSIX, 0), 0);
	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	assert_int_equal(get(s, 26, 2), 0xffff);
	put(s, 16, 2, 0);
	assert_int_equal(get(s, 16, 2), 0xffff);
	echo(s, 0, "by line");
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 1);
}

/* The interrupt of a running ring: another vector, none, MSI-X off and on. */
static void test_calls(void **state)
{
	struct state *s = *state;

	enable_msix(s, true);
	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	echo(s, 0, "a");
	assert_int_equal(interrupts(s, 0), 1);
	put(s, 26, 2, 3);
	echo(s, 0, "b");
	assert_int_equal(interrupts(s, 0), 1);
	assert_int_equal(interrupts(s, 3), 1);
	put(s, 26, 2, 0xffff);
	echo(s, 0, "c");
	assert_int_equal(interrupts(s, 0) + interrupts(s, 3), 2);
	assert_false(*line(s));
	put(s, 26, 2, 1);
	enable_msix(s, false);
	echo(s, 0, "d");
	assert_true(*line(s));
	assert_int_equal(interrupts(s, 1), 0);
	enable_msix(s, true);
	assert_false(*line(s));
	echo(s, 0, "e");
	assert_int_equal(interrupts(s, 1), 1);
	assert_false(*line(s));
}

static void test_config_interrupt(void **state)
{
	struct state *s = *state;
	const struct virtio_transport_ops *t = s->model.dev.transport;
	uint64_t generation = get(s, 21, 1);

	enable_msix(s, true);
	put(s, 16, 2, 2);
	t->config_changed(&s->model.dev); /* before DRIVER_OK: silent */
	assert_int_not_equal(get(s, 21, 1), generation);
	rig_settle(&s->rig);
	assert_int_equal(interrupts(s, 2), 0);
	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	put(s, 16, 2, 2);
	t->config_changed(&s->model.dev);
	rig_settle(&s->rig);
	assert_int_equal(interrupts(s, 2), 1);
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 2);
	t->needs_reset(&s->model.dev, "a test says so");
	rig_settle(&s->rig);
	assert_int_equal(interrupts(s, 2), 2);
	assert_int_equal(status(s), 64 + 15);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 64 + 15);
	put(s, 20, 1, 0);
	assert_int_equal(status(s), 0);
}

/* The model changes its configuration first and tells then: a driver that reads
 * between the two sees another generation, too. */
static void test_generation(void **state)
{
	struct state *s = *state;
	uint64_t generation = get(s, 21, 1);

	assert_int_equal(get(s, 21, 1), generation);
	s->model.config[ECHO_CONFIG - 1]++;
	assert_int_not_equal(get(s, 21, 1), generation);
	generation = get(s, 20, 2) >> 8;
	assert_int_equal(get(s, 21, 1), generation);
	s->model.dev.transport->config_changed(&s->model.dev);
	assert_int_not_equal(get(s, 20, 4) >> 8 & 0xff, generation);
}

static void test_needs_reset(void **state)
{
	struct state *s = *state;

	/* an area outside of the RAM */
	assert_true(negotiate(s, ECHO_FEATURES));
	put(s, 22, 2, 0);
	put(s, 32, 4, RIG_RAM_SIZE - 16);
	put(s, 40, 4, DRIVER);
	put(s, 48, 4, DEVICE);
	put(s, 28, 2, 1);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 64 + 15);
	assert_int_equal(s->model.oks, 0);
	assert_true(*line(s)); /* a configuration interrupt */
	assert_int_equal(rig_read(&s->rig, s->isr, 1), 2);
	put(s, 22, 2, 1);
	put(s, 28, 2, 1); /* starts nothing any more */
	assert_int_equal(s->model.starts, 0);
	/* misaligned, and a size that split rings do not have */
	assert_true(negotiate(s, feat_bit(VIRTIO_F_VERSION_1)));
	add_ring(s, 0, 0, 48, 0);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 64 + 15);
	assert_true(negotiate(s, feat_bit(VIRTIO_F_VERSION_1)));
	put(s, 22, 2, 0);
	put(s, 32, 4, DESC + 8);
	put(s, 28, 2, 1);
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 64 + 15);
	/* a size of 0 or too large is not taken */
	assert_true(negotiate(s, ECHO_FEATURES));
	put(s, 22, 2, 0);
	put(s, 24, 2, 0);
	assert_int_equal(get(s, 24, 2), ECHO_QUEUE_MAX);
	put(s, 24, 2, ECHO_QUEUE_MAX + 1);
	assert_int_equal(get(s, 24, 2), ECHO_QUEUE_MAX);
	/* the model fails */
	s->model.fail_ok = -EIO;
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 64 + 15);
	s->model.fail_ok = 0;
	s->model.fail_start = -ENOMEM;
	assert_true(negotiate(s, ECHO_FEATURES));
	put(s, 20, 1, 15);
	assert_int_equal(status(s), 15);
	add_ring(s, 1, ECHO_FEATURES, 16, 0);
	assert_int_equal(status(s), 64 + 15);
}

static void test_ring_reset(void **state)
{
	struct state *s = *state;
	uint64_t kicks;
	uint64_t features =
		feat_bit(VIRTIO_F_VERSION_1) | feat_bit(VIRTIO_F_RING_RESET);

	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	put(s, 58, 2, 1); /* not negotiated */
	assert_int_equal(get(s, 28, 2), 1);
	start(s, features, 0);
	echo(s, 0, "before");
	put(s, 58, 2, 1);
	assert_int_equal(get(s, 58, 2), 0);
	assert_int_equal(get(s, 28, 2), 0);
	assert_false(s->model.is_running[0]);
	fd_signal(s->model.ring[0]->kick_fd); /* not for the ring to come */
	add_ring(s, 0, features, 8, 0);
	assert_true(s->model.is_running[0]);
	assert_true(read(s->model.ring[0]->kick_fd, &kicks, sizeof(kicks)) < 0);
	assert_int_equal(echo_dev_serve(&s->model, 0), 0);
	open_drv(s, 0, features, 8);
	echo(s, 0, "after");
}

/* Notifications when the BAR moves, and without ioeventfds. */
static void test_notify(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;

	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	assert_int_equal(r->ioeventfd_count, 1);
	assert_int_equal(r->ioeventfd[0].addr, s->notify);
	rig_config_write(r, SLOT, PCI_BASE_ADDRESS_4, 4, 0xd0000000);
	assert_int_equal(r->ioeventfd_count, 1);
	find_parts(s);
	assert_int_equal(r->ioeventfd[0].addr, s->notify);
	echo(s, 0, "elsewhere");
	rig_config_write(r, SLOT, PCI_COMMAND, 2, 0);
	assert_int_equal(r->ioeventfd_count, 0);
	assert_int_equal(r->faults, 0);
	r->fail_ioeventfd = -ENOSPC;
	rig_config_write(r, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(r->ioeventfd_count, 0);
	echo(s, 0, "slowly");
	kick(s, 1); /* not running */
	kick(s, ECHO_RINGS);
	kick(s, 1000);
}

/* All through the window in the configuration space, with decoding off. */
static uint64_t through(struct state *s, uint64_t addr, unsigned size,
			bool is_write, uint64_t value)
{
	struct vmm_rig *r = &s->rig;
	unsigned w = s->window;

	rig_config_write(r, SLOT, w + 4, 1, 4);
	rig_config_write(r, SLOT, w + 8, 4, addr - rig_bar(r, SLOT, 4));
	rig_config_write(r, SLOT, w + 12, 4, size);
	if (is_write)
		rig_config_write(r, SLOT, w + 16, size, value);
	return rig_config_read(r, SLOT, w + 16, size);
}

static void test_window(void **state)
{
	struct state *s = *state;
	struct vmm_rig *r = &s->rig;
	unsigned w = s->window;

	start(s, feat_bit(VIRTIO_F_VERSION_1), 0);
	rig_config_write(r, SLOT, PCI_COMMAND, 2, 0);
	assert_int_equal(through(s, s->common + 20, 1, false, 0), 15);
	assert_int_equal(through(s, s->common + 18, 2, false, 0), ECHO_RINGS);
	assert_int_equal(through(s, s->device + 4, 4, false, 0), 0x17161514);
	through(s, s->device, 1, true, 0x99);
	assert_int_equal(s->model.config[0], 0x99);
	assert_int_equal(s->model.config[1], 0x11);
	through(s, s->notify, 2, true, 0);
	rig_config_write(r, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	fd_drain(s->model.ring[0]->kick_fd);
	echo(s, 0, "x");
	assert_int_equal(through(s, s->isr, 1, false, 0), 1);
	assert_false(*line(s));
	assert_int_equal(through(s, s->common + 20, 1, true, 0), 0);
	assert_int_equal(s->model.stops, 1);
	/* what a wide access left behind a narrow one is no part of it */
	assert_int_equal(through(s, s->device + 4, 4, false, 0), 0x17161514);
	assert_int_equal(through(s, s->common + 22, 2, true, 1), 1);
	through(s, s->common + 24, 2, true, 4);
	assert_int_equal(through(s, s->common + 24, 2, false, 0), 4);
	/* a window to nowhere */
	rig_config_write(r, SLOT, w + 12, 4, 4);
	rig_config_write(r, SLOT, w + 8, 4, 0xfffffffc);
	rig_config_write(r, SLOT, w + 16, 4, 0x1234);
	assert_int_equal(rig_config_read(r, SLOT, w + 16, 4), 0x1234);
	rig_config_write(r, SLOT, w + 8, 4, 0x3ffe);
	rig_config_write(r, SLOT, w + 16, 4, 1);
	rig_config_write(r, SLOT, w + 8, 4, 18); /* not aligned */
	assert_int_equal(rig_config_read(r, SLOT, w + 16, 4), 1);
	rig_config_write(r, SLOT, w + 12, 4, 3);
	rig_config_write(r, SLOT, w + 16, 4, 1);
	rig_config_write(r, SLOT, w + 8, 4, 20);
	rig_config_write(r, SLOT, w + 12, 4, 1);
	rig_config_write(r, SLOT, w + 4, 1, 1); /* the BAR of MSI-X */
	rig_config_write(r, SLOT, w + 16, 1, 3);
	assert_int_equal(status(s), 0);
}

static void test_create(void **state)
{
	struct state *s = *state;
	struct virtio_pci_conf c = { .slot = SLOT, .vectors = 2 };
	struct echo_dev m = s->model;
	struct virtio_pci *v = NULL;
	struct err err;

	m.destroys = 0;
	assert_int_equal(virtio_pci_create(s->bus, &m.dev, &c, &v, &err),
			 -EEXIST);
	c.slot = -1;
	c.vectors = 2049;
	assert_int_equal(virtio_pci_create(s->bus, &m.dev, &c, &v, &err),
			 -EINVAL);
	assert_null(v);
	assert_int_equal(m.destroys, 0);
}

/* --- Output */

struct text {
	struct show show;
	char out[1024];
	size_t at;
};

static void append(struct show *s, const char *key, const char *what)
{
	struct text *t = container_of(s, struct text, show);

	t->at += (size_t)snprintf(t->out + t->at, sizeof(t->out) - t->at,
				  "%s%s%s ", key ? key : "", key ? "=" : "",
				  what);
	assert_true(t->at < sizeof(t->out));
}

static void on_object(struct show *s, const char *key)
{
	append(s, key, "{");
}

static void on_array(struct show *s, const char *key)
{
	append(s, key, "[");
}

static void on_end(struct show *s)
{
	append(s, NULL, ".");
}

static void on_num(struct show *s, const char *key, uint64_t value)
{
	char n[24];

	snprintf(n, sizeof(n), "%llu", (unsigned long long)value);
	append(s, key, n);
}

static void on_flag(struct show *s, const char *key, bool value)
{
	append(s, key, value ? "true" : "false");
}

static void test_show(void **state)
{
	static const struct show_ops ops = { on_object, on_array, on_end,
					     append,	on_num,	  on_flag };
	struct state *s = *state;
	struct text t = { .show = { &ops } };

	enable_msix(s, true);
	start(s, feat_bit(VIRTIO_F_VERSION_1), 1);
	virtio_pci_show(s->v, &t.show);
	assert_string_equal(
		t.out,
		"id=echo virtio_type=1 slot=4 registers=modern status=[ "
		"acknowledge driver "
		"features-ok "
		"driver-ok . features=0x10530000020 "
		"driver_features=0x100000000 vectors=4 msix=true rings=[ "
		"{ ring=0 size=16 running=true ioeventfd=true vector=1 . "
		". model=echo ");
}

/* --- Hostile drivers */

static void act(struct state *s, struct rng *rng)
{
	struct vmm_rig *r = &s->rig;
	uint64_t n = rng_next(rng), value = rng_next(rng);
	unsigned size = 1u << (n >> 8 & 3);
	unsigned part[] = { 0, 0, 0, 0x1000, 0x2000, 0x3000 };
	unsigned off = part[(n >> 16 & 0xff) % 6] + (n >> 24 & 63);
	static const uint8_t statuses[] = { 0, 1, 3, 11, 15, 15, 64, 128 };

	if (n >> 12 & 1)
		value &= 3;
	if (n >> 13 & 1)
		value &= 0x1f000;
	switch (n & 15) {
	case 0:
		rig_config_write(r, SLOT, n >> 16 & 0xff, size, value);
		break;
	case 1:
		rig_config_read(r, SLOT, n >> 16 & 0xff, size);
		break;
	case 2:
		put(s, 20, 1, statuses[n >> 32 & 7]);
		break;
	case 3:
		put(s, 22, 2, n >> 32 & 3);
		put(s, 28, 2, 1);
		break;
	case 4:
		set_features_of(s, offered(s) & (value | 1ull << 32));
		break;
	case 5:
		rig_write(r, rig_bar(r, SLOT, 1) + (n >> 16 & 0x7f), size,
			  value);
		break;
	case 6:
		rig_config_write(r, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		find_parts(s);
		break;
	case 7:
		for (unsigned i = 0; i < ECHO_RINGS; i++)
			echo_dev_serve(&s->model, i);
		break;
	case 8:
		s->model.dev.transport->config_changed(&s->model.dev);
		rig_settle(r);
		break;
	case 9:
		rig_read(r, s->common + off, size);
		break;
	case 10:
		rig_config_write(r, SLOT, s->window + 4 + (n >> 16 & 15), size,
				 value);
		break;
	default:
		rig_write(r, s->common + off, size, value);
		break;
	}
}

static void test_fuzz(void **state)
{
	struct state *s = *state;
	struct rng rng = rng_start();

	for (unsigned i = 0; i < 200000; i++)
		act(s, &rng);
	assert_true(s->model.starts > 100);
	/* after all that it works */
	rig_config_write(&s->rig, SLOT, PCI_BASE_ADDRESS_4, 4, 0xd0000000);
	rig_config_write(&s->rig, SLOT, PCI_BASE_ADDRESS_1, 4, 0xd0100000);
	rig_config_write(&s->rig, SLOT, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	find_parts(s);
	enable_msix(s, true);
	start(s, feat_bit(VIRTIO_F_VERSION_1), 2);
	echo(s, 0, "alive");
	assert_true(interrupts(s, 2) >= 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),   TEST(test_features),
		TEST(test_split),      TEST(test_packed),
		TEST(test_intx),       TEST(test_no_msix),
		TEST(test_calls),      TEST(test_config_interrupt),
		TEST(test_generation), TEST(test_needs_reset),
		TEST(test_ring_reset), TEST(test_notify),
		TEST(test_window),     TEST(test_create),
		TEST(test_show),       TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
