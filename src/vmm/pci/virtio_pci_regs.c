/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of virtio over PCI (virtio 1.2, clause 4.1.4). vCPU threads.
 * Calls the model for its configuration only.
 */
#include "le.h"
#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

/* Common configuration, clause 4.1.4.3 */
enum {
	DEVICE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_SELECT = 8,
	DRIVER_FEATURE = 12,
	CONFIG_VECTOR = 16,
	NUM_QUEUES = 18,
	STATUS = 20,
	GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
	QUEUE_NOTIFY_DATA = 56,
	QUEUE_RESET = 58,
};

/* Registers have 1, 2 or 4 bytes; those of 64 bits are written by halves. */
#define REG(off, size) ((off) << 4 | (size))

void vpci_ring_regs_reset(struct vpci_ring *r)
{
	r->size = virtio_dev_ring_size(r->v->dev, r->idx);
	r->desc = r->driver = r->device = 0;
	r->is_enabled = false;
	shm_store(&r->vector, VPCI_NO_VECTOR);
}

void vpci_regs_reset(struct virtio_pci *v)
{
	v->device_select = v->driver_select = 0;
	v->driver_features = 0;
	v->wants_more = false;
	v->queue_select = 0;
	shm_store(&v->config_vector, VPCI_NO_VECTOR);
	for (unsigned i = 0; i < v->dev->ring_count; i++)
		vpci_ring_regs_reset(&v->ring[i]);
	/* Last: the driver polls it. */
	shm_store_release(&v->status, 0);
}

struct vpci_ring *vpci_selected(struct virtio_pci *v)
{
	return v->queue_select < v->dev->ring_count ? &v->ring[v->queue_select]
						    : NULL;
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

/* --- Reads: of an image of all registers, so any access is right */

static void fill_queue(const struct vpci_ring *r, uint8_t *image)
{
	pci_put(image, QUEUE_SIZE, 2, r->size);
	pci_put(image, QUEUE_VECTOR, 2, r->vector);
	pci_put(image, QUEUE_ENABLE, 2, r->is_enabled);
	pci_put(image, QUEUE_NOTIFY_OFF, 2, r->idx);
	pci_put(image, QUEUE_DESC, 8, r->desc);
	pci_put(image, QUEUE_DRIVER, 8, r->driver);
	pci_put(image, QUEUE_DEVICE, 8, r->device);
	pci_put(image, QUEUE_NOTIFY_DATA, 2, r->idx);
}

/* Clause 4.1.4.3.1: the driver sees another generation whenever the
 * configuration is not what it was. The model may have changed it and not told
 * us yet, so it is compared. */
static uint8_t read_generation(struct virtio_pci *v)
{
	uint8_t now[VPCI_CONFIG_MAX];
	unsigned size = v->dev->config_size;

	if (size)
		v->dev->ops->config_read(v->dev, 0, size, now);
	if (memcmp(now, v->config_seen, size) != 0) {
		memcpy(v->config_seen, now, size);
		shm_fetch_add_release(&v->generation, 1);
	}
	return shm_load_acquire(&v->generation);
}

static void fill_common(struct virtio_pci *v, uint8_t *image)
{
	const struct vpci_ring *r = vpci_selected(v);

	pci_put(image, DEVICE_SELECT, 4, v->device_select);
	pci_put(image, DEVICE_FEATURE, 4,
		feature_word(v->dev->features, v->device_select));
	pci_put(image, DRIVER_SELECT, 4, v->driver_select);
	pci_put(image, DRIVER_FEATURE, 4,
		feature_word(v->driver_features, v->driver_select));
	pci_put(image, CONFIG_VECTOR, 2, v->config_vector);
	pci_put(image, NUM_QUEUES, 2, v->dev->ring_count);
	pci_put(image, STATUS, 1, shm_load_acquire(&v->status));
	pci_put(image, QUEUE_SELECT, 2, v->queue_select);
	if (r)
		fill_queue(r, image);
	else
		pci_put(image, QUEUE_VECTOR, 2, VPCI_NO_VECTOR);
}

uint64_t vpci_read_config(struct virtio_pci *v, unsigned off, unsigned size)
{
	unsigned end = v->dev->config_size;
	le64 value = 0;

	if (off < end)
		v->dev->ops->config_read(v->dev, off, MIN(size, end - off),
					 &value);
	return le64_to_cpu(value);
}

uint64_t vpci_read_locked(struct virtio_pci *v, uint64_t off, unsigned size)
{
	uint8_t image[VPCI_COMMON_SIZE] = { 0 };
	unsigned at = (unsigned)(off & (VPCI_PART - 1));
	le64 value = 0;

	switch (off & ~(uint64_t)(VPCI_PART - 1)) {
	case VPCI_COMMON:
		fill_common(v, image);
		if (pci_touches(at, size, GENERATION, 1))
			image[GENERATION] = read_generation(v);
		if (at < sizeof(image))
			memcpy(&value, image + at,
			       MIN(size, sizeof(image) - at));
		break;
	case VPCI_ISR:
		if (at == 0)
			value = cpu_to_le64(vpci_read_isr(v));
		break;
	case VPCI_DEVICE:
		return vpci_read_config(v, at, size);
	}
	return le64_to_cpu(value);
}

/* --- Writes */

static void write_driver_feature(struct virtio_pci *v, uint32_t value)
{
	unsigned shift = 32 * v->driver_select;

	/* Clause 3.1.1: no more after FEATURES_OK. */
	if (v->is_live || shm_load(&v->status) & VIRTIO_STATUS_FEATURES_OK)
		return;
	if (v->driver_select > 1) {
		v->wants_more |= value != 0;
		return;
	}
	v->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	v->driver_features |= (uint64_t)value << shift;
}

/* Returns @value, or that there is none if the device has no such vector. */
static uint16_t take_vector(const struct virtio_pci *v, uint32_t value)
{
	return value < msix_count(&v->pci) ? (uint16_t)value : VPCI_NO_VECTOR;
}

void vpci_write_config_vector(struct virtio_pci *v, uint32_t value)
{
	shm_store(&v->config_vector, take_vector(v, value));
}

struct vpci_change vpci_write_ring_vector(struct virtio_pci *v, uint32_t value)
{
	struct vpci_ring *r = vpci_selected(v);
	struct vpci_change c = { VPCI_NOTHING, 0, 0 };

