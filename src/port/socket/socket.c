/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's older netdev `socket`: other options for a stream or a datagram port.
 * Control thread. */
#include "socket.h"

#include <errno.h>
#include <string.h>

#include "types.h"

struct socket_conf {
	char *fd, *listen, *connect, *mcast, *udp, *localaddr;
};

#define OPT(name, ...)                                                    \
	{                                                                 \
		.key = #name, .kind = OPT_PATH,                           \
		.offset = offsetof(struct socket_conf, name), __VA_ARGS__ \
	}

static const struct opt_row socket_rows[] = {
	OPT(fd, .names_fds = true, .arg = "N",
	    .help = "a socket that is open already"),
	OPT(listen, .arg = "[ADDRESS]:PORT",
	    .help = "TCP address to listen on"),
	OPT(connect, .arg = "ADDRESS:PORT", .help = "TCP address of the peer"),
	OPT(mcast, .arg = "GROUP:PORT",
	    .help = "UDP multicast group that all members share"),
	OPT(udp, .arg = "ADDRESS:PORT",
	    .help = "UDP address of the peer; localaddr is ours"),
	OPT(localaddr, .arg = "ADDRESS[:PORT]",
	    .help = "with udp: where to receive; with mcast: address of the "
		    "interface"),
	{ NULL },
};

static int create_stream(const struct port_env *env,
			 const struct port_conf *common, const char *key,
			 const char *where, struct port **out, struct err *err)
{
	struct stream_setup setup = { .type = &port_socket_type,
				      .key = key,
				      .fd = -1,
				      .server = !strcmp(key, "listen") };
	int rc = sock_addr_host_port(&setup.addr, key, where, err);

	return rc ? rc : stream_create(env, common, &setup, out, err);
}

static int create_dgram(const struct port_env *env,
			const struct port_conf *common,
			const struct socket_conf *c, struct port **out,
			struct err *err)
{
	const char *key = c->udp ? "udp" : "mcast";
	struct dgram_setup setup = { .type = &port_socket_type,
				     .key = key,
				     .local_key = "localaddr",
				     .remote_key = key,
				     .loops = true,
				     .fd = -1 };
	int rc = sock_addr_host_port(&setup.remote, setup.key,
				     c->udp ? c->udp : c->mcast, err);

	if (rc)
		return rc;
	if (sock_addr_is_multicast(&setup.remote) != !c->udp)
		return err_set(err, -EINVAL, "%s=%s: is %s multicast group",
			       setup.key, c->udp ? c->udp : c->mcast,
			       c->udp ? "a" : "no");
	if (c->udp && !c->localaddr)
		return err_set(err, -EINVAL,
			       "localaddr: is needed with udp=: "
			       "ADDRESS:PORT to receive on");
	if (c->udp)
		rc = sock_addr_host_port(&setup.local, "localaddr",
					 c->localaddr, err);
	else if (c->localaddr)
		rc = sock_addr_inet(&setup.local, "localaddr", c->localaddr,
				    "localaddr", "0", err);
	return rc ? rc : dgram_create(env, common, &setup, out, err);
}

static int create_passed(const struct port_env *env,
			 const struct port_conf *common, const char *text,
			 struct port **out, struct err *err)
{
	int type, fd = sock_adopt("fd", text, &type, err);

	if (fd < 0)
		return fd;
	if (type == SOCK_STREAM)
		return stream_create(
			env, common,
			&(struct stream_setup){ .type = &port_socket_type,
						.key = "fd",
						.fd = fd },
			out, err);
	if (type != SOCK_DGRAM)
		return err_set(err, -EINVAL,
			       "fd=%s: must be a stream or a datagram socket",
			       text);
	return dgram_create(env, common,
			    &(struct dgram_setup){ .type = &port_socket_type,
						   .key = "fd",
						   .loops = true,
						   .fd = fd },
			    out, err);
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf_, struct port **out, struct err *err)
{
	const struct socket_conf *c = conf_;
	const char *values[] = { c->fd, c->listen, c->connect, c->mcast,
				 c->udp };
	unsigned given = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
		given += values[i] != NULL;
	if (given != 1)
		return err_set(err, -EINVAL,
			       "%s of fd=, listen=, connect=, mcast= and udp= "
			       "must be given",
			       given ? "only one" : "one");
	if (c->localaddr && !c->udp && !c->mcast)
		return err_set(err, -EINVAL,
			       "localaddr: is for mcast= and udp=");
	if (c->fd)
		return create_passed(env, common, c->fd, out, err);
	if (c->listen || c->connect)
		return create_stream(
			env, common, c->listen ? "listen" : "connect",
			c->listen ? c->listen : c->connect, out, err);
	return create_dgram(env, common, c, out, err);
}

const struct port_type port_socket_type = {
	.name = "socket",
	.help = "QEMU's older options for what stream and dgram do",
	.rows = socket_rows,
	.conf_size = sizeof(struct socket_conf),
	.create = create,
};
