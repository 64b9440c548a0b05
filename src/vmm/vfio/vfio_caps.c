/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities of a card, as the guest may see them. They stay where the card
 * has them; the chains through them are ours, so that some can be left out.
 * Control thread, before the guest sees the card.
 *
 * Left out of the first 256 bytes: those about buses that the guest does not
 * have, and Enhanced Allocation, a second kind of BARs. Of the extended ones
 * few are for a guest: virtual functions, ARI, resizable BARs, address
 * translation (ATS, PRI, PASID), and all that is about the card's own link and
 * port, belong to the host.
 */
#include <errno.h>
#include <string.h>

#include "vfio_impl.h"

#define CHAIN_MAX 48 /* capabilities of 4 bytes in 192 */
#define EXT_MAX	  480

/* Sizes of PCI Express capabilities (PCIe 4.0, clause 7.5.3) */
#define EXP_SIZE_1 0x14
#define EXP_SIZE_2 0x3c

void vfio_caps_direct(struct vfio_dev *d, unsigned off, unsigned size)
{
	memset(d->direct + off, 0xff, size);
	memset(d->pci.writable + off, 0xff, size);
}

/* Makes @size bytes at @off ours: read-only, with what the card has now. */
static void make_ours(struct vfio_dev *d, const uint8_t *raw, unsigned off,
		      unsigned size)
{
	memset(d->direct + off, 0, size);
	memset(d->pci.writable + off, 0, size);
	memcpy(d->pci.config + off, raw + off, size);
}

static uint16_t get16(const uint8_t *raw, unsigned off)
{
	return (uint16_t)(raw[off] | raw[off + 1] << 8);
}

static uint32_t get32(const uint8_t *raw, unsigned off)
{
	return get16(raw, off) | (uint32_t)get16(raw, off + 2) << 16;
}

/* Calls @fn for each capability of the card's chain. Returns 0 or what it
 * returned. */
static int each(struct vfio_dev *d, const uint8_t *raw, struct err *err,
		int (*fn)(struct vfio_dev *d, const uint8_t *raw, unsigned at,
			  struct err *err))
{
	unsigned at = raw[PCI_STATUS] & PCI_STATUS_CAP_LIST
			      ? raw[PCI_CAPABILITY_LIST] & 0xfcu
			      : 0;
	int rc = 0;

	for (unsigned n = 0;
	     at >= PCI_STD_HEADER_SIZEOF && n < CHAIN_MAX && !rc; n++) {
		rc = fn(d, raw, at, err);
		at = raw[at + PCI_CAP_LIST_NEXT] & 0xfcu;
	}
	return rc;
}

/* On the guest's bus there is no port above the card: it is an integrated
 * endpoint, which has no link (PCIe 4.0, clause 7.5.3.2). */
static void show_express(struct vfio_dev *d, const uint8_t *raw, unsigned at)
{
	uint16_t flags = get16(raw, at + PCI_EXP_FLAGS);
	bool is_2 = (flags & PCI_EXP_FLAGS_VERS) > 1;
	unsigned size = is_2 ? EXP_SIZE_2 : EXP_SIZE_1;
	unsigned type = (flags & PCI_EXP_FLAGS_TYPE) >> 4;

	if (!range_is_inside(at, size, PCI_CFG_SPACE_SIZE))
		size = PCI_CFG_SPACE_SIZE - at;
	make_ours(d, raw, at, size);
	if (size < EXP_SIZE_1)
		return;
	if (type == PCI_EXP_TYPE_ENDPOINT || type == PCI_EXP_TYPE_LEG_END) {
		flags &= (uint16_t) ~(PCI_EXP_FLAGS_TYPE | PCI_EXP_FLAGS_SLOT);
		flags |= PCI_EXP_TYPE_RC_END << 4;
		pci_put(d->pci.config, at + PCI_EXP_FLAGS, 2, flags);
		memset(d->pci.config + at + PCI_EXP_LNKCAP, 0, 8);
		if (size == EXP_SIZE_2)
			memset(d->pci.config + at + PCI_EXP_LNKCAP2, 0, 8);
	}
	vfio_caps_direct(d, at + PCI_EXP_DEVCTL, 4);
	if (size == EXP_SIZE_2)
		vfio_caps_direct(d, at + PCI_EXP_DEVCTL2, 4);
}

static int show_msi(struct vfio_dev *d, const uint8_t *raw, unsigned at,
		    struct err *err)
{
	uint16_t flags = get16(raw, at + PCI_MSI_FLAGS);
	bool is_64 = flags & PCI_MSI_FLAGS_64BIT;
	unsigned size = is_64 ? PCI_MSI_DATA_64 + 2 : PCI_MSI_DATA_32 + 2;

	if (flags & PCI_MSI_FLAGS_MASKBIT)
		size = is_64 ? PCI_MSI_PENDING_64 + 4 : PCI_MSI_PENDING_32 + 4;
	if (!range_is_inside(at, size, PCI_CFG_SPACE_SIZE))
		return err_set(err, -EINVAL, "%s: its MSI is not whole",
			       d->address);
	if (d->cap_msi)
		return 0;
	make_ours(d, raw, at, size);
	d->cap_msi = at;
	return msi_create(&d->pci, at, err);
}

