/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal, see host_journal.h. Control thread.
 *
 * The place is fixed, not chosen by the environment as that of the control
 * socket is: devices belong to the host, and who restores them may be logged
 * in otherwise than who changed them.
 *
 * The last line of a text is "end". A process that is killed while it writes
 * leaves a text without it, which counts as empty: the change comes only after
 * the text.
 */
#include "host_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "host_fs.h"

#define FOLDER "/run/ringway"
#define OWNER  "pid "
#define LAST   "end\n"

/* Makes the folder. Returns 0, or -errno with @err. */
static int make_folder(struct err *err)
{
	char path[HOST_PATH];
	struct stat st;

	host_fs_path(path, FOLDER);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "cannot make %s: %s", path,
			       errno == EACCES ? "only root can"
					       : strerror(errno));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EACCES,
			       "%s is not a folder that only user %u can "
			       "write",
			       path, geteuid());
	return 0;
}

/* Reads the text, and takes the lines of host_note_write() off its end. One
 * that is not whole counts as empty. */
static void read_text(struct host_note *n)
{
	ssize_t got = pread(n->fd, n->text, sizeof(n->text) - 1, 0);
	size_t size = got > 0 ? (size_t)got : 0, last = strlen(LAST);
	char *pid;

	n->owner = -1;
	n->text[size] = '\0';
	if (size < last || strcmp(n->text + size - last, LAST) != 0) {
		n->text[0] = '\0';
		return;
	}
	n->text[size - last] = '\0';
	pid = strstr(n->text, "\n" OWNER);
	if (!pid)
		return;
	n->owner = (int)strtol(pid + strlen("\n" OWNER), NULL, 10);
	pid[1] = '\0';
}

/* Opens and locks the file @path. Returns 1 when it was locked and is still
 * the file of that name, 0 to try again, or -errno. */
static int open_locked(struct host_note *n, const char *path)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat ours, there;
	int rc;

	n->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (n->fd < 0)
		return -errno;
	rc = fcntl(n->fd, F_OFD_SETLK, &whole) < 0 ? -errno : 0;
	read_text(n);
	/* Its owner may have removed it since open(). */
	if (!rc && !fstat(n->fd, &ours) && !stat(path, &there) &&
	    ours.st_ino == there.st_ino)
		return 1;
	fd_close(&n->fd);
	return rc;
}

int host_note_open(struct host_note *n, const char *name, struct err *err)
{
	char path[HOST_PATH];
	int rc;

	*n = (struct host_note){ .fd = -1 };
	snprintf(n->name, sizeof(n->name), "%s", name);
	rc = make_folder(err);
	if (rc)
		return rc;
	host_fs_path(path, FOLDER "/%s", name);
	do
		rc = open_locked(n, path);
	while (!rc);
	if (rc == -EAGAIN)
		return err_set(err, -EBUSY,
			       "%.*s is in use by another ringway (process %d)",
			       (int)strcspn(name, "+"), name, n->owner);
	if (rc < 0)
		return err_set(err, rc, "%s: %s", path, strerror(-rc));
	return 0;
}

int host_note_owner(const char *name)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct host_note n = { .fd = -1 };
	char path[HOST_PATH];
	int owner = 0;

	host_fs_path(path, FOLDER "/%s", name);
	n.fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (n.fd < 0)
		return 0;
	if (!fcntl(n.fd, F_OFD_GETLK, &whole) && whole.l_type != F_UNLCK) {
		read_text(&n);
		owner = n.owner;
	}
	host_note_close(&n);
	return owner;
}

const char *host_note_get(const struct host_note *n, const char *key,
			  unsigned nth, char *buf, size_t size)
{
	size_t length = strlen(key);

	for (const char *at = n->text; *at; at++) {
		const char *end = strchrnul(at, '\n');

		if (strncmp(at, key, length) == 0 && at[length] == ' ' &&
		    !nth--) {
			at += length + 1;
			snprintf(buf, size, "%.*s", (int)(end - at), at);
			return buf;
		}
		at = end;
		if (!*at)
			break;
	}
	return NULL;
}

void host_note_add(struct host_note *n, const char *key, const char *fmt, ...)
{
	size_t used = strlen(n->text);
	va_list ap;

	used += (size_t)snprintf(n->text + used, sizeof(n->text) - used, "%s ",
				 key);
	if (used >= sizeof(n->text))
		return;
	va_start(ap, fmt);
	used += (size_t)vsnprintf(n->text + used, sizeof(n->text) - used, fmt,
				  ap);
	va_end(ap);
	if (used + 1 < sizeof(n->text))
		memcpy(n->text + used, "\n", 2);
}

int host_note_write(struct host_note *n, struct err *err)
{
	char text[HOST_NOTE_SIZE + 32];
	int size = snprintf(text, sizeof(text), "%s" OWNER "%d\n" LAST, n->text,
			    getpid());

	if (size < HOST_NOTE_SIZE && ftruncate(n->fd, 0) == 0 &&
	    pwrite(n->fd, text, (size_t)size, 0) == size)
		return 0;
	return err_set(err, -EIO, "cannot write " FOLDER "/%s: %s", n->name,
		       strerror(errno));
}

void host_note_remove(struct host_note *n)
{
	char path[HOST_PATH];

	if (n->fd >= 0)
		unlink(host_fs_path(path, FOLDER "/%s", n->name));
	fd_close(&n->fd);
}

void host_note_close(struct host_note *n)
{
	fd_close(&n->fd);
}

void host_journal_each(int (*fn)(const char *name, void *ctx), void *ctx)
{
	host_fs_each(FOLDER, fn, ctx);
}
