/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the tunnel ports, see tunnel_conf.h. Control thread. */
#include "tunnel_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "link_events.h"
#include "types.h"

#define VNI_MAX ((1 << 24) - 1)
#define OPT(name, k, ...)                                                 \
	{                                                                 \
		.key = #name, .kind = k,                                  \
		.offset = offsetof(struct tunnel_conf, name), __VA_ARGS__ \
	}
#define KEY(text, name, k, ...)                                           \
	{                                                                 \
		.key = text, .kind = k,                                   \
		.offset = offsetof(struct tunnel_conf, name), __VA_ARGS__ \
	}
#define GIVEN(name) .set_offset = offsetof(struct tunnel_conf, name)

#define ENDS                                                           \
	KEY("remote", remotes, OPT_LIST, .arg = "ADDRESS",             \
	    .help = "the other end; may be given several times"),      \
		OPT(group, OPT_PATH, .arg = "ADDRESS",                 \
		    .help = "multicast group of the other ends"),      \
		OPT(dev, OPT_PATH, .arg = "NAME",                      \
		    .help = "interface to send by, and of the group"), \
		OPT(local, OPT_PATH, .arg = "ADDRESS",                 \
		    .help = "our address (default: all of the host)")

#define PACKETS                                                              \
	OPT(ttl, OPT_UINT, .max = 255, .def = "0", .arg = "N",               \
	    .help = "TTL of the packets; 0: the system's, 1 to a group"),    \
		OPT(tos, OPT_PATH, .arg = "N|inherit", .def = "0",           \
		    .help = "type of service of the packets"),               \
		OPT(df, OPT_ENUM, .def = "set",                              \
		    .choices = (const char *const[]){ "set", "unset",        \
						      "inherit", NULL },     \
		    .help = "don't-fragment bit of the packets"),            \
		OPT(ageing, OPT_UINT, .min = 1, .max = 86400, .def = "300",  \
		    .arg = "SECONDS",                                        \
		    .help = "how long an address stays behind its remote"),  \
		OPT(gro, OPT_BOOL, .def = "on", .runtime = true,             \
		    .help = "small frames of a TCP or UDP flow go as large " \
			    "ones to ports that take those")

static const struct opt_row vni_rows[] = {
	OPT(vni, OPT_UINT, .required = true, GIVEN(has_vni), .max = VNI_MAX,
	    .arg = "N", .help = "number of the virtual network"),
	ENDS,
	OPT(dstport, OPT_UINT, .min = 0, .max = UINT16_MAX, .def = "0",
	    .arg = "N",
	    .help = "UDP port of both ends (0: 4789 of vxlan, 6081 of "
		    "geneve)"),
	OPT(srcport, OPT_PATH, .arg = "N-N", .def = "49152-65535",
	    .help = "UDP ports to send from; the flow chooses one"),
	PACKETS,
	KEY("udp-csum", udp_csum, OPT_BOOL, .def = "on",
	    .help = "UDP over IPv4 with checksum"),
	OPT(udp6zerocsumtx, OPT_BOOL, .def = "off",
	    .help = "UDP over IPv6 without checksum"),
	OPT(udp6zerocsumrx, OPT_BOOL, .def = "off",
	    .help = "take UDP over IPv6 without checksum"),
	{ NULL },
};

static const struct opt_row gre_rows[] = {
	OPT(key, OPT_UINT, GIVEN(has_key), .max = UINT32_MAX, .arg = "N",
	    .help = "key of both directions"),
	OPT(ikey, OPT_UINT, GIVEN(has_ikey), .max = UINT32_MAX, .arg = "N",
	    .help = "key that we take"),
	OPT(okey, OPT_UINT, GIVEN(has_okey), .max = UINT32_MAX, .arg = "N",
	    .help = "key that we send"),
	OPT(csum, OPT_BOOL, .def = "off",
	    .help = "send with checksum; one that comes in is always checked"),
	OPT(seq, OPT_BOOL, .def = "off", .help = "number what we send"),
	ENDS,
	PACKETS,
	{ NULL },
};

