/* SPDX-License-Identifier: Apache-2.0 */
/* vnet: any commands on the control queue leave a state that the data path can
 * serve, and a refused one leaves it as it was. The input is commands, each
 * behind a byte with its length and a byte with the size of the buffers. */
#include "fuzz.h"

#include <string.h>

#include "ctrl_pieces.h"
#include "virtio.h"

#define PAIRS 4

static void check(const struct vnet_ctrl_state *s)
{
	must(s->pairs >= 1 && s->pairs <= PAIRS);
	must(!(s->off & ~vnet_features_to_driver));
	must(!(s->rss.types & ~(unsigned)RSS_TYPES));
	if (!s->rss.steers)
		return;
	must(s->rss.mask < RSS_TABLE_MAX && is_power_of_two(s->rss.mask + 1u));
	must(s->rss.unclassified < PAIRS);
	for (unsigned i = 0; i <= s->rss.mask; i++)
		must(s->rss.table[i] < PAIRS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vnet_ctrl_state s, before;
	size_t at = 0;

	memset(&s, 0, sizeof(s));
	vnet_ctrl_reset(&s, ~0ull, PAIRS);
	while (size - at > 2) {
		unsigned len = MIN((size_t)data[at], size - at - 2);
		unsigned piece = data[at + 1] ? data[at + 1] : 1;

		memcpy(&before, &s, sizeof(s));
		if (ctrl_serve_in_pieces(&s, data + at + 2, len, piece) ==
		    VIRTIO_NET_ERR) {
			before.refused++;
			must(!memcmp(&before, &s, sizeof(s)));
		}
		check(&s);
		at += 2 + len;
	}
	return 0;
}
