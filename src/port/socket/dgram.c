/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram port: its options, start and end, see dgram.h. Control thread.
 */
#include "dgram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "types.h"
#include "workers.h"

/* local.* or remote.* */
struct end_conf {
	int type;
	bool given;
	char *host, *port, *path, *str;
};

struct dgram_conf {
	struct end_conf local, remote;
};

#define AT(member)    .offset = offsetof(struct dgram_conf, member)
#define GIVEN(member) .set_offset = offsetof(struct dgram_conf, member)

static const struct opt_row dgram_rows[] = {
	{ .key = "local.type",
	  .kind = OPT_ENUM,
	  AT(local.type),
	  GIVEN(local.given),
	  .choices = socket_kinds,
	  .help = "kind of the socket" },
	{ .key = "local.host",
	  .kind = OPT_STRING,
	  AT(local.host),
	  .arg = "ADDRESS",
	  .help = "inet: address to receive on; of a multicast port: of its "
		  "interface" },
	{ .key = "local.port",
	  .kind = OPT_PATH,
	  AT(local.port),
	  .arg = "N",
	  .help = "inet: UDP port to receive on" },
	{ .key = "local.path",
	  .kind = OPT_PATH,
	  AT(local.path),
	  .arg = "PATH",
	  .help = "unix: path of our socket" },
	{ .key = "local.str",
	  .kind = OPT_PATH,
	  AT(local.str),
	  .names_fds = true,
	  .arg = "N",
	  .help = "fd: number of a socket that is open already" },
	{ .key = "remote.type",
	  .kind = OPT_ENUM,
	  AT(remote.type),
	  GIVEN(remote.given),
	  .choices = (const char *const[]){ "inet", "unix", NULL },
	  .help = "kind of the peer's socket" },
	{ .key = "remote.host",
	  .kind = OPT_STRING,
	  AT(remote.host),
	  .arg = "ADDRESS",
	  .help = "inet: the peer, or a multicast group" },
	{ .key = "remote.port",
	  .kind = OPT_PATH,
	  AT(remote.port),
	  .arg = "N",
	  .help = "inet: UDP port of the peer or the group" },
	{ .key = "remote.path",
	  .kind = OPT_PATH,
	  AT(remote.path),
	  .arg = "PATH",
	  .help = "unix: path of the peer's socket" },
	{ NULL },
};

static struct dgram_port *to_dgram(const struct port *p)
{
	return container_of(p, struct dgram_port, port);
}

static void dgram_destroy(struct port *p)
{
	struct dgram_port *d = to_dgram(p);

	dgram_group_leave(d);
	port_set_txqs(p, NULL, 0, 0);
	rxq_detach(&d->link.rx);
	port_fini(p);
	dgram_link_fini(&d->link);
	dgram_sock_close(d);
	free(d->link.encap);
	free(d);
}

static void show_address(struct show *out, const char *key,
			 const struct sock_addr *a)
{
	char text[SOCK_ADDR_TEXT];

	sock_addr_text(a, text);
	if (*text)
		show_str(out, key, text);
}

static void dgram_show(const struct port *p, struct show *out)
{
	const struct dgram_port *d = to_dgram(p);

	show_address(out, "local", &d->local);
	show_address(out, "remote", &d->remote);
	dgram_group_show(d, out);
	if (!d->link.has_remote)
		show_str(out, "remote", "none, so all frames are dropped");
	if (d->link.fd >= 0)
		show_num(out, "socket_drops", sock_drops(d->link.fd));
	if (d->link.own.len)
		show_address(out, "sends_from", &d->link.own);
	if (d->link.encap && d->link.encap->show)
		d->link.encap->show(d->link.encap, out);
}

static const struct port_ops dgram_ops = {
	.rx_burst = dgram_rx_burst,
	.rx_done = dgram_rx_done,
	.rx_arm = dgram_rx_arm,
	.rx_disarm = dgram_rx_disarm,
	.tx_burst = dgram_tx_burst,
	.destroy = dgram_destroy,
	.show = dgram_show,
};

int dgram_create(const struct port_env *env, const struct port_conf *common,
		 const struct dgram_setup *setup, struct port **out,
		 struct err *err)
{
	struct dgram_port *d = calloc(1, sizeof(*d));
	struct txq *tx;
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	rc = dgram_sock_open(d, setup, err);
	if (rc)
		goto err_free;
	rc = dgram_link_init(&d->link, &d->port);
	if (rc)
		goto err_sock;
	rc = port_init(&d->port, env, setup->type, &dgram_ops, common, 1);
	if (rc)
		goto err_link;
	d->port.rxq[0] = &d->link.rx;
	d->port.txq[0] = tx = &d->link.tx;
	rc = rxq_attach(&d->link.rx);
	if (!rc)
		rc = port_set_txqs(&d->port, &tx, 1, 0);
	if (!rc)
		rc = dgram_group_follow(d);
	if (!rc) {
		fd_use_named(setup->fd);
		*out = &d->port;
		return 0;
	}
	dgram_group_leave(d);
	port_set_txqs(&d->port, NULL, 0, 0);
	rxq_detach(&d->link.rx);
	port_fini(&d->port);
err_link:
	dgram_link_fini(&d->link);
err_sock:
	err_set(err, rc, "%s: %s", setup->key, strerror(-rc));
err_free:
	if (setup->fd >= 0) /* its owner keeps it */
		d->link.fd = d->link.out_fd = -1;
	dgram_sock_close(d);
	free(d);
	return rc;
}

