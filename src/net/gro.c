/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receive offload in software, see gro.h. Pure; any thread.
 *
 * Theory of operation. The first pass reads each frame in turn. A frame either
 * becomes the next part of its flow's open train, or ends that train and
 * perhaps begins the next. The second pass makes one frame of each train of two
 * or more. A frame with a known flow ends the train of that flow only. A frame
 * without one (a fragment, options, neither TCP nor UDP) ends all trains,
 * because it may belong to any flow.
 *
 * The rules are those of the kernel's receive offload, and stricter where the
 * kernel's merged packets lose information: window, urgent pointer, FIN.
 */
#include "gro.h"

#include <netinet/in.h>

#include "offload.h"
#include "key.h"

#define TRAINS	     16 /* open trains */
#define PARTS_MAX    64 /* parts of one frame, as many as the kernel's */
#define IP_SIZE_MAX  65535
#define NO_PART	     0xff
#define V4_ADDR	     12 /* offsets of the addresses in the IP headers */
#define V6_ADDR	     8
#define V4_DF	     0x4000
#define GRO_OFFLOADS (OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_USO4 | OFFLOAD_USO6)

enum { TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_ECE = 0x40 };

_Static_assert(BURST_MAX < NO_PART, "parts are named by a byte");

/* One frame of the burst, as the rules see it. */
struct part {
	struct frame *f;
	const uint8_t *l3, *l4; /* in the frame's head */
	uint16_t payload_off;
	uint16_t size; /* payload bytes */
	bool is_v4, is_tcp;
	bool has_good_csum; /* the checksums were verified */
	bool is_follower;   /* in a train, but not its first part */
	uint8_t next;	    /* next part of the train; NO_PART: none */
};

/* Consecutive frames of one flow. */
struct train {
	struct part *first, *last;
	unsigned count;
	uint32_t size;	   /* payload bytes of all parts */
	bool has_fixed_id; /* every part has the IPv4 id of the first */
};

struct merger {
	struct gro *g;
	unsigned offloads;
	unsigned train_count;
	unsigned oldest;   /* index of the train to end when all are in use */
	unsigned iov_used; /* iovecs of all trains of two or more */
	struct train train[TRAINS];
	struct part part[BURST_MAX];
};

/* Reads the flow of @p. Returns false when the flow is not known. */
static bool read_flow(struct part *p)
{
	const uint8_t *head = frame_head_const(p->f);
	const struct key *k = frame_key(p->f, KEY_L4);

	if (!k->payload_off || k->is_fragment)
		return false;
	p->is_v4 = k->ip == 4;
	p->is_tcp = k->proto == IPPROTO_TCP;
	p->l3 = head + k->l3_off;
	p->l4 = head + k->l4_off;
	p->payload_off = k->payload_off;
	/* no IP options, no extension headers */
	return p->l4 - p->l3 == (p->is_v4 ? 20 : 40);
}

/* Returns whether both parts are of one flow. The two addresses are adjacent in
 * the header, and so are the two ports. */
static bool is_same_flow(const struct part *a, const struct part *b)
{
	unsigned off = a->is_v4 ? V4_ADDR : V6_ADDR;

	return a->is_v4 == b->is_v4 && a->is_tcp == b->is_tcp &&
	       !memcmp(a->l4, b->l4, 4) &&
	       !memcmp(a->l3 + off, b->l3 + off, a->l4 - a->l3 - off);
}

/* Reads the lengths. Returns false unless they end at the frame's end. */
static bool read_size(struct part *p)
{
	uint32_t l3_size = p->f->len - (p->l3 - frame_head_const(p->f));
	uint32_t l4_size = l3_size - (p->l4 - p->l3);

	p->size = p->f->len - p->payload_off;
	if (l3_size > IP_SIZE_MAX)
		return false;
	if (p->is_v4 && get_be16(p->l3 + 2) != l3_size)
		return false;
	if (!p->is_v4 && get_be16(p->l3 + 4) != l4_size)
		return false;
	return p->is_tcp || get_be16(p->l4 + 4) == l4_size;
}

