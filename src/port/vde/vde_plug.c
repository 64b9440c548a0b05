/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vde port in a network that only libvdeplug knows (sock=vxvde://...): the
 * program vde_plug is a child of ours and passes frames between that network
 * and a socket pair. So its plug-ins, which may block and load further code,
 * are in a process of their own. Control thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "fd.h"
#include "vde.h"

/* A process, which may end after its port. */
struct vde_plug {
	struct child child;
	struct vde_port *port; /* NULL: it wants to hear nothing more */
};

static void on_end(struct child *c, int status)
{
	struct vde_plug *p = container_of(c, struct vde_plug, child);
	char why[80];

	if (p->port) {
		if (WIFEXITED(status))
			snprintf(why, sizeof(why),
				 "vde_plug ended with status %d; it says why "
				 "on our standard error",
				 WEXITSTATUS(status));
		else
			snprintf(why, sizeof(why),
				 "vde_plug was ended by signal %d",
				 WTERMSIG(status));
		p->port->plug = NULL;
		vde_peer_ended(p->port, why);
	}
	free(p);
}

/* Starts vde_plug with @end as its standard input. Returns 0 or -errno. */
static int start(struct vde_port *v, int end)
{
	char descr[80];
	const char *argv[] = { "vde_plug",	"-D",	 descr,
			       "seqpacket://0", v->sock, NULL };
	const struct child_files files = { .in = end, .err = -1, .keep = -1 };
	struct vde_plug *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	snprintf(descr, sizeof(descr), "ringway %s", v->port.name);
	rc = child_start_with(&p->child, v->loop, argv, &files, 0, on_end);
	if (rc) {
		free(p);
		return rc;
	}
	p->port = v;
	v->plug = p;
	return 0;
}

int vde_plug_start(struct vde_port *v, struct err *err)
{
	int size = VDE_BUFFER, end[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end))
		return err_set(err, -errno, "sock: %s", strerror(errno));
	v->data_fd = end[0];
	for (unsigned i = 0; i < 2; i++)
		setsockopt(end[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	rc = start(v, end[1]);
	fd_close(&end[1]);
	if (rc == -ENOENT)
		return err_set(err, rc,
			       "sock=%s: needs the program vde_plug (Debian: "
			       "vdeplug)",
			       v->sock);
	return rc ? err_set(err, rc, "sock=%s: cannot run vde_plug: %s",
			    v->sock, strerror(-rc))
		  : 0;
}

void vde_plug_stop(struct vde_port *v)
{
	if (!v->plug)
		return;
	v->plug->port = NULL;
	child_stop(&v->plug->child);
	v->plug = NULL;
}

void vde_plug_show(const struct vde_port *v, struct show *out)
{
	if (v->plug)
		show_num(out, "peer_pid", (uint64_t)v->plug->child.pid);
}
