/* SPDX-License-Identifier: Apache-2.0 */
/* Back-ends that connect to us, see vu_listen.h. Control thread. */
#include "vu_listen.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Time to wait when this process has no room for a descriptor. */
#define STARVED_MS 1000

static void on_timer(struct loop_timer *t)
{
	vu_listen_wait(container_of(t, struct vu_listen, timer));
}

static void on_listener(struct loop_watch *w, uint32_t events)
{
	struct vu_listen *l = container_of(w, struct vu_listen, watch);
	int sock = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (sock < 0 && (errno == EAGAIN || errno == ECONNABORTED))
		return; /* it is gone again */
	loop_watch_remove(&l->watch);
	if (sock < 0)
		loop_timer_arm(l->loop, &l->timer, STARVED_MS, on_timer);
	else
		l->came(l, sock);
}

int vu_listen_open(struct vu_listen *l, struct loop *loop, const char *path,
		   void (*came)(struct vu_listen *l, int sock), struct err *err)
{
	int rc = unix_listen(&l->listener, "path", path,
			     S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP, err);

	l->loop = rc ? NULL : loop;
	l->came = came;
	return rc;
}

void vu_listen_wait(struct vu_listen *l)
{
	if (!l->watch.loop && loop_watch_add(l->loop, &l->watch, l->listener.fd,
					     EPOLLIN, on_listener))
		loop_timer_arm(l->loop, &l->timer, STARVED_MS, on_timer);
}

void vu_listen_close(struct vu_listen *l)
{
	if (!l->loop)
		return;
	loop_watch_remove(&l->watch);
	loop_timer_disarm(&l->timer);
	unix_unlisten(&l->listener);
}
