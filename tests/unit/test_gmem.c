/* SPDX-License-Identifier: Apache-2.0 */
/* mem/: the memory map against a naive one, bad regions, the SIGBUS guard. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gmem.h"
#include "leaks.h"

#define PAGE 4096ull
#define MIB  (1ull << 20)

static int make_file(uint64_t size)
{
	int fd = memfd_create("gmem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void test_translate(void **state)
{
	int fd = make_file(16 * PAGE);
	const struct gmem_desc desc[] = {
		{ .gpa = 0x100000,
		  .size = 4 * PAGE,
		  .uva = 0x7000000,
		  .mmap_offset = 4 * PAGE,
		  .fd = fd },
		{ .gpa = 0, .size = 2 * PAGE, .uva = 0x9000000, .fd = fd },
		/* neither start nor size is a multiple of a page */
		{ .gpa = 0x200010,
		  .size = 100,
		  .uva = 0x5000010,
		  .mmap_offset = 9 * PAGE + 0x10,
		  .fd = fd },
	};
	struct gmem *m;
	uint8_t c = 42;

	(void)state;
	assert_int_equal(gmem_create(desc, 3, &m, NULL), 0);
	assert_int_equal(m->count, 3);
	assert_true(m->region[0].gpa == 0 && m->region[2].gpa == 0x200010);
	assert_non_null(gmem_translate(m, 0, 2 * PAGE));
	assert_null(gmem_translate(m, 0, 2 * PAGE + 1));
	assert_null(gmem_translate(m, 1, 2 * PAGE));
	assert_null(gmem_translate(m, 2 * PAGE, 0));
	assert_null(gmem_translate(m, 0, UINT64_MAX));
	assert_null(gmem_translate(m, UINT64_MAX, 1));
	assert_null(gmem_translate(m, 0xfffff, 2));
	assert_ptr_equal(gmem_translate(m, 0x100000, 1),
			 gmem_translate_uva(m, 0x7000000, 4 * PAGE));
	assert_null(gmem_translate_uva(m, 0x7000000, 4 * PAGE + 1));
	assert_null(gmem_translate_uva(m, 0x6ffffff, 1));

	assert_int_equal(pwrite(fd, &c, 1, 9 * PAGE + 0x10 + 99), 1);
	assert_int_equal(*(uint8_t *)gmem_translate(m, 0x200010 + 99, 1), 42);
	assert_null(gmem_translate(m, 0x200010 + 99, 2));
	assert_null(gmem_find(m, 0x20000f));
	gmem_put(m);
	close(fd);
}

static void test_empty(void **state)
{
	struct gmem *m;

	(void)state;
	assert_int_equal(gmem_create(NULL, 0, &m, NULL), 0);
	assert_null(gmem_find(m, 0));
	assert_null(gmem_translate(m, 0, 0));
	assert_null(gmem_translate_uva(m, 0, 0));
	assert_false(gmem_is_lost(m));
	gmem_put(m);
	gmem_put(NULL);
}

/* Each of these is refused beside the good region at 0x100000, uva 0x100000. */
static void test_bad(void **state)
{
	static const struct {
		struct gmem_desc d;
		const char *say;
	} bad[] = {
		{ { .gpa = 0, .size = 0 }, "size 0" },
		{ { .gpa = UINT64_MAX - 0x1000 + 2, .size = 0x1000 }, "2^64" },
		{ { .uva = UINT64_MAX - 0x1000 + 2, .size = 0x1000 }, "2^64" },
		{ { .size = UINT64_MAX, .gpa = 2 }, "2^64" },
		{ { .size = PAGE, .mmap_offset = UINT64_MAX }, "offset" },
		{ { .size = PAGE, .mmap_offset = INT64_MAX }, "offset" },
		{ { .size = PAGE, .mmap_offset = UINT64_MAX - PAGE + 1 },
		  "offset" },
		{ { .gpa = 0x100fff, .size = PAGE }, "overlaps" },
		{ { .gpa = 0x0ff001, .size = PAGE }, "overlaps" },
		{ { .gpa = 0x100800, .size = 1 }, "overlaps" },
		{ { .gpa = 0, .size = 8 * PAGE, .uva = 0xff000 }, "overlaps" },
		{ { .size = 16 * PAGE + 1 }, "file" },
		{ { .size = PAGE, .mmap_offset = 15 * PAGE + 1 }, "file" },
		{ { .size = 1, .mmap_offset = 16 * PAGE }, "file" },
	};
	struct leaks before = leaks_count();
	int fd = make_file(16 * PAGE);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gmem_desc desc[2] = {
			{ .gpa = 0x100000,
			  .size = PAGE,
			  .uva = 0x100000,
			  .fd = fd },
			bad[i].d,
		};
		struct gmem *m, *one;
		struct err err = { "" };

		desc[1].fd = fd;
		assert_int_equal(gmem_create(desc, 2, &m, &err), -EINVAL);
		assert_non_null(strstr(err.msg, bad[i].say));
		assert_int_equal(gmem_create(desc, 1, &one, &err), 0);
		assert_int_equal(gmem_add(one, &desc[1], &m, &err), -EINVAL);
		gmem_put(one);
	}
	close(fd);
	leaks_assert_none(before);
}

