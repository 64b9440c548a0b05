/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User networking: NAT, DHCP, DNS and forwarded ports by libslirp. rx and tx
 * run on workers, the rest on the control thread. The library has a thread of
 * its own (user_slirp.c); a ring for each direction connects it to the workers.
 *
 * The library has no offloads: the switch does them in software.
 */
#include "user.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "types.h"
#include "user_filter.h"
#include "waiting.h"
#include "workers.h"

struct user_port {
	struct port port;
	struct rxq rx;
	struct txq tx;
	struct iovec iov[BURST_MAX]; /* [worker] rx_burst to rx_done */
	void *message[BURST_MAX];    /* [worker] rx_burst to rx_done: peeked */
	struct waiting waiting;	     /* [worker] held messages */
	struct user_filter filter;   /* [const] */
	struct user_slirp slirp;
	/* [ctl] */
	struct user_net net;
	struct opt_list guestfwd;	   /* as the user wrote them */
	struct opt_list hostfwd;	   /* as the user wrote them */
	struct user_hostfwd *hostfwd_rule; /* @hostfwd, parsed; heap */
};

static unsigned user_rx_burst(struct rxq *rx, struct burst *b)
{
	struct user_port *u = container_of(rx, struct user_port, rx);
	uint64_t skips = waiting_begin(&u->waiting);
	unsigned n = 0, looked = 0;

	while (looked < b->want) {
		uint32_t size;
		void *p = mring_peek(u->slirp.out, &size);

		if (!p)
			break;
		u->message[looked] = p;
		if (unlikely(waiting_skips(skips, looked++)))
			continue;
		b->frame[n].hdr = (struct vnet_hdr){ 0 };
		u->iov[n] = (struct iovec){ p, size };
		frame_from_iov(&b->frame[n], &u->iov[n], 1, size,
			       shm_load(&rx->snap));
		n++;
	}
	b->borrowed = looked;
	return n;
}

static void user_rx_done(struct rxq *rx, struct burst *b)
{
	struct user_port *u = container_of(rx, struct user_port, rx);
	unsigned back = waiting_end(&u->waiting, b->borrowed, b->held_mask);

	if (unlikely(back < b->borrowed))
		mring_unpeek(u->slirp.out, u->message[back]);
	mring_release(u->slirp.out);
}

static bool user_rx_arm(struct rxq *rx)
{
	return mring_arm(container_of(rx, struct user_port, rx)->slirp.out);
}

static void user_rx_disarm(struct rxq *rx)
{
	mring_disarm(container_of(rx, struct user_port, rx)->slirp.out);
}

static unsigned user_tx_burst(struct txq *tx, struct frame *const *frames,
			      unsigned n)
{
	struct user_port *u = container_of(tx, struct user_port, tx);
	struct queue_stats *s = &tx->stats;
	bool must_signal = false;
	unsigned i, copies = 0;

	for (i = 0; i < n; i++) {
		const struct frame *f = frames[i];
		void *p;

		if (!user_filter_passes(&u->filter, frame_head_const(f))) {
			txq_drop(tx, DROP_TX_NOT_MINE, 1, f->len);
			continue;
		}
		p = mring_reserve(u->slirp.in, f->len);
		if (!p)
			break;
		frame_copy(f, 0, p, f->len);
		must_signal |= mring_commit(u->slirp.in);
		copies++;
	}
	if (must_signal) {
		fd_signal(u->slirp.in_fd);
		stat_inc(&s->calls);
	}
	stat_add(&s->copies, copies);
	return i;
}

