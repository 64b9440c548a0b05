/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints and their tunnels, see tunnel.h. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fd.h"
#include "socket.h"
#include "tunnel.h"
#include "workers.h"

#define ROOM_SIZE ((size_t)BURST_MAX * TUNNEL_ROOM)

static struct endpoint *endpoints; /* [ctl] list of all */

static void destroy(struct endpoint *e)
{
	struct endpoint **at = &endpoints;

	while (*at && *at != e)
		at = &(*at)->next;
	if (*at)
		*at = e->next;
	rxq_detach(&e->rx);
	endpoint_close_sockets(e);
	if (e->room)
		munmap(e->room, ROOM_SIZE);
	if (e->port.name)
		port_fini(&e->port);
	free(e->in);
	free(e->sender);
	free(e->control);
	free(e->bucket);
	free(e);
}

static const struct port_ops endpoint_ops = {
	.rx_burst = endpoint_rx_burst,
	.rx_done = endpoint_rx_done,
	.rx_arm = endpoint_rx_arm,
	.rx_disarm = endpoint_rx_disarm,
};

static int allocate(struct endpoint *e)
{
	e->room = mmap(NULL, ROOM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (e->room == MAP_FAILED)
		e->room = NULL;
	e->in = calloc(BURST_MAX, sizeof(*e->in));
	e->sender = calloc(BURST_MAX, sizeof(*e->sender));
	e->control = calloc(BURST_MAX, sizeof(*e->control));
	e->bucket = calloc(1, sizeof(*e->bucket));
	if (!e->room || !e->in || !e->sender || !e->control || !e->bucket)
		return -ENOMEM;
	for (unsigned i = 0; i < BURST_MAX; i++) {
		e->slot[i] = (struct iovec){ e->room + (size_t)i * TUNNEL_ROOM,
					     TUNNEL_ROOM };
		e->in[i].msg_hdr = (struct msghdr){
			.msg_iov = &e->slot[i],
			.msg_iovlen = 1,
			.msg_name = &e->sender[i],
			.msg_control = e->control[i],
		};
	}
	return 0;
}

/* Returns whether a socket at @a keeps one from @b. */
static bool is_in_the_way(const struct sock_addr *a, const struct sock_addr *b)
{
	return a->sa.sa_family == b->sa.sa_family &&
	       a->in.sin_port == b->in.sin_port &&
	       (sock_addr_is_any(a) || sock_addr_is_any(b) ||
		sock_addr_equal(a, b));
}

/* Says why the socket of @conf cannot be opened: another one of ours may have
 * its port. */
static void explain(const struct endpoint_conf *conf, int rc, struct err *err)
{
	const struct endpoint *e = endpoints;

	while (e && !is_in_the_way(&e->conf.local, &conf->local))
		e = e->next;
	if (rc != -EADDRINUSE || !e)
		endpoint_fail(conf, rc, err);
	else if (e->conf.encap != conf->encap)
		err_set(err, rc,
			"dstport=%u: port %s (%s) has it: write another "
			"dstport=",
			ntohs(conf->local.in.sin_port), e->tunnels->port.name,
			e->conf.encap->name);
	else
		err_set(err, rc,
			"local=: port %s has %s: give both ports the same "
			"local=, or each its own, or another dstport=",
			e->tunnels->port.name,
			sock_addr_is_any(&e->conf.local) ? "all addresses"
							 : "this address");
}

static int create(struct tunnel *t, const struct port_env *env,
		  const struct endpoint_conf *conf, struct endpoint **out,
		  struct err *err)
{
	struct endpoint *e = calloc(1, sizeof(*e));
	char where[SOCK_ADDR_TEXT], id[SOCK_ADDR_TEXT + 16];
	int rc;

	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	e->fd = -1;
	e->conf = *conf;
	e->sw = env->sw;
	sock_addr_text(&conf->local, where);
	snprintf(id, sizeof(id), "%s %s", conf->encap->name, where);
	rc = allocate(e);
	if (!rc)
		rc = port_init(&e->port, env, t->port.type, &endpoint_ops,
			       &(struct port_conf){ .id = id }, 1);
	if (!rc)
		rc = endpoint_open_receiver(e);
	if (rc) {
		destroy(e);
		explain(conf, rc, err);
		return rc;
	}
	e->rx = (struct rxq){ .port = &e->port,
			      .event_fd = e->fd,
			      .can_hold = true,
			      .is_shared = true };
	e->port.rxq[0] = &e->rx;
	e->next = endpoints;
	endpoints = e;
	*out = e;
	return 0;
}

/* Makes the table of sessions anew. Returns 0 or -ENOMEM. */
static int fill_buckets(struct endpoint *e)
{
	unsigned size = e->bucket_mask + 1;
	struct tunnel **bucket;

	while (size < e->count)
		size *= 2;
	bucket = calloc(size, sizeof(struct tunnel *));
	if (!bucket)
		return -ENOMEM;
	free(e->bucket);
	e->bucket = bucket;
	e->bucket_mask = size - 1;
	for (struct tunnel *t = e->tunnels; t; t = t->next) {
		struct tunnel **at =
			&bucket[t->conf.rx_session & e->bucket_mask];

		t->next_bucket = *at;
		*at = t;
	}
	return 0;
}

/* Takes @t off the lists of its endpoint, whose queue is detached. */
static void remove_tunnel(struct endpoint *e, struct tunnel *t)
{
	struct tunnel **at = &e->tunnels;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	e->count--;
	at = &e->bucket[t->conf.rx_session & e->bucket_mask];
	while (*at && *at != t)
		at = &(*at)->next_bucket;
	if (*at)
		*at = t->next_bucket;
	for (unsigned i = 0; i < e->store.count; i++)
		if (e->from[i] == t)
			e->from[i] = NULL;
}

void endpoint_leave(struct tunnel *t)
{
	struct endpoint *e = t->ep;

	rxq_detach(&e->rx);
	remove_tunnel(e, t);
	t->ep = NULL;
	if (!e->count)
		destroy(e);
	else
		rxq_attach(&e->rx);
}

static int add_tunnel(struct endpoint *e, struct tunnel *t)
{
	struct tunnel **at = &e->tunnels;
	int rc;

	rxq_detach(&e->rx);
	while (*at)
		at = &(*at)->next;
	*at = t;
	e->count++;
	t->ep = e;
	rc = fill_buckets(e);
	return rc ? rc : rxq_attach(&e->rx);
}

/* Returns whether link-local addresses of two interfaces keep the tunnels
 * apart.
 */
static bool are_on_two_links(const struct tunnel *a, const struct tunnel *b)
{
	const struct sock_addr *x =
		a->group.len ? &a->group : &a->peers.peer[0].addr;
	const struct sock_addr *y =
		b->group.len ? &b->group : &b->peers.peer[0].addr;

	return sock_addr_is_link_local(x) && sock_addr_is_link_local(y) &&
	       strcmp(a->dev, b->dev) != 0;
}

/* Returns an error if the frames of @t and of another tunnel of @e could not be
 * told apart. */
static int check_session(const struct endpoint *e, const struct tunnel *t,
			 struct err *err)
{
	const char *key = t->encap->udp_port ? "vni" : "ikey";

	for (const struct tunnel *o = e->tunnels; o; o = o->next) {
		bool is_same = o->group.len || t->group.len;

		if (are_on_two_links(o, t))
			continue;
		for (unsigned i = 0; i < t->peers.listed && !is_same; i++)
			is_same = peers_is_listed(&o->peers,
						  &t->peers.peer[i].addr);
		if (o->conf.rx_session != t->conf.rx_session || !is_same)
			continue;
		if (t->conf.rx_session == ENCAP_NO_KEY)
			return err_set(err, -EEXIST,
				       "ikey: port %s has the same remote and "
				       "no key either",
				       o->port.name);
		return err_set(err, -EEXIST,
			       "%s=%llu: port %s on the same address has it, "
			       "with the same remote or a group",
			       key, (unsigned long long)t->conf.rx_session,
			       o->port.name);
	}
	return 0;
}

static int check_agreement(const struct endpoint *e,
			   const struct endpoint_conf *c, struct err *err)
{
	const char *key = NULL;

	if (e->conf.first != c->first || e->conf.last != c->last)
		key = "srcport";
	else if (e->conf.zero_csum6 != c->zero_csum6)
		key = "udp6zerocsumrx";
	if (!key)
		return 0;
	return err_set(err, -EINVAL,
		       "%s: must be the same as of port %s, which has the same "
		       "address and port",
		       key, e->tunnels->port.name);
}

/* Raw sockets do not exclude each other: one of all addresses gets what one of
 * an address gets. Returns an error if the frames of @t would come twice. */
static int check_raw(const struct tunnel *t, const struct endpoint_conf *conf,
		     struct err *err)
{
	int rc = 0;

	for (const struct endpoint *e = endpoints; e && !rc; e = e->next)
		if (!conf->encap->udp_port && e->conf.encap == conf->encap &&
		    e->conf.local.sa.sa_family == conf->local.sa.sa_family &&
		    (sock_addr_is_any(&e->conf.local) ||
		     sock_addr_is_any(&conf->local)))
			rc = check_session(e, t, err);
	return rc;
}

/* Returns whether @a and @b are one address. A link-local one is on each
 * interface another; the number of an interface may have changed. */
static bool is_same_place(const struct sock_addr *a, const struct sock_addr *b)
{
	return sock_addr_equal(a, b) && !strcmp(a->scope, b->scope);
}

int endpoint_join(struct tunnel *t, const struct port_env *env,
		  const struct endpoint_conf *conf, struct err *err)
{
	struct endpoint *e = endpoints;
	int rc;

	while (e && (e->sw != env->sw || e->conf.encap != conf->encap ||
		     !is_same_place(&e->conf.local, &conf->local)))
		e = e->next;
	rc = check_raw(t, conf, err);
	if (!rc && !e)
		rc = create(t, env, conf, &e, err);
	else if (!rc)
		rc = check_agreement(e, conf, err);
	if (rc)
		return rc;
	rc = check_session(e, t, err);
	if (!rc && t->df != DF_SET)
		rc = endpoint_open_senders(e, t->mode, err);
	if (!rc && t->df != DF_UNSET)
		rc = endpoint_open_senders(e, t->mode | SEND_DF, err);
	if (!rc) {
		rc = add_tunnel(e, t);
		if (!rc)
			return 0;
		endpoint_leave(t);
		return err_set(err, rc, "out of memory");
	}
	if (!e->count)
		destroy(e);
	return rc;
}

void endpoint_show(const struct endpoint *e, struct show *out)
{
	char where[SOCK_ADDR_TEXT];

	sock_addr_text(&e->conf.local, where);
	show_object(out, "endpoint");
	show_str(out, "address", where);
	show_num(out, "ports", e->count);
	show_num(out, "socket_drops", sock_drops(e->fd));
	show_num(out, "calls", stat_read(&e->rx.stats.calls));
	show_num(out, "waits", stat_read(&e->rx.stats.waits));
	if (e->rx.worker)
		show_num(out, "worker", e->rx.worker_idx);
	else
		show_str(out, "error", "no memory to receive");
	show_end(out);
}
