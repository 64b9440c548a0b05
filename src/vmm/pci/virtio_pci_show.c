/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a virtio device for people. Control thread. */
#include <inttypes.h>
#include <stdio.h>

#include "shm.h"
#include "virtio.h"
#include "virtio_pci_impl.h"

static void show_hex(struct show *s, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	show_str(s, key, text);
}

static void show_status(const struct virtio_pci *v, struct show *s)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} bits[] = {
		{ VIRTIO_STATUS_ACKNOWLEDGE, "acknowledge" },
		{ VIRTIO_STATUS_DRIVER, "driver" },
		{ VIRTIO_STATUS_FEATURES_OK, "features-ok" },
		{ VIRTIO_STATUS_DRIVER_OK, "driver-ok" },
		{ VIRTIO_STATUS_NEEDS_RESET, "needs-reset" },
		{ VIRTIO_STATUS_FAILED, "failed" },
	};
	uint8_t status = shm_load(&v->status);

	show_array(s, "status");
	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (status & bits[i].bit)
			show_str(s, NULL, bits[i].name);
	show_end(s);
}

static void show_vector(struct show *s, const char *key, uint16_t vector)
{
	if (vector != VPCI_NO_VECTOR)
		show_num(s, key, vector);
}

static void show_rings(const struct virtio_pci *v, struct show *s)
{
	show_array(s, "rings");
	for (unsigned i = 0; i < v->dev->ring_count; i++) {
		const struct vpci_ring *r = &v->ring[i];

		if (!r->is_enabled)
			continue;
		show_object(s, NULL);
		show_num(s, "ring", i);
		show_num(s, "size", r->size);
		show_flag(s, "running", r->is_running);
		show_flag(s, "ioeventfd",
			  r->is_wired[VPCI_WAY_MODERN] ||
				  r->is_wired[VPCI_WAY_LEGACY]);
		show_vector(s, "vector", r->vector);
		show_end(s);
	}
	show_end(s);
}

static const char *kind_name(enum virtio_pci_kind kind)
{
	switch (kind) {
	case VIRTIO_PCI_MODERN:
		break;
	case VIRTIO_PCI_TRANSITIONAL:
		return "transitional";
	case VIRTIO_PCI_LEGACY:
		return "legacy";
	}
	return "modern";
}

void virtio_pci_show(struct virtio_pci *v, struct show *s)
{
	const struct virtio_dev *d = v->dev;

	pci_lock(&v->pci);
	show_str(s, "id", d->name);
	show_num(s, "virtio_type", d->type);
	show_num(s, "slot", v->pci.slot);
	show_str(s, "registers", kind_name(v->kind));
	show_status(v, s);
	show_hex(s, "features", d->features);
	show_hex(s, "driver_features", v->driver_features);
	show_num(s, "vectors", msix_count(&v->pci));
	show_flag(s, "msix", msix_is_on(&v->pci));
	show_vector(s, "config_vector", v->config_vector);
	show_rings(v, s);
	pci_unlock(&v->pci);
	if (d->ops->show)
		d->ops->show(d, s);
}