	if (!r)
		return c;
	shm_store(&r->vector, take_vector(v, value));
	if (r->is_running)
		c.verb = VPCI_UPDATE_CALLS;
	return c;
}

static void set_half(uint64_t *reg, unsigned shift, uint32_t value)
{
	*reg &= ~((uint64_t)UINT32_MAX << shift);
	*reg |= (uint64_t)value << shift;
}

/* Sets registers of a ring that is not enabled. */
static void write_ring(struct vpci_ring *r, unsigned off, uint32_t value)
{
	unsigned shift = 8 * (off & 4);

	if (r->is_enabled)
		return;
	switch (off & ~4u) {
	case QUEUE_SIZE:
		if (value && value <= virtio_dev_ring_size(r->v->dev, r->idx))
			r->size = (uint16_t)value;
		break;
	case QUEUE_DESC:
		set_half(&r->desc, shift, value);
		break;
	case QUEUE_DRIVER:
		set_half(&r->driver, shift, value);
		break;
	case QUEUE_DEVICE:
		set_half(&r->device, shift, value);
		break;
	}
}

/* Writes a register of the selected ring. Returns what is left to do. */
static struct vpci_change write_queue(struct virtio_pci *v, unsigned off,
				      unsigned size, uint32_t value)
{
	struct vpci_ring *r = vpci_selected(v);
	struct vpci_change c = { VPCI_NOTHING, v->queue_select, 0 };

	if (!r)
		return c;
	switch (REG(off, size)) {
	case REG(QUEUE_VECTOR, 2):
		return vpci_write_ring_vector(v, value);
	case REG(QUEUE_ENABLE, 2):
		if (value == 1)
			c.verb = VPCI_ENABLE_RING;
		break;
	case REG(QUEUE_RESET, 2):
		if (value == 1)
			c.verb = VPCI_RESET_RING;
		break;
	case REG(QUEUE_SIZE, 2):
	case REG(QUEUE_DESC, 4):
	case REG(QUEUE_DESC + 4, 4):
	case REG(QUEUE_DRIVER, 4):
	case REG(QUEUE_DRIVER + 4, 4):
	case REG(QUEUE_DEVICE, 4):
	case REG(QUEUE_DEVICE + 4, 4):
		write_ring(r, off, value);
		break;
	}
	return c;
}

static struct vpci_change write_common(struct virtio_pci *v, unsigned off,
				       unsigned size, uint32_t value)
{
	struct vpci_change c = { VPCI_NOTHING, 0, (uint8_t)value };

	switch (REG(off, size)) {
	case REG(DEVICE_SELECT, 4):
		v->device_select = value;
		break;
	case REG(DRIVER_SELECT, 4):
		v->driver_select = value;
		break;
	case REG(DRIVER_FEATURE, 4):
		write_driver_feature(v, value);
		break;
	case REG(CONFIG_VECTOR, 2):
		vpci_write_config_vector(v, value);
		break;
	case REG(STATUS, 1):
		c.verb = VPCI_SET_STATUS;
		break;
	case REG(QUEUE_SELECT, 2):
		v->queue_select = (uint16_t)value;
		break;
	default:
		return write_queue(v, off, size, value);
	}
	return c;
}

void vpci_write_config(struct virtio_pci *v, unsigned off, unsigned size,
		       uint64_t value)
{
	unsigned end = v->dev->config_size;
	le64 data = cpu_to_le64(value);

	if (v->dev->ops->config_write && off < end)
		v->dev->ops->config_write(v->dev, off, MIN(size, end - off),
					  &data);
}

static void write_part(struct virtio_pci *v, uint64_t off, unsigned size,
		       uint64_t value)
{
	unsigned at = (unsigned)(off & (VPCI_PART - 1));
	struct vpci_change c = { VPCI_NOTHING, 0, 0 };

	pci_lock(&v->pci);
	switch (off & ~(uint64_t)(VPCI_PART - 1)) {
	case VPCI_COMMON:
		c = write_common(v, at, size, (uint32_t)value);
		break;
	case VPCI_DEVICE:
		vpci_write_config(v, at, size, value);
		break;
	case VPCI_NOTIFY:
		if (at / VPCI_NOTIFY_SIZE < v->dev->ring_count)
			vpci_ring_kick(&v->ring[at / VPCI_NOTIFY_SIZE]);
		break;
	}
	pci_unlock(&v->pci);
	vpci_change(v, &c);
}

void vpci_write(struct virtio_pci *v, uint64_t off, unsigned size,
		uint64_t value)
{
	/* 64 bits at once are not allowed, and easily made right. */
	if (size == 8 && off < VPCI_PART) {
		write_part(v, off, 4, (uint32_t)value);
		write_part(v, off + 4, 4, value >> 32);
	} else {
		write_part(v, off, size, value);
	}
}
