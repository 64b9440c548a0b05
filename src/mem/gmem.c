/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest memory map, see gmem.h.
 *
 * Threads: the control thread creates and drops maps; any thread that holds a
 * reference to a map may translate. Calls libc only.
 *
 * Theory of operation. A map is an immutable array of regions, sorted by guest
 * physical address. Each region points at a reference-counted mapping, which is
 * one mmap(). A new map copies the array and takes a reference on every mapping
 * it keeps: host addresses stay the same across ADD_MEM_REG and REM_MEM_REG,
 * and nothing is mapped twice. A mapping keeps its file open, and mappings of
 * one file share the descriptor. The guard against SIGBUS lives in gmem_guard.c
 * and knows the mappings, not the maps.
 */
#include "gmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "gmem_mapping.h"
#include "shm.h"

/* Stores in @granule the unit of mapping of the file: on hugetlbfs the huge
 * page size, of which offset and length must be multiples. */
static int file_granule(int fd, uint64_t *granule)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	*granule = (uint64_t)sysconf(_SC_PAGESIZE);
	if ((uint64_t)fs.f_type == HUGETLBFS_MAGIC)
		*granule = (uint64_t)fs.f_bsize;
	return 0;
}

static int check_file(const struct gmem_desc *d, uint64_t *granule,
		      struct stat *st, struct err *err)
{
	int rc = file_granule(d->fd, granule);

	if (!rc && fstat(d->fd, st) < 0)
		rc = -errno;
	if (rc)
		return err_set(err, rc, "memory descriptor: %s", strerror(-rc));
	/* A device (DAX) reports no size; its mmap() checks the range. */
	if (S_ISCHR(st->st_mode) || (d->is_kernels && !(st->st_mode & S_IFMT)))
		return 0;
	if (!S_ISREG(st->st_mode))
		return err_set(
			err, -EINVAL,
			"memory descriptor is no file that can be mapped");
	if (!range_is_inside(d->mmap_offset, d->size, (uint64_t)st->st_size))
		return err_set(
			err, -EINVAL,
			"region 0x%" PRIx64 "+0x%" PRIx64
			" at offset 0x%" PRIx64
			" needs more than the file's 0x%" PRIx64 " bytes",
			d->gpa, d->size, d->mmap_offset, (uint64_t)st->st_size);
	return 0;
}

static void file_put(struct gmem_file *f)
{
	if (!f || shm_fetch_sub(&f->ref_count, 1) != 1)
		return;
	fd_close(&f->fd);
	free(f);
}

/* Returns a reference to the file of @fd: shared with a region of @map that
 * lies in the same file, else new. NULL with errno. */
static struct gmem_file *file_get(const struct gmem *map, int fd,
				  const struct stat *st)
{
	struct gmem_file *f;

	for (unsigned i = 0; i < map->count; i++) {
		f = map->region[i].mapping->file;
		if (f->dev == st->st_dev && f->ino == st->st_ino) {
			shm_fetch_add(&f->ref_count, 1);
			return f;
		}
	}
	f = malloc(sizeof(*f));
	if (!f)
		return NULL;
	*f = (struct gmem_file){ 1, fcntl(fd, F_DUPFD_CLOEXEC, 0), st->st_dev,
				 st->st_ino };
	if (f->fd < 0) {
		free(f);
		return NULL;
	}
	return f;
}

/* Maps the memory that @d describes, for a new region of @map. */
static int map_region(const struct gmem *map, const struct gmem_desc *d,
		      struct gmem_region *r, struct err *err)
{
	uint64_t granule = 0, offset, length;
	struct gmem_mapping *m;
	struct stat st;
	int rc;