/* Reads an address, of the same family as @like if that is given. */
static int read_address(const char *key, const char *text,
			const struct sock_addr *like, unsigned port,
			struct sock_addr *a, struct err *err)
{
	int rc = sock_addr_inet(a, key, text, key, "0", err);

	if (rc)
		return rc;
	if (like->len && like->sa.sa_family != a->sa.sa_family)
		return err_set(err, -EINVAL,
			       "%s=%s: all addresses must be IPv4 or all IPv6",
			       key, text);
	a->in.sin_port = htons((uint16_t)port);
	return 0;
}

/* The interface that an address names is what dev= says. Returns 0 or -EINVAL
 * with @err. */
static int read_scope(const char *key, struct sock_addr *a, struct tunnel *t,
		      struct err *err)
{
	char text[SOCK_ADDR_TEXT];

	if (!*a->scope)
		return 0;
	a->in6.sin6_scope_id = 0; /* each packet names it */
	if (!*t->dev)
		memcpy(t->dev, a->scope, sizeof(t->dev));
	if (!strcmp(t->dev, a->scope))
		return 0;
	a->in.sin_port = 0;
	sock_addr_text(a, text);
	return err_set(err, -EINVAL,
		       "%s=%s: another interface is given already: %s", key,
		       text, t->dev);
}

/* A link-local address is one of an interface. */
static int check_scope(const char *key, const struct sock_addr *a,
		       const struct tunnel *t, struct err *err)
{
	struct sock_addr shown = *a;
	char text[SOCK_ADDR_TEXT];

	if (*t->dev || !sock_addr_is_link_local(a))
		return 0;
	shown.in.sin_port = 0;
	sock_addr_text(&shown, text);
	return err_set(err, -EINVAL,
		       "%s=%s: is link-local: name its interface, with "
		       "dev= or as in %s%%eth0",
		       key, text, text);
}

static bool is_broadcast(const struct sock_addr *a)
{
	return a->sa.sa_family == AF_INET &&
	       a->in.sin_addr.s_addr == INADDR_BROADCAST;
}

/* Returns an error for what cannot be the address of another host. */
static int check_remote(const struct sock_addr *a, const char *text,
			struct err *err)
{
	const char *what = NULL;

	if (sock_addr_is_multicast(a))
		return err_set(
			err, -EINVAL,
			"remote=%s: is a multicast group: write group=", text);
	if (sock_addr_is_any(a))
		what = "stands for all addresses";
	else if (is_broadcast(a))
		what = "is the broadcast address";
	else if (a->sa.sa_family == AF_INET6 &&
		 IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		what = "is an IPv4 address: write it as one";
	return what ? err_set(err, -EINVAL,
			      "remote=%s: %s; must be the address of another "
			      "host",
			      text, what)
		    : 0;
}

static int read_remotes(const struct tunnel_conf *c, struct tunnel *t,
			unsigned port, struct err *err)
{
	struct sock_addr first = { 0 };

	if (!c->remotes.count == !c->group)
		return err_set(err, -EINVAL,
			       "remote: remote= (once or more) or group= must "
			       "be given%s",
			       c->group ? ", not both" : "");
	if (c->remotes.count > PEERS_LISTED)
		return err_set(err, -EINVAL, "remote: %u are given, %u at most",
			       c->remotes.count, PEERS_LISTED);
	if (peers_init(&t->peers, c->remotes.count, c->ageing))
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < c->remotes.count; i++) {
		struct sock_addr a;
		int rc = read_address("remote", c->remotes.value[i], &first,
				      port, &a, err);

		if (!rc)
			rc = check_remote(&a, c->remotes.value[i], err);
		if (!rc)
			rc = read_scope("remote", &a, t, err);
		if (rc)
			return rc;
		if (peers_is_listed(&t->peers, &a))
			return err_set(err, -EINVAL,
				       "remote=%s: is given twice",
				       c->remotes.value[i]);
		first = t->peers.peer[i].addr = a;
	}
	return 0;
}

static int read_group(const struct tunnel_conf *c, struct tunnel *t,
		      unsigned port, struct err *err)
{
	int rc;

	if (!c->group)
		return 0;
	rc = read_address("group", c->group, &t->group, port, &t->group, err);
	if (!rc && !sock_addr_is_multicast(&t->group))
		rc = err_set(err, -EINVAL,
			     "group=%s: is no multicast group: write remote=",
			     c->group);
	return rc ? rc : read_scope("group", &t->group, t, err);
}

