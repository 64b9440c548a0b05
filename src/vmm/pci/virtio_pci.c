/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device on the PCI bus: its identity, capabilities and BARs, the
 * window into the registers (virtio 1.2, clauses 4.1.2 and 4.1.4), its life.
 * Control thread; the handlers of accesses run on vCPU threads.
 */
#include "virtio_pci.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

#define VENDOR		0x1af4
#define FIRST_DEVICE	0x1040 /* modern; those of transitional ones: below */
#define FIRST_SUBSYSTEM 0x40   /* at least, for modern devices */
#define VECTORS_MAX	2048

/* struct virtio_pci_cap */
enum {
	CAP_TYPE = 3,
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_LENGTH = 12,
	CAP_SIZE = 16,
	CAP_MULTIPLIER = 16, /* of TYPE_NOTIFY */
	CAP_DATA = 16,	     /* of TYPE_WINDOW */
};

enum {
	TYPE_COMMON = 1,
	TYPE_NOTIFY = 2,
	TYPE_ISR = 3,
	TYPE_DEVICE = 4,
	TYPE_WINDOW = 5,
};

static struct virtio_pci *to_virtio(struct pci_dev *d)
{
	return container_of(d, struct virtio_pci, pci);
}

static struct virtio_pci *of_range(struct bus_range *r)
{
	return container_of(r, struct virtio_pci, pci.bar[VPCI_BAR_REGS].range);
}

static uint64_t read_bar(struct bus_range *r, uint64_t off, unsigned size)
{
	struct virtio_pci *v = of_range(r);
	uint64_t value;

	pci_lock(&v->pci);
	value = vpci_read_locked(v, off, size);
	pci_unlock(&v->pci);
	return value;
}

static void write_bar(struct bus_range *r, uint64_t off, unsigned size,
		      uint64_t value)
{
	vpci_write(of_range(r), off, size, value);
}

/* --- The window: for drivers that reach the configuration space only */

/* Returns whether an access of the configuration space touches the window's
 * data, and the driver set the window to something; and to what. */
static bool find_window(const struct virtio_pci *v, unsigned off, unsigned size,
			uint32_t *at, uint32_t *length)
{
	const struct pci_dev *d = &v->pci;

	*at = pci_get32(d, v->window + CAP_OFFSET);
	*length = pci_get32(d, v->window + CAP_LENGTH);
	return v->window && pci_touches(off, size, v->window + CAP_DATA, 4) &&
	       d->config[v->window + CAP_BAR] == VPCI_BAR_REGS &&
	       (*length == 1 || *length == 2 || *length == 4) &&
	       !(*at & (*length - 1)) &&
	       range_is_inside(*at, *length, VPCI_BAR_SIZE);
}

static void config_reading(struct pci_dev *d, unsigned off, unsigned size)
{
	struct virtio_pci *v = to_virtio(d);
	uint32_t at, length;

	if (find_window(v, off, size, &at, &length))
		pci_put(d->config, v->window + CAP_DATA, length,
			vpci_read_locked(v, at, length));
}

static void config_after(struct pci_dev *d, unsigned off, unsigned size)
{
	struct virtio_pci *v = to_virtio(d);
	bool is_window, is_update;
	uint32_t at, length, data;

	pci_lock(d);
	is_window = find_window(v, off, size, &at, &length);
	data = pci_get32(d, v->window + CAP_DATA);
	/* Behind the part that the window shows is what was there before. */
	if (is_window && length < sizeof(data))
		data &= (1u << 8 * length) - 1;
	is_update = v->msix_seen != msix_is_on(d);
	v->msix_seen = msix_is_on(d);
	pci_unlock(d);
	if (is_window)
		vpci_write(v, at, length, data);
	if (is_update)
		vpci_change(v, &(struct vpci_change){ VPCI_SWITCH_CALLS });
}