	rc = check_file(d, &granule, &st, err);
	if (rc)
		return rc;
	offset = d->mmap_offset & ~(granule - 1);
	length = align_up(d->mmap_offset - offset + d->size, granule);
	m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	m->file = file_get(map, d->fd, &st);
	if (!m->file) {
		rc = -errno;
		free(m);
		return err_set(err, rc, "cannot keep guest memory's file: %s",
			       strerror(-rc));
	}
	/* NORESERVE: the front-end has accounted for these pages. */
	m->base = gmem_map_file(d->fd, offset, length, granule);
	if (m->base == MAP_FAILED) {
		rc = -errno;
		file_put(m->file);
		free(m);
		return err_set(err, rc,
			       "cannot map 0x%" PRIx64
			       " bytes of guest memory: %s",
			       length, strerror(-rc));
	}
	/* Hints only: guest memory belongs neither in our core dump nor in a
	 * child before its exec. */
	madvise(m->base, length, MADV_DONTDUMP);
	madvise(m->base, length, MADV_DONTFORK);
	m->ref_count = 1;
	m->length = length;
	m->granule = granule;
	m->lost_from = length;
	m->offset = d->mmap_offset;
	gmem_guard_add(m);
	*r = (struct gmem_region){
		.gpa = d->gpa,
		.size = d->size,
		.uva = d->uva,
		.host = m->base + (d->mmap_offset - offset),
		.mapping = m,
	};
	return 0;
}

static void mapping_put(struct gmem_mapping *m)
{
	if (shm_fetch_sub(&m->ref_count, 1) != 1)
		return;
	gmem_guard_remove(m);
	gmem_unmap_file(m->base, m->length, m->granule);
	file_put(m->file);
	free(m);
}

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b,
			   uint64_t b_size)
{
	/* No sums: a range may end at 2^64. */
	return a < b ? b - a < a_size : a - b < b_size;
}

static int check_desc(const struct gmem *m, const struct gmem_desc *d,
		      struct err *err)
{
	if (!d->size)
		return err_set(err, -EINVAL, "region 0x%" PRIx64 " has size 0",
			       d->gpa);
	if (d->gpa + (d->size - 1) < d->gpa || d->uva + (d->size - 1) < d->uva)
		return err_set(err, -EINVAL,
			       "region 0x%" PRIx64 "+0x%" PRIx64
			       " ends past 2^64",
			       d->gpa, d->size);
	if (!range_is_inside(d->mmap_offset, d->size, INT64_MAX))
		return err_set(err, -EINVAL,
			       "region 0x%" PRIx64 "+0x%" PRIx64
			       ": mmap offset 0x%" PRIx64 " is too large",
			       d->gpa, d->size, d->mmap_offset);
	for (unsigned i = 0; i < m->count; i++) {
		const struct gmem_region *r = &m->region[i];

		if (ranges_overlap(d->gpa, d->size, r->gpa, r->size) ||
		    ranges_overlap(d->uva, d->size, r->uva, r->size))
			return err_set(err, -EINVAL,
				       "region 0x%" PRIx64 "+0x%" PRIx64
				       " overlaps region 0x%" PRIx64
				       "+0x%" PRIx64,
				       d->gpa, d->size, r->gpa, r->size);
	}
	return 0;
}

static struct gmem *alloc_map(unsigned count)
{
	struct gmem *m;

	m = calloc(1, sizeof(*m) + count * sizeof(m->region[0]));
	if (m)
		m->ref_count = 1;
	return m;
}

/* Checks, maps and inserts one region; @m has room for it. */
static int insert_region(struct gmem *m, const struct gmem_desc *d,
			 struct err *err)
{
	struct gmem_region r = { 0 };
	unsigned at;
	int rc;

	rc = check_desc(m, d, err);
	if (rc)
		return rc;
	rc = map_region(m, d, &r, err);
	if (rc)
		return rc;
	for (at = m->count; at && m->region[at - 1].gpa > r.gpa; at--)
		m->region[at] = m->region[at - 1];
	m->region[at] = r;
	m->count++;
	return 0;
}

int gmem_create(const struct gmem_desc *desc, unsigned count, struct gmem **out,
		struct err *err)
{
	struct gmem *m;

	if (count > GMEM_MAX_REGIONS)
		return err_set(err, -EINVAL, "%u memory regions, at most %u",
			       count, GMEM_MAX_REGIONS);
	m = alloc_map(count);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		int rc = insert_region(m, &desc[i], err);

		if (rc) {
			gmem_put(m);
			return rc;
		}
	}
	*out = m;
	return 0;
}

/* Copies the regions of @old except @skip into @m; their mappings are
 * shared. */
