/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of virtual functions, which the card's own driver has: what `ip link
 * set DEV vf N` sets. Over rtnetlink. Control thread.
 */
#ifndef RW_HOST_VF_LINK_H
#define RW_HOST_VF_LINK_H

#include <stdint.h>

#include "err.h"
#include "netlink.h"

/* The parts of struct host_vf_settings, as bits of host_vf_change.has. */
enum {
	HOST_VF_MAC = 1 << 0,
	HOST_VF_VLAN = 1 << 1, /* and qos */
	HOST_VF_RATE = 1 << 2, /* both */
	HOST_VF_SPOOFCHK = 1 << 3,
	HOST_VF_TRUST = 1 << 4,
	HOST_VF_LINK = 1 << 5,
	HOST_VF_PARTS = 6,
};

/* The values of link: IFLA_VF_LINK_STATE_*. */
extern const char *const host_vf_links[];

struct host_vf_settings {
	unsigned has; /* which of these the driver tells */
	uint8_t mac[6];
	uint32_t vlan, qos;
	uint32_t min_rate, max_rate; /* Mbit/s; 0: no limit */
	bool spoofchk, trust;
	int link; /* index into host_vf_links */
};

/* Fills @s with the settings of @count virtual functions of the interface
 * @ifname; has is 0 for those that the driver does not tell about. Returns 0 or
 * -errno. */
int host_vf_link_read(const char *ifname, struct host_vf_settings *s,
		      unsigned count);
/* The same from the kernel's @answer, a message RTM_NEWLINK. */
void host_vf_link_parse(const struct nlmsghdr *answer,
			struct host_vf_settings *s, unsigned count);

/* Makes the settings of virtual function @index those of @to that @to->has
 * names. Returns 0, or -errno with @err and all as they were. */
int host_vf_link_set(const char *ifname, unsigned index,
		     const struct host_vf_settings *to, struct err *err);
/* Fills @m with the request for the setting @part. */
void host_vf_link_request(union nl_message *m, int ifindex, unsigned index,
			  unsigned part, const struct host_vf_settings *to);

#endif
