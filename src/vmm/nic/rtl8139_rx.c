/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver of an RTL8139C+ receives: into one buffer, as a ring of bytes
 * (5.5 of the RTL8139C), or into the buffers of a ring of descriptors (9.2.2 of
 * the C+). Workers, with the txq's lock held.
 *
 * The checksum at the end of a frame (CRC) is four bytes of zero: the switch
 * has none. Checksums of headers are not checked for the driver.
 */
#include "edit.h"
#include "key.h"
#include "nic_frame.h"
#include "rtl8139.h"

/* The header in front of a frame in the buffer; of its 32 bits the upper half
 * is the length. */
#define RX_HEADER    4u
#define RX_ROK	     0x0001u
#define RX_BROADCAST 0x2000u
#define RX_PHYSICAL  0x4000u
#define RX_MULTICAST 0x8000u

/* A receive descriptor, written back. */
#define RXD_BUFFER(v) ((v)&0x1fff)
#define RXD_MULTICAST (1u << 26)
#define RXD_PHYSICAL  (1u << 25)
#define RXD_BROADCAST (1u << 24)
#define RXD_TAVA      (1u << 16) /* second word: there was a tag */

#define FRAME_MOST    8186 /* RCR: 8 KiB with checksum; a length has 13 bits */
#define CRC_SIZE      4u

/* Kinds of address, and why a frame is received. */
enum match { NOT_MINE, PHYSICAL, MULTICAST, BROADCAST };

/* Returns the upper six bits of the CRC of the address (5.1.4: the hash). */
static unsigned hash_address(const uint8_t *to)
{
	uint32_t crc = ~0u;

	for (unsigned i = 0; i < ETH_ALEN; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bool is_one = (crc >> 31 ^ to[i] >> bit) & 1;

			crc = crc << 1 ^ (is_one ? 0x04c11db7u : 0);
		}
	return crc >> 26;
}

static enum match match_address(const struct rtl8139 *r, const uint8_t *to)
{
	uint32_t rcr = rtl_get32(r, RTL_RCR);
	unsigned bit;

	if (!mac_is_multicast(to)) {
		bool is_mine = !memcmp(to, &r->reg[RTL_IDR0], ETH_ALEN);

		return rcr & RCR_AAP || (is_mine && rcr & RCR_APM) ? PHYSICAL
								   : NOT_MINE;
	}
	if (!memcmp(to, "\xff\xff\xff\xff\xff\xff", ETH_ALEN))
		return rcr & (RCR_AB | RCR_AAP) ? BROADCAST : NOT_MINE;
	bit = hash_address(to);
	if (rcr & RCR_AAP ||
	    (rcr & RCR_AM && r->reg[RTL_MAR0 + bit / 8] >> bit % 8 & 1))
		return MULTICAST;
	return NOT_MINE;
}

/* --- The buffer */

/* Writes @size bytes of the frame, from @off on, into the buffer at @at; behind
 * its end the buffer goes on at its beginning. */
static void put_bytes(const struct rtl8139 *r, uint32_t at,
		      const struct frame *f, uint32_t size)
{
	uint64_t start = rtl_get32(r, RTL_RBSTART);
	uint32_t whole = rtl_buffer_size(r), first = size;
	uint8_t *to;

	if (at + size > whole && !(rtl_get32(r, RTL_RCR) & RCR_WRAP))
		first = whole - at;
	to = gmem_translate(r->nic.ram, start + at, first);
	if (to)
		nic_fill(f, 0, to, first);
	if (first == size)
		return;
	to = gmem_translate(r->nic.ram, start, size - first);
	if (to)
		nic_fill(f, first, to, size - first);
}

/* Returns the bytes that the driver has read, which can be written again. One
 * byte stays free: a full buffer would look like an empty one. */
static uint32_t free_bytes(const struct rtl8139 *r)
{
	uint32_t whole = rtl_buffer_size(r);
	uint32_t read = (shm_load_acquire(&r->capr) + 16) % whole;

	return (read + whole - r->rx.write - 1) % whole;
}

static bool receive_bytes(struct rtl8139 *r, const struct frame *f,
			  enum match match, uint32_t *cause)
{
	static const uint32_t kind[] = { [PHYSICAL] = RX_PHYSICAL,
					 [MULTICAST] = RX_MULTICAST,
					 [BROADCAST] = RX_BROADCAST };
	uint32_t len = MAX(f->len, NIC_FRAME_LEAST) + CRC_SIZE;
	uint32_t size = (uint32_t)align_up(RX_HEADER + len, 4);
	uint32_t whole = rtl_buffer_size(r);
	le32 header = cpu_to_le32(RX_ROK | kind[match] | len << 16);
	uint8_t *to;