/* Reads one end into @a. Returns 0 or -errno with @err. */
static int read_end(const struct end_conf *c, const char *name,
		    struct sock_addr *a, struct err *err)
{
	char key[32], port_key[32];

	if (!c->given)
		return err_set(err, -EINVAL,
			       "%s.type: is missing: inet or unix", name);
	if (c->type == SOCKET_UNIX) {
		snprintf(key, sizeof(key), "%s.path", name);
		if (!c->path)
			return err_set(err, -EINVAL,
				       "%s: is needed with %s.type=unix", key,
				       name);
		return sock_addr_unix(a, key, c->path, err);
	}
	snprintf(key, sizeof(key), "%s.host", name);
	snprintf(port_key, sizeof(port_key), "%s.port", name);
	return sock_addr_inet(a, key, c->host, port_key,
			      c->port ? c->port : "0", err);
}

/* Refuses members of an end that its type does not have. */
static int check_end(const struct end_conf *c, const char *name,
		     struct err *err)
{
	const struct {
		const char *key, *value;
		int kind;
	} keys[] = {
		{ "host", c->host, SOCKET_INET },
		{ "port", c->port, SOCKET_INET },
		{ "path", c->path, SOCKET_UNIX },
		{ "str", c->str, SOCKET_FD },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].value && (!c->given || keys[i].kind != c->type))
			return err_set(err, -EINVAL, "%s.%s: is for %s.type=%s",
				       name, keys[i].key, name,
				       socket_kinds[keys[i].kind]);
	return 0;
}

static int read_remote(const struct dgram_conf *c, struct dgram_setup *setup,
		       struct err *err)
{
	if (!c->remote.given)
		return 0;
	if (c->remote.type == SOCKET_INET &&
	    (!c->remote.host || !c->remote.port))
		return err_set(err, -EINVAL,
			       "remote.%s: is needed with remote.type=inet",
			       c->remote.host ? "port" : "host");
	return read_end(&c->remote, "remote", &setup->remote, err);
}

static int read_local(const struct dgram_conf *c, struct dgram_setup *setup,
		      struct err *err)
{
	bool has_group =
		setup->remote.len && sock_addr_is_multicast(&setup->remote);
	int type;

	setup->key = setup->local_key =
		c->local.type == SOCKET_UNIX ? "local.path" : "local.host";
	setup->remote_key =
		c->remote.type == SOCKET_UNIX ? "remote.path" : "remote.host";
	if (has_group)
		setup->key = setup->remote_key;
	if (!c->local.given && has_group)
		return 0;
	if (c->local.given && c->local.type == SOCKET_FD) {
		if (!c->local.str)
			return err_set(err, -EINVAL,
				       "local.str: is needed with "
				       "local.type=fd");
		setup->key = "local.str";
		setup->fd = sock_adopt(setup->key, c->local.str, &type, err);
		if (setup->fd < 0)
			return setup->fd;
		return type == SOCK_DGRAM
			       ? 0
			       : err_set(err, -EINVAL,
					 "local.str=%s: must be a datagram "
					 "socket; a stream socket goes into "
					 "stream,addr.type=fd",
					 c->local.str);
	}
	if (c->local.given && c->local.type == SOCKET_INET && !c->local.port &&
	    !has_group)
		return err_set(err, -EINVAL,
			       "local.port: is needed: the UDP port to receive "
			       "on");
	return read_end(&c->local, "local", &setup->local, err);
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf_, struct port **out, struct err *err)
{
	const struct dgram_conf *c = conf_;
	struct dgram_setup setup = { .type = &port_dgram_type,
				     .loops = true,
				     .fd = -1 };
	int rc = check_end(&c->local, "local", err);

	if (!rc)
		rc = check_end(&c->remote, "remote", err);
	if (!rc)
		rc = read_remote(c, &setup, err);
	if (!rc)
		rc = read_local(c, &setup, err);
	return rc ? rc : dgram_create(env, common, &setup, out, err);
}

const struct port_type port_dgram_type = {
	.name = "dgram",
	.help = "UDP, UDP multicast or UNIX datagrams, as QEMU's netdev of "
		"that name",
	.rows = dgram_rows,
	.conf_size = sizeof(struct dgram_conf),
	.create = create,
};
