/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resets of cards. Whoever has a reset of its own is reset by the kernel when
 * its file is opened, and stopped and reset when it is closed, which a reset of
 * the machine does, too. For others there is the reset of the whole bus, with
 * all that is on it: possible when that is the card's group. Control thread.
 * Calls the card's file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "vfio_impl.h"

/* Asks which devices are reset with @d. Returns heap memory or NULL. */
static struct vfio_pci_hot_reset_info *ask(const struct vfio_dev *d)
{
	struct vfio_pci_hot_reset_info head = { .argsz = sizeof(head) }, *info;
	int rc = d->ops->request(d->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
				 &head);
	size_t size;

	if (rc < 0 && rc != -ENOSPC)
		return NULL;
	size = sizeof(head) + head.count * sizeof(info->devices[0]);
	info = calloc(1, size);
	if (!info)
		return NULL;
	info->argsz = (uint32_t)size;
	if (d->ops->request(d->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info) <
	    0) {
		free(info);
		return NULL;
	}
	return info;
}

/* Returns whether the card's group is all that is reset with it. */
static bool is_alone(const struct vfio_dev *d)
{
	struct vfio_pci_hot_reset_info *info = ask(d);
	bool is = info;

	for (uint32_t i = 0; info && i < info->count; i++)
		is &= (int)info->devices[i].group_id ==
		      vfio_group_number(d->group);
	free(info);
	return is;
}

/* Resets the bus of a card that is alone there. Returns 0 or -errno. */
static int reset_bus(const struct vfio_dev *d)
{
	const int32_t group = vfio_group_fd(d->group);
	size_t size = sizeof(struct vfio_pci_hot_reset) + sizeof(group);
	struct vfio_pci_hot_reset *r = calloc(1, size);
	int rc;

	if (!r)
		return -ENOMEM;
	r->argsz = (uint32_t)size;
	r->count = 1;
	memcpy(r->group_fds, &group, sizeof(group));
	rc = d->ops->request(d->fd, VFIO_DEVICE_PCI_HOT_RESET, r);
	free(r);
	return rc;
}

void vfio_reset(struct vfio_dev *d)
{
	/* Another card of the group is the guest's already, and was reset with
	 * this one. */
	if (d->has_reset || vfio_group_cards(d->group) > 1)
		return;
	if (!is_alone(d) || reset_bus(d) < 0)
		log_warn("device=%s: %s has no reset of its own, and its bus "
			 "cannot be reset for it alone: it stays as it is",
			 d->name, d->address);
}