static unsigned csum_offset(const struct part *p)
{
	return p->is_tcp ? 16 : 6;
}

static uint8_t gso_type(const struct part *p)
{
	if (!p->is_tcp)
		return VNET_GSO_UDP_L4;
	return p->is_v4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
}

static unsigned offload_needed(const struct part *p)
{
	if (p->is_tcp)
		return p->is_v4 ? OFFLOAD_TSO4 : OFFLOAD_TSO6;
	return p->is_v4 ? OFFLOAD_USO4 : OFFLOAD_USO6;
}

/* Returns whether @p may be part of a train at all. */
static bool is_candidate(struct part *p, unsigned offloads)
{
	const uint8_t *csum = p->l4 + csum_offset(p);

	if (!(offloads & offload_needed(p)) || p->f->hdr.gso_type ||
	    !read_size(p) || !p->size)
		return false;
	/* bit 15 is reserved; fragments have no flow */
	if (p->is_v4 && get_be16(p->l3 + 6) & ~V4_DF)
		return false;
	/* 0 means none in UDP; in TCP segmentation would write 0xffff */
	if (!(csum[0] | csum[1]))
		return false;
	if (!p->is_tcp)
		return true;
	/* no reserved bits either */
	return !(p->l4[12] & 15) &&
	       (p->l4[13] & ~(TCP_PSH | TCP_ECE)) == TCP_ACK;
}

static uint64_t pseudo_sum(const struct part *p, uint32_t l4_size)
{
	unsigned off = p->is_v4 ? V4_ADDR : V6_ADDR;
	uint64_t sum = htobe16(p->is_tcp ? IPPROTO_TCP : IPPROTO_UDP) +
		       htobe16(l4_size);

	return csum_add(sum, p->l3 + off, p->l4 - p->l3 - off);
}

/* Returns the partial checksum that a sender stores for this size. */
static uint16_t partial_csum(const struct part *p, uint32_t l4_size)
{
	return ~csum_fold(pseudo_sum(p, l4_size));
}

/* Verifies the checksums of @p: filled, partial, or vouched for by the source.
 * The merged frame gets a correct one, so every part must have one. */
static bool check_csums(struct part *p)
{
	const struct vnet_hdr *hdr = &p->f->hdr;
	uint32_t l4_off = p->l4 - frame_head_const(p->f);
	uint32_t l4_size = p->f->len - l4_off;
	uint16_t field;

	if (p->has_good_csum)
		return true;
	/* segmentation writes only one of the two zeroes */
	if (p->is_v4 && (csum_fold(csum_add(0, p->l3, 20)) ||
			 get_be16(p->l3 + 10) == 0xffff))
		return false;
	if (hdr->flags & VNET_HDR_F_NEEDS_CSUM) {
		memcpy(&field, p->l4 + csum_offset(p), sizeof(field));
		if (hdr->csum_start != l4_off ||
		    hdr->csum_offset != csum_offset(p) ||
		    partial_csum(p, l4_size) != field)
			return false;
	} else if (!(hdr->flags & VNET_HDR_F_DATA_VALID) &&
		   csum_fold(pseudo_sum(p, l4_size) +
			     csum_frame(p->f, l4_off))) {
		return false;
	}
	p->has_good_csum = true;
	return true;
}

/* Returns whether @p has the IPv4 id of the next part of @t. With DF set, all
 * ids may also be equal. */
static bool id_fits(const struct train *t, const struct part *p, bool *is_fixed)
{
	uint16_t first = get_be16(t->first->l3 + 4), id = get_be16(p->l3 + 4);

	*is_fixed = id == first && get_be16(p->l3 + 6) & V4_DF;
	if (t->count > 1)
		return t->has_fixed_id ? *is_fixed
				       : id == (uint16_t)(first + t->count);
	return *is_fixed || id == (uint16_t)(first + 1);
}

/* Returns whether all header fields that must be equal are, and those that
 * count up follow on. */
