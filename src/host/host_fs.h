/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files by which the kernel tells of devices and is told what to do with
 * them: sysfs, proc, and the run-time folder. A path is a format that begins
 * with "/". Control thread.
 */
#ifndef RW_HOST_FS_H
#define RW_HOST_FS_H

#include <stdbool.h>
#include <stddef.h>

#include "util.h"

#define HOST_PATH 512 /* bytes of a path, and of a line */

/* Takes every path from below the folder @root from now on, and calls @wrote
 * after each write, with the path (without @root) and the text; what it returns
 * is the outcome of the write. For tests: a tree of files, and the part of a
 * kernel. NULL, NULL: the host's own. */
void host_fs_use(const char *root,
		 int (*wrote)(const char *path, const char *text));
/* Returns whether paths are the host's own. */
bool host_fs_is_real(void);

/* Writes the path, the root included, to @buf of HOST_PATH bytes. Returns
 * @buf. */
const char *host_fs_path(char *buf, const char *fmt, ...) __printf(2, 3);

/* Reads the file, at most @size - 1 bytes, without the newline at its end.
 * Returns 0 or -errno, and @buf is empty then. */
int host_fs_read(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* Reads a number, decimal or with 0x. Returns @none when there is none. */
long host_fs_number(long none, const char *fmt, ...) __printf(2, 3);
/* Writes @text to a file that exists, by one write(). Returns 0 or -errno. */
int host_fs_write(const char *text, const char *fmt, ...) __printf(2, 3);
/* Stores the last part of what the link names. Returns 0 or -errno, and @buf
 * is empty then. */
int host_fs_link(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
bool host_fs_exists(const char *fmt, ...) __printf(1, 2);

/* Calls @fn with each name in the folder @path, in order, until it returns not
 * 0. Returns what it returned; 0 also when there is no such folder. */
int host_fs_each(const char *path, int (*fn)(const char *name, void *ctx),
		 void *ctx);

#endif
