/* SPDX-License-Identifier: Apache-2.0 */
/* Huge pages for guest memory, see gmem.h and gmem_mapping.h. Control thread;
 * calls libc only. */
#include <errno.h>
#include <sys/mman.h>

#include "gmem.h"
#include "gmem_mapping.h"
#include "shm.h"

/* What one entry of the page tables' second level maps. */
#define HUGE (2ull << 20)

/* Of Linux 5.14 and 6.1; the headers may be older. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define HOW (MAP_SHARED | MAP_NORESERVE)

/* hugetlbfs aligns. */
static bool is_aligned_here(uint64_t length, uint64_t granule)
{
	return length >= HUGE && granule < HUGE;
}

/* A page in front stays unused: the next mapping of the process, mostly a
 * thread's stack, would end at the aligned address, and get a huge page. */
void *gmem_map_file(int fd, uint64_t offset, uint64_t length, uint64_t granule)
{
	uint64_t before;
	uint8_t *room, *at;

	if (!is_aligned_here(length, granule))
		return mmap(NULL, length, PROT_READ | PROT_WRITE, HOW, fd,
			    (off_t)offset);
	room = mmap(NULL, length + HUGE + granule, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	before = (offset - (uintptr_t)room - granule) % HUGE;
	at = mmap(room + granule + before, length, PROT_READ | PROT_WRITE,
		  HOW | MAP_FIXED, fd, (off_t)offset);
	if (at == MAP_FAILED) {
		int code = errno;

		munmap(room, length + HUGE + granule);
		errno = code;
		return MAP_FAILED;
	}
	if (before)
		munmap(room, before);
	munmap(at + length, HUGE - before);
	return at;
}

void gmem_unmap_file(void *base, uint64_t length, uint64_t granule)
{
	uint64_t front = is_aligned_here(length, granule) ? granule : 0;

	munmap((uint8_t *)base - front, length + front);
}

void gmem_populate(const struct gmem *m, uint64_t gpa, uint64_t size)
{
	const struct gmem_region *r = gmem_find(m, gpa);
	uintptr_t host, from, end, first;

	if (!r || !size || !gmem_translate(m, gpa, size) ||
	    r->mapping->granule >= HUGE)
		return;
	host = (uintptr_t)r->host + (gpa - r->gpa);
	first = (uintptr_t)r->mapping->base;
	from = MAX(host & ~(uintptr_t)(HUGE - 1), first);
	end = MIN(align_up(host + size, HUGE), first + r->mapping->length);
	/* The kernel takes only pieces that have a page already. */
	for (uintptr_t at = from; at < end; at += HUGE)
		(void)shm_load((const uint8_t *)at);
	if (!madvise((void *)from, end - from, MADV_COLLAPSE))
		return;
	from = host & ~(uintptr_t)(r->mapping->granule - 1);
	madvise((void *)from, host + size - from, MADV_POPULATE_WRITE);
}