static int show_msix(struct vfio_dev *d, const uint8_t *raw, unsigned at,
		     struct err *err)
{
	if (at != d->cap_msix)
		return 0;
	make_ours(d, raw, at, PCI_CAP_MSIX_SIZEOF);
	return msix_create_at(&d->pci, at, err);
}

/* Links the capability at @at behind the last one. */
static void link_cap(struct vfio_dev *d, const uint8_t *raw, unsigned at)
{
	unsigned last = PCI_CAPABILITY_LIST;

	/* Those of a broken card may lie over one another. */
	for (unsigned n = 0; d->pci.config[last] && n < CHAIN_MAX; n++)
		last = d->pci.config[last] + PCI_CAP_LIST_NEXT;
	make_ours(d, raw, at, 2);
	d->pci.config[at + PCI_CAP_LIST_NEXT] = 0;
	d->pci.config[last] = (uint8_t)at;
	d->pci.config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

static int show_cap(struct vfio_dev *d, const uint8_t *raw, unsigned at,
		    struct err *err)
{
	int rc = 0;

	if (d->linked[at / 4]) /* a chain that bites its tail */
		return 0;
	switch (raw[at]) {
	case PCI_CAP_ID_AGP:
	case PCI_CAP_ID_SLOTID:
	case PCI_CAP_ID_CHSWP:
	case PCI_CAP_ID_HT:
	case PCI_CAP_ID_SHPC:
	case PCI_CAP_ID_EA:
		return 0;
	case PCI_CAP_ID_PM:
		d->power = at + PCI_PM_CTRL;
		break;
	case PCI_CAP_ID_MSI:
		rc = show_msi(d, raw, at, err);
		break;
	case PCI_CAP_ID_MSIX:
		rc = show_msix(d, raw, at, err);
		break;
	case PCI_CAP_ID_EXP:
		show_express(d, raw, at);
		break;
	default:
		break;
	}
	if (!rc)
		link_cap(d, raw, at);
	d->linked[at / 4] = true;
	return rc;
}

static bool is_for_guest(unsigned id)
{
	switch (id) {
	case PCI_EXT_CAP_ID_ERR:
	case PCI_EXT_CAP_ID_DSN:
	case PCI_EXT_CAP_ID_PWR:
	case PCI_EXT_CAP_ID_VNDR:
	case PCI_EXT_CAP_ID_TPH:
		return true;
	default:
		return false;
	}
}

/* Extended capabilities (PCIe 4.0, clause 7.6.3). The first is at a fixed
 * place; without it there is one of id 0, which means nothing, for the chain
 * to begin. The part of one that the guest may see ends where the next one
 * begins. */
static void show_extended(struct vfio_dev *d, const uint8_t *raw)
{
	bool is_start[4096 / 4] = { false };
	unsigned at = PCI_CFG_SPACE_SIZE, last = PCI_CFG_SPACE_SIZE;
	unsigned list[EXT_MAX], n = 0;

	while (at >= PCI_CFG_SPACE_SIZE && n < EXT_MAX && !is_start[at / 4] &&
	       get32(raw, at)) {
		is_start[at / 4] = true;
		list[n++] = at;
		at = PCI_EXT_CAP_NEXT(get32(raw, at));
	}
	for (unsigned i = 0; i < n; i++) {
		uint32_t head = get32(raw, list[i]);
		unsigned end = list[i] + 4;

		if (!is_for_guest(PCI_EXT_CAP_ID(head)))
			continue;
		while (end < 4096 && !is_start[end / 4])
			end += 4;
		vfio_caps_direct(d, list[i], end - list[i]);
		make_ours(d, raw, list[i], 4);
		pci_put(d->pci.config, list[i], 4, head & 0xfffff);
		if (list[i] != PCI_CFG_SPACE_SIZE)
			pci_put(d->pci.config, last + 2, 2,
				list[i] << 4 |
					(pci_get16(&d->pci, last + 2) & 0xf));
		last = list[i];
	}
}

static int find_msix(struct vfio_dev *d, const uint8_t *raw, unsigned at,
		     struct err *err)
{
	uint32_t table = get32(raw, at + PCI_MSIX_TABLE);
	uint32_t bits = get32(raw, at + PCI_MSIX_PBA);

	(void)err;
	if (raw[at] != PCI_CAP_ID_MSIX || d->cap_msix ||
	    !range_is_inside(at, PCI_CAP_MSIX_SIZEOF, PCI_CFG_SPACE_SIZE))
		return 0;
	d->cap_msix = at;
	d->table_size =
		(get16(raw, at + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1u;
	d->table = (struct vfio_place){ table & PCI_MSIX_TABLE_BIR,
					table & PCI_MSIX_TABLE_OFFSET,
					d->table_size * PCI_MSIX_ENTRY_SIZE };
	d->bits = (struct vfio_place){ bits & PCI_MSIX_PBA_BIR,
				       bits & PCI_MSIX_PBA_OFFSET,
				       (d->table_size + 63) / 64 * 8 };
	return 0;
}

void vfio_caps_find_msix(struct vfio_dev *d, const uint8_t *raw)
{
	each(d, raw, NULL, find_msix);
}

int vfio_caps_init(struct vfio_dev *d, const uint8_t *raw, struct err *err)
{
	int rc = each(d, raw, err, show_cap);

	if (!rc)
		show_extended(d, raw);
	return rc;
}
