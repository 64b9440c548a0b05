/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See user_filter.h.
 *
 * libslirp derives the MAC address of each of its hosts from the IP address:
 * 52:55 and the four bytes of an IPv4 address, or 52:56 and the last four bytes
 * of an IPv6 address. It needs the IPv6 groups of all nodes, all routers and
 * all DHCP servers, and the solicited-node group of each host. It uses no IPv4
 * groups.
 */
#include "user_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIXED 10 /* addresses that do not depend on rules */

/* Returns the six bytes of @mac in a word, in memory order. */
static uint64_t mac_word(const uint8_t *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac, 6);
	return word;
}

static void add(struct user_filter *f, uint8_t a, uint8_t b, const void *rest)
{
	uint8_t mac[6] = { a, b };

	memcpy(mac + 2, rest, 4);
	f->mac[f->count++] = mac_word(mac);
}

static void add_ipv6_host(struct user_filter *f, const struct in6_addr *host)
{
	uint8_t group[4] = { 0xff };

	add(f, 0x52, 0x56, &host->s6_addr[12]);
	memcpy(group + 1, &host->s6_addr[13], 3);
	add(f, 0x33, 0x33, group);
}

int user_filter_init(struct user_filter *f, const struct user_net *n,
		     const struct opt_list *guestfwd)
{
	struct user_guestfwd rule;

	f->count = 0;
	f->mac = calloc(FIXED + guestfwd->count, sizeof(f->mac[0]));
	if (!f->mac)
		return -ENOMEM;
	add(f, 0xff, 0xff, "\xff\xff\xff\xff");
	if (n->has_ipv4) {
		add(f, 0x52, 0x55, &n->host);
		add(f, 0x52, 0x55, &n->dns);
		for (unsigned i = 0; i < guestfwd->count; i++)
			if (!user_guestfwd_parse(guestfwd->value[i], n, &rule,
						 NULL))
				add(f, 0x52, 0x55, &rule.server);
	}
	if (n->has_ipv6) {
		add_ipv6_host(f, &n->host6);
		add_ipv6_host(f, &n->dns6);
		add(f, 0x33, 0x33, "\0\0\0\1");
		add(f, 0x33, 0x33, "\0\0\0\2");
		add(f, 0x33, 0x33, "\0\1\0\2");
	}
	return 0;
}

void user_filter_fini(struct user_filter *f)
{
	free(f->mac);
	f->mac = NULL;
	f->count = 0;
}

bool user_filter_passes(const struct user_filter *f, const uint8_t *dst)
{
	uint64_t word = mac_word(dst);

	for (unsigned i = 0; i < f->count; i++)
		if (f->mac[i] == word)
			return true;
	return false;
}