/* Finds the interface, when all addresses are read. */
static int find_dev(struct tunnel *t, struct err *err)
{
	int index = *t->dev ? link_index(t->dev) : 0, rc;

	if (index < 0)
		return err_set(err, index, "dev=%s: %s", t->dev,
			       index == -ENODEV ? "there is no such interface"
						: strerror(-index));
	t->ifindex = index;
	rc = t->group.len ? check_scope("group", &t->group, t, err) : 0;
	for (unsigned i = 0; i < t->peers.listed && !rc; i++)
		rc = check_scope("remote", &t->peers.peer[i].addr, t, err);
	return rc;
}

/* Reads our address, the last one of all. That of a member of a group is only
 * the source of what it sends: a socket with an address gets nothing that is
 * sent to the group. */
static int read_local(const struct tunnel_conf *c, struct tunnel *t,
		      unsigned port, struct sock_addr *local, struct err *err)
{
	const struct sock_addr *like =
		t->group.len ? &t->group : &t->peers.peer[0].addr;
	bool is_v6 = like->sa.sa_family == AF_INET6;
	int rc = read_address("local", is_v6 ? "::" : "0.0.0.0", like, port,
			      local, err);

	if (rc)
		return rc;
	if (!c->local)
		return find_dev(t, err);
	rc = read_address("local", c->local, like, port, local, err);
	if (!rc && (sock_addr_is_multicast(local) || is_broadcast(local)))
		rc = err_set(err, -EINVAL,
			     "local=%s: is a %s: must be an address of this "
			     "host",
			     c->local,
			     is_broadcast(local) ? "broadcast address"
						 : "multicast group");
	if (!rc)
		rc = read_scope("local", local, t, err);
	if (!rc)
		rc = find_dev(t, err);
	if (!rc)
		rc = check_scope("local", local, t, err);
	if (sock_addr_is_link_local(local)) {
		local->in6.sin6_scope_id = (uint32_t)t->ifindex;
		memcpy(local->scope, t->dev, sizeof(t->dev));
	}
	if (rc || !t->group.len)
		return rc;
	t->source = *local;
	return read_address("local", is_v6 ? "::" : "0.0.0.0", like, port,
			    local, err);
}

/* What is sent to an address of this host comes to the port that sent it, when
 * that receives at the address: guests would get their own frames back. */
static int check_own(const struct tunnel *t, const struct sock_addr *local,
		     struct err *err)
{
	if (t->conf.rx_session != t->conf.tx_session) /* gre: another key */
		return 0;
	for (unsigned i = 0; i < t->peers.listed; i++) {
		struct sock_addr a = t->peers.peer[i].addr;
		char text[SOCK_ADDR_TEXT];
		bool is_own;

		if (sock_addr_is_link_local(&a))
			memcpy(a.scope, t->dev, sizeof(t->dev));
		is_own = sock_addr_is_any(local) ? link_of_address(&a) > 0
						 : sock_addr_equal(&a, local);
		a.in.sin_port = 0;
		sock_addr_text(&a, text);
		if (is_own)
			return err_set(err, -EINVAL,
				       "remote=%s: is an address of this host, "
				       "where the port receives itself: guests "
				       "would get their own frames back",
				       text);
	}
	return 0;
}

static int read_range(const char *text, struct endpoint_conf *where,
		      struct err *err)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10), last = 0;

	if (*end == '-')
		last = strtoul(end + 1, &end, 10);
	if (*end || !first || first > last || last > UINT16_MAX)
		return err_set(err, -EINVAL,
			       "srcport=%.40s: must be a range of UDP ports, "
			       "such as 49152-65535",
			       text);
	where->first = (uint16_t)first;
	where->last = (uint16_t)last;
	return 0;
}

static int read_tos(const char *text, struct tunnel *t, struct err *err)
{
	unsigned long tos;
	char *end;

	t->tos = TOS_INHERIT;
	if (!strcmp(text, "inherit"))
		return 0;
	tos = strtoul(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || tos > UINT8_MAX)
		return err_set(err, -EINVAL,
			       "tos=%.40s: must be a number from 0 to 255, or "
			       "inherit",
			       text);
	t->tos = (int)tos;
	return 0;
}

