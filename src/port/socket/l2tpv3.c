/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A static (unmanaged) L2TPv3 pseudowire, as QEMU's netdev l2tpv3: Ethernet
 * over IP protocol 115 or over UDP (RFC 3931, clauses 4.1.1 and 4.1.2; RFC
 * 4719). A datagram port with a header: options on the control thread, header
 * on workers.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpv3.h"
#include "le.h"
#include "types.h"

#define PROTOCOL    115	       /* of L2TPv3 over IP */
#define UDP_DATA    0x00030000 /* flags and version before the session */
#define UDP_CONTROL 0x80000000 /* the T bit: a control message */
#define OFFSET_MAX  16

#define OPT(name, k, ...)                                                 \
	{                                                                 \
		.key = #name, .kind = k,                                  \
		.offset = offsetof(struct l2tpv3_conf, name), __VA_ARGS__ \
	}
#define GIVEN(name) .set_offset = offsetof(struct l2tpv3_conf, name)

static const struct opt_row l2tpv3_rows[] = {
	OPT(src, OPT_PATH, .required = true, .arg = "ADDRESS",
	    .help = "our address"),
	OPT(dst, OPT_PATH, .required = true, .arg = "ADDRESS",
	    .help = "the peer's address"),
	OPT(udp, OPT_BOOL, .def = "off",
	    .help = "over UDP; off: over IP protocol 115, which needs "
		    "CAP_NET_RAW"),
	OPT(srcport, OPT_PATH, .arg = "N", .help = "with udp: our port"),
	OPT(dstport, OPT_PATH, .arg = "N", .help = "with udp: the peer's port"),
	OPT(ipv6, OPT_BOOL, .def = "off", .help = "the addresses are IPv6"),
	OPT(txsession, OPT_UINT, .required = true, GIVEN(has_txsession),
	    .max = UINT32_MAX, .arg = "N", .help = "session that we send"),
	OPT(rxsession, OPT_UINT, GIVEN(has_rxsession), .max = UINT32_MAX,
	    .arg = "N", .help = "session that we take (default: txsession)"),
	OPT(cookie64, OPT_BOOL, .def = "off",
	    .help = "cookies have 64 bits instead of 32"),
	OPT(txcookie, OPT_UINT64, GIVEN(has_txcookie), .max = UINT64_MAX,
	    .arg = "N", .help = "cookie that we send, such as 0x12345678"),
	OPT(rxcookie, OPT_UINT64, GIVEN(has_rxcookie), .max = UINT64_MAX,
	    .arg = "N", .help = "cookie that we take"),
	OPT(counter, OPT_BOOL, .def = "off",
	    .help = "the header has a counter of frames"),
	OPT(pincounter, OPT_BOOL, .def = "off",
	    .help = "the counter stays 0, for peers that cannot restart it"),
	OPT(offset, OPT_UINT, .max = OFFSET_MAX, .def = "0", .arg = "BYTES",
	    .help = "further bytes between the header and the frame"),
	{ NULL },
};

struct l2tpv3 {
	struct dgram_encap encap;
	bool is_udp, is_ipv4_raw, has_counter, is_pinned;
	unsigned cookie_size; /* 0, 4 or 8 */
	uint32_t tx_session, rx_session, counter;
	uint64_t tx_cookie, rx_cookie;
};

static uint64_t get_cookie(const struct l2tpv3 *t, const uint8_t *from)
{
	if (t->cookie_size == 4)
		return get_be32(from);
	return (uint64_t)get_be32(from) << 32 | get_be32(from + 4);
}

static void put(const struct dgram_encap *e, const struct frame *f,
		unsigned ahead, uint8_t *to)
{
	const struct l2tpv3 *t = container_of(e, struct l2tpv3, encap);

	(void)f;
	memset(to, 0, e->size);
	if (t->is_udp) {
		put_be32(to, UDP_DATA);
		to += 4;
	}
	put_be32(to, t->tx_session);
	to += 4;
	if (t->cookie_size == 8) {
		put_be32(to, (uint32_t)(t->tx_cookie >> 32));
		to += 4;
	}
	if (t->cookie_size) {
		put_be32(to, (uint32_t)t->tx_cookie);
		to += 4;
	}
	if (t->has_counter && !t->is_pinned)
		put_be32(to, t->counter + 1 + ahead);
}

static void count_sent(struct dgram_encap *e, unsigned frames)
{
	container_of(e, struct l2tpv3, encap)->counter += frames;
}

static int check(const struct dgram_encap *e, struct msghdr *m, uint8_t *data,
		 size_t len, struct vnet_hdr *hdr)
{
	const struct l2tpv3 *t = container_of(e, struct l2tpv3, encap);
	size_t at = 0;

	(void)m;
	(void)hdr;
	/* A raw IPv4 socket delivers the IP header, too. */
	if (t->is_ipv4_raw && len)
		at = 4u * (data[0] & 15);
	if (len < at + e->size)
		return -DROP_RX_TUNNEL;
	if (t->is_udp) {
		if (get_be32(data) & UDP_CONTROL)
			return -DROP_RX_TUNNEL;
		at += 4;
	}
	if (get_be32(data + at) != t->rx_session)
		return -DROP_RX_SESSION;
	if (t->cookie_size && get_cookie(t, data + at + 4) != t->rx_cookie)
		return -DROP_RX_COOKIE;
	return (int)(at + e->size - (t->is_udp ? 4 : 0));
}

