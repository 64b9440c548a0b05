/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of virtual functions, see host_vf_link.h. Control thread. */
#include "host_vf_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "host_fs.h"

/* A virtual function takes about 200 bytes, and a list of them ends at 64 KiB,
 * the longest attribute. */
#define ANSWER_SIZE (128 << 10)

const char *const host_vf_links[] = { "auto", "enable", "disable", NULL };

/* Stores the value of an attribute of @size bytes at @to. Returns whether it is
 * there and as long as that. */
static bool take(struct nl_attrs vf, uint16_t type, void *to, size_t size)
{
	struct nl_attrs data;

	if (!nl_get(vf, type, &data) || data.size < size)
		return false;
	memcpy(to, data.at, size);
	return true;
}

static void parse_one(struct nl_attrs vf, struct host_vf_settings *all,
		      unsigned count)
{
	struct ifla_vf_link_state link;
	struct ifla_vf_spoofchk spoofchk;
	struct ifla_vf_trust trust;
	struct ifla_vf_rate rate;
	struct ifla_vf_vlan vlan;
	struct host_vf_settings *s;
	struct ifla_vf_mac mac;

	if (!take(vf, IFLA_VF_MAC, &mac, sizeof(mac)) || mac.vf >= count)
		return;
	s = &all[mac.vf];
	memcpy(s->mac, mac.mac, sizeof(s->mac));
	s->has = HOST_VF_MAC;
	if (take(vf, IFLA_VF_VLAN, &vlan, sizeof(vlan))) {
		s->vlan = vlan.vlan;
		s->qos = vlan.qos;
		s->has |= HOST_VF_VLAN;
	}
	if (take(vf, IFLA_VF_RATE, &rate, sizeof(rate))) {
		s->min_rate = rate.min_tx_rate;
		s->max_rate = rate.max_tx_rate;
		s->has |= HOST_VF_RATE;
	}
	/* A driver that has no such setting says -1. */
	if (take(vf, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk)) &&
	    spoofchk.setting != UINT32_MAX) {
		s->spoofchk = spoofchk.setting;
		s->has |= HOST_VF_SPOOFCHK;
	}
	if (take(vf, IFLA_VF_TRUST, &trust, sizeof(trust)) &&
	    trust.setting != UINT32_MAX) {
		s->trust = trust.setting;
		s->has |= HOST_VF_TRUST;
	}
	if (take(vf, IFLA_VF_LINK_STATE, &link, sizeof(link)) &&
	    link.link_state < __IFLA_VF_LINK_STATE_MAX) {
		s->link = (int)link.link_state;
		s->has |= HOST_VF_LINK;
	}
}

void host_vf_link_parse(const struct nlmsghdr *answer,
			struct host_vf_settings *s, unsigned count)
{
	struct nl_attrs list, vf;
	uint16_t type;

	memset(s, 0, count * sizeof(*s));
	if (!nl_get(nl_attrs_of(answer, sizeof(struct ifinfomsg)),
		    IFLA_VFINFO_LIST, &list))
		return;
	while (nl_next(&list, &type, &vf))
		if (type == IFLA_VF_INFO)
			parse_one(vf, s, count);
}

/* Returns the number of the interface, or -ENODEV: there is none, or the tree
 * of files is that of a test. */
static int index_of(const char *ifname)
{
	unsigned index = host_fs_is_real() ? if_nametoindex(ifname) : 0;

	return index ? (int)index : -ENODEV;
}

int host_vf_link_read(const char *ifname, struct host_vf_settings *s,
		      unsigned count)
{
	uint32_t mask = RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS;
	struct ifinfomsg link = { .ifi_index = index_of(ifname) };
	struct nlmsghdr *answer;
	union nl_message m;
	int rc;

	memset(s, 0, count * sizeof(*s));
	if (link.ifi_index < 0)
		return link.ifi_index;
	answer = malloc(ANSWER_SIZE);
	if (!answer)
		return -ENOMEM;
	nl_begin(&m, RTM_GETLINK, 0, &link, sizeof(link));
	nl_put(&m, IFLA_EXT_MASK, &mask, sizeof(mask));
	rc = nl_ask_for(NETLINK_ROUTE, &m, answer, ANSWER_SIZE);
	if (!rc)
		host_vf_link_parse(answer, s, count);
	free(answer);
	return rc;
}