static bool headers_fit(const struct train *t, const struct part *p,
			bool *is_fixed)
{
	const struct part *first = t->first;
	const uint8_t *a = first->l3, *b = p->l3;
	size_t mac_size = a - frame_head_const(first->f);

	if (first->payload_off != p->payload_off ||
	    memcmp(frame_head_const(first->f), frame_head_const(p->f),
		   mac_size))
		return false;
	if (p->is_v4) {
		/* version, size, TOS; DF; TTL */
		if (a[1] != b[1] || a[6] != b[6] || a[8] != b[8] ||
		    !id_fits(t, p, is_fixed))
			return false;
	} else if (memcmp(a, b, 4) || a[7] != b[7]) {
		return false; /* class and flow label; hop limit */
	}
	if (!p->is_tcp)
		return true;
	a = first->l4;
	b = p->l4;
	/* acknowledgement; data offset; flags (PSH may differ) */
	if (memcmp(a + 8, b + 8, 5) || (a[13] ^ b[13]) & ~TCP_PSH)
		return false;
	/* window; urgent pointer and options */
	if (memcmp(a + 14, b + 14, 2) ||
	    memcmp(a + 18, b + 18,
		   frame_head_const(p->f) + p->payload_off - (b + 18)))
		return false;
	return get_be32(b + 4) == (uint32_t)(get_be32(a + 4) + t->size);
}

/* Returns the number of iovecs for the payload of a part after the first. */
static unsigned iovs_of(const struct part *p)
{
	return p->f->iov_count + (p->f->head_len > p->payload_off);
}

/* Makes @p the next part of @t, or returns false when the rules forbid it. */
static bool append(struct merger *m, struct train *t, struct part *p)
{
	unsigned iovs = iovs_of(p);
	uint32_t len = t->first->f->len + t->size - t->first->size + p->size;
	size_t l3_off = t->first->l3 - frame_head_const(t->first->f);
	bool is_fixed = false;

	if (t->count == 1)
		iovs += t->first->f->iov_count;
	if (p->size > t->first->size || len - l3_off > IP_SIZE_MAX ||
	    len > FRAME_MAX || m->iov_used + iovs > GRO_IOV ||
	    !headers_fit(t, p, &is_fixed) || !check_csums(t->first) ||
	    !check_csums(p))
		return false;
	m->iov_used += iovs;
	p->is_follower = true;
	t->last->next = p - m->part;
	t->last = p;
	t->count++;
	t->size += p->size;
	t->has_fixed_id = is_fixed;
	return true;
}

/* Returns whether @p is the last part that its train @t may have. */
static bool ends_train(const struct train *t, const struct part *p)
{
	return p->size < t->first->size || t->count == PARTS_MAX ||
	       (p->is_tcp && p->l4[13] & TCP_PSH);
}

static struct train *find_train(struct merger *m, const struct part *p)
{
	for (unsigned i = 0; i < m->train_count; i++)
		if (is_same_flow(m->train[i].first, p))
			return &m->train[i];
	return NULL;
}

static void end_train(struct merger *m, struct train *t)
{
	*t = m->train[--m->train_count];
}

static void begin_train(struct merger *m, struct part *p)
{
	struct train *t;

	if (p->is_tcp && p->l4[13] & TCP_PSH)
		return;
	if (m->train_count == TRAINS)
		end_train(m, &m->train[m->oldest++ % TRAINS]);
	t = &m->train[m->train_count++];
	*t = (struct train){
		.first = p, .last = p, .count = 1, .size = p->size
	};
}

static void take(struct merger *m, struct part *p, struct frame *f)
{
	struct train *t;
	bool fits;

	p->f = f;
	p->next = NO_PART;
	p->is_follower = false;
	p->has_good_csum = false;
	if (!read_flow(p)) {
		m->train_count = 0;
		return;
	}
	t = find_train(m, p);
	fits = is_candidate(p, m->offloads);
	if (t && fits && append(m, t, p)) {
		if (ends_train(t, p))
			end_train(m, t);
		return;
	}
	if (t)
		end_train(m, t);
	if (fits)
		begin_train(m, p);
}

