/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns events of the switch into notifications, see daemon_watch.h. Control
 * thread.
 *
 * An event is written to the client's buffer at once, or counted and dropped
 * when WATCH_MAX_UNREAD bytes lie there unread: nothing waits for a client, and
 * the memory for each is bounded.
 */
#include "daemon_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json_show.h"
#include "observer.h"

struct daemon_watch {
	struct observer observer;
	struct rpc_hook hook; /* on the client's connection */
	struct daemon *daemon;
	uint64_t lost; /* events dropped since the last notification */
	struct daemon_watch *next;
};

static void show_time(struct show *s)
{
	struct timespec now;
	char day[32], text[40];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day,
		 (unsigned)(now.tv_nsec / 1000000));
	show_str(s, "time", text);
}

static void show_event(const struct event *e, struct show *s)
{
	show_str(s, "event", event_names[e->kind]);
	show_time(s);
	show_str(s,
		 e->kind == EVENT_DEVICE_ADDED ||
				 e->kind == EVENT_DEVICE_REMOVED
			 ? "device"
			 : "port",
		 e->port);
	if (e->net)
		show_str(s, "net", e->net);
	switch (e->kind) {
	case EVENT_LINK:
		show_flag(s, "up", e->is_up);
		break;
	case EVENT_MAC:
		show_mac(s, "mac", e->mac.mac);
		if (e->mac.vlan)
			show_num(s, "vlan", e->mac.vlan);
		if (e->mac.from)
			show_str(s, "from", e->mac.from);
		break;
	case EVENT_FAULT:
		show_num(s, "queue", e->fault.queue);
		show_str(s, "text", e->fault.text);
		break;
	case EVENT_QUEUE_MOVE:
		show_num(s, "queue", e->move.queue);
		show_num(s, "from", e->move.from);
		show_num(s, "to", e->move.to);
		show_num(s, "percent", e->move.percent);
		break;
	default:
		break;
	}
}

static void on_event(struct observer *o, const struct event *e)
{
	struct daemon_watch *w = container_of(o, struct daemon_watch, observer);
	struct json_show j;
	json_t *params;

	if (e->kind == EVENT_MAC)
		w->lost += e->mac.lost;
	if (rpc_conn_unread(w->hook.conn) >= WATCH_MAX_UNREAD) {
		w->lost++;
		return;
	}
	params = json_object();
	json_show_init(&j, params);
	show_event(e, &j.show);
	if (w->lost)
		show_num(&j.show, "lost", w->lost);
	w->lost = 0;
	rpc_conn_notify(w->hook.conn, "event", params);
}

static void watch_end(struct daemon_watch *w)
{
	struct daemon_watch **at = &w->daemon->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	observer_remove(switch_observers(w->daemon->sw), &w->observer);
	rpc_hook_remove(&w->hook);
	free(w);
}

static void on_client_gone(struct rpc_hook *h)
{
	watch_end(container_of(h, struct daemon_watch, hook));
}

static struct daemon_watch *find_watch(struct daemon *d, struct rpc_conn *conn)
{
	struct daemon_watch *w = d->watches;

	while (w && w->hook.conn != conn)
		w = w->next;
	return w;
}

int daemon_watch_start(struct daemon *d, struct rpc_conn *conn, unsigned kinds)
{
	struct observers *all = switch_observers(d->sw);
	struct daemon_watch *w = find_watch(d, conn);

	if (w) {
		observer_remove(all, &w->observer);
	} else {
		w = calloc(1, sizeof(*w));
		if (!w)
			return -ENOMEM;
		w->daemon = d;
		w->next = d->watches;
		d->watches = w;
		rpc_hook_set(&w->hook, conn, on_client_gone);
	}
	w->observer = (struct observer){ .fn = on_event, .kinds = kinds };
	observer_add(all, &w->observer);
	return 0;
}

void daemon_watch_end_all(struct daemon *d)
{
	/* Each call removes the first of the list. */
	while (d->watches)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		watch_end(d->watches);
}
