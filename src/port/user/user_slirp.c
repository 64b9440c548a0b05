/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libslirp on a thread of its own, see user.h.
 *
 * All instances of the library share a few variables. So one lock for the whole
 * process is held around every call of the library, but never during poll() or
 * another call that could block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fd.h"
#include "frame.h"
#include "log.h"
#include "user.h"
#include "user_edge.h"

/* Frames to guests: room for 16 full windows of libslirp's TCP. A frame that
 * does not fit is lost, and libslirp's TCP retransmits slowly. */
#define OUT_SIZE (1u << 20)
#define IN_SIZE	 (512u << 10)
/* Frames from guests in a round. A round must not open more connections than
 * the agents' backlog holds, because connecting must not block. */
#define IN_BATCH 64

pthread_mutex_t user_library = PTHREAD_MUTEX_INITIALIZER;

static ssize_t on_send(const void *buf, size_t len, void *opaque)
{
	struct user_slirp *s = opaque;
	void *p = len >= ETH_HLEN && len <= FRAME_MAX
			  ? mring_reserve(s->out, (uint32_t)len)
			  : NULL;

	if (!p) {
		stat_inc(&s->dropped);
		return (ssize_t)len;
	}
	memcpy(p, buf, len);
	user_fix_source(p, (uint32_t)len, &s->net);
	s->has_dhcp_answer |= user_is_dhcp_answer(p, (uint32_t)len);
	s->must_signal |= mring_commit(s->out);
	return (ssize_t)len;
}

static void on_guest_error(const char *msg, void *opaque)
{
	struct user_slirp *s = opaque;

	log_limited(&s->log, LOG_LEVEL_DEBUG, "port=%s: guest's fault: %s",
		    s->name, msg);
}

static int64_t now_ns(void *opaque)
{
	struct timespec ts;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *on_timer_new(SlirpTimerId id, void *arg, void *opaque)
{
	struct user_slirp *s = opaque;
	struct user_timer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct user_timer){ id, arg, INT64_MAX, s->timers };
	s->timers = t;
	return t;
}

static void on_timer_free(void *timer, void *opaque)
{
	struct user_slirp *s = opaque;
	struct user_timer **t = &s->timers;

	while (*t && *t != timer)
		t = &(*t)->next;
	if (*t)
		*t = (*t)->next;
	free(timer);
}

static void on_timer_mod(void *timer, int64_t due_ms, void *opaque)
{
	struct user_timer *t = timer;

	(void)opaque;
	if (t)
		t->due_ms = due_ms;
}

/* Nothing to do: buffers become free on libslirp's thread only, and the thread
 * checks again before it sleeps. */
static void on_notify(void *opaque)
{
	(void)opaque;
}

/* Nothing to do: timers run on the thread only, after slirp_new(). */
static void on_init_completed(Slirp *slirp, void *opaque)
{
	(void)slirp;
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = on_send,
	.guest_error = on_guest_error,
	.clock_get_ns = now_ns,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = user_sockets_opened,
	.unregister_poll_fd = user_sockets_closed,
	.notify = on_notify,
	.init_completed = on_init_completed,
	.timer_new_opaque = on_timer_new,
};

int user_slirp_poll_fd(struct user_slirp *s, int fd, short events)
{
	if (s->pfd_count == s->pfd_room) {
		unsigned room = s->pfd_room ? s->pfd_room * 2 : 64;
		struct pollfd *p =
			reallocarray(s->pfd, room, sizeof(struct pollfd));

		if (!p)
			return -1;
		s->pfd = p;
		s->pfd_room = room;
	}
	s->pfd[s->pfd_count] = (struct pollfd){ fd, events, 0 };
	return (int)s->pfd_count++;
}

static const struct {
	int slirp;
	short poll;
} event_map[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT },
	{ SLIRP_POLL_PRI, POLLPRI }, { SLIRP_POLL_ERR, POLLERR },
	{ SLIRP_POLL_HUP, POLLHUP },
};

static int on_add_poll(int fd, int events, void *opaque)
{
	short mapped = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(event_map); i++)
		if (events & event_map[i].slirp)
			mapped |= event_map[i].poll;
	return user_slirp_poll_fd(opaque, fd, mapped);
}

static int on_get_revents(int idx, void *opaque)
{
	const struct user_slirp *s = opaque;
	int events = 0;

	if (idx < 0 || (unsigned)idx >= s->pfd_count)
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(event_map); i++)
		if (s->pfd[idx].revents & event_map[i].poll)
			events |= event_map[i].slirp;
	return events;
}

