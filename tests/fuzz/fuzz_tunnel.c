/* SPDX-License-Identifier: Apache-2.0 */
/* port/tunnel: any packet to any tunnel has a header inside it, or none, and
 * what put() writes is such a header. The first byte of the input chooses the
 * kind. */
#include "fuzz.h"

#include <string.h>

#include "encap.h"

/* The header that @e writes for @session is one that it reads. */
static void check_put(const struct encap *e, uint64_t session, uint8_t choice)
{
	struct encap_conf c = { .tx_session = session,
				.csum = choice & 4,
				.seq = choice & 8 };
	uint8_t out[ENCAP_HDR_MAX + ETH_HLEN] = { 0 };
	struct frame f = { .head_off = FRAME_HEADROOM,
			   .head_len = ETH_HLEN,
			   .len = ETH_HLEN };
	unsigned size = e->size(&c);
	uint64_t got;

	must(size <= ENCAP_HDR_MAX);
	e->put(&c, &f, 7, out);
	must(e->parse(out, size + ETH_HLEN, &got) == (int)size);
	must(got == session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct encap *const kinds[] = { &encap_vxlan,
						     &encap_geneve,
						     &encap_gre };
	const struct encap *e;
	struct iovec frame;
	uint64_t session;
	uint8_t *bytes;
	int skip;

	if (!size)
		return 0;
	e = kinds[(data[0] & 3) % ARRAY_SIZE(kinds)];
	bytes = malloc(size - 1); /* of its exact size, so that ASan sees all */
	must(bytes || size == 1);
	if (size > 1)
		memcpy(bytes, data + 1, size - 1);
	skip = e->parse(bytes, size - 1, &session);
	must(skip > -DROP_COUNT && skip <= (int)(size - 1) && skip != 0);
	if (skip > 0) {
		must(session <= ENCAP_NO_KEY);
		check_put(e, session, data[0]);
		frame = (struct iovec){ bytes + skip,
					size - 1 - (unsigned)skip };
		if (frame.iov_len >= ETH_HLEN)
			encap_take_ecn(&frame, data[0] >> 2 & ECN_MASK);
	}
	free(bytes);
	return 0;
}
