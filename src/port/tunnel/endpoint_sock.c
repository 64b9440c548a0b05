/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of an endpoint, see tunnel.h. Control thread. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "fd.h"
#include "socket.h"
#include "tunnel.h"
#include "udp_gso.h"
#include "workers.h"

#define PROTOCOL_GRE 47

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno
								      : 0;
}

/* Opens a socket of the endpoint's kind. Returns 0 or -errno. */
static int open_socket(const struct endpoint_conf *c, int *fd)
{
	int family = c->local.sa.sa_family;
	bool is_udp = c->encap->udp_port != 0;

	*fd = socket(family,
		     (is_udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK |
			     SOCK_CLOEXEC,
		     is_udp ? 0 : PROTOCOL_GRE);
	if (*fd < 0)
		return -errno;
	sock_set_buffers(*fd);
	return family == AF_INET6 && is_udp
		       ? set_option(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
		       : 0;
}

int endpoint_fail(const struct endpoint_conf *c, int rc, struct err *err)
{
	char where[SOCK_ADDR_TEXT];

	sock_addr_text(&c->local, where);
	if (rc == -EPERM && !c->encap->udp_port)
		return err_set(err, rc,
			       "gre: IP protocol 47 needs CAP_NET_RAW: run as "
			       "root");
	if (rc == -EADDRINUSE)
		return err_set(
			err, rc,
			"local=: %s is in use, by a tunnel of the kernel "
			"or of another program: remove it, or write "
			"another local= or dstport=",
			where);
	return err_set(err, rc, "local=: cannot use %s: %s", where,
		       strerror(-rc));
}

static int open_receiver(const struct endpoint_conf *c, int *fd)
{
	bool is_v6 = c->local.sa.sa_family == AF_INET6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int rc = open_socket(c, fd);

	if (rc)
		return rc;
	/* Kernels before 5.0 have no UDP_GRO: datagrams come one by one. */
	if (c->encap->udp_port)
		udp_set_gro(*fd);
	/* Only what is sent to groups that this socket joins; IPv6 has it since
	 * 4.20. */
	set_option(*fd, level, is_v6 ? IPV6_MULTICAST_ALL : IP_MULTICAST_ALL,
		   0);
	rc = set_option(*fd, level, is_v6 ? IPV6_RECVTCLASS : IP_RECVTOS, 1);
	if (!rc && c->zero_csum6)
		rc = set_option(*fd, SOL_UDP, UDP_NO_CHECK6_RX, 1);
	if (!rc && bind(*fd, &c->local.sa, c->local.len) < 0)
		rc = -errno;
	return rc;
}

int endpoint_open_receiver(struct endpoint *e)
{
	return open_receiver(&e->conf, &e->fd);
}

/* Makes the kernel drop what arrives at a socket that only sends. */
static int refuse_all(int fd)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = { .len = 1, .filter = &none };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
			  sizeof(program)) < 0
		       ? -errno
		       : 0;
}