static void test_bad_fd(void **state)
{
	struct gmem_desc d = { .size = PAGE };
	struct gmem *m;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	d.fd = p[0];
	assert_int_equal(gmem_create(&d, 1, &m, NULL), -EINVAL);
	d.fd = -1;
	assert_int_equal(gmem_create(&d, 1, &m, NULL), -EBADF);
	close(p[0]);
	close(p[1]);
	d.fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(gmem_create(&d, 1, &m, NULL), -EINVAL);
	close(d.fd);
	/* the end of the address space is a valid place */
	d.fd = make_file(PAGE);
	d.gpa = d.uva = UINT64_MAX - PAGE + 1;
	assert_int_equal(gmem_create(&d, 1, &m, NULL), 0);
	assert_non_null(gmem_translate(m, UINT64_MAX, 1));
	assert_null(gmem_translate(m, UINT64_MAX, 2));
	gmem_put(m);
	close(d.fd);
}

static void test_too_many(void **state)
{
	struct leaks before = leaks_count();
	struct gmem_desc d = { .size = PAGE, .fd = make_file(PAGE) };
	struct gmem *m, *next;

	(void)state;
	assert_int_equal(gmem_create(NULL, 0, &m, NULL), 0);
	for (unsigned i = 0; i < GMEM_MAX_REGIONS; i++) {
		d.gpa = d.uva = i * 2 * PAGE;
		assert_int_equal(gmem_add(m, &d, &next, NULL), 0);
		gmem_put(m);
		m = next;
	}
	d.gpa = d.uva = 1ull << 40;
	assert_int_equal(gmem_add(m, &d, &next, NULL), -EINVAL);
	gmem_put(m);
	close(d.fd);
	leaks_assert_none(before);
}

/* Random adds and removes over a small space of 64 pages. The naive map holds
 * for each page of the space its file page number plus one. */
#define SPACE 64u

static void compare(const struct gmem *m, const uint8_t *naive, struct rng *r)
{
	for (unsigned n = 0; n < 40; n++) {
		uint64_t gpa = rng_next(r) % (SPACE * PAGE);
		uint64_t size = 1 + rng_next(r) % (3 * PAGE);
		uint8_t *p = gmem_translate(m, gpa, size);
		const struct gmem_region *reg = gmem_find(m, gpa);

		assert_int_equal(reg != NULL, naive[gpa / PAGE] != 0);
		if (!p)
			continue;
		assert_int_equal(*p, naive[gpa / PAGE]);
		assert_int_equal(p[size - 1], naive[(gpa + size - 1) / PAGE]);
		/* a run of pages from several regions does not suffice */
		assert_true(gmem_region_holds(reg, gpa, size));
	}
}