	if (size > free_bytes(r)) {
		*cause |= RTL_RXOVW;
		return false;
	}
	/* Everything has a length that four divides, so the header does not
	 * wrap. */
	to = gmem_translate(r->nic.ram,
			    (uint64_t)rtl_get32(r, RTL_RBSTART) + r->rx.write,
			    RX_HEADER);
	put_bytes(r, (r->rx.write + RX_HEADER) % whole, f, len);
	if (to)
		memcpy(to, &header, sizeof(header));
	r->rx.write = (r->rx.write + size) % whole;
	shm_store_release(&r->cbr, r->rx.write);
	*cause |= RTL_ROK;
	return true;
}

/* --- Descriptors */

/* Returns whether descriptors for @len bytes are the card's. */
static bool has_room(const struct rtl8139 *r, uint32_t len)
{
	unsigned i = r->rx.next;

	for (unsigned n = 0; n < RTL_RING; n++) {
		struct rtl8139_desc d;
		uint32_t size;

		if (!rtl8139_read_desc(r, RTL_RDSAR, i, &d) ||
		    !(d.command & RTL_OWN))
			return false;
		size = RXD_BUFFER(d.command);
		if (size >= len)
			return true;
		len -= size;
		i = rtl8139_next(i, &d);
	}
	return false;
}

static void write_back(uint8_t *at, uint32_t command, uint32_t tag)
{
	le32 *word = (le32 *)at;

	shm_store(&word[1], cpu_to_le32(tag));
	shm_store_release(&word[0], cpu_to_le32(command));
}

static uint32_t take_tag(const struct rtl8139 *r, const struct frame **f,
			 struct frame *untagged)
{
	uint16_t tci;

	if (!(rtl_get16(r, RTL_CPCR) & CPCR_RX_VLAN) ||
	    (*f)->len < ETH_HLEN + VLAN_HLEN ||
	    get_be16(frame_head_const(*f) + 2 * ETH_ALEN) != ETHERTYPE_VLAN)
		return 0;
	tci = get_be16(frame_head_const(*f) + ETH_HLEN);
	edit_pop_tag(untagged, *f);
	*f = untagged;
	return RXD_TAVA | (uint32_t)(tci >> 8 | (tci & 0xff) << 8);
}

static bool receive_descs(struct rtl8139 *r, const struct frame *f,
			  enum match match, uint32_t *cause)
{
	static const uint32_t kind[] = { [PHYSICAL] = RXD_PHYSICAL,
					 [MULTICAST] = RXD_MULTICAST,
					 [BROADCAST] = RXD_BROADCAST };
	struct frame untagged;
	uint32_t tag = take_tag(r, &f, &untagged);
	uint32_t len = MAX(f->len, NIC_FRAME_LEAST) + CRC_SIZE, off = 0;

	if (!has_room(r, len)) {
		*cause |= RTL_RXOVW;
		return false;
	}
	while (off < len) {
		struct rtl8139_desc d;
		uint8_t *at = rtl8139_read_desc(r, RTL_RDSAR, r->rx.next, &d);
		uint32_t size, flags = off ? 0 : RTL_FS;
		uint8_t *to;

		/* The driver may have changed it since the look. */
		size = at ? MIN(RXD_BUFFER(d.command), len - off) : 0;
		if (!size)
			return true;
		to = gmem_translate(r->nic.ram, d.address, size);
		if (to)
			nic_fill(f, off, to, size);
		off += size;
		if (off == len)
			flags |= RTL_LS;
		write_back(at,
			   (d.command & RTL_EOR) | flags | kind[match] | len,
			   tag);
		r->rx.next = rtl8139_next(r->rx.next, &d);
	}
	*cause |= RTL_ROK;
	return true;
}

/* Gives the driver @f. Returns false when it has no room. */
static bool receive(struct rtl8139 *r, const struct frame *f, enum match match,
		    uint32_t *cause)
{
	if (rtl_get16(r, RTL_CPCR) & CPCR_RX)
		return receive_descs(r, f, match, cause);
	return receive_bytes(r, f, match, cause);
}

unsigned rtl8139_tx_burst(struct txq *q, struct frame *const *frames,
			  unsigned n)
{
	struct rtl8139 *r = rtl8139_of(container_of(q, struct nic, in));
	bool is_on = r->reg[RTL_CR] & CR_RE;
	uint32_t cause = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct frame *f = frames[i];
		enum match m = is_on ? match_address(r, frame_head_const(f))
				     : NOT_MINE;

		if (!is_on) {
			txq_drop(q, DROP_TX_DOWN, 1, f->len);
		} else if (m == NOT_MINE) {
			txq_drop(q, DROP_TX_UNWANTED, 1, f->len);
		} else if (f->len > FRAME_MOST) {
			txq_drop(q, DROP_TX_TOO_BIG, 1, f->len);
		} else if (receive(r, f, m, &cause)) {
			stat_inc(&q->stats.copies);
		} else {
			shm_fetch_add(&r->missed, 1);
			break;
		}
	}
	if (nic_cause(&r->nic, cause))
		stat_inc(&q->stats.calls);
	return i;
}