static int set_mode(const struct endpoint_conf *c, int fd, unsigned mode)
{
	bool is_v6 = c->local.sa.sa_family == AF_INET6;
	int level = is_v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int rc = refuse_all(fd);

	if (!rc && is_v6)
		rc = set_option(fd, level, IPV6_MTU_DISCOVER,
				mode & SEND_DF ? IPV6_PMTUDISC_DO
					       : IPV6_PMTUDISC_DONT);
	else if (!rc)
		rc = set_option(fd, level, IP_MTU_DISCOVER,
				mode & SEND_DF ? IP_PMTUDISC_DO
					       : IP_PMTUDISC_DONT);
	if (!rc && mode & SEND_NO_CSUM)
		rc = is_v6 ? set_option(fd, SOL_UDP, UDP_NO_CHECK6_TX, 1)
			   : set_option(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	/* A member of a group does not hear itself. */
	if (!rc)
		rc = is_v6 ? set_option(fd, level, IPV6_MULTICAST_LOOP, 0)
			   : set_option(fd, level, IP_MULTICAST_LOOP, 0);
	return rc;
}

/* Binds @fd to a free source port of the range, from *@offset on. */
static int bind_source(const struct endpoint_conf *c, int fd, unsigned *offset)
{
	unsigned count = c->last - c->first + 1u;
	struct sock_addr a = c->local;
	int rc = -EADDRINUSE;

	if (!c->encap->udp_port)
		return bind(fd, &a.sa, a.len) < 0 ? -errno : 0;
	for (; *offset < count && rc == -EADDRINUSE; ++*offset) {
		/* at the same place in both families */
		a.in.sin_port = htons((uint16_t)(c->first + *offset));
		rc = bind(fd, &a.sa, a.len) < 0 ? -errno : 0;
	}
	return rc;
}

static int open_sender(struct endpoint *e, unsigned mode, unsigned *offset)
{
	struct senders *s = &e->senders[mode];
	struct sock_addr a = { .len = offsetof(struct sock_addr, len) };
	int *fd = &s->fd[s->count], rc = open_socket(&e->conf, fd);

	if (!rc)
		rc = set_mode(&e->conf, *fd, mode);
	if (!rc)
		rc = bind_source(&e->conf, *fd, offset);
	if (!rc && getsockname(*fd, &a.sa, &a.len) < 0)
		rc = -errno;
	if (rc) {
		fd_close(fd);
		return rc;
	}
	s->port[s->count++] = ntohs(a.in.sin_port);
	return 0;
}

/* Returns where in the range the search for free ports begins: not where other
 * programs' does. */
static unsigned first_offset(unsigned count)
{
	unsigned v = 0;

	if (count <= 4 * SENDERS || getrandom(&v, sizeof(v), GRND_NONBLOCK) < 0)
		return 0;
	return v % (count - 2 * SENDERS);
}

int endpoint_open_senders(struct endpoint *e, unsigned mode, struct err *err)
{
	struct senders *s = &e->senders[mode];
	unsigned count = e->conf.last - e->conf.first + 1u;
	unsigned offset = first_offset(count);
	unsigned want = e->conf.encap->udp_port ? MIN(count, SENDERS) : 1;
	int rc = 0;

	if (s->count)
		return 0;
	while (s->count < want && !rc)
		rc = open_sender(e, mode, &offset);
	/* fewer than wanted are enough */
	if (s->count && rc == -EADDRINUSE)
		return 0;
	if (rc == -EADDRINUSE)
		return err_set(err, rc, "srcport=%u-%u: no port is free",
			       e->conf.first, e->conf.last);
	if (rc) {
		while (s->count)
			fd_close(&s->fd[--s->count]);
		return endpoint_fail(&e->conf, rc, err);
	}
	return 0;
}

/* Puts @new in the place of the socket @fd, which workers may be using. */
static void replace(int fd, int *new)
{
	dup3(*new, fd, O_CLOEXEC);
	fd_close(new);
}

/* The sockets that take the place of an endpoint's. */
struct fresh {
	int receiver;
	int sender[SEND_MODES][SENDERS];
};

static void close_fresh(struct fresh *f)
{
	fd_close(&f->receiver);
	for (unsigned mode = 0; mode < SEND_MODES; mode++)
		for (unsigned i = 0; i < SENDERS; i++)
			fd_close(&f->sender[mode][i]);
}

/* Opens a sender on the port of number @i of its mode. */
static int open_again(const struct endpoint *e, unsigned mode, unsigned i,
		      int *fd)
{
	struct sock_addr a = e->conf.local;
	int rc = open_socket(&e->conf, fd);

	a.in.sin_port = htons(e->senders[mode].port[i]);
	if (!rc)
		rc = set_mode(&e->conf, *fd, mode);
	if (!rc && bind(*fd, &a.sa, a.len) < 0)
		rc = -errno;
	return rc;
}

static int open_fresh(const struct endpoint *e, struct fresh *f)
{
	int rc;

	memset(f, 0xff, sizeof(*f)); /* -1: none */
	rc = open_receiver(&e->conf, &f->receiver);
	for (unsigned mode = 0; mode < SEND_MODES; mode++)
		for (unsigned i = 0; i < e->senders[mode].count && !rc; i++)
			rc = open_again(e, mode, i, &f->sender[mode][i]);
	if (rc)
		close_fresh(f);
	return rc;
}

int endpoint_move(struct endpoint *e, unsigned index)
{
	struct sock_addr *local = &e->conf.local, old = *local;
	struct fresh f;
	int rc;

	if (!sock_addr_is_link_local(local) ||
	    local->in6.sin6_scope_id == index)
		return e->rx.worker ? 0 : rxq_attach(&e->rx);
	local->in6.sin6_scope_id = index;
	rc = open_fresh(e, &f);
	if (rc) {
		*local = old;
		return rc;
	}
	for (unsigned mode = 0; mode < SEND_MODES; mode++)
		for (unsigned i = 0; i < e->senders[mode].count; i++)
			replace(e->senders[mode].fd[i], &f.sender[mode][i]);
	rxq_detach(&e->rx);
	replace(e->fd, &f.receiver);
	return rxq_attach(&e->rx);
}

void endpoint_close_sockets(struct endpoint *e)
{
	for (struct senders *s = e->senders; s < e->senders + SEND_MODES; s++)
		while (s->count)
			fd_close(&s->fd[--s->count]);
	fd_close(&e->fd);
}
