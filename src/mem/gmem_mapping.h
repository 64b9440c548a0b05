/* SPDX-License-Identifier: Apache-2.0 */
/* One mmap() of guest memory and its guard. Private to mem/. */
#ifndef RW_GMEM_MAPPING_H
#define RW_GMEM_MAPPING_H

#include <stdint.h>
#include <sys/types.h>

/* A file behind guest memory. It stays open so that a saved map can pass it on.
 * All regions of a map in the same file share one object. */
struct gmem_file {
	unsigned ref_count; /* [any, atomic] mappings that hold it */
	int fd;		    /* [const] owned */
	dev_t dev;	    /* [const] with ino: identity of the file */
	ino_t ino;
};

struct gmem_mapping {
	unsigned ref_count;	/* [any, atomic] maps that hold it */
	uint64_t granule;	/* [const] page size of the file */
	uint64_t length;	/* [const] a multiple of granule */
	uint8_t *base;		/* [const] first byte in this process */
	uint64_t offset;	/* [const] offset of the region in the file */
	struct gmem_file *file; /* [const] one reference */
	uint64_t lost_from; /* [any, atomic] offset of the first page that the
			     * guard replaced; length: none */
	struct gmem_mapping *next; /* [ctl -> handler, atomic] guard's list */
};

/* Maps the @length bytes at @offset of the file @fd, whose pages have @granule
 * bytes, at an address that allows huge pages. Returns it, or MAP_FAILED with
 * errno. */
void *gmem_map_file(int fd, uint64_t offset, uint64_t length, uint64_t granule);
void gmem_unmap_file(void *base, uint64_t length, uint64_t granule);

/* Add @m to the guard, and remove it. After gmem_guard_remove() no handler uses
 * @m. */
void gmem_guard_add(struct gmem_mapping *m);
void gmem_guard_remove(struct gmem_mapping *m);

#endif
