/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user-front port: its options, start and end, see front.h. Control
 * thread. */
#include "front.h"
#include "front_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "types.h"

struct front_conf {
	char *path;
	uint32_t queues, reconnect, reconnect_ms;
	bool packed, server, wait, reconnect_given, reconnect_ms_given;
};

#define AT(member) .offset = offsetof(struct front_conf, member)

static const struct opt_row front_rows[] = {
	{ .key = "path",
	  .kind = OPT_PATH,
	  AT(path),
	  .required = true,
	  .arg = "PATH",
	  .help = "socket on which the back-end listens, or with server=on "
		  "this port" },
	{ .key = "server",
	  .kind = OPT_BOOL,
	  AT(server),
	  .def = "off",
	  .help = "the back-end connects to this port" },
	{ .key = "wait",
	  .kind = OPT_BOOL,
	  AT(wait),
	  .def = "on",
	  .help = "of `ringway vm`: with server=on the machine begins when the "
		  "back-end is there; a switch does not wait" },
	{ .key = "queues",
	  .kind = OPT_UINT,
	  AT(queues),
	  .min = 1,
	  .max = FRONT_PAIRS_MAX,
	  .def = "1",
	  .arg = "N",
	  .help = "queue pairs; the back-end must have as many" },
	{ .key = "packed",
	  .kind = OPT_BOOL,
	  AT(packed),
	  .def = "off",
	  .help = "packed rings; off: split rings" },
	{ .key = "reconnect",
	  .kind = OPT_UINT,
	  AT(reconnect),
	  .set_offset = offsetof(struct front_conf, reconnect_given),
	  .max = 3600,
	  .def = "0",
	  .arg = "SECONDS",
	  .help = "first delay before the next try to connect; it grows to a "
		  "minute; 0: never" },
	{ .key = "reconnect-ms",
	  .kind = OPT_UINT,
	  AT(reconnect_ms),
	  .set_offset = offsetof(struct front_conf, reconnect_ms_given),
	  .max = 3600000,
	  .arg = "MS",
	  .help = "the same in milliseconds, instead of reconnect" },
	{ NULL },
};

static uint32_t reconnect_of(const struct front_conf *c)
{
	return c->reconnect_ms_given ? c->reconnect_ms : c->reconnect * 1000;
}

struct front_target front_conf_target(const void *conf)
{
	const struct front_conf *c = conf;

	return (struct front_target){ .path = c->path,
				      .pairs = c->queues,
				      .is_server = c->server,
				      .waits = c->server && c->wait,
				      .reconnect_ms = reconnect_of(c) };
}

int front_conf_check(const void *conf, struct err *err)
{
	const struct front_conf *c = conf;

	if (c->reconnect_given && c->reconnect_ms_given)
		return err_set(err, -EINVAL,
			       "reconnect: cannot stand together with "
			       "reconnect-ms=");
	if (c->server && reconnect_of(c))
		return err_set(err, -EINVAL,
			       "reconnect: cannot stand together with "
			       "server=on: the back-end connects");
	return 0;
}

static struct front_port *to_front(const struct port *p)
{
	return container_of(p, struct front_port, port);
}

static void free_port(struct front_port *f)
{
	fd_close(&f->news_fd);
	free(f->pair);
	free(f->path);
	free(f);
}

static void front_destroy(struct port *p)
{
	front_peer_close(to_front(p));
	port_fini(p);
	free_port(to_front(p));
}

static int front_starting(const struct port *p, struct err *err)
{
	const struct front_port *f = to_front(p);

	if (f->connections || f->retry.first_ms || f->is_server)
		return 0;
	if (f->state != FRONT_DOWN)
		return 1;
	return err_set(err, -EIO, "path=%s: %s", f->path, f->reason.msg);
}

static void front_show(const struct port *p, struct show *out)
{
	const struct front_port *f = to_front(p);

	show_str(out, "path", f->path);
	show_flag(out, "server", f->is_server);
	show_num(out, "queue_pairs", f->pairs);
	show_flag(out, "packed", f->is_packed);
	front_peer_show(f, out);
}

static const struct port_ops front_ops = {
	.rx_burst = front_rx_burst,
	.rx_done = front_rx_done,
	.rx_arm = front_rx_arm,
	.rx_disarm = front_rx_disarm,
	.tx_burst = front_tx_burst,
	.destroy = front_destroy,
	.starting = front_starting,
	.show = front_show,
};

static void init_pair(struct front_port *f, unsigned idx)
{
	struct front_pair *p = &f->pair[idx];

	memset(p, 0, sizeof(*p));
	p->rx.rxq = (struct rxq){ .port = &f->port,
				  .idx = idx,
				  .can_spin = true,
				  .can_hold = true,
				  .event_fd = -1 };
	p->tx.txq = (struct txq){ .port = &f->port, .idx = idx };
	p->rx.health.news_fd = p->tx.health.news_fd = f->news_fd;
	for (unsigned i = 0; i < 2; i++)
		p->kick_fd[i] = p->call_fd[i] = -1;
	f->port.rxq[idx] = &p->rx.rxq;
	f->port.txq[idx] = &p->tx.txq;
}

/* Makes a port that is not connected. NULL: out of memory. */
static struct front_port *create_port(const struct port_env *env,
				      const struct port_conf *common,
				      const struct front_conf *c)
{
	struct front_port *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->loop = env->loop;
	f->is_packed = c->packed;
	f->is_server = c->server;
	f->pairs = c->queues;
	f->mem_fd = -1;
	f->news_fd = fd_eventfd();
	f->path = strdup(c->path);
	f->pair = aligned_alloc(
		CACHE_LINE, align_up(f->pairs * sizeof(*f->pair), CACHE_LINE));
	if (f->news_fd < 0 || !f->path || !f->pair ||
	    port_init(&f->port, env, &port_vhost_front_type, &front_ops, common,
		      f->pairs)) {
		free_port(f);
		return NULL;
	}
	for (unsigned i = 0; i < f->pairs; i++)
		init_pair(f, i);
	return f;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	const struct front_conf *c = conf;
	struct front_port *f;
	int rc;

	rc = front_conf_check(conf, err);
	if (rc)
		return rc;
	f = create_port(env, common, c);
	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	retry_init(&f->retry, reconnect_of(c));
	rc = front_peer_open(f, err);
	if (rc) {
		front_destroy(&f->port);
		return rc;
	}
	*out = &f->port;
	return 0;
}

const struct port_type port_vhost_front_type = {
	.name = "vhost-user-front",
	.help = "a vhost-user back-end, such as DPDK's vhost, that listens on "
		"a socket or connects to one",
	.rows = front_rows,
	.conf_size = sizeof(struct front_conf),
	.create = create,
};
