/* SPDX-License-Identifier: Apache-2.0 */
/* The stream port: its options, start and end, see stream.h. Control thread. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "types.h"

const char *const socket_kinds[] = {
	[SOCKET_INET] = "inet", [SOCKET_UNIX] = "unix", [SOCKET_FD] = "fd", NULL
};

struct stream_conf {
	int type;
	bool type_given, server;
	char *host, *port, *path, *str;
	uint32_t reconnect, reconnect_ms;
	bool server_given, reconnect_given, reconnect_ms_given;
};

#define AT(member) .offset = offsetof(struct stream_conf, member)

static const struct opt_row stream_rows[] = {
	{ .key = "addr.type",
	  .kind = OPT_ENUM,
	  AT(type),
	  .set_offset = offsetof(struct stream_conf, type_given),
	  .choices = socket_kinds,
	  .required = true,
	  .help = "kind of the socket" },
	{ .key = "addr.host",
	  .kind = OPT_STRING,
	  AT(host),
	  .arg = "ADDRESS",
	  .help = "inet: IPv4 or IPv6 address of the peer, or to listen on" },
	{ .key = "addr.port",
	  .kind = OPT_PATH,
	  AT(port),
	  .arg = "N",
	  .help = "inet: TCP port" },
	{ .key = "addr.path",
	  .kind = OPT_PATH,
	  AT(path),
	  .arg = "PATH",
	  .help = "unix: path of the socket" },
	{ .key = "addr.str",
	  .kind = OPT_PATH,
	  AT(str),
	  .names_fds = true,
	  .arg = "N",
	  .help = "fd: number of a socket that is open already" },
	{ .key = "server",
	  .kind = OPT_BOOL,
	  AT(server),
	  .set_offset = offsetof(struct stream_conf, server_given),
	  .def = "off",
	  .help = "listen for the peer; off: connect to it" },
	{ .key = "reconnect",
	  .kind = OPT_UINT,
	  AT(reconnect),
	  .set_offset = offsetof(struct stream_conf, reconnect_given),
	  .max = 3600,
	  .def = "0",
	  .arg = "SECONDS",
	  .help = "with server=off: first delay before the next try to "
		  "connect; it grows to a minute; 0: never" },
	{ .key = "reconnect-ms",
	  .kind = OPT_UINT,
	  AT(reconnect_ms),
	  .set_offset = offsetof(struct stream_conf, reconnect_ms_given),
	  .max = 3600000,
	  .arg = "MS",
	  .help = "the same in milliseconds, instead of reconnect" },
	{ NULL },
};

static struct stream_port *to_stream(const struct port *p)
{
	return container_of(p, struct stream_port, port);
}

static void release(struct stream_port *s)
{
	stream_peer_close(s);
	port_fini(&s->port);
	stream_link_fini(&s->link);
	free(s);
}

static void stream_destroy(struct port *p)
{
	release(to_stream(p));
}

static int stream_starting(const struct port *p, struct err *err)
{
	const struct stream_port *s = to_stream(p);
	char where[SOCK_ADDR_TEXT];

	if (s->state == STREAM_CONNECTING && !s->retry.first_ms)
		return 1;
	if (s->state != STREAM_DOWN || s->connections)
		return 0;
	sock_addr_text(&s->addr, where);
	return err_set(err, -EIO, "%s: cannot connect to %s: %s", s->key, where,
		       s->reason);
}

static void stream_show(const struct port *p, struct show *out)
{
	stream_peer_show(to_stream(p), out);
}

static const struct port_ops stream_ops = {
	.rx_burst = stream_rx_burst,
	.rx_done = stream_rx_done,
	.rx_arm = stream_rx_arm,
	.rx_disarm = stream_rx_disarm,
	.tx_burst = stream_tx_burst,
	.destroy = stream_destroy,
	.starting = stream_starting,
	.show = stream_show,
};

int stream_create(const struct port_env *env, const struct port_conf *common,
		  const struct stream_setup *setup, struct port **out,
		  struct err *err)
{
	struct stream_port *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	rc = stream_link_init(&s->link, &s->port);
	if (rc) {
		free(s);
		return err_set(err, rc, "%s: %s", setup->key, strerror(-rc));
	}
	s->loop = env->loop;
	s->key = setup->key;
	s->addr = setup->addr;
	s->server = setup->server;
	retry_init(&s->retry, setup->reconnect_ms);
	s->fd = s->listener.fd = -1;
	if (port_init(&s->port, env, setup->type, &stream_ops, common, 1)) {
		stream_link_fini(&s->link);
		free(s);
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->port.rxq[0] = &s->link.rx;
	s->port.txq[0] = &s->link.tx;
	rc = stream_peer_open(s, setup, err);
	if (rc) {
		release(s);
		return rc;
	}
	*out = &s->port;
	return 0;
}

/* Refuses options that the kind of address does not have, and asks for those
 * that it needs. */