/* Adapts the headers of @out, a copy of those of @first, to its new length. */
static void edit_headers(struct frame *out, const struct part *first)
{
	uint8_t *head = frame_head(out);
	uint8_t *l3 = head + (first->l3 - frame_head_const(first->f));
	uint8_t *l4 = head + (first->l4 - frame_head_const(first->f));
	uint32_t l4_size = out->len - (l4 - head);
	uint16_t csum = 0;

	if (first->is_v4) {
		put_be16(l3 + 2, out->len - (l3 - head));
		memcpy(l3 + 10, &csum, sizeof(csum));
		csum = csum_fold(csum_add(0, l3, 20));
		memcpy(l3 + 10, &csum, sizeof(csum));
	} else {
		put_be16(l3 + 4, l4_size);
	}
	if (!first->is_tcp)
		put_be16(l4 + 4, l4_size);
	csum = partial_csum(first, l4_size);
	memcpy(l4 + csum_offset(first), &csum, sizeof(csum));
	out->hdr = (struct vnet_hdr){
		.flags = VNET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_type(first),
		.hdr_len = first->payload_off,
		.gso_size = first->size,
		.csum_start = l4 - head,
		.csum_offset = csum_offset(first),
	};
}

/* Makes @out the merged frame of the train that begins with @first; its views
 * go to @iov. Returns the number of views. */
static unsigned build(struct frame *out, const struct part *parts,
		      const struct part *first, struct iovec *iov)
{
	const struct part *p = first;
	unsigned count = first->f->iov_count;

	out->head_off = first->f->head_off;
	out->head_len = first->f->head_len;
	out->len = first->f->len;
	out->hash = first->f->hash;
	out->key = first->f->key;
	out->tci = first->f->tci;
	out->tpid = first->f->tpid;
	memcpy(frame_head(out), frame_head_const(first->f), out->head_len);
	if (count)
		memcpy(iov, first->f->iov, count * sizeof(*iov));
	while (p->next != NO_PART) {
		const struct frame *f;

		p = &parts[p->next];
		f = p->f;
		if (f->head_len > p->payload_off)
			iov[count++] = (struct iovec){
				(void *)(frame_head_const(f) + p->payload_off),
				f->head_len - p->payload_off,
			};
		for (unsigned i = 0; i < f->iov_count; i++)
			iov[count++] = f->iov[i];
		out->len += p->size;
	}
	out->iov = iov;
	out->iov_count = count;
	edit_headers(out, first);
	if (p->is_tcp && p->l4[13] & TCP_PSH)
		frame_head(out)[out->hdr.csum_start + 13] |= TCP_PSH;
	return count;
}

static uint64_t parts_of(const struct merger *m, const struct part *first)
{
	uint64_t parts = 1ull << (first - m->part);

	for (unsigned i = first->next; i != NO_PART; i = m->part[i].next)
		parts |= 1ull << i;
	return parts;
}

unsigned gro_merge(struct gro *g, struct frame *const *frames, unsigned n,
		   unsigned offloads, struct frame **out)
{
	unsigned count = 0, merged = 0, iov = 0;
	struct merger m;

	if (n < 2 || !(offloads & OFFLOAD_CSUM) || !(offloads & GRO_OFFLOADS)) {
		memcpy(out, frames, n * sizeof(*out));
		return n;
	}
	m.offloads = offloads;
	m.train_count = m.oldest = m.iov_used = 0;
	for (unsigned i = 0; i < n; i++)
		take(&m, &m.part[i], frames[i]);
	for (unsigned i = 0; i < n; i++) {
		struct part *p = &m.part[i];
		struct frame *f = frames[i];

		if (p->is_follower)
			continue;
		if (p->next != NO_PART) {
			g->parts[merged] = parts_of(&m, p);
			f = &g->frame[merged++];
			iov += build(f, m.part, p, g->iov + iov);
		}
		out[count++] = f;
	}
	return count;
}
