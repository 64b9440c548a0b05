/* SPDX-License-Identifier: Apache-2.0 */
/* A card of the host as a PCI function of the guest, see vfio.h: its life.
 * Control thread. */
#include "vfio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "vfio_impl.h"

/* The pages of the MSI-X table and its pending bits are ours. */
static void map_bars(struct vfio_dev *d)
{
	const struct vfio_place *const holes[] = { &d->table, &d->bits };

	for (unsigned i = 0; i < PCI_BARS; i++)
		if (d->pci.bar[i].kind != PCI_BAR_NONE &&
		    d->pci.bar[i].kind != PCI_BAR_IO)
			vfio_region_map(d, i, &d->bar[i], holes,
					ARRAY_SIZE(holes));
}

/* Finds out what the card has. */
static int look(struct vfio_dev *d, struct err *err)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint8_t raw[PCI_CFG_SPACE_SIZE];
	int rc = d->ops->request(d->fd, VFIO_DEVICE_GET_INFO, &info);

	if (rc < 0 || !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return err_set(err, -EINVAL, "%s: VFIO does not know the card",
			       d->address);
	d->has_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	rc = vfio_region_read(d, VFIO_PCI_CONFIG_REGION_INDEX, &d->config, err);
	for (unsigned i = 0; i < PCI_BARS && !rc; i++)
		rc = vfio_region_read(d, i, &d->bar[i], err);
	if (!rc)
		rc = vfio_config_get(d, 0, sizeof(raw), raw);
	if (rc)
		return rc;
	vfio_caps_find_msix(d, raw);
	vfio_bars_init(d);
	map_bars(d);
	return 0;
}

int vfio_start(struct vfio_dev *d, const struct vfio_plug *p, struct err *err)
{
	struct pci_id id;
	int rc = look(d, err);

	if (!rc)
		rc = vfio_config_read_id(d, &id, err);
	if (rc)
		return rc;
	d->pci.name = d->name;
	d->pci.is_hot = d->pci.is_hidden = p->how.is_hot;
	d->pci.rom = p->how.rom;
	d->pci.config_reading = vfio_config_reading;
	d->pci.config_written = vfio_config_written;
	d->pci.bar_changed = vfio_bar_changed;
	d->pci.msix_used = vfio_irq_used;
	rc = pci_add(p->bus, &d->pci, &id, p->how.slot, err);
	if (rc)
		return rc;
	vfio_reset(d);
	rc = vfio_config_init(d, err);
	if (!rc)
		rc = vfio_irq_init(d, err);
	if (!rc && p->how.is_hot)
		pci_show(&d->pci);
	return rc;
}

struct vfio_dev *vfio_alloc(const struct vfio_ops *ops, struct vm *vm,
			    const char *id, const struct vfio_plug *p)
{
	struct vfio_dev *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ops = ops;
	d->vm = vm;
	d->name = id;
	d->fd = d->line_fd = d->ended_fd = d->error_fd = d->request_fd = -1;
	d->asked = p->asked;
	d->arg = p->arg;
	snprintf(d->address, sizeof(d->address), "%s", p->lease->address);
	return d;
}

int vfio_create(const char *id, const struct vfio_plug *p,
		struct vfio_dev **out, struct err *err)
{
	struct vfio_dev *d =
		vfio_alloc(&vfio_kernel, vfio_host_vm(p->host), id, p);
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	d->fd = vfio_group_open(p->host, d->address, &d->group, err);
	rc = d->fd < 0 ? d->fd : vfio_start(d, p, err);
	if (rc) {
		vfio_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

/* The card's file is closed last but the group: the kernel stops its DMA and
 * resets it then, while it may still reach the memory. */
void vfio_destroy(struct vfio_dev *d)
{
	vfio_irq_fini(d);
	msix_destroy(&d->pci);
	msi_destroy(&d->pci);
	pci_remove(&d->pci);
	for (unsigned i = 0; i < PCI_BARS; i++)
		vfio_region_unmap(&d->bar[i]);
	if (d->fd >= 0) {
		vfio_reset(d);
		fd_close(&d->fd);
	}
	vfio_group_put(d->group);
	log_limit_fini(&d->log);
	free(d);
}

void vfio_hide(struct vfio_dev *d)
{
	pci_hide(&d->pci);
}

unsigned vfio_slot(const struct vfio_dev *d)
{
	return d->pci.slot;
}
