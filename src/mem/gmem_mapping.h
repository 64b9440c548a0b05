/* SPDX-License-Identifier: Apache-2.0 */
/* One mmap() of guest memory and its guard; inside mem/ only. */
#ifndef RW_GMEM_MAPPING_H
#define RW_GMEM_MAPPING_H

#include <stdint.h>
#include <sys/types.h>

/* A file behind guest memory, kept open: whoever saves a map passes it on. One
 * for all regions of a map that lie in the same file. */
struct gmem_file {
	unsigned ref_count; /* [any, atomic] mappings that have it */
	int fd;		    /* [const] owned */
	dev_t dev;	    /* [const] */
	ino_t ino;
};

struct gmem_mapping {
	unsigned ref_count;	/* [any, atomic] maps that have it */
	uint64_t granule;	/* [const] page size of the file */
	uint64_t length;	/* [const] a multiple of granule */
	uint8_t *base;		/* [const] */
	uint64_t offset;	/* [const] of the region in the file */
	struct gmem_file *file; /* [const] one reference */
	uint64_t lost_from;	/* [any, atomic] offset from which on the pages
				 * are ours, not the file's; length: none */
	struct gmem_mapping *next; /* [ctl -> handler, atomic] guard's list */
};

/* Puts @m under guard / takes it away; on return no handler looks at it. */
void gmem_guard_add(struct gmem_mapping *m);
void gmem_guard_remove(struct gmem_mapping *m);

#endif
