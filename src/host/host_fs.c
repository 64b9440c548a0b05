/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's files, see host_fs.h. Control thread. */
#include "host_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"

static const char *root = "";
static int (*wrote_fn)(const char *path, const char *text);

void host_fs_use(const char *new_root,
		 int (*wrote)(const char *path, const char *text))
{
	root = new_root ? new_root : "";
	wrote_fn = wrote;
}

bool host_fs_is_real(void)
{
	return !*root;
}

static void __attribute__((format(printf, 2, 0)))
path_of(char *buf, const char *fmt, va_list ap)
{
	size_t used = (size_t)snprintf(buf, HOST_PATH, "%s", root);

	if (used < HOST_PATH)
		vsnprintf(buf + used, HOST_PATH - used, fmt, ap);
}

#define PATH(buf, fmt)                  \
	do {                            \
		va_list ap_;            \
		va_start(ap_, fmt);     \
		path_of(buf, fmt, ap_); \
		va_end(ap_);            \
	} while (0)

const char *host_fs_path(char *buf, const char *fmt, ...)
{
	PATH(buf, fmt);
	return buf;
}

static int read_path(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n;

	*buf = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0) {
		rc = -errno;
		n = 0;
	}
	buf[n] = '\0';
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	fd_close(&fd);
	return rc;
}

int host_fs_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[HOST_PATH];

	PATH(path, fmt);
	return read_path(path, buf, size);
}

long host_fs_number(long none, const char *fmt, ...)
{
	char path[HOST_PATH], text[32], *end;
	long v;

	PATH(path, fmt);
	if (read_path(path, text, sizeof(text)))
		return none;
	v = strtol(text, &end, 0);
	return end == text ? none : v;
}

int host_fs_write(const char *text, const char *fmt, ...)
{
	char path[HOST_PATH];
	size_t size = strlen(text);
	ssize_t n;
	int fd, rc = 0;

	PATH(path, fmt);
	fd = open(path, O_WRONLY | O_CLOEXEC | (*root ? O_TRUNC : 0));
	if (fd < 0)
		return -errno;
	n = write(fd, text, size);
	if (n != (ssize_t)size)
		rc = n < 0 ? -errno : -EIO;
	fd_close(&fd);
	if (!rc && wrote_fn)
		rc = wrote_fn(path + strlen(root), text);
	return rc;
}

int host_fs_link(char *buf, size_t size, const char *fmt, ...)
{
	char path[HOST_PATH], target[HOST_PATH];
	const char *last;
	ssize_t n;

	PATH(path, fmt);
	*buf = '\0';
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	last = strrchr(target, '/');
	snprintf(buf, size, "%s", last ? last + 1 : target);
	return 0;
}

bool host_fs_exists(const char *fmt, ...)
{
	char path[HOST_PATH];

	PATH(path, fmt);
	return access(path, F_OK) == 0;
}

int host_fs_each(const char *path, int (*fn)(const char *name, void *ctx),
		 void *ctx)
{
	char full[HOST_PATH];
	struct dirent **list;
	int count, rc = 0;

	count = scandir(host_fs_path(full, "%s", path), &list, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (!rc && list[i]->d_name[0] != '.')
			rc = fn(list[i]->d_name, ctx);
		free(list[i]);
	}
	if (count >= 0)
		free(list);
	return rc;
}