static int copy_list(struct opt_list *to, const struct opt_list *from)
{
	for (unsigned i = 0; i < from->count; i++) {
		int rc = opt_list_add(to, from->value[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static void clear_list(struct opt_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->value[i]);
	free(l->value);
	*l = (struct opt_list){ 0 };
}

/* Returns the parsed rules of @l (heap), or NULL with -errno in *@rc. */
static struct user_hostfwd *parse_rules(const struct opt_list *l,
					const struct user_net *n, int *rc,
					struct err *err)
{
	struct user_hostfwd *f = calloc(l->count + 1, sizeof(*f));

	*rc = f ? 0 : err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < l->count && !*rc; i++) {
		*rc = user_hostfwd_parse(l->value[i], n, &f[i], err);
		for (unsigned j = 0; j < i && !*rc; j++)
			if (user_hostfwd_clashes(&f[i], &f[j]))
				*rc = err_set(err, -EINVAL,
					      "hostfwd=%s: has the host's port "
					      "of hostfwd=%s",
					      l->value[i], l->value[j]);
	}
	if (!*rc)
		return f;
	free(f);
	return NULL;
}

static bool has_rule(const struct user_hostfwd *rules, unsigned count,
		     const struct user_hostfwd *f)
{
	for (unsigned i = 0; i < count; i++)
		if (user_hostfwd_is_same(&rules[i], f))
			return true;
	return false;
}

/* Removes the rules of @a that are not in @b from the library. */
static void remove_missing(struct user_port *u, const struct user_hostfwd *a,
			   unsigned a_count, const struct user_hostfwd *b,
			   unsigned b_count)
{
	for (unsigned i = 0; i < a_count; i++)
		if (!has_rule(b, b_count, &a[i]))
			user_slirp_remove_hostfwd(&u->slirp, &a[i]);
}

/*
 * Replaces the present rules by @new. A rule that is in both stays untouched.
 * If a new rule fails, the added rules are removed and the old ones restored.
 * Returns 0, and the port owns @text and @new; or -errno with @err.
 */
static int replace_rules(struct user_port *u, struct opt_list *text,
			 struct user_hostfwd *new, struct err *err)
{
	const struct user_hostfwd *old = u->hostfwd_rule;
	unsigned old_count = u->hostfwd.count, i;
	struct err ignored;
	int rc = 0;

	/* Removal comes first: a new rule may have the host port of an old one.
	 */
	remove_missing(u, old, old_count, new, text->count);
	for (i = 0; i < text->count && !rc; i++)
		if (!has_rule(old, old_count, &new[i]))
			rc = user_slirp_add_hostfwd(&u->slirp, &new[i],
						    text->value[i], err);
	if (!rc) {
		free(u->hostfwd_rule);
		clear_list(&u->hostfwd);
		u->hostfwd_rule = new;
		u->hostfwd = *text;
		return 0;
	}
	remove_missing(u, new, i - 1, old, old_count);
	for (i = 0; i < old_count; i++)
		if (!has_rule(new, text->count, &old[i]) &&
		    user_slirp_add_hostfwd(&u->slirp, &old[i],
					   u->hostfwd.value[i], &ignored))
			log_warn("port=%s: lost: %s", u->port.name,
				 ignored.msg);
	return rc;
}

static int set_hostfwd(struct user_port *u, const struct opt_list *wanted,
		       struct err *err)
{
	struct opt_list text = { 0 };
	struct user_hostfwd *rules;
	int rc;

	rules = parse_rules(wanted, &u->net, &rc, err);
	if (!rules)
		return rc;
	rc = copy_list(&text, wanted);
	if (rc)
		err_set(err, rc, "out of memory");
	else
		rc = replace_rules(u, &text, rules, err);
	if (rc) {
		clear_list(&text);
		free(rules);
	}
	return rc;
}

static int user_set(struct port *p, const void *conf, struct err *err)
{
	struct user_port *u = container_of(p, struct user_port, port);

	return set_hostfwd(u, &((const struct user_conf *)conf)->hostfwd, err);
}

static void show_list(struct show *s, const char *key, const struct opt_list *l)
{
	show_array(s, key);
	for (unsigned i = 0; i < l->count; i++)
		show_str(s, NULL, l->value[i]);
	show_end(s);
}

static void show_addr(struct show *s, const char *key, int family,
		      const void *addr)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(family, addr, text, sizeof(text)))
		show_str(s, key, text);
}