static void run_timers(struct user_slirp *s)
{
	int64_t now_ms = now_ns(NULL) / 1000000;
	struct user_timer *t = s->timers;

	while (t) {
		struct user_timer *next = t->next;

		if (t->due_ms <= now_ms) {
			t->due_ms = INT64_MAX; /* the handler may rearm it */
			slirp_handle_timer(s->slirp, t->id, t->arg);
		}
		t = next;
	}
}

/* Returns the milliseconds until a timer is due, at most @ms; -1: for ever. */
static int next_timeout(const struct user_slirp *s, uint32_t ms)
{
	int64_t now_ms = now_ns(NULL) / 1000000, left = ms;

	if (ms > INT32_MAX)
		left = INT64_MAX;
	for (struct user_timer *t = s->timers; t; t = t->next)
		if (t->due_ms != INT64_MAX)
			left = MIN(left, MAX(t->due_ms - now_ms, 0));
	return left == INT64_MAX ? -1 : (int)left;
}

/* Reports a DHCPDISCOVER without an answer. The library answers at once; it is
 * silent when no address is left. */
static void tell_unanswered(struct user_slirp *s, const uint8_t *mac)
{
	stat_inc(&s->dhcp_unanswered);
	log_limited(&s->log, LOG_LEVEL_WARN,
		    "port=%s: DHCP: no address is left for "
		    "%02x:%02x:%02x:%02x:%02x:%02x: each port has 16, given "
		    "for good; add another port, or this one anew",
		    s->name, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void input_frame(struct user_slirp *s, const uint8_t *p, uint32_t size)
{
	uint8_t mac[6];
	bool is_discover = user_is_discover(p, size, mac);

	if (!user_sockets_admit(s, p, size))
		return;
	s->has_dhcp_answer = false;
	slirp_input(s->slirp, p, (int)size);
	if (unlikely(is_discover) && !s->has_dhcp_answer && s->net.has_ipv4)
		tell_unanswered(s, mac);
}

static void input_frames(struct user_slirp *s)
{
	for (unsigned i = 0; i < IN_BATCH; i++) {
		uint32_t size;
		const uint8_t *p = mring_peek(s->in, &size);

		if (!p)
			break;
		input_frame(s, p, size);
	}
	mring_release(s->in);
}

/* Sleeps until there is a frame, a socket event or a timer. */
static int wait_for_work(struct user_slirp *s, int timeout)
{
	int rc;

	if (!mring_arm(s->in))
		timeout = 0;
	rc = poll(s->pfd, s->pfd_count, timeout);
	mring_disarm(s->in);
	if (rc > 0 && s->pfd[0].revents)
		fd_drain(s->in_fd);
	return rc;
}

/* Handles frames, socket events, timers and changes of the control thread. */
static void serve_library(struct user_slirp *s, bool poll_failed)
{
	bool must_signal;

	pthread_mutex_lock(&user_library);
	/* Frames come first. An answer to ARP or ND frees packets that
	 * slirp_pollfds_poll() sends at its end; else they wait for the next
	 * round, which may be the library's slow timer, half a second later. */
	input_frames(s);
	slirp_pollfds_poll(s->slirp, poll_failed, on_get_revents, s);
	run_timers(s);
	if (s->change) {
		user_change_run(s, s->change);
		s->change = NULL;
		pthread_cond_signal(&s->change_done);
	}
	must_signal = s->must_signal;
	s->must_signal = false;
	pthread_mutex_unlock(&user_library);
	if (must_signal)
		fd_signal(s->out_fd);
}

static void *slirp_main(void *arg)
{
	struct user_slirp *s = arg;

	while (!shm_load_acquire(&s->stop)) {
		uint32_t ms = UINT32_MAX;
		int rc, timeout;

		s->pfd_count = 1;
		pthread_mutex_lock(&user_library);
		slirp_pollfds_fill(s->slirp, &ms, on_add_poll, s);
		timeout = next_timeout(s, ms);
		pthread_mutex_unlock(&user_library);
		user_agents_fill(s->agents, s);

		rc = wait_for_work(s, timeout);

		serve_library(s, rc < 0);
		if (rc > 0)
			user_agents_serve(s->agents, s);
	}
	return NULL;
}

static void fill_config(SlirpConfig *cfg, const struct user_conf *c,
			const struct user_net *n)
{
	*cfg = (SlirpConfig){
		.version = 4,
		.restricted = c->restricted,
		.in_enabled = n->has_ipv4,
		.vnetwork = n->net,
		.vnetmask = n->mask,
		.vhost = n->host,
		.vdhcp_start = n->dhcpstart,
		.vnameserver = n->dns,
		.in6_enabled = n->has_ipv6,
		.vprefix_addr6 = n->prefix,
		.vprefix_len = (uint8_t)n->prefix_len,
		.vhost6 = n->host6,
		.vnameserver6 = n->dns6,
		.vhostname = c->hostname,
		.vdomainname = c->domainname,
		.tftp_path = c->tftp && *c->tftp ? c->tftp : NULL,
		.tftp_server_name = c->tftp_server_name,
		.bootfile = c->bootfile,
	};
}

static int add_guestfwd(struct user_slirp *s, const char *text,
			const struct user_net *n, struct err *err)
{
	struct user_guestfwd f;
	const char *path;
	int rc = user_guestfwd_parse(text, n, &f, err);

	if (rc)
		return rc;
	rc = user_agents_add(&s->agents, &f, &path);
	if (rc)
		return err_set(err, rc, "guestfwd=%s: cannot listen: %s", text,
			       strerror(-rc));
	pthread_mutex_lock(&user_library);
	rc = slirp_add_unix(s->slirp, path, &f.server, f.port);
	pthread_mutex_unlock(&user_library);
	if (rc < 0)
		return err_set(err, -EEXIST,
			       "guestfwd=%s: another rule has this address "
			       "and port",
			       text);
	return 0;
}

static int start_library(struct user_slirp *s, const struct user_conf *c,
			 const struct user_net *n)
{
	const char **search =
		calloc(c->dnssearch.count + 1, sizeof(const char *));
	SlirpConfig cfg;

	if (!search)
		return -ENOMEM;
	for (unsigned i = 0; i < c->dnssearch.count; i++)
		search[i] = c->dnssearch.value[i];
	fill_config(&cfg, c, n);
	if (c->dnssearch.count)
		cfg.vdnssearch = search;
	pthread_mutex_lock(&user_library);
	s->slirp = slirp_new(&cfg, &callbacks, s);
	pthread_mutex_unlock(&user_library);
	free(search);
	return s->slirp ? 0 : -EINVAL;
}

/* Creates what connects the thread with the workers. */
static int create_rings(struct user_slirp *s)
{
	s->in_fd = fd_eventfd();
	s->out_fd = fd_eventfd();
	if (s->in_fd < 0 || s->out_fd < 0)
		return MIN(s->in_fd, s->out_fd);
	s->in = mring_create(IN_SIZE);
	s->out = mring_create(OUT_SIZE);
	return s->in && s->out && user_slirp_poll_fd(s, s->in_fd, POLLIN) == 0
		       ? 0
		       : -ENOMEM;
}

int user_slirp_init(struct user_slirp *s, const char *name,
		    const struct user_conf *c, const struct user_net *n,
		    struct err *err)
{
	int rc;

	*s = (struct user_slirp){ .name = name, .net = *n };
	user_sockets_init(s);
	pthread_cond_init(&s->change_done, NULL);
	rc = create_rings(s);
	if (!rc)
		rc = start_library(s, c, n);
	if (rc)
		return err_set(err, rc, "cannot start user networking: %s",
			       strerror(-rc));
	for (unsigned i = 0; i < c->guestfwd.count && !rc; i++)
		rc = add_guestfwd(s, c->guestfwd.value[i], n, err);
	return rc;
}

int user_slirp_start(struct user_slirp *s, struct err *err)
{
	int rc = pthread_create(&s->thread, NULL, slirp_main, s);

	if (rc)
		return err_set(err, -rc, "cannot start a thread: %s",
			       strerror(rc));
	pthread_setname_np(s->thread, "slirp");
	s->has_thread = true;
	return 0;
}

void user_slirp_fini(struct user_slirp *s)
{
	if (s->has_thread) {
		shm_store_release(&s->stop, true);
		fd_signal(s->in_fd);
		pthread_join(s->thread, NULL);
	}
	if (s->slirp) {
		pthread_mutex_lock(&user_library);
		slirp_cleanup(s->slirp);
		user_sockets_fini(s);
		pthread_mutex_unlock(&user_library);
	}
	/* Each call takes the first timer from the list. */
	while (s->timers)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		on_timer_free(s->timers, s);
	user_agents_destroy(s->agents);
	mring_destroy(s->in);
	mring_destroy(s->out);
	fd_close(&s->in_fd);
	fd_close(&s->out_fd);
	free(s->pfd);
	pthread_cond_destroy(&s->change_done);
	log_limit_fini(&s->log);
}