static void bar_changed(struct pci_dev *d, unsigned bar)
{
	if (bar == VPCI_BAR_REGS || bar == VPCI_BAR_LEGACY)
		vpci_rings_wire(to_virtio(d));
}

/* --- Life */

static unsigned add_cap(struct virtio_pci *v, uint8_t type, unsigned size,
			uint32_t off, uint32_t length)
{
	unsigned at = pci_add_cap(&v->pci, PCI_CAP_ID_VNDR, size);
	uint8_t *c = v->pci.config;

	c[at + PCI_CAP_FLAGS] = (uint8_t)size;
	c[at + CAP_TYPE] = type;
	c[at + CAP_BAR] = VPCI_BAR_REGS;
	pci_put(c, at + CAP_OFFSET, 4, off);
	pci_put(c, at + CAP_LENGTH, 4, length);
	return at;
}

static void add_caps(struct virtio_pci *v)
{
	unsigned at, rings = v->dev->ring_count;

	add_cap(v, TYPE_COMMON, CAP_SIZE, VPCI_COMMON, VPCI_COMMON_SIZE);
	add_cap(v, TYPE_ISR, CAP_SIZE, VPCI_ISR, 1);
	if (v->dev->config_size)
		add_cap(v, TYPE_DEVICE, CAP_SIZE, VPCI_DEVICE,
			v->dev->config_size);
	at = add_cap(v, TYPE_NOTIFY, CAP_SIZE + 4, VPCI_NOTIFY,
		     rings * VPCI_NOTIFY_SIZE);
	pci_put(v->pci.config, at + CAP_MULTIPLIER, 4, VPCI_NOTIFY_SIZE);
	v->window = add_cap(v, TYPE_WINDOW, CAP_SIZE + 4, 0, 0);
	v->pci.writable[v->window + CAP_BAR] = 0xff;
	memset(&v->pci.writable[v->window + CAP_OFFSET], 0xff, 12);
}

static uint32_t class_of(unsigned type)
{
	switch (type) {
	case 1:
		return 0x020000; /* Ethernet */
	case 2:
		return 0x018000; /* mass storage, other */
	case 3:
		return 0x078000; /* communication, other */
	default:
		return 0xff0000; /* none of the classes */
	}
}

/* Returns the PCI id of a type that has legacy registers (clause 4.1.2.1), or
 * 0. */
static uint16_t legacy_id(unsigned type)
{
	static const uint16_t ids[] = {
		[1] = 0x1000, /* network */
		[2] = 0x1001, /* block */
		[3] = 0x1003, /* console */
		[4] = 0x1005, /* entropy */
		[5] = 0x1002, /* balloon */
		[8] = 0x1004, /* SCSI */
		[9] = 0x1009, /* 9P */
	};

	return type < ARRAY_SIZE(ids) ? ids[type] : 0;
}

/* Clauses 4.1.2.1 and 4.1.2.3. */
static int identify(const struct virtio_pci *v, struct pci_id *id,
		    struct err *err)
{
	unsigned type = v->dev->type;

	*id = (struct pci_id){ .vendor = VENDOR,
			       .subvendor = VENDOR,
			       .class = class_of(type) };
	if (v->kind == VIRTIO_PCI_MODERN) {
		id->device = (uint16_t)(FIRST_DEVICE + type);
		id->subdevice = (uint16_t)(FIRST_SUBSYSTEM + type);
		id->revision = 1;
		return 0;
	}
	id->device = legacy_id(type);
	id->subdevice = (uint16_t)type;
	return id->device ? 0
			  : err_set(err, -EINVAL,
				    "disable-legacy=off: a device of this type "
				    "has no legacy interface");
}