static int check_keys(const struct stream_conf *c, struct err *err)
{
	const struct {
		const char *key, *value;
		int kind;
		bool needed;
	} keys[] = {
		{ "addr.host", c->host, SOCKET_INET, !c->server },
		{ "addr.port", c->port, SOCKET_INET, true },
		{ "addr.path", c->path, SOCKET_UNIX, true },
		{ "addr.str", c->str, SOCKET_FD, true },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].value && keys[i].kind != c->type)
			return err_set(err, -EINVAL,
				       "%s: is for addr.type=%s, not %s",
				       keys[i].key, socket_kinds[keys[i].kind],
				       socket_kinds[c->type]);
		if (!keys[i].value && keys[i].kind == c->type && keys[i].needed)
			return err_set(err, -EINVAL,
				       "%s: is needed with addr.type=%s",
				       keys[i].key, socket_kinds[c->type]);
	}
	if (c->reconnect_given && c->reconnect_ms_given)
		return err_set(err, -EINVAL,
			       "reconnect: cannot stand together with "
			       "reconnect-ms=");
	if ((c->reconnect_given || c->reconnect_ms_given) &&
	    (c->server || c->type == SOCKET_FD))
		return err_set(err, -EINVAL,
			       "%s: is for a port that connects to an address",
			       c->reconnect_given ? "reconnect"
						  : "reconnect-ms");
	return 0;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf_, struct port **out, struct err *err)
{
	const struct stream_conf *c = conf_;
	struct stream_setup setup = {
		.type = &port_stream_type,
		.key = "addr.path",
		.fd = -1,
		.server = c->server,
		.server_given = c->server_given,
		.reconnect_ms = c->reconnect_ms_given ? c->reconnect_ms
						      : c->reconnect * 1000,
	};
	int type, rc = check_keys(c, err);

	if (rc)
		return rc;
	switch (c->type) {
	case SOCKET_INET:
		setup.key = "addr.host";
		rc = sock_addr_inet(&setup.addr, setup.key, c->host,
				    "addr.port", c->port, err);
		break;
	case SOCKET_UNIX:
		rc = sock_addr_unix(&setup.addr, setup.key, c->path, err);
		break;
	default:
		setup.key = "addr.str";
		setup.fd = rc = sock_adopt(setup.key, c->str, &type, err);
		if (rc >= 0 && type != SOCK_STREAM)
			rc = err_set(err, -EINVAL,
				     "addr.str=%s: must be a stream socket; "
				     "a datagram socket goes into "
				     "dgram,local.type=fd",
				     c->str);
	}
	return rc < 0 ? rc : stream_create(env, common, &setup, out, err);
}

const struct port_type port_stream_type = {
	.name = "stream",
	.help = "a TCP or UNIX stream, as QEMU's netdev of that name",
	.rows = stream_rows,
	.conf_size = sizeof(struct stream_conf),
	.create = create,
};
