/* SPDX-License-Identifier: Apache-2.0 */
/* A port over AF_XDP: start, end and what happens between, see xdp.h. Control
 * thread. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>

#include "fd.h"
#include "types.h"
#include "workers.h"
#include "xdp_impl.h"

/* Time after which frames are sent that an interface was too busy for. */
#define LAG_MS 1

static struct xdp_port *of_iface(struct iface *i)
{
	return container_of(i, struct xdp_port, iface);
}

static struct xdp_port *to_xdp(const struct port *p)
{
	return container_of(p, struct xdp_port, port);
}

/* Sends what an interface was too busy for when no frame follows. */
static void send_late(struct xdp_port *x);

static void on_lag_timer(struct loop_timer *t)
{
	send_late(container_of(t, struct xdp_port, lag_timer));
}

static void on_lag(struct loop_watch *w, uint32_t events)
{
	(void)events;
	fd_drain(w->fd);
	send_late(container_of(w, struct xdp_port, lag_watch));
}

static void send_late(struct xdp_port *x)
{
	bool is_busy = false;
	uint64_t calls = 0; /* the queues' own counters are the workers' */

	for (unsigned i = 0; i < x->count; i++)
		if (x->q[i]->fd >= 0)
			is_busy |= xdp_send(x->q[i], &calls);
	if (is_busy && port_link_is_up(&x->port))
		loop_timer_arm(x->port.loop, &x->lag_timer, LAG_MS,
			       on_lag_timer);
}

static void close_queues(struct iface *i)
{
	struct xdp_port *x = of_iface(i);

	rxq_detach_many(x->port.rxq, x->count);
	for (unsigned n = 0; n < x->count; n++)
		xdp_queue_close(x->q[n]);
	xdp_prog_detach(x);
}

/* Puts the socket of @q where the program finds it. */
static int publish(struct xdp_port *x, struct xdp_queue *q, struct err *err)
{
	unsigned first =
		x->conf.inhibit ? x->conf.map_start_index : x->conf.start_queue;
	uint32_t key = first + q->rx.idx;
	int rc = bpf_map_update_elem(x->map_fd, &key, &q->fd, BPF_NOEXIST);

	if (rc == -EEXIST)
		return err_set(
			err, rc,
			"map-start-index=%u: entry %u of the map is that "
			"of another port or program: write another one",
			x->conf.map_start_index, key);
	return rc ? err_set(err, rc,
			    "ifname=%s: cannot enter socket %u into "
			    "the map: %s",
			    x->iface.name, key, strerror(-rc))
		  : 0;
}

/* Refuses an interface whose frames do not fit into a chunk. */
static int check_mtu(const struct iface *i, struct err *err)
{
	if (i->mtu <= XDP_MTU_MAX)
		return 0;
	return err_set(err, -EMSGSIZE,
		       "ifname=%s: its MTU is %u, and AF_XDP takes at most %u: "
		       "`ip link set %s mtu %u`",
		       i->name, i->mtu, XDP_MTU_MAX, i->name, XDP_MTU_MAX);
}

static int open_queues(struct iface *i, struct err *err)
{
	struct xdp_port *x = of_iface(i);
	int rc = check_mtu(i, err);

	if (!rc)
		rc = xdp_prog_attach(x, err);
	for (unsigned n = 0; n < x->count && !rc; n++)
		rc = xdp_queue_open(x, x->q[n], err);
	for (unsigned n = 0; n < x->count && !rc; n++)
		rc = publish(x, x->q[n], err);
	for (unsigned n = 0; n < x->count && !rc; n++) {
		rc = rxq_attach(&x->q[n]->rx);
		if (rc)
			err_set(err, rc, "ifname=%s: %s", i->name,
				strerror(-rc));
	}
	if (rc)
		close_queues(i);
	return rc;
}

static int set_link(struct iface *i, bool is_up)
{
	struct xdp_port *x = of_iface(i);

	for (unsigned n = 0; n < x->count; n++)
		shm_store(&x->q[n]->mtu, i->mtu);
	if (is_up == port_link_is_up(&x->port))
		return 0;
	return port_set_txqs(&x->port, x->port.txq, is_up ? x->count : 0, 0);
}

static const struct iface_ops iface_ops = {
	.open = open_queues,
	.close = close_queues,
	.changed = set_link,
};

