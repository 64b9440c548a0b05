/* SPDX-License-Identifier: Apache-2.0 */
/* Inside port/tunnel: options of the tunnel ports, and what `port show` tells.
 * Control thread. */
#ifndef RW_TUNNEL_CONF_H
#define RW_TUNNEL_CONF_H

#include "opt.h"
#include "tunnel.h"

struct tunnel_conf {
	struct opt_list remotes;
	char *group, *dev, *local, *srcport, *tos;
	uint32_t vni, key, ikey, okey, dstport, ttl, ageing;
	int df;
	bool has_vni, has_key, has_ikey, has_okey;
	bool udp_csum, udp6zerocsumtx, udp6zerocsumrx, csum, seq, gro;
};

int tunnel_create(const struct port_env *env, const struct port_conf *common,
		  const struct port_type *type, const struct encap *encap,
		  const struct tunnel_conf *c, struct port **out,
		  struct err *err);

/* Stores what the options say in @t, whose encap is set, and in @where. Returns
 * 0 or -errno with @err; peers_fini() is due in both cases. */
int tunnel_conf_read(const struct tunnel_conf *c, struct tunnel *t,
		     struct endpoint_conf *where, struct err *err);

void tunnel_show(const struct port *p, struct show *out);

/* Makes the endpoint of @t a member of its group, and follows its interface: a
 * new one of that name takes its place. Returns 0 or -errno with @err;
 * tunnel_dev_leave() is due in both cases. */
int tunnel_dev_follow(struct tunnel *t, struct err *err);
/* Ends that. Does nothing if it never began. */
void tunnel_dev_leave(struct tunnel *t);

#endif
