/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cards of the host that a guest has as its own (VFIO): the card reads and
 * writes the guest's memory itself, through the host's IOMMU, and its
 * interrupts go to the guest through KVM. Control thread.
 */
#ifndef RW_VMM_VFIO_H
#define RW_VMM_VFIO_H

#include "device_types.h"
#include "host_bind.h"
#include "host_loan.h"
#include "pci_rom.h"

struct vfio_conf {
	struct device_conf common;
	char *host; /* address of the card */
	bool bind;  /* take it from its driver, and give it back */
	bool bind_set;
	bool force; /* even if the host's default route uses it */
	/* Instead of @host: virtual function @index of the card @vf_of. */
	char *vf_of;
	uint32_t index;
	bool index_set;
	bool create; /* make virtual functions if there are none */
	char *mac;   /* its address; NULL: as it is */
	/* No option: so many of that card the machine needs (vfio_vf_share()).
	 */
	uint32_t needed;
};

/* Takes into account what @other, of the same machine, needs of the same card.
 * For create=on, which makes all at once. */
void vfio_vf_share(struct vfio_conf *c, const struct vfio_conf *other);

/* Writes the address of the card that the options name. Returns 0, or -errno
 * with @err: also when the virtual function is not there yet. */
int vfio_vf_address(const struct vfio_conf *c, char address[HOST_ADDRESS],
		    struct err *err);

/* A card that is lent to a machine, over all of its resets. */
struct vfio_lease {
	char address[HOST_ADDRESS];
	struct host_bind *bind; /* NULL: it was bound before, or */
	struct host_loan *loan; /* is a virtual function of vf-of= */
};

/* Finds the card that @conf names, checks that a guest may have it, and binds
 * it to vfio-pci if it says so. @is_ours says of other cards whether this
 * machine has them, too, or will have. Returns 0, or -errno with @err, which
 * says what to do, and everything as it was. */
int vfio_lease_take(const struct vfio_conf *conf,
		    bool (*is_ours)(const char *address, void *ctx), void *ctx,
		    struct vfio_lease **out, struct err *err);
void vfio_lease_give(struct vfio_lease *l); /* may be NULL */

/* vfio-pci. Has no create(): vfio_create() makes one. */
extern const struct device_type device_vfio_type;

/* What a machine has open of the host's VFIO: groups and containers. */
struct vfio_host;
int vfio_host_create(struct vm *vm, struct vfio_host **out, struct err *err);
void vfio_host_destroy(struct vfio_host *h); /* its cards are gone */

struct vfio_dev;

/* Opens the card of @plug->lease, lets it reach all memory of the guest, resets
 * it, and plugs it into @bus. @id stays until vfio_destroy(). Calls
 * @asked(@arg) on the control thread when the host wants the card back, or the
 * card reports an error that it does not recover from. Returns 0, or -errno
 * with @err, which says what to do, and nothing left. */
struct vfio_plug {
	struct vfio_host *host;
	const struct vfio_lease *lease;
	struct pci_bus *bus;
	struct pci_plug how;
	void (*asked)(void *arg);
	void *arg;
};
int vfio_create(const char *id, const struct vfio_plug *plug,
		struct vfio_dev **out, struct err *err);
/* Unplugs the card, as nic_unplug(), and closes it: the kernel stops and resets
 * it. */
void vfio_destroy(struct vfio_dev *d);

void vfio_hide(struct vfio_dev *d); /* as pci_hide() */
unsigned vfio_slot(const struct vfio_dev *d);
/* Shows the device, as virtio_pci_show() does others. */
void vfio_show(const struct vfio_dev *d, struct show *s);

#endif
