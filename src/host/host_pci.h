/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PCI devices of the host, as sysfs tells of them: driver, IOMMU group,
 * virtual functions, network interfaces. Changes nothing. Control thread.
 */
#ifndef RW_HOST_PCI_H
#define RW_HOST_PCI_H

#include <net/if.h>
#include <stdint.h>

#include "err.h"

#define HOST_ADDRESS   16 /* bytes of "0000:00:05.0"; domains may be longer */
#define HOST_DRIVER    32
#define HOST_GROUP_MAX 32	  /* devices of a group that are looked at */
#define HOST_VFIO      "vfio-pci" /* the driver for devices of guests */

struct host_pci {
	char address[HOST_ADDRESS];
	uint32_t class; /* base class, subclass, interface: 0x020000 */
	uint16_t vendor;
	uint16_t device;
	char driver[HOST_DRIVER]; /* "": none */
	int group;		  /* number of the IOMMU group; -1: none */
	char pf[HOST_ADDRESS];	  /* a virtual function's card; "": is none */
	unsigned index;		  /* of a virtual function */
	unsigned vfs;		  /* virtual functions that it has now, */
	unsigned max_vfs;	  /* and that it can have */
};

/* Writes the address @text, "0000:00:05.0" or "00:05.0", with its domain to
 * @address. Returns 0, or -EINVAL with @err. */
int host_pci_parse(const char *text, char address[HOST_ADDRESS],
		   struct err *err);
/* Fills @d with the device of that address. Returns 0, or -EINVAL or -ENODEV
 * with @err. */
int host_pci_find(struct host_pci *d, const char *text, struct err *err);
/* Fills @d with the device of the interface @ifname. Returns 0, or -ENODEV with
 * @err: there is no such interface, or it belongs to no PCI device. */
int host_pci_of_iface(struct host_pci *d, const char *ifname, struct err *err);
/* Fills @d with the device that @text names: an address or an interface. */
int host_pci_named(struct host_pci *d, const char *text, struct err *err);
/* Fills @vf with virtual function @index of @pf. Returns 0, or -ENODEV with
 * @err, which says how many there are. */
int host_pci_vf(struct host_pci *vf, const struct host_pci *pf, unsigned index,
		struct err *err);

/* Stores the names of the network interfaces of the device @address, at most
 * @max, and returns how many. */
unsigned host_pci_ifaces(const char *address, char (*names)[IFNAMSIZ],
			 unsigned max);

/* Stores the devices of the IOMMU group of @d, itself included, at most @max,
 * and returns how many. */
unsigned host_pci_group(const struct host_pci *d, struct host_pci *members,
			unsigned max);
/*
 * Returns 0 when a guest can have @d as far as its group goes: all other
 * members have the driver vfio-pci, none, or one that does no DMA of its own
 * (pcieport). Else -ENODEV (no IOMMU, no group) or -EBUSY, with @err: which
 * member is in the way, its driver, and what to type.
 */
int host_pci_check_group(const struct host_pci *d, struct err *err);
/* The same, but members of which @is_ours says so may have any driver: they are
 * to be taken from it. */
int host_pci_check_others(const struct host_pci *d,
			  bool (*is_ours)(const char *address, void *ctx),
			  void *ctx, struct err *err);

enum host_use {
	HOST_USE_NONE,
	HOST_USE_SOME,	/* addresses, a bridge, VLANs, virtual functions */
	HOST_USE_ROUTE, /* the host's default route */
};
/* Returns what the host does with @d by way of its interfaces, and with a use
 * sets @why: "0000:00:05.0 is eth0, which has the host's default route". */
enum host_use host_pci_use(const struct host_pci *d, struct err *why);
/* Returns 0 when a guest may have @d as far as its use goes, and logs which use
 * ends; or -EBUSY with @err for one with the host's default route, unless
 * @force. */
int host_pci_check_use(const struct host_pci *d, bool force, struct err *err);

#endif
