/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VLANs of a port (IEEE 802.1Q): its memberships, the VLAN of its untagged
 * frames, and the form of its tags. Pure.
 */
#ifndef RW_VLAN_H
#define RW_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define VLAN_COUNT    4096 /* values of 12 bits; 0 and 4095 are not VLANs */
#define VLAN_MAX      4094
#define VLAN_VID_MASK 0xfff
#define VLAN_NONE     0xffff

/* A set of VLANs, one bit each. */
struct vlan_set {
	uint64_t bit[VLAN_COUNT / 64];
};

static inline bool vlan_set_has(const struct vlan_set *s, unsigned vlan)
{
	return s->bit[vlan / 64 % (VLAN_COUNT / 64)] >> (vlan % 64) & 1;
}

/* The options as typed. Unset: NULL, empty or "none". */
struct vlan_conf {
	char *vlan;   /* access port: its VLAN */
	char *trunk;  /* trunk port: its VLANs */
	char *native; /* trunk port: the VLAN of untagged frames */
	bool dot1ad;  /* tags are 802.1ad (0x88a8), not 802.1Q (0x8100) */
};

/* Returns whether the text of an option sets it. */
bool vlan_conf_is_set(const char *text);

/*
 * The rules of a port about tags; immutable, published with RCU. In a network
 * where other ports have rules, a port without them takes every VLAN tagged;
 * its untagged frames are in VLAN 0, which only such ports are in.
 */
struct port_vlan {
	uint16_t pvid; /* VLAN of untagged frames, which leave untagged;
			* VLAN_NONE: untagged frames are dropped */
	uint16_t tpid; /* ethertype of its tags */
	struct vlan_set members;
};

/* The rules of a port without any. */
extern const struct port_vlan port_vlan_plain;

/*
 * Parses the options into heap memory; *@out is NULL when none is set. Returns
 * 0; -EINVAL with @err that names key, value and what would be right; or
 * -ENOMEM.
 */
int port_vlan_parse(const struct vlan_conf *c, struct port_vlan **out,
		    struct err *err);

/* Returns whether a port with the rules @v is in @vlan. VLAN 0: only ports
 * without rules are. */
static inline bool port_vlan_has(const struct port_vlan *v, unsigned vlan)
{
	return vlan == v->pvid || vlan_set_has(&v->members, vlan);
}

#endif