static void user_show(const struct port *p, struct show *s)
{
	const struct user_port *u = container_of(p, struct user_port, port);
	const struct user_net *n = &u->net;

	if (n->has_ipv4) {
		show_addr(s, "net", AF_INET, &n->net);
		show_addr(s, "mask", AF_INET, &n->mask);
		show_addr(s, "host", AF_INET, &n->host);
		show_addr(s, "dns", AF_INET, &n->dns);
		show_addr(s, "dhcpstart", AF_INET, &n->dhcpstart);
	}
	if (n->has_ipv6) {
		show_addr(s, "ipv6-prefix", AF_INET6, &n->prefix);
		show_num(s, "ipv6-prefixlen", n->prefix_len);
		show_addr(s, "ipv6-host", AF_INET6, &n->host6);
		show_addr(s, "ipv6-dns", AF_INET6, &n->dns6);
	}
	show_list(s, "hostfwd", &u->hostfwd);
	show_list(s, "guestfwd", &u->guestfwd);
	show_num(s, "to_guests_dropped", stat_read(&u->slirp.dropped));
	show_num(s, "sockets", stat_read(&u->slirp.sockets.count));
	show_num(s, "sockets_refused", stat_read(&u->slirp.sockets.refused));
	show_num(s, "dhcp_unanswered", stat_read(&u->slirp.dhcp_unanswered));
}

/* Undoes all that user_create() has done. */
static void user_destroy(struct port *p)
{
	struct user_port *u = container_of(p, struct user_port, port);

	rxq_detach(&u->rx);
	user_slirp_fini(&u->slirp); /* while the port has its name */
	user_filter_fini(&u->filter);
	port_fini(p);
	clear_list(&u->hostfwd);
	clear_list(&u->guestfwd);
	free(u->hostfwd_rule);
	free(u);
}

static const struct port_ops user_ops = {
	.rx_burst = user_rx_burst,
	.rx_done = user_rx_done,
	.rx_arm = user_rx_arm,
	.rx_disarm = user_rx_disarm,
	.tx_burst = user_tx_burst,
	.destroy = user_destroy,
	.set = user_set,
	.show = user_show,
};

static int start_queues(struct user_port *u)
{
	struct txq *tx = &u->tx;
	int rc;

	u->rx = (struct rxq){ .port = &u->port,
			      .can_spin = true,
			      .can_hold = true,
			      .event_fd = u->slirp.out_fd };
	u->tx.port = &u->port;
	u->port.rxq[0] = &u->rx;
	u->port.txq[0] = tx;
	rc = port_set_txqs(&u->port, &tx, 1, 0);
	return rc ? rc : rxq_attach(&u->rx);
}

static int user_create(const struct port_env *env,
		       const struct port_conf *common, const void *conf_,
		       struct port **out, struct err *err)
{
	const struct user_conf *conf = conf_;
	struct user_port *u = calloc(1, sizeof(*u));
	int rc;

	if (!u ||
	    port_init(&u->port, env, &port_user_type, &user_ops, common, 1)) {
		free(u);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = user_net_parse(conf, &u->net, err);
	if (rc) {
		port_fini(&u->port);
		free(u);
		return rc;
	}
	rc = user_slirp_init(&u->slirp, u->port.name, conf, &u->net, err);
	if (!rc && user_filter_init(&u->filter, &u->net, &conf->guestfwd))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = set_hostfwd(u, &conf->hostfwd, err);
	if (!rc)
		rc = user_slirp_start(&u->slirp, err);
	if (!rc) {
		rc = copy_list(&u->guestfwd, &conf->guestfwd);
		if (!rc)
			rc = start_queues(u);
		if (rc)
			err_set(err, rc, "cannot start the queues: %s",
				strerror(-rc));
	}
	if (!rc)
		*out = &u->port;
	else
		user_destroy(&u->port);
	return rc;
}

const struct port_type port_user_type = {
	.name = "user",
	.help = "user networking: NAT, DHCP, DNS, forwarded ports",
	.rows = user_rows,
	.conf_size = sizeof(struct user_conf),
	.create = user_create,
};
