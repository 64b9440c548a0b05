/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory map: what the front-end shared with us, mapped into this
 * process. An object never changes after it was created; adding or removing a
 * region makes a new one that shares the mappings of the old. Reference
 * counted: a queue keeps the map it was checked against until it stops, so a
 * new map can never pull memory away under a copy.
 *
 * Control thread creates and drops; workers only translate.
 */
#ifndef RW_GMEM_H
#define RW_GMEM_H

#include <stdint.h>
#include <stddef.h>

#include "err.h"
#include "util.h"

/* vhost-user: CONFIGURE_MEM_SLOTS front-ends may use up to this many regions
 * (as many as the kernel's vhost). */
#define GMEM_MAX_REGIONS 509

/* One region as the front-end describes it (vhost-user, "Memory region
 * description"). */
struct gmem_desc {
	uint64_t gpa;	      /* guest physical address */
	uint64_t size;	      /* bytes */
	uint64_t uva;	      /* address in the front-end's own process */
	uint64_t mmap_offset; /* of the region's start in the file */
	int fd; /* of the file; gmem_create() and gmem_add() borrow it and keep
		 * a duplicate for each file */
};

struct gmem_mapping; /* reference-counted mmap() */

struct gmem_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t uva;
	uint8_t *host; /* of the region's first byte, here */
	struct gmem_mapping *mapping;
};

/* To be saved when a map moves to another process: gmem_desc_of() of every
 * region. The rest is made again from these. */
struct gmem {
	unsigned ref_count; /* [any, atomic] */
	unsigned count;
	struct gmem_region region[]; /* sorted by gpa, never overlapping */
};

/*
 * Maps @count regions. Refuses (-EINVAL with @err): size 0, end past 2^64,
 * overlap in guest physical or user addresses, an mmap offset that overflows,
 * a file shorter than the region; -ENOMEM, or mmap's error. Returns one
 * reference in *@out. @count may be 0.
 */
int gmem_create(const struct gmem_desc *desc, unsigned count, struct gmem **out,
		struct err *err);

/* A new map with one region more / less. @old keeps its reference. Removing
 * matches gpa, uva and size, as REM_MEM_REG does; -ENOENT if there is none. */
int gmem_add(const struct gmem *old, const struct gmem_desc *desc,
	     struct gmem **out, struct err *err);
int gmem_remove(const struct gmem *old, uint64_t gpa, uint64_t size,
		uint64_t uva, struct gmem **out, struct err *err);

/* Does @m have exactly this region, of this very file? QEMU 7.2 adds and
 * removes each region once for every queue pair. */
bool gmem_has(const struct gmem *m, const struct gmem_desc *desc);

/* Returns the description that region @idx was made from. Its fd is borrowed
 * from the map, and may be another one of the same file. */
struct gmem_desc gmem_desc_of(const struct gmem *m, unsigned idx);

struct gmem *gmem_get(struct gmem *m);
void gmem_put(struct gmem *m); /* NULL is fine; the last put unmaps */

/* The host address of guest physical [@gpa, @gpa + @size), NULL when any byte
 * of it lies outside one region. @size may be 0. */
void *gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t size);

/* The same for an address of the front-end's process (ring addresses). */
void *gmem_translate_uva(const struct gmem *m, uint64_t uva, uint64_t size);

/* The region that holds @gpa, or NULL. For range walks over buffers that cross
 * regions, and for the hot path's one-region cache. */
const struct gmem_region *gmem_find(const struct gmem *m, uint64_t gpa);

/* Is all of [@gpa, @gpa + @size) in @r? Then its host address is
 * r->host + (gpa - r->gpa). */
static inline bool gmem_region_holds(const struct gmem_region *r, uint64_t gpa,
				     uint64_t size)
{
	uint64_t off = gpa - r->gpa;

	return off < r->size && size <= r->size - off;
}

/*
 * A front-end can shrink the file behind its memory; touching the lost pages
 * then raises SIGBUS in whoever copies. The guard (installed once, at start)
 * puts zero pages there instead (up to the region's end), so that the copy
 * finishes and only that front-end is harmed; gmem_lost_pages() counts them.
 * A SIGBUS anywhere else keeps its default action. 0 or -errno.
 */
int gmem_guard_install(void);
/* Has the eventfd @fd signalled whenever pages were replaced; -1: none. On
 * return the one before is no longer used. */
void gmem_guard_report_to(int fd);
uint64_t gmem_lost_pages(void);

/* Did the guard have to replace pages of @m? Its owner should end the session
 * then: the replacements are charged to this process. */
bool gmem_is_lost(const struct gmem *m);

#endif
