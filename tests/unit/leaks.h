/* SPDX-License-Identifier: Apache-2.0 */
/* Counts descriptors and mappings of files, which a test must give back. */
#ifndef RW_TEST_LEAKS_H
#define RW_TEST_LEAKS_H

#include <dirent.h>
#include <stdio.h>
#include <string.h>

struct leaks {
	unsigned fds;
	unsigned mappings; /* mappings of memfds */
};

static inline struct leaks leaks_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	FILE *maps = fopen("/proc/self/maps", "r");
	struct leaks l = { 0 };
	char line[512];

	assert_non_null(dir);
	assert_non_null(maps);
	while (readdir(dir))
		l.fds++;
	while (fgets(line, sizeof(line), maps))
		l.mappings += strstr(line, "/memfd:") != NULL;
	fclose(maps);
	closedir(dir);
	return l;
}

static inline void leaks_assert_none(struct leaks before)
{
	struct leaks now = leaks_count();

	assert_int_equal(now.fds, before.fds);
	assert_int_equal(now.mappings, before.mappings);
}

#endif
