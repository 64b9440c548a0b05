/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the transport to a vDPA device: vu_vdpa.c has its requests,
 * vu_vdpa_map.c what the device may reach. Control thread. */
#ifndef RW_VU_VDPA_IMPL_H
#define RW_VU_VDPA_IMPL_H

#include "vdpa.h"
#include "vu_transport.h"

/* The guest's memory as the device sees it. Its addresses (IOVA) are those of
 * the guest. */
struct vdpa_map {
	bool can_batch;		  /* the kernel takes changes together */
	struct gmem_desc *region; /* heap; what is mapped now */
	unsigned count;
};

/* Takes the map back, and maps @region[0..count). Returns 0, or -errno with
 * @err and nothing mapped. */
int vdpa_map_set(struct vdpa_map *m, const struct vdpa *d,
		 const struct vdpa_facts *facts, const struct gmem_desc *region,
		 unsigned count, struct err *err);
/* Forgets what was mapped, without a word to the device. */
void vdpa_map_fini(struct vdpa_map *m);

/* Returns the device's address of @uva, an address of this process that is in
 * the map; else UINT64_MAX. */
uint64_t vdpa_map_find(const struct vdpa_map *m, uint64_t uva);

#endif
