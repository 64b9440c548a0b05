/* SPDX-License-Identifier: Apache-2.0 */
/* Receive side scaling, see rss.h. Pure. */
#include "rss.h"

#include <netinet/in.h>

#include "key.h"

void rss_init(struct rss *r, const struct rss_conf *conf)
{
	r->conf = *conf;
	toeplitz_init(&r->toeplitz, conf->key);
}

/* Returns the type of hash for packets of @k, of those in @types. */
static unsigned type_of(const struct key *k, bool has_ports, unsigned types)
{
	static const struct {
		unsigned tcp, udp, plain;
	} by_version[] = { { RSS_TCPV4, RSS_UDPV4, RSS_IPV4 },
			   { RSS_TCPV6, RSS_UDPV6, RSS_IPV6 } };
	unsigned is_6 = k->ip == 6;

	if (!k->ip)
		return 0;
	if (has_ports && k->proto == IPPROTO_TCP &&
	    types & by_version[is_6].tcp)
		return by_version[is_6].tcp;
	if (has_ports && k->proto == IPPROTO_UDP &&
	    types & by_version[is_6].udp)
		return by_version[is_6].udp;
	return types & by_version[is_6].plain;
}

unsigned rss_hash(const struct rss *r, struct frame *f, uint32_t *hash)
{
	const struct key *k = frame_key(f, KEY_L4);
	const uint8_t *ports = key_ports(f);
	unsigned type = type_of(k, ports, r->conf.types);
	unsigned size = k->ip == 4 ? 2 * 4 : 2 * 16;
	uint8_t input[TOEPLITZ_INPUT_MAX];

	*hash = 0;
	if (!type)
		return 0;
	memcpy(input, key_addresses(f), size);
	if (!(type & (RSS_IPV4 | RSS_IPV6))) {
		memcpy(input + size, ports, 2 * 2);
		size += 2 * 2;
	}
	*hash = toeplitz_hash(&r->toeplitz, input, size);
	return type;
}

unsigned rss_queue(const struct rss *r, struct frame *f)
{
	uint32_t hash;

	if (!rss_hash(r, f, &hash))
		return r->conf.unclassified;
	return r->conf.table[hash & r->conf.mask];
}