static void share_regions(struct gmem *m, const struct gmem *old, unsigned skip)
{
	for (unsigned i = 0; i < old->count; i++) {
		if (i == skip)
			continue;
		m->region[m->count] = old->region[i];
		shm_fetch_add(&m->region[m->count++].mapping->ref_count, 1);
	}
}

int gmem_add(const struct gmem *old, const struct gmem_desc *desc,
	     struct gmem **out, struct err *err)
{
	struct gmem *m;
	int rc;

	if (old->count >= GMEM_MAX_REGIONS)
		return err_set(err, -EINVAL, "more than %u memory regions",
			       GMEM_MAX_REGIONS);
	m = alloc_map(old->count + 1);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	share_regions(m, old, UINT32_MAX);
	rc = insert_region(m, desc, err);
	if (rc) {
		gmem_put(m);
		return rc;
	}
	*out = m;
	return 0;
}

int gmem_remove(const struct gmem *old, uint64_t gpa, uint64_t size,
		uint64_t uva, struct gmem **out, struct err *err)
{
	struct gmem *m;
	unsigned i;

	for (i = 0; i < old->count; i++) {
		const struct gmem_region *r = &old->region[i];

		if (r->gpa == gpa && r->size == size && r->uva == uva)
			break;
	}
	if (i == old->count)
		return err_set(err, -ENOENT,
			       "no memory region 0x%" PRIx64 "+0x%" PRIx64
			       " at user address 0x%" PRIx64,
			       gpa, size, uva);
	m = alloc_map(old->count - 1);
	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	share_regions(m, old, i);
	*out = m;
	return 0;
}

bool gmem_has(const struct gmem *m, const struct gmem_desc *d)
{
	const struct gmem_region *r = gmem_find(m, d->gpa);
	struct stat st;

	return r && r->gpa == d->gpa && r->size == d->size &&
	       r->uva == d->uva && r->mapping->offset == d->mmap_offset &&
	       !fstat(d->fd, &st) && st.st_dev == r->mapping->file->dev &&
	       st.st_ino == r->mapping->file->ino;
}

struct gmem_desc gmem_desc_of(const struct gmem *m, unsigned idx)
{
	const struct gmem_region *r = &m->region[idx];

	return (struct gmem_desc){ .gpa = r->gpa,
				   .size = r->size,
				   .uva = r->uva,
				   .mmap_offset = r->mapping->offset,
				   .fd = r->mapping->file->fd };
}

struct gmem *gmem_get(struct gmem *m)
{
	shm_fetch_add(&m->ref_count, 1);
	return m;
}

void gmem_put(struct gmem *m)
{
	if (!m || shm_fetch_sub(&m->ref_count, 1) != 1)
		return;
	for (unsigned i = 0; i < m->count; i++)
		mapping_put(m->region[i].mapping);
	free(m);
}

const struct gmem_region *gmem_find(const struct gmem *m, uint64_t gpa)
{
	const struct gmem_region *base = m->region;
	unsigned n = m->count;

	if (!n)
		return NULL;
	/* Finds the last region that begins at or before @gpa. The loop has no
	 * branch but its end: the choice becomes a conditional move. */
	while (n > 1) {
		unsigned half = n / 2;

		base += base[half].gpa <= gpa ? half : 0;
		n -= half;
	}
	return gmem_region_holds(base, gpa, 1) ? base : NULL;
}

void *gmem_translate(const struct gmem *m, uint64_t gpa, uint64_t size)
{
	const struct gmem_region *r = gmem_find(m, gpa);

	if (!r || !gmem_region_holds(r, gpa, size))
		return NULL;
	return r->host + (gpa - r->gpa);
}

void *gmem_translate_uva(const struct gmem *m, uint64_t uva, uint64_t size)
{
	/* A plain walk suffices: this runs only when a queue starts. */
	for (unsigned i = 0; i < m->count; i++) {
		const struct gmem_region *r = &m->region[i];
		uint64_t off = uva - r->uva;

		if (off < r->size && size <= r->size - off)
			return r->host + off;
	}
	return NULL;
}

bool gmem_is_lost(const struct gmem *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		const struct gmem_mapping *map = m->region[i].mapping;

		if (shm_load(&map->lost_from) != map->length)
			return true;
	}
	return false;
}
