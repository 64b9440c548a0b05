/* SPDX-License-Identifier: Apache-2.0 */
/* net/: a frame with any offload header and any bytes is parsed, checked, cut
 * and summed without a fault. */
#include "fuzz.h"

#include <string.h>

#include "frame.h"
#include "key.h"
#include "offload.h"

static void cut(struct frame *f)
{
	static struct frame segment;
	struct iovec iov[8];
	struct gso_iter it;
	int count;

	gso_iter_init(&it, f, 0);
	while ((count = gso_iter_next(&it, &segment, iov, 8)) >= 0)
		must(segment.len <= f->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame f;
	struct iovec iov;
	uint8_t *bytes;

	if (size < sizeof(f.hdr) + ETH_HLEN)
		return 0;
	memcpy(&f.hdr, data, sizeof(f.hdr));
	size -= sizeof(f.hdr);
	bytes = malloc(size); /* of its exact size, so that ASan sees all */
	must(bytes != NULL);
	memcpy(bytes, data + sizeof(f.hdr), size);
	iov = (struct iovec){ bytes, size };
	frame_from_iov(&f, &iov, 1, (uint32_t)size, FRAME_HEAD);
	frame_key(&f, KEY_L4);
	if (offload_is_valid(&f)) {
		frame_offloads_needed(&f);
		if (f.hdr.gso_type)
			cut(&f);
		else if (f.hdr.flags & VNET_HDR_F_NEEDS_CSUM)
			offload_fill_csum(&f);
	}
	free(bytes);
	return 0;
}
