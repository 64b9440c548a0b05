/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data socket of a vde port and its file, which exists only until the
 * switch has answered. The switch must be allowed to connect to it. Control
 * thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "vde.h"

#define TRIES 1000 /* names that are tried in a folder */

/* Binds the socket to the first free name "@prefix-N". Returns 0 or -errno. */
static int bind_below(struct vde_port *v, const char *prefix)
{
	struct sockaddr_un *at = &v->own;
	int n, rc = -EADDRINUSE;

	for (unsigned i = 0; i < TRIES && rc == -EADDRINUSE; i++) {
		*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
		n = snprintf(at->sun_path, sizeof(at->sun_path), "%s-%05u",
			     prefix, i);
		if (n >= (int)sizeof(at->sun_path))
			rc = -ENAMETOOLONG;
		else
			rc = bind(v->data_fd, (void *)at, sizeof(*at)) ? -errno
								       : 0;
	}
	if (rc)
		at->sun_path[0] = '\0';
	return rc;
}

/* The switch's folder is the best place: nobody else can be there. */
static int bind_somewhere(struct vde_port *v, const char *dir)
{
	static const char *const others[] = { "/run", "/var/tmp", "/tmp" };
	char prefix[256];
	int rc;

	snprintf(prefix, sizeof(prefix), "%s/.%05d", dir, (int)getpid());
	rc = bind_below(v, prefix);
	for (unsigned i = 0; rc && i < ARRAY_SIZE(others); i++) {
		snprintf(prefix, sizeof(prefix), "%s/vde.%05d", others[i],
			 (int)getpid());
		rc = bind_below(v, prefix);
	}
	return rc;
}

/* Lets the switch connect to the file. Links are not followed: others may write
 * to the folder. */
static int let_in(const struct vde_port *v, const char *ctl)
{
	const char *path = v->own.sun_path;
	mode_t mode = v->mode;
	struct stat owner;

	if (v->group != (gid_t)-1) {
		if (lchown(path, (uid_t)-1, v->group))
			return -errno;
	} else if (!(mode & 077) && !stat(ctl, &owner) && owner.st_uid &&
		   owner.st_uid != geteuid()) {
		/* a switch of another user: its group, or everybody */
		mode |= lchown(path, (uid_t)-1, owner.st_gid) ? 077 : 070;
	}
	return fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

int vde_sock_open(struct vde_port *v, const char *dir, const char *ctl,
		  struct err *err)
{
	int size = VDE_BUFFER, rc;

	v->data_fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (v->data_fd < 0)
		return err_set(err, -errno, "sock: %s", strerror(errno));
	setsockopt(v->data_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rc = bind_somewhere(v, dir);
	if (rc)
		return err_set(err, rc,
			       "sock=%s: no place for a socket there, nor in "
			       "/run, /var/tmp and /tmp: %s",
			       dir, strerror(-rc));
	rc = let_in(v, ctl);
	if (rc)
		return err_set(err, rc, "%s: cannot be given to the switch: %s",
			       v->group != (gid_t)-1 ? "group" : "mode",
			       strerror(-rc));
	return 0;
}

void vde_sock_unlink(struct vde_port *v)
{
	if (v->own.sun_path[0])
		unlink(v->own.sun_path);
	v->own.sun_path[0] = '\0';
}
