/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory map: the memory that a front-end shared, mapped into this
 * process. A map is immutable: adding or removing a region makes a new map that
 * shares the mappings of the old one. Maps are reference-counted: a queue holds
 * the map it was checked against until it stops, so a new map never pulls
 * memory away under a copy.
 *
 * The control thread creates and drops maps; workers only translate.
 */
#ifndef RW_GMEM_H
#define RW_GMEM_H

#include <stdint.h>
#include <stddef.h>

#include "err.h"
#include "util.h"

/* Most regions a map may have: those of a front-end with CONFIGURE_MEM_SLOTS.
 * The kernel's vhost has the same limit. */
#define GMEM_MAX_REGIONS 509

/* One region as the front-end describes it (vhost-user, "Memory region
 * description"). */
struct gmem_desc {
	uint64_t gpa;	      /* guest physical address */
	uint64_t size;	      /* bytes */
	uint64_t uva;	      /* address in the front-end's own process */
	uint64_t mmap_offset; /* offset of the region in the file */
	int fd; /* the file; gmem_create() and gmem_add() borrow the descriptor
		 * and keep one duplicate for each file */
	bool is_kernels; /* the kernel gave us the file: one without a type and
			  * size (an anonymous inode) is mapped, too */
};

struct gmem_mapping; /* one mmap(), reference-counted */

struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint8_t *host; /* address of the region's first byte in this process */
	struct gmem_mapping *mapping;
};

/* State to save when a map moves to another process: gmem_desc_of() of every
 * region; the map is made again from these descriptions. */
struct gmem {
	unsigned ref_count; /* [any, atomic] */
	unsigned count;
	struct gmem_region region[]; /* sorted by gpa, without overlaps */
};

/*
 * Maps @count regions (may be 0) and returns 0 with one reference in *@out.
 * -EINVAL with @err: a size of 0, an end past 2^64, an overlap in guest
 * physical or user addresses, an mmap offset that overflows, or a file shorter
 * than the region. -ENOMEM, or the error of fstat() or mmap().
 */
int gmem_create(const struct gmem_desc *desc, unsigned count, struct gmem **out,
		struct err *err);

/* Make a map like @old with one region more or less; @old keeps its reference.
 * gmem_remove() matches gpa, uva and size, as REM_MEM_REG does, and returns
 * -ENOENT if no region matches. */
int gmem_add(const struct gmem *old, const struct gmem_desc *desc,
	     struct gmem **out, struct err *err);
int gmem_remove(const struct gmem *old, uint64_t gpa, uint64_t size,
		uint64_t uva, struct gmem **out, struct err *err);

/* Returns whether @m has exactly this region of the same file. QEMU 7.2 adds
 * and removes each region once per queue pair. */
bool gmem_has(const struct gmem *m, const struct gmem_desc *desc);

/* Returns the description that region @idx was made from. Its fd is borrowed
 * from the map and may be another descriptor of the same file. */
struct gmem_desc gmem_desc_of(const struct gmem *m, unsigned idx);

struct gmem *gmem_get(struct gmem *m);
void gmem_put(struct gmem *m); /* may be NULL; the last put unmaps */

/* Returns the host address of guest physical [@gpa, @gpa + @size), or NULL
 * unless one region holds the whole range. @size may be 0. */
void *gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t size);

/* Takes the memory of [@gpa, @gpa + @size) from the host now, which costs less
 * than a page at a time: in huge pages of 2 MiB, also around the ends, where
 * the host can (Linux 6.1), whatever its setting for shared memory is but
 * "deny". A hint: without effect where it cannot be. */
void gmem_populate(const struct gmem *m, uint64_t gpa, uint64_t size);

/* Translates an address of the front-end's process (rings have these), else as
 * gmem_translate(). */
void *gmem_translate_uva(const struct gmem *m, uint64_t uva, uint64_t size);

/* Returns the region that holds @gpa, or NULL. For walks over buffers that
 * cross regions, and for the hot path's cache of regions. */
const struct gmem_region *gmem_find(const struct gmem *m, uint64_t gpa);

/* Returns whether all of [@gpa, @gpa + @size) lies in @r. If so, its host
 * address is r->host + (gpa - r->gpa). */
static inline bool gmem_region_holds(const struct gmem_region *r, uint64_t gpa,
				     uint64_t size)
{
	uint64_t off = gpa - r->gpa;

	return off < r->size && size <= r->size - off;
}

/*
 * Installs the SIGBUS guard, once, at start. Returns 0 or -errno. A front-end
 * can shrink the file behind its memory; an access to the lost pages then
 * raises SIGBUS in the thread that copies. The guard replaces them, up to the
 * end of the mapping, by zero pages: the copy finishes, only that front-end is
 * harmed, and gmem_lost_pages() counts the pages. Any other SIGBUS keeps its
 * default action.
 */
int gmem_guard_install(void);
/* Makes the guard signal the eventfd @fd (borrowed; -1: none) whenever it
 * replaces pages. On return the previous descriptor is no longer used. */
void gmem_guard_report_to(int fd);
uint64_t gmem_lost_pages(void);

/* Returns whether the guard replaced pages of @m. The owner of @m should then
 * end the session: the replacements are charged to this process. */
bool gmem_is_lost(const struct gmem *m);

#endif
