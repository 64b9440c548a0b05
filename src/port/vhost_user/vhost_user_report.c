/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports of workers about the queues of vhost-user sessions: a guest broke its
 * ring, or the memory behind it was cut. Control thread; calls vhost/.
 *
 * Theory of operation. One eventfd serves all ports; it exists while there is a
 * session. A report does not name its session, so control checks every session.
 * Each fault is reported once, so a daemon without faults never wakes up.
 */
#include <errno.h>

#include "fd.h"
#include "gmem.h"
#include "vhost_user.h"

static struct vhost_user_port *connected; /* [ctl] ports with a session */
static struct loop_watch report_watch;
static int report_fd = -1; /* eventfd; workers signal it while queues run */

static void on_report(struct loop_watch *w, uint32_t events)
{
	struct vhost_user_port *v, *next;

	(void)w;
	(void)events;
	fd_drain(report_fd);
	/* A check may end the session and take its port off the list. */
	for (v = connected; v; v = next) {
		next = v->next;
		vu_backend_check(v->backend);
	}
}

static int open_report(struct loop *loop)
{
	int rc, fd = fd_eventfd();

	if (fd < 0)
		return fd;
	rc = loop_watch_add(loop, &report_watch, fd, EPOLLIN, on_report);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	report_fd = fd;
	gmem_guard_report_to(fd);
	return 0;
}

const int *vhost_user_report_fd(void)
{
	return &report_fd;
}

int vhost_user_report_add(struct vhost_user_port *v)
{
	int rc = connected ? 0 : open_report(v->loop);

	if (rc)
		return rc;
	v->next = connected;
	connected = v;
	return 0;
}

void vhost_user_report_remove(struct vhost_user_port *v)
{
	struct vhost_user_port **at;

	for (at = &connected; *at != v; at = &(*at)->next)
		;
	*at = v->next;
	if (connected)
		return;
	/* No thread uses the descriptor any more: the session's queues were
	 * taken back from the workers, and the guard waits for its handlers. */
	gmem_guard_report_to(-1);
	loop_watch_remove(&report_watch);
	fd_close(&report_fd);
}
