/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of tunnels, see encap.h. Pure; any thread. */
#include "encap.h"

#include "le.h"
#include "offload.h"

#define ETHERNET_IN_GRE 0x6558 /* also Geneve's protocol of Ethernet */

/* VXLAN and Geneve both end with the VNI and a reserved byte. */
#define VNI_HEADER 8

enum { VXLAN_HAS_VNI = 0x08, VXLAN_OTHER_PROTOCOL = 0x04 };

static unsigned vni_size(const struct encap_conf *c)
{
	(void)c;
	return VNI_HEADER;
}

static void vxlan_put(const struct encap_conf *c, const struct frame *f,
		      uint32_t seq, uint8_t *to)
{
	(void)f;
	(void)seq;
	put_be32(to, (uint32_t)VXLAN_HAS_VNI << 24);
	put_be32(to + 4, (uint32_t)c->tx_session << 8);
}

/* Reserved bits are ignored (RFC 7348, clause 5), except the one by which
 * VXLAN-GPE says that no Ethernet frame may follow. */
static int vxlan_parse(const uint8_t *data, size_t size, uint64_t *session)
{
	if (size < VNI_HEADER || !(data[0] & VXLAN_HAS_VNI) ||
	    data[0] & VXLAN_OTHER_PROTOCOL)
		return -DROP_RX_TUNNEL;
	*session = get_be32(data + 4) >> 8;
	return VNI_HEADER;
}

const struct encap encap_vxlan = {
	.name = "vxlan",
	.udp_port = 4789,
	.size = vni_size,
	.put = vxlan_put,
	.parse = vxlan_parse,
};

enum {
	GENEVE_VERSION = 0xc0, /* of the first byte; 0 is the only one */
	GENEVE_OPTIONS = 0x3f, /* of the first byte: their size / 4 */
	GENEVE_CONTROL = 0x80, /* of the second byte: not a frame */
	GENEVE_CRITICAL = 0x40,
	/* of an option: type in byte 2, size / 4 in byte 3 */
	OPTION_HEADER = 4,
	OPTION_CRITICAL = 0x80,
	OPTION_SIZE = 0x1f,
};

static void geneve_put(const struct encap_conf *c, const struct frame *f,
		       uint32_t seq, uint8_t *to)
{
	(void)f;
	(void)seq;
	put_be32(to, ETHERNET_IN_GRE);
	put_be32(to + 4, (uint32_t)c->tx_session << 8);
}

/* Options are skipped; we know none, and so drop a frame with one that a
 * receiver must know (RFC 8926, clause 3.4). */
static int geneve_parse(const uint8_t *data, size_t size, uint64_t *session)
{
	size_t end, at = VNI_HEADER;

	if (size < VNI_HEADER)
		return -DROP_RX_TUNNEL;
	end = VNI_HEADER + 4u * (data[0] & GENEVE_OPTIONS);
	if (data[0] & GENEVE_VERSION || data[1] & GENEVE_CONTROL ||
	    get_be16(data + 2) != ETHERNET_IN_GRE || size < end)
		return -DROP_RX_TUNNEL;
	if (data[1] & GENEVE_CRITICAL)
		return -DROP_RX_OPTION;
	while (at < end) {
		if (data[at + 2] & OPTION_CRITICAL)
			return -DROP_RX_OPTION;
		at += OPTION_HEADER + 4u * (data[at + 3] & OPTION_SIZE);
	}
	if (at > end)
		return -DROP_RX_TUNNEL;
	*session = get_be32(data + 4) >> 8;
	return (int)end;
}

const struct encap encap_geneve = {
	.name = "geneve",
	.udp_port = 6081,
	.size = vni_size,
	.put = geneve_put,
	.parse = geneve_parse,
};

enum { GRE_CSUM = 0x8000, GRE_KEY = 0x2000, GRE_SEQ = 0x1000 };

static unsigned gre_size(const struct encap_conf *c)
{
	return 4 + (c->csum ? 4 : 0) + (c->tx_session != ENCAP_NO_KEY ? 4 : 0) +
	       (c->seq ? 4 : 0);
}

static void gre_put(const struct encap_conf *c, const struct frame *f,
		    uint32_t seq, uint8_t *to)
{
	bool has_key = c->tx_session != ENCAP_NO_KEY;
	uint8_t *at = to + 4;
	uint16_t sum;

	put_be16(to,
		 (uint16_t)((c->csum ? GRE_CSUM : 0) | (has_key ? GRE_KEY : 0) |
			    (c->seq ? GRE_SEQ : 0)));
	put_be16(to + 2, ETHERNET_IN_GRE);
	if (c->csum) {
		put_be32(at, 0);
		at += 4;
	}
	if (has_key) {
		put_be32(at, (uint32_t)c->tx_session);
		at += 4;
	}
	if (c->seq)
		put_be32(at, seq);
	if (c->csum) {
		sum = csum_fold(csum_add(csum_frame(f, 0), to, gre_size(c)));
		memcpy(to + 4, &sum, sizeof(sum));
	}
}

/* RFC 2784, clause 2.3, and RFC 2890: bits 1, 4 and 5 (source routes) and a
 * version are not ours; bits 6 to 12 are to be ignored. */
#define GRE_REFUSED 0x4c07u

/* The order of numbered frames is not looked at, as they come to a switch. */
static int gre_parse(const uint8_t *data, size_t size, uint64_t *session)
{
	unsigned flags, need = 4;

	if (size < need)
		return -DROP_RX_TUNNEL;
	flags = get_be16(data);
	need += (flags & GRE_CSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) +
		(flags & GRE_SEQ ? 4 : 0);
	if (flags & GRE_REFUSED || get_be16(data + 2) != ETHERNET_IN_GRE ||
	    size < need)
		return -DROP_RX_TUNNEL;
	if (flags & GRE_CSUM && csum_fold(csum_add(0, data, size)))
		return -DROP_RX_CSUM;
	*session = ENCAP_NO_KEY;
	if (flags & GRE_KEY)
		*session = get_be32(data + (flags & GRE_CSUM ? 8 : 4));
	return (int)need;
}

const struct encap encap_gre = {
	.name = "gre",
	.size = gre_size,
	.put = gre_put,
	.parse = gre_parse,
};