static void test_random(void **state)
{
	struct leaks before = leaks_count();
	struct rng r = rng_start();
	int fd = make_file(SPACE * PAGE);
	uint8_t naive[SPACE] = { 0 };
	struct gmem *m, *next;

	(void)state;
	for (unsigned i = 0; i < SPACE; i++) {
		uint8_t page[PAGE];

		memset(page, (int)i + 1, sizeof(page));
		assert_int_equal(pwrite(fd, page, PAGE, (off_t)(i * PAGE)),
				 PAGE);
	}
	assert_int_equal(gmem_create(NULL, 0, &m, NULL), 0);
	for (unsigned n = 0; n < 2000; n++) {
		unsigned at = rng_below(&r, SPACE);
		unsigned count = 1 + rng_below(&r, MIN(8, SPACE - at));
		unsigned file = rng_below(&r, SPACE - count + 1);
		struct gmem_desc d = { .gpa = at * PAGE,
				       .size = count * PAGE,
				       .uva = (at + SPACE) * PAGE,
				       .mmap_offset = file * PAGE,
				       .fd = fd };
		bool is_free = true;
		int rc;

		if (m->count && rng_below(&r, 2)) {
			struct gmem_region g =
				m->region[rng_below(&r, m->count)];

			assert_int_equal(gmem_remove(m, g.gpa, g.size + 1,
						     g.uva, &next, NULL),
					 -ENOENT);
			assert_int_equal(gmem_remove(m, g.gpa, g.size, g.uva,
						     &next, NULL),
					 0);
			memset(naive + g.gpa / PAGE, 0, g.size / PAGE);
			gmem_put(m);
			m = next;
			compare(m, naive, &r);
			continue;
		}
		for (unsigned i = at; i < at + count; i++)
			is_free &= !naive[i];
		rc = gmem_add(m, &d, &next, NULL);
		assert_int_equal(rc, is_free ? 0 : -EINVAL);
		if (rc)
			continue;
		for (unsigned i = 0; i < count; i++)
			naive[at + i] = (uint8_t)(file + i + 1);
		gmem_put(m);
		m = next;
		compare(m, naive, &r);
	}
	gmem_put(m);
	close(fd);
	leaks_assert_none(before);
}

/* An old map keeps its memory; maps that share a region share its address. */
static void test_references(void **state)
{
	struct leaks before = leaks_count();
	int fd = make_file(2 * PAGE);
	struct gmem_desc d = { .size = PAGE, .fd = fd };
	struct gmem *one, *two, *none;
	uint8_t *p;

	(void)state;
	assert_int_equal(gmem_create(&d, 1, &one, NULL), 0);
	p = gmem_translate(one, 0, PAGE);
	d.gpa = d.uva = d.mmap_offset = PAGE;
	assert_int_equal(gmem_add(one, &d, &two, NULL), 0);
	assert_ptr_equal(gmem_translate(two, 0, PAGE), p);
	assert_int_equal(gmem_remove(two, 0, PAGE, 0, &none, NULL), 0);
	gmem_put(none);
	gmem_put(one);
	p[0] = 7;
	assert_true(gmem_has(two, &d));
	d.fd = make_file(2 * PAGE);
	assert_false(gmem_has(two, &d)); /* a different file */
	close(d.fd);
	d.fd = fd;
	d.size = 1;
	assert_false(gmem_has(two, &d));
	assert_ptr_equal(gmem_get(two), two);
	gmem_put(two);
	assert_int_equal(p[0], 7);
	gmem_put(two);
	close(fd);
	leaks_assert_none(before);
}

/* A map can be made again from its descriptions after all other descriptors
 * were closed. It keeps one descriptor per file. */
static void test_kept_files(void **state)
{
	struct leaks before = leaks_count();
	int one = make_file(4 * PAGE), two = make_file(4 * PAGE);
	struct gmem_desc desc[] = {
		{ .gpa = 0, .size = PAGE, .uva = 0x1000000, .fd = one },
		{ .gpa = PAGE, .size = PAGE, .uva = 0x2000000, .fd = two },
		{ .gpa = 8 * PAGE,
		  .size = PAGE,
		  .uva = 0x3000000,
		  .mmap_offset = 2 * PAGE,
		  .fd = one },
	};
	struct gmem *m, *more, *again;
	struct gmem_desc said[4];
	uint8_t c = 42;

	(void)state;
	assert_int_equal(gmem_create(desc, 3, &m, NULL), 0);
	close(two);
	assert_int_equal(leaks_count().fds, before.fds + 2 + 1);
	/* a second descriptor of the same file */
	desc[0] = (struct gmem_desc){ .gpa = 16 * PAGE,
				      .size = PAGE,
				      .uva = 0x4000000,
				      .mmap_offset = 3 * PAGE,
				      .fd = dup(one) };
	close(one);
	assert_int_equal(gmem_add(m, &desc[0], &more, NULL), 0);
	gmem_put(m);
	close(desc[0].fd);
	assert_int_equal(leaks_count().fds, before.fds + 2);
	for (unsigned i = 0; i < 4; i++)
		said[i] = gmem_desc_of(more, i);
	*(uint8_t *)gmem_translate(more, 8 * PAGE + 5, 1) = c;
	assert_int_equal(gmem_create(said, 4, &again, NULL), 0);
	gmem_put(more);
	assert_int_equal(leaks_count().fds, before.fds + 2);
	assert_int_equal(*(uint8_t *)gmem_translate(again, 8 * PAGE + 5, 1), c);
	assert_int_equal(gmem_desc_of(again, 2).mmap_offset, 2 * PAGE);
	assert_true(gmem_has(
		again, &(struct gmem_desc){ .gpa = PAGE,
					    .size = PAGE,
					    .uva = 0x2000000,
					    .fd = gmem_desc_of(again, 1).fd }));
	gmem_put(again);
	leaks_assert_none(before);
}

