/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures for clients, see daemon_capture.h. Control thread.
 *
 * Life of a struct daemon_capture: the capture's thread may post on_ended()
 * until capture_stop() has returned, and a posted call may wait in the loop
 * longer than that. So the end of a capture posts capture_free(), which the
 * loop runs after every call posted before. Objects that still wait for it when
 * the daemon ends are on the daemon's list, which daemon_capture_free_all()
 * frees.
 */
#include "daemon_capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "json_show.h"

struct daemon_capture {
	struct daemon *daemon;
	struct daemon_port *port; /* NULL after the capture's end */
	struct rpc_hook hook;	  /* on the client's connection */
	struct daemon_capture *next;
};

static void capture_free(void *arg)
{
	struct daemon_capture *c = arg, **at;

	for (at = &c->daemon->captures; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	free(c);
}

void daemon_capture_show(const struct capture_stats *stats, const char *reason,
			 struct show *s)
{
	show_num(s, "frames", stats->frames);
	show_num(s, "dropped", stats->dropped);
	if (stats->error) {
		show_str(s, "reason", strerror(-stats->error));
		show_str(s, "error", strerrorname_np(-stats->error));
	} else if (reason) {
		show_str(s, "reason", reason);
	}
}

static void tell_client(struct daemon_capture *c,
			const struct capture_stats *stats, const char *reason)
{
	struct json_show j;
	json_t *params = json_object();

	json_show_init(&j, params);
	show_str(&j.show, "id", c->port->netdev->common.id);
	daemon_capture_show(stats, reason, &j.show);
	rpc_conn_notify(c->hook.conn, "capture.ended", params);
}

struct capture_stats daemon_capture_end(struct daemon_port *p,
					const char *reason)
{
	struct daemon_capture *c = p->capture;
	struct capture_stats stats = { 0 };

	if (!c)
		return stats;
	capture_stop(p->port, &stats);
	if (c->hook.conn)
		tell_client(c, &stats, reason);
	rpc_hook_remove(&c->hook);
	p->capture = NULL;
	c->port = NULL;
	/* When this fails for lack of memory, the object stays on the list. */
	loop_post(c->daemon->loop, capture_free, c);
	return stats;
}

static void on_ended(void *arg)
{
	struct daemon_capture *c = arg;

	if (c->port)
		daemon_capture_end(c->port, "done");
}

static void on_client_gone(struct rpc_hook *h)
{
	struct daemon_capture *c = container_of(h, struct daemon_capture, hook);

	daemon_capture_end(c->port, "the client went away");
}

int daemon_capture_start(struct daemon *d, struct daemon_port *p,
			 const struct capture_config *config,
			 struct rpc_conn *conn, struct err *err)
{
	struct daemon_capture *c = calloc(1, sizeof(*c));
	int rc, fd = config->fd;

	if (!c || p->capture) {
		free(c);
		fd_close(&fd);
		return p->capture
			       ? err_set(err, -EBUSY,
					 "port %s is being captured already: "
					 "end that capture first",
					 p->netdev->common.id)
			       : err_set(err, -ENOMEM, "out of memory");
	}
	rc = capture_start(p->port, config, d->loop, on_ended, c, err);
	if (rc) {
		free(c);
		return rc;
	}
	c->daemon = d;
	c->port = p;
	c->next = d->captures;
	d->captures = c;
	p->capture = c;
	rpc_hook_set(&c->hook, conn, on_client_gone);
	return 0;
}

void daemon_capture_free_all(struct daemon *d)
{
	/* Each call removes the first of the list. */
	while (d->captures)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		capture_free(d->captures);
}
