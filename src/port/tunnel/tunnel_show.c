/* SPDX-License-Identifier: Apache-2.0 */
/* What `port show` tells of a tunnel. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "tunnel_conf.h"

enum { IP4_UDP = 20 + 8, IP6_UDP = 40 + 8, UDP_HEADER = 8 };

static void show_address(struct show *out, const char *key,
			 const struct sock_addr *a)
{
	char text[SOCK_ADDR_TEXT];

	sock_addr_text(a, text);
	show_str(out, key, text);
}

/* Makes @fd send by the tunnel's interface, if it has one. */
static void use_dev(const struct tunnel *t, int fd)
{
	struct ip_mreqn in = { .imr_ifindex = t->ifindex };
	uint32_t index = htonl((uint32_t)t->ifindex);

	if (!t->ifindex)
		return;
	if (t->ep->conf.local.sa.sa_family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &t->ifindex,
			   sizeof(t->ifindex));
		setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, &index,
			   sizeof(index));
		return;
	}
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &in, sizeof(in));
	setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index));
}

/* Returns the MTU of the route to @to, as far as the kernel knows it now; 0:
 * there is no route. Sends nothing. */
static int route_mtu(const struct tunnel *t, const struct sock_addr *to)
{
	bool is_v6 = to->sa.sa_family == AF_INET6;
	int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(int);
	struct sock_addr a = *to;
	int mtu = 0;

	if (fd < 0)
		return 0;
	a.in.sin_port = htons(9); /* GRE has none; the kernel wants one */
	use_dev(t, fd);
	if (is_v6 && t->ifindex)
		a.in6.sin6_scope_id = (uint32_t)t->ifindex;
	if (connect(fd, &a.sa, a.len) < 0 ||
	    getsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       is_v6 ? IPV6_MTU : IP_MTU, &mtu, &size) < 0)
		mtu = 0;
	fd_close(&fd);
	return mtu;
}

/* Shows the largest MTU for guests whose frames fit into the packets to @to. */
static void show_mtu(const struct tunnel *t, const struct sock_addr *to,
		     struct show *out)
{
	int mtu = route_mtu(t, to), over;

	over = to->sa.sa_family == AF_INET6 ? IP6_UDP : IP4_UDP;
	if (!t->encap->udp_port)
		over -= UDP_HEADER;
	over += (int)t->hdr_size + ETH_HLEN;
	if (mtu > over)
		show_num(out, "mtu", (uint64_t)(mtu - over));
	else if (!mtu)
		show_str(out, "error", "no route");
}

static void show_remotes(const struct tunnel *t, struct show *out)
{
	show_array(out, "remotes");
	for (unsigned i = 0; i < t->peers.listed; i++) {
		show_object(out, NULL);
		show_address(out, "address", &t->peers.peer[i].addr);
		show_mtu(t, &t->peers.peer[i].addr, out);
		show_end(out);
	}
	show_end(out);
}

static void show_session(const struct tunnel *t, struct show *out)
{
	if (t->encap->udp_port) {
		show_num(out, "vni", t->conf.rx_session);
		return;
	}
	if (t->conf.rx_session != ENCAP_NO_KEY)
		show_num(out, "ikey", t->conf.rx_session);
	if (t->conf.tx_session != ENCAP_NO_KEY)
		show_num(out, "okey", t->conf.tx_session);
}

static void show_ports(const struct senders *s, struct show *out)
{
	for (unsigned i = 0; i < s->count; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%u", s->port[i]);
		show_str(out, NULL, text);
	}
}

/* df=inherit sends by both sets. */
static void show_sources(const struct tunnel *t, struct show *out)
{
	show_array(out, "source_ports");
	if (t->df != DF_SET)
		show_ports(&t->ep->senders[t->mode], out);
	if (t->df != DF_UNSET)
		show_ports(&t->ep->senders[t->mode | SEND_DF], out);
	show_end(out);
}

void tunnel_show(const struct port *p, struct show *out)
{
	const struct tunnel *t = container_of(p, struct tunnel, port);

	show_session(t, out);
	show_num(out, "header_bytes", t->hdr_size);
	if (*t->dev && !t->ifindex)
		show_str(out, "state", "dev is gone");
	else if (t->trouble)
		show_str(out, "state",
			 t->trouble == -EADDRNOTAVAIL
				 ? "dev has not the local address"
				 : strerror(-t->trouble));
	else if (t->group.len)
		show_str(out, "state",
			 t->joined ? "member" : "not in the group");
	if (t->group.len) {
		show_address(out, "group", &t->group);
		show_mtu(t, &t->group, out);
	} else {
		show_remotes(t, out);
	}
	if (t->peers.mac)
		show_num(out, "addresses", peers_count(&t->peers, peers_now()));
	if (t->encap->udp_port)
		show_sources(t, out);
	show_flag(out, "gro", t->rx.wants_gro);
	endpoint_show(t->ep, out);
}