static int plug(struct virtio_pci *v, struct pci_bus *bus,
		const struct virtio_pci_conf *c, struct err *err)
{
	struct virtio_dev *d = v->dev;
	struct pci_id id;
	int rc = identify(v, &id, err);

	if (rc)
		return rc;
	v->pci.name = d->name;
	v->pci.is_hot = c->is_hot;
	v->pci.rom = c->rom;
	v->pci.is_hidden = true;
	v->pci.config_reading = config_reading;
	v->pci.config_after = config_after;
	v->pci.bar_changed = bar_changed;
	if (v->kind != VIRTIO_PCI_MODERN)
		vpci_legacy_init(v);
	if (v->kind != VIRTIO_PCI_LEGACY)
		v->pci.bar[VPCI_BAR_REGS] =
			(struct pci_bar){ .kind = PCI_BAR_MEM32,
					  .size = VPCI_BAR_SIZE,
					  .range = { .read = read_bar,
						     .write = write_bar } };
	return pci_add(bus, &v->pci, &id, c->slot, err);
}

static int init_rings(struct virtio_pci *v)
{
	unsigned n = v->dev->ring_count;

	v->ring = calloc(n, sizeof(*v->ring));
	if (!v->ring)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		v->ring[i] =
			(struct vpci_ring){ .v = v, .idx = i, .kick_fd = -1 };
	vpci_regs_reset(v);
	return 0;
}

/* Frees all but the model. */
static void destroy(struct virtio_pci *v)
{
	if (v->pci.bus)
		msix_destroy(&v->pci);
	pci_remove(&v->pci);
	vpci_irq_fini(v);
	for (unsigned i = 0; v->ring && i < v->dev->ring_count; i++)
		fd_close(&v->ring[i].kick_fd);
	free(v->ring);
	log_limit_fini(&v->log);
	free(v);
}

static int init(struct virtio_pci *v, struct pci_bus *bus,
		const struct virtio_pci_conf *c, struct err *err)
{
	unsigned rings = v->dev->ring_count;
	unsigned vectors = c->vectors < 0 ? rings + 1 : (unsigned)c->vectors;
	int rc = vpci_irq_init(v);

	if (!rc)
		rc = init_rings(v);
	if (rc)
		return err_set(err, rc, "%s", strerror(-rc));
	if (vectors > VECTORS_MAX)
		return err_set(err, -EINVAL,
			       "%u MSI-X vectors are too many: 0 to %u",
			       vectors, VECTORS_MAX);
	rc = plug(v, bus, c, err);
	if (rc)
		return rc;
	if (v->kind != VIRTIO_PCI_LEGACY)
		add_caps(v);
	rc = vectors ? msix_create(&v->pci, vectors, VPCI_BAR_MSIX, err) : 0;
	if (!rc)
		pci_show(&v->pci);
	return rc;
}

int virtio_pci_create(struct pci_bus *bus, struct virtio_dev *d,
		      const struct virtio_pci_conf *c, struct virtio_pci **out,
		      struct err *err)
{
	struct virtio_pci *v = calloc(1, sizeof(*v));
	int rc;

	assert(d->ring_count && d->ring_count <= VIRTIO_DEV_RINGS &&
	       is_power_of_two(d->ring_size) &&
	       d->config_size <= VPCI_CONFIG_MAX);
	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->vm = bus->vm;
	v->dev = d;
	v->kind = c->kind;
	d->features |= feat_bit(VIRTIO_F_VERSION_1);
	d->transport = &vpci_transport;
	d->transport_arg = v;
	d->loop = v->vm->loop;
	d->ram = v->vm->ram;
	d->driver_features = 0;
	rc = init(v, bus, c, err);
	if (rc) {
		destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

void virtio_pci_hide(struct virtio_pci *v)
{
	pci_hide(&v->pci);
}

unsigned virtio_pci_slot(const struct virtio_pci *v)
{
	return v->pci.slot;
}

void virtio_pci_destroy(struct virtio_pci *v)
{
	struct virtio_dev *d;

	if (!v)
		return;
	d = v->dev;
	for (unsigned i = 0; i < d->ring_count; i++)
		vpci_ring_stop(&v->ring[i]);
	d->transport = NULL; /* what would call it finds none */
	destroy(v);
	d->ops->destroy(d);
}