static void test_guard(void **state)
{
	struct leaks before = leaks_count();
	int fd = make_file(64 * PAGE);
	int other = make_file(4 * PAGE);
	struct gmem_desc d[2] = {
		{ .size = 64 * PAGE, .fd = fd },
		{ .size = 4 * PAGE,
		  .gpa = 1 << 30,
		  .uva = 1 << 30,
		  .fd = other },
	};
	uint64_t lost = gmem_lost_pages();
	volatile uint8_t *p, *q;
	struct gmem *m;

	(void)state;
	/* installed here, because cmocka sets its own handler for each test */
	assert_int_equal(gmem_guard_install(), 0);
	assert_int_equal(gmem_create(d, 2, &m, NULL), 0);
	p = gmem_translate(m, 0, 64 * PAGE);
	q = gmem_translate(m, 1 << 30, 4 * PAGE);
	p[0] = 1;
	p[63 * PAGE] = 63;
	q[0] = 2;
	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	assert_false(gmem_is_lost(m));
	assert_int_equal(p[40 * PAGE + 5], 0);
	assert_true(gmem_is_lost(m));
	assert_int_equal(gmem_lost_pages() - lost, 24);
	assert_int_equal(p[63 * PAGE], 0);
	assert_int_equal(gmem_lost_pages() - lost, 24);
	p[8 * PAGE] = 9; /* a write is caught too */
	assert_int_equal(p[8 * PAGE], 9);
	assert_int_equal(gmem_lost_pages() - lost, 56);
	assert_int_equal(p[0], 1);
	assert_int_equal(q[0], 2);
	gmem_put(m);
	close(fd);
	close(other);
	leaks_assert_none(before);
}

/* Pages of 2 MiB, if the machine has some. */
static uint64_t taken(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* Memory is taken ahead, what was written stays, and only whole huge pages
 * around the range come with it. */
static void test_populate(void **state)
{
	int fd = make_file(16 * MIB);
	const struct gmem_desc desc[] = {
		{ .gpa = 0x100000,
		  .size = 7 * MIB,
		  .mmap_offset = 5 * MIB,
		  .fd = fd },
	};
	struct gmem *m;
	uint8_t *at;

	(void)state;
	assert_int_equal(gmem_create(desc, 1, &m, NULL), 0);
	at = gmem_translate(m, 0x100000, 7 * MIB);
	assert_int_equal(((uintptr_t)at - 5 * MIB) % (2 * MIB), 0);
	at[3 * MIB + 5] = 42;
	gmem_populate(m, 0x100000 + 7 * MIB, 1);
	gmem_populate(m, 0x100000, 8 * MIB);
	gmem_populate(m, 0x100000, 0);
	assert_true(taken(fd) <= 2 * MIB);
	gmem_populate(m, 0x100000 + 2 * MIB, 2 * MIB);
	/* Before Linux 5.14 it does nothing. */
	if (!madvise(at, PAGE, MADV_POPULATE_READ))
		assert_true(taken(fd) >= 2 * MIB);
	assert_true(taken(fd) < 5 * MIB);
	assert_int_equal(at[3 * MIB + 5], 42);
	assert_int_equal(at[3 * MIB + 4], 0);
	gmem_put(m);
	close(fd);
}

static void test_hugetlb(void **state)
{
	const uint64_t huge = 2 << 20;
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	struct gmem_desc d = { .size = PAGE, .mmap_offset = huge + 5 * PAGE };
	struct gmem *m;
	uint8_t *p;
	int rc;

	(void)state;
	if (fd < 0 || ftruncate(fd, 2 * (off_t)huge) < 0)
		skip();
	d.fd = fd;
	rc = gmem_create(&d, 1, &m, NULL);
	assert_int_equal(rc, 0);
	p = gmem_translate(m, 0, PAGE);
	assert_int_equal((uintptr_t)p % huge, 5 * PAGE);
	gmem_put(m);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bad_fd),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_kept_files),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_populate),
		cmocka_unit_test(test_hugetlb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
