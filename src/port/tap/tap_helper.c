/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers that bring an interface, see tap_use.h: QEMU's qemu-bridge-helper, or
 * a program that is called as that is. Control thread.
 *
 * A helper is a child that the loop waits for. It passes the tap's descriptor
 * over a UNIX socket, which is read when the helper has ended. Its standard
 * error is a file in memory of fixed size, so it can neither fill our memory
 * nor wait for a reader. The port has no link meanwhile. If the port is
 * destroyed first, the helper is ended and what it passed is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "fd.h"
#include "tap_use.h"

#define ERR_SIZE     4096 /* bytes of standard error that are kept */
#define ERR_SHOWN    300  /* characters of it in an error */
#define COMMAND_SIZE 4096

struct tap_helper {
	struct child child;
	char *path;	       /* heap: the value of helper= */
	char bridge[IFNAMSIZ]; /* the bridge it was asked for */
	int sock;	       /* our end */
	int err_fd;	       /* its standard error */
	struct tap_use *use;   /* NULL: it has ended */
};

static void destroy(struct tap_helper *h)
{
	fd_close(&h->sock);
	fd_close(&h->err_fd);
	free(h->path);
	free(h);
}

/* Returns a file of zeros that cannot grow, or -errno. */
static int open_err(void)
{
	int fd = memfd_create("helper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, ERR_SIZE) &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) >= 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* Writes what the helper said to @text, as one line. */
static void read_err(const struct tap_helper *h, char text[ERR_SHOWN + 1])
{
	ssize_t got = pread(h->err_fd, text, ERR_SHOWN, 0);
	size_t n;

	text[MAX(got, 0)] = '\0';
	n = strlen(text);
	while (n && strchr(" \t\r\n", text[n - 1]))
		text[--n] = '\0';
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

/* What qemu-bridge-helper complains of, and what would help. */
static const struct {
	const char *said, *hint;
} hints[] = {
	{ "access denied by acl",
	  "a line \"allow %s\" in /etc/qemu/bridge.conf lets you" },
	{ "failed to parse default acl file",
	  "it must exist (perhaps mkdir /etc/qemu) and have a line \"allow "
	  "%s\", readable for the helper" },
	{ "failed to create tun device: Operation not permitted",
	  "the helper has no rights: as root, chmod u+s makes it run as root" },
	{ "failed to get mtu of bridge", "is there a bridge %s?" },
};

/* Adds what the helper said, and a hint, to the error of its end. */
static int explain(const struct tap_helper *h, int rc, struct err *err)
{
	char said[ERR_SHOWN + 1], hint[160] = "";
	struct err end = *err;

	read_err(h, said);
	for (unsigned i = 0; i < ARRAY_SIZE(hints) && !*hint; i++)
		if (strstr(said, hints[i].said))
			snprintf(hint, sizeof(hint), hints[i].hint, h->bridge);
	if (!*said)
		return rc;
	return err_set(err, rc, "%s: %s%s%s%s", end.msg, said,
		       *hint ? " (" : "", hint, *hint ? ")" : "");
}

/* Receives the descriptor that the helper passed. Returns 0, or -errno with
 * @err when that were none or several. */
static int receive(const struct tap_helper *h, int *fd, struct err *err)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	bool is_lost;
	unsigned count;

	if (recvmsg(h->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		msg.msg_controllen = 0; /* and msg_flags stay 0 */
	count = fd_of_message(&msg, fd, 1, &is_lost);
	if (count && is_lost) {
		fd_close(fd);
		return err_set(err, -EIO,
			       "helper=%s: passed several descriptors, and one "
			       "is needed",
			       h->path);
	}
	if (count)
		return 0;
	if (is_lost)
		return err_set(err, -EMFILE,
			       "helper=%s: its descriptor could not be "
			       "received: too many are open (ulimit -n)",
			       h->path);
	return explain(h,
		       err_set(err, -EIO,
			       "helper=%s: ended without passing a descriptor",
			       h->path),
		       err);
}

/* Gives the user what the helper brought. Returns 0 or -errno with @err. */
static int hand_over(struct tap_helper *h, struct err *err)
{
	char what[120];
	int fd, rc = receive(h, &fd, err);

	if (rc)
		return rc;
	snprintf(what, sizeof(what), "helper=%.80s: what it passed", h->path);
	rc = tap_use_take(h->use, fd, what, err);
	if (rc)
		close(fd);
	return rc;
}

static void on_end(struct child *c, int status)
{
	struct tap_helper *h = container_of(c, struct tap_helper, child);
	struct tap_use *u = h->use;
	struct err err;
	int rc;

	if (u) {
		u->helper = NULL;
		rc = tap_judge_child(c, "helper", h->path, status, &err);
		rc = rc ? explain(h, rc, &err) : hand_over(h, &err);
		if (rc)
			tap_use_fail(u, err.msg);
	}
	destroy(h);
}

/* Starts the child, whose end of the socket is @sock. QEMU's way: a helper with
 * blanks is a command of the shell, and may name the bridge itself. */
static int run(struct tap_helper *h, struct loop *loop, int sock,
	       struct err *err)
{
	const struct child_files files = { .in = -1,
					   .err = h->err_fd,
					   .keep = sock };
	char fd_arg[24], br_arg[IFNAMSIZ + 8], command[COMMAND_SIZE];
	const char *direct[] = { h->path, "--use-vnet", fd_arg, br_arg, NULL };
	const char *shell[] = { "sh", "-c", command, NULL };
	bool is_command = strpbrk(h->path, " \t") != NULL;
	bool has_bridge = is_command && strstr(h->path, "--br=");
	int rc;

	snprintf(fd_arg, sizeof(fd_arg), "--fd=%d", sock);
	snprintf(br_arg, sizeof(br_arg), "--br=%s", h->bridge);
	if (snprintf(command, sizeof(command), "%s --use-vnet %s %s", h->path,
		     fd_arg, has_bridge ? "" : br_arg) >= COMMAND_SIZE)
		return err_set(err, -EINVAL, "helper: too long");
	rc = child_start_with(&h->child, loop, is_command ? shell : direct,
			      &files, TAP_CHILD_MS, on_end);
	return rc ? err_set(err, rc, "helper=%s: cannot run it: %s", h->path,
			    strerror(-rc))
		  : 0;
}

int tap_helper_begin(struct tap_use *u, const char *path, const char *bridge,
		     struct err *err)
{
	struct tap_helper *h = calloc(1, sizeof(*h));
	int pair[2], rc;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->sock = -1;
	h->path = strdup(path);
	snprintf(h->bridge, sizeof(h->bridge), "%s", bridge);
	h->err_fd = open_err();
	if (!h->path || h->err_fd < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		rc = h->err_fd < 0 ? h->err_fd : -errno;
		destroy(h);
		return err_set(err, rc, "helper=%s: %s", path, strerror(-rc));
	}
	h->sock = pair[0];
	rc = run(h, u->loop, pair[1], err);
	close(pair[1]);
	if (rc) {
		destroy(h);
		return rc;
	}
	h->use = u;
	u->helper = h;
	return 0;
}

void tap_helper_leave(struct tap_use *u)
{
	struct tap_helper *h = u->helper;

	if (!h)
		return;
	u->helper = NULL;
	h->use = NULL;
	child_stop(&h->child);
}
