/* SPDX-License-Identifier: Apache-2.0 */
/* port/socket: any datagram to any tunnel has a frame inside it, or none. The
 * first byte of the input chooses the options. */
#include "fuzz.h"

#include <string.h>
#include <sys/socket.h>

#include "l2tpv3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct l2tpv3_conf c = { .txsession = 1, .txcookie = 2, .rxcookie = 2 };
	struct dgram_encap *e;
	struct msghdr m = { 0 };
	struct vnet_hdr hdr = { 0 };
	struct frame f = { 0 };
	uint8_t *bytes, out[DGRAM_HDR_MAX];
	int skip;

	if (!size)
		return 0;
	c.udp = data[0] & 1;
	c.ipv6 = data[0] & 2;
	c.has_txcookie = c.has_rxcookie = data[0] & 4;
	c.cookie64 = data[0] & 8;
	c.counter = data[0] & 16;
	c.offset = data[0] >> 5;
	e = l2tpv3_encap(&c);
	bytes = malloc(size - 1); /* of its exact size, so that ASan sees all */
	must(e && (bytes || size == 1));
	if (size > 1)
		memcpy(bytes, data + 1, size - 1);
	skip = e->check(e, &m, bytes, size - 1, &hdr);
	must(skip > -DROP_COUNT && skip <= (int)(size - 1));
	must(skip < 0 || skip >= (int)e->size);
	must(e->size <= DGRAM_HDR_MAX);
	e->put(e, &f, 0, out);
	free(bytes);
	free(e);
	return 0;
}