static int read_session(const struct tunnel_conf *c, struct tunnel *t,
			struct err *err)
{
	t->conf.tx_session = t->conf.rx_session = c->vni;
	t->conf.csum = c->csum;
	t->conf.seq = c->seq;
	if (t->encap->udp_port)
		return 0;
	if (c->has_key && (c->has_ikey || c->has_okey))
		return err_set(err, -EINVAL,
			       "key: stands for ikey= and okey=: leave it or "
			       "them away");
	t->conf.tx_session = c->has_key	   ? c->key
			     : c->has_okey ? c->okey
					   : ENCAP_NO_KEY;
	t->conf.rx_session = c->has_key	   ? c->key
			     : c->has_ikey ? c->ikey
					   : ENCAP_NO_KEY;
	return 0;
}

int tunnel_conf_read(const struct tunnel_conf *c, struct tunnel *t,
		     struct endpoint_conf *where, struct err *err)
{
	unsigned port = c->dstport ? c->dstport : t->encap->udp_port;
	bool is_v6;
	int rc;

	*where = (struct endpoint_conf){ .encap = t->encap,
					 .zero_csum6 = c->udp6zerocsumrx };
	if (c->dev && strlen(c->dev) >= sizeof(t->dev))
		return err_set(err, -EINVAL,
			       "dev=%.40s: is too long for an interface's name",
			       c->dev);
	if (c->dev)
		memcpy(t->dev, c->dev, strlen(c->dev) + 1);
	t->ttl = (int)c->ttl;
	t->df = (enum tunnel_df)c->df;
	rc = read_remotes(c, t, port, err);
	if (!rc)
		rc = read_group(c, t, port, err);
	if (!rc)
		rc = read_local(c, t, port, &where->local, err);
	if (!rc && c->srcport)
		rc = read_range(c->srcport, where, err);
	if (!rc)
		rc = read_tos(c->tos, t, err);
	if (!rc)
		rc = read_session(c, t, err);
	if (!rc)
		rc = check_own(t, &where->local, err);
	if (rc)
		return rc;
	t->hdr_size = t->encap->size(&t->conf);
	is_v6 = where->local.sa.sa_family == AF_INET6;
	if (t->encap->udp_port && (is_v6 ? c->udp6zerocsumtx : !c->udp_csum))
		t->mode = SEND_NO_CSUM;
	/* The kernel cuts only datagrams with checksums. */
	t->takes_gso = !t->mode;
	return 0;
}

static int create_vxlan(const struct port_env *env,
			const struct port_conf *common, const void *conf,
			struct port **out, struct err *err)
{
	return tunnel_create(env, common, &port_vxlan_type, &encap_vxlan, conf,
			     out, err);
}

static int create_geneve(const struct port_env *env,
			 const struct port_conf *common, const void *conf,
			 struct port **out, struct err *err)
{
	return tunnel_create(env, common, &port_geneve_type, &encap_geneve,
			     conf, out, err);
}

static int create_gre(const struct port_env *env,
		      const struct port_conf *common, const void *conf,
		      struct port **out, struct err *err)
{
	return tunnel_create(env, common, &port_gre_type, &encap_gre, conf, out,
			     err);
}

const struct port_type port_vxlan_type = {
	.name = "vxlan",
	.help = "VXLAN to other hosts, as the kernel's device of that name",
	.rows = vni_rows,
	.conf_size = sizeof(struct tunnel_conf),
	.create = create_vxlan,
};

const struct port_type port_geneve_type = {
	.name = "geneve",
	.help = "Geneve to other hosts, as the kernel's device of that name",
	.rows = vni_rows,
	.conf_size = sizeof(struct tunnel_conf),
	.create = create_geneve,
};

const struct port_type port_gre_type = {
	.name = "gre",
	.help = "GRE with Ethernet inside, as the kernel's gretap",
	.rows = gre_rows,
	.conf_size = sizeof(struct tunnel_conf),
	.create = create_gre,
};