static void put_part(union nl_message *m, uint32_t vf, unsigned part,
		     const struct host_vf_settings *to)
{
	struct ifla_vf_link_state link = { vf, (uint32_t)to->link };
	struct ifla_vf_rate rate = { vf, to->min_rate, to->max_rate };
	struct ifla_vf_vlan vlan = { vf, to->vlan, to->qos };
	struct ifla_vf_spoofchk spoofchk = { vf, to->spoofchk };
	struct ifla_vf_trust trust = { vf, to->trust };
	struct ifla_vf_mac mac = { .vf = vf };

	memcpy(mac.mac, to->mac, sizeof(to->mac));
	if (part == HOST_VF_MAC)
		nl_put(m, IFLA_VF_MAC, &mac, sizeof(mac));
	else if (part == HOST_VF_VLAN)
		nl_put(m, IFLA_VF_VLAN, &vlan, sizeof(vlan));
	else if (part == HOST_VF_RATE)
		nl_put(m, IFLA_VF_RATE, &rate, sizeof(rate));
	else if (part == HOST_VF_SPOOFCHK)
		nl_put(m, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	else if (part == HOST_VF_TRUST)
		nl_put(m, IFLA_VF_TRUST, &trust, sizeof(trust));
	else
		nl_put(m, IFLA_VF_LINK_STATE, &link, sizeof(link));
}

void host_vf_link_request(union nl_message *m, int ifindex, unsigned index,
			  unsigned part, const struct host_vf_settings *to)
{
	struct ifinfomsg link = { .ifi_index = ifindex };
	struct nlattr *list, *info;

	nl_begin(m, RTM_SETLINK, NLM_F_ACK, &link, sizeof(link));
	list = nl_put(m, IFLA_VFINFO_LIST, NULL, 0);
	info = nl_put(m, IFLA_VF_INFO, NULL, 0);
	put_part(m, index, part, to);
	nl_end_nest(m, info);
	nl_end_nest(m, list);
}

static int set_part(int ifindex, unsigned index, unsigned part,
		    const struct host_vf_settings *to)
{
	union nl_message m;

	host_vf_link_request(&m, ifindex, index, part, to);
	return nl_ask(NETLINK_ROUTE, &m);
}

static int explain(const char *ifname, unsigned index, unsigned part, int rc,
		   struct err *err)
{
	static const char *const names[HOST_VF_PARTS] = {
		"mac", "vlan", "rate", "spoofchk", "trust", "link",
	};
	const char *name = names[__builtin_ctz(part)];

	if (rc == -EPERM || rc == -EACCES)
		return err_set(err, rc,
			       "%s: only root (CAP_NET_ADMIN) can set virtual "
			       "functions",
			       ifname);
	if (rc == -EOPNOTSUPP)
		return err_set(err, rc, "%s: %s: its driver cannot set that",
			       ifname, name);
	return err_set(err, rc,
		       "%s: %s of virtual function %u: its driver "
		       "refuses the value: %s%s",
		       ifname, name, index, strerror(-rc),
		       part == HOST_VF_RATE
			       ? " (with some drivers the card's link has to "
				 "be up, and as fast)"
			       : "");
}

int host_vf_link_set(const char *ifname, unsigned index,
		     const struct host_vf_settings *to, struct err *err)
{
	struct host_vf_settings *old = calloc(index + 1, sizeof(*old));
	int ifindex = index_of(ifname), rc = ifindex;
	unsigned done = 0;

	if (old && ifindex > 0)
		rc = host_vf_link_read(ifname, old, index + 1);
	if (!old || rc < 0) {
		free(old);
		return err_set(err, old ? rc : -ENOMEM, "%s: %s", ifname,
			       strerror(old ? -rc : ENOMEM));
	}
	for (unsigned i = 0; i < HOST_VF_PARTS && !rc; i++) {
		if (!(to->has & 1u << i))
			continue;
		rc = set_part(ifindex, index, 1u << i, to);
		if (!rc)
			done |= 1u << i;
		else
			explain(ifname, index, 1u << i, rc, err);
	}
	/* All of them, or none. */
	for (unsigned i = 0; i < HOST_VF_PARTS && rc; i++)
		if (done & old[index].has & 1u << i)
			set_part(ifindex, index, 1u << i, &old[index]);
	free(old);
	return rc;
}
