/* SPDX-License-Identifier: Apache-2.0 */
/* filter: any bytes from the peer of a filter are cut into frames of a legal
 * size with offloads that can be served, or are refused; and such a frame,
 * written for a peer, is read back as it was. The first byte of the input says
 * whether frames have headers; the others are the stream. */
#include "fuzz.h"

#include "wire.h"

/* Writes the frame with its header and reads that back; then without, which
 * makes frames without offloads. */
static void write_again(const struct wire_frame *w)
{
	static uint8_t message[WIRE_MAX], data[FRAME_MAX];
	static struct wire_out out;
	struct wire_frame again;
	uint32_t size;

	memcpy(data, w->data, w->len);
	wire_begin(&out, true, &w->hdr, data, w->len);
	size = wire_next(&out, message);
	must(size && size <= sizeof(message));
	must(wire_parse(message, size, true, &again) == WIRE_FRAME);
	must(again.used == size && again.len == w->len);
	must(!memcmp(again.data, w->data, w->len));
	must(!memcmp(&again.hdr, &w->hdr, sizeof(w->hdr)));
	must(!wire_next(&out, message));
	wire_begin(&out, false, &w->hdr, data, w->len);
	while ((size = wire_next(&out, message))) {
		must(size <= sizeof(message));
		must(wire_parse(message, size, false, &again) == WIRE_FRAME);
		must(again.used == size && !again.hdr.gso_type);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool has_hdr = size && (data[0] & 1);
	struct wire_frame w;

	for (size_t at = 1; at < size; at += w.used) {
		enum wire_result r =
			wire_parse(data + at, size - at, has_hdr, &w);

		if (r == WIRE_MORE || r == WIRE_NONSENSE)
			break;
		must(w.used > 0 && w.used <= size - at);
		if (r != WIRE_FRAME)
			continue;
		must(w.len >= ETH_HLEN && w.len <= FRAME_MAX);
		must(w.data >= data + at &&
		     w.data + w.len == data + at + w.used);
		write_again(&w);
	}
	return 0;
}