static void release(struct xdp_port *x)
{
	iface_leave(&x->iface);
	if (x->port.name) {
		port_set_txqs(&x->port, NULL, 0, 0);
		close_queues(&x->iface);
		port_fini(&x->port);
	}
	loop_watch_remove(&x->lag_watch);
	loop_timer_disarm(&x->lag_timer);
	for (unsigned i = 0; i < x->count; i++)
		xdp_queue_destroy(x->q[i]);
	fd_close(&x->lag_fd);
	opt_free(port_xdp_type.rows, &x->conf);
	free(x);
}

static void xdp_destroy(struct port *p)
{
	release(to_xdp(p));
}

/* Prints what the kernel dropped before the switch saw it. */
static void show_drops(const struct xdp_port *x, struct show *out)
{
	uint64_t unfit = 0, full = 0;

	for (unsigned i = 0; i < x->count; i++) {
		struct xdp_statistics s = { 0 };
		socklen_t size = sizeof(s);

		if (x->q[i]->fd < 0 ||
		    getsockopt(x->q[i]->fd, SOL_XDP, XDP_STATISTICS, &s, &size))
			continue;
		unfit += s.rx_dropped;
		full += s.rx_ring_full + s.rx_fill_ring_empty_descs;
	}
	show_num(out, "kernel_rx_dropped", unfit);
	show_num(out, "kernel_rx_full", full);
}

static void xdp_show(const struct port *p, struct show *out)
{
	const struct xdp_port *x = to_xdp(p);

	iface_show(&x->iface, out);
	if (!x->iface.index)
		return;
	if (!x->conf.inhibit)
		show_str(out, "mode", x->is_native ? "native" : "skb");
	show_flag(out, "zero_copy", x->q[0]->is_zero_copy);
	show_drops(x, out);
}

static const struct port_ops xdp_ops = {
	.rx_burst = xdp_rx_burst,
	.rx_done = xdp_rx_done,
	.rx_arm = xdp_rx_arm,
	.tx_burst = xdp_tx_burst,
	.destroy = xdp_destroy,
	.show = xdp_show,
};

static int check(const struct xdp_conf *c, struct err *err)
{
	if (c->sock_fds)
		return err_set(err, -EINVAL,
			       "sock-fds: open sockets are not taken: write "
			       "inhibit=on,map-path=PATH, and the port enters "
			       "its sockets there");
	if (c->inhibit != (c->map_path != NULL))
		return err_set(err, -EINVAL,
			       "inhibit=on and map-path=PATH must stand "
			       "together");
	return 0;
}

/* Allocates the port. Returns NULL without memory or descriptors. */
static struct xdp_port *allocate(const struct port_env *env,
				 const struct port_conf *common,
				 const struct xdp_conf *c)
{
	struct xdp_port *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->map_fd = x->link_fd = -1;
	x->lag_fd = fd_eventfd();
	if (x->lag_fd < 0 ||
	    opt_copy(port_xdp_type.rows, &x->conf, c, sizeof(*c)) ||
	    port_init(&x->port, env, &port_xdp_type, &xdp_ops, common,
		      c->queues))
		goto fail;
	if (!c->mode_given)
		x->conf.mode = XDP_IN_EITHER;
	for (; x->count < c->queues; x->count++) {
		struct xdp_queue *q = xdp_queue_create(x, x->count);

		if (!q)
			goto fail;
		x->q[x->count] = q;
		x->port.rxq[x->count] = &q->rx;
		x->port.txq[x->count] = &q->tx;
	}
	if (!loop_watch_add(env->loop, &x->lag_watch, x->lag_fd, EPOLLIN,
			    on_lag))
		return x;
fail:
	release(x);
	return NULL;
}

/* The libraries would print to standard error. */
static int print_nothing(enum libbpf_print_level level, const char *format,
			 va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int print_nothing_either(enum libxdp_print_level level,
				const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int xdp_create(const struct port_env *env, const struct port_conf *common,
	       const void *conf, struct port **out, struct err *err)
{
	const struct xdp_conf *c = conf;
	struct xdp_port *x;
	int rc = check(c, err);

	if (rc)
		return rc;
	libbpf_set_print(print_nothing);
	libxdp_set_print(print_nothing_either);
	x = allocate(env, common, c);
	if (!x)
		return err_set(err, -ENOMEM, "out of memory");
	rc = iface_find(&x->iface, c->ifname, err);
	if (!rc)
		rc = open_queues(&x->iface, err);
	if (rc) {
		release(x);
		return rc;
	}
	rc = iface_follow(&x->iface, &iface_ops, &x->port);
	if (rc) {
		release(x);
		return err_set(err, rc, "ifname=%s: %s", c->ifname,
			       strerror(-rc));
	}
	*out = &x->port;
	return 0;
}