static void show(const struct dgram_encap *e, struct show *out)
{
	const struct l2tpv3 *t = container_of(e, struct l2tpv3, encap);

	show_num(out, "header_bytes", e->size);
	show_num(out, "tx_session", t->tx_session);
	show_num(out, "rx_session", t->rx_session);
}

static int check_conf(const struct l2tpv3_conf *c, struct err *err)
{
	uint64_t max = c->cookie64 ? UINT64_MAX : UINT32_MAX;

	if (c->udp && (!c->srcport || !c->dstport))
		return err_set(err, -EINVAL, "%s: is needed with udp=on",
			       c->srcport ? "dstport" : "srcport");
	if (!c->udp && (c->srcport || c->dstport))
		return err_set(err, -EINVAL, "%s: is for udp=on",
			       c->srcport ? "srcport" : "dstport");
	if (c->has_txcookie != c->has_rxcookie)
		return err_set(err, -EINVAL,
			       "%s: is needed with %s=: both directions have a "
			       "cookie or none",
			       c->has_txcookie ? "rxcookie" : "txcookie",
			       c->has_txcookie ? "txcookie" : "rxcookie");
	if (c->cookie64 && !c->has_txcookie)
		return err_set(err, -EINVAL,
			       "cookie64: needs txcookie= and rxcookie=");
	if (c->txcookie > max || c->rxcookie > max)
		return err_set(err, -EINVAL,
			       "%s: has more than 32 bits: add cookie64=on",
			       c->txcookie > max ? "txcookie" : "rxcookie");
	if (c->pincounter && !c->counter)
		return err_set(err, -EINVAL, "pincounter: needs counter=on");
	return 0;
}

static int read_address(const struct l2tpv3_conf *c, const char *key,
			const char *host, const char *port_key,
			const char *port, struct sock_addr *a, struct err *err)
{
	int rc = sock_addr_inet(a, key, host, port_key, port ? port : "0", err);

	if (!rc && (a->sa.sa_family == AF_INET6) != c->ipv6)
		rc = err_set(err, -EINVAL, "%s=%s: is an %s address: %s", key,
			     host, c->ipv6 ? "IPv4" : "IPv6",
			     c->ipv6 ? "leave ipv6=on away" : "add ipv6=on");
	return rc;
}

struct dgram_encap *l2tpv3_encap(const struct l2tpv3_conf *c)
{
	struct l2tpv3 *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->is_udp = c->udp;
	t->is_ipv4_raw = !c->udp && !c->ipv6;
	t->has_counter = c->counter;
	t->is_pinned = c->pincounter;
	t->cookie_size = !c->has_txcookie ? 0 : c->cookie64 ? 8 : 4;
	t->tx_session = c->txsession;
	t->rx_session = c->has_rxsession ? c->rxsession : c->txsession;
	t->tx_cookie = c->txcookie;
	t->rx_cookie = c->rxcookie;
	t->encap = (struct dgram_encap){
		.size = (c->udp ? 8 : 4) + t->cookie_size +
			(c->counter ? 4 : 0) + c->offset,
		.put = put,
		.sent = count_sent,
		.check = check,
		.show = show,
	};
	return &t->encap;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf_, struct port **out, struct err *err)
{
	const struct l2tpv3_conf *c = conf_;
	struct dgram_setup setup = {
		.type = &port_l2tpv3_type,
		.key = "src",
		.local_key = "src",
		.remote_key = "dst",
		.loops = c->udp || !c->has_rxsession ||
			 c->rxsession == c->txsession,
		.fd = -1,
		.socket_type = c->udp ? SOCK_DGRAM : SOCK_RAW,
		.protocol = c->udp ? 0 : PROTOCOL,
	};
	int rc = check_conf(c, err);

	if (!rc)
		rc = read_address(c, "src", c->src, "srcport", c->srcport,
				  &setup.local, err);
	if (!rc)
		rc = read_address(c, "dst", c->dst, "dstport", c->dstport,
				  &setup.remote, err);
	if (rc)
		return rc;
	setup.encap = l2tpv3_encap(c);
	if (!setup.encap)
		return err_set(err, -ENOMEM, "out of memory");
	rc = dgram_create(env, common, &setup, out, err);
	if (rc)
		free(setup.encap);
	if (rc == -EPERM && !c->udp)
		err_set(err, rc,
			"src=%s: IP protocol 115 needs CAP_NET_RAW: run as "
			"root, or write udp=on with srcport= and dstport=",
			c->src);
	return rc;
}

const struct port_type port_l2tpv3_type = {
	.name = "l2tpv3",
	.help = "a static L2TPv3 tunnel to another host",
	.rows = l2tpv3_rows,
	.conf_size = sizeof(struct l2tpv3_conf),
	.create = create,
};
