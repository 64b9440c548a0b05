/* SPDX-License-Identifier: Apache-2.0 */
/* port/socket: any bytes from the peer of a stream are cut into frames of a
 * legal size, or end the connection. The first byte of the input is the size of
 * the pieces in which they arrive; the others are the stream. */
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

/* Takes what is there, and holds back some frames as full receivers do. */
static void take(struct stream_link *l, struct burst *b, unsigned *turn)
{
	unsigned n;

	do {
		stream_rx_disarm(&l->rx);
		b->want = 1 + *turn % BURST_MAX;
		n = stream_rx_burst(&l->rx, b);
		must(n <= b->want || l->store.count);
		for (unsigned i = 0; i < n; i++)
			must(b->frame[i].len >= ETH_HLEN &&
			     b->frame[i].len <= FRAME_MAX);
		b->held_mask = n && ++*turn % 3 == 0 ? 1ull << (n - 1) : 0;
		stream_rx_done(&l->rx, b);
	} while (n || !stream_rx_arm(&l->rx)); /* as a worker does */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream_link l;
	static struct burst b;
	unsigned turn = 0;
	int fd[2];

	if (size < 2)
		return 0;
	if (!l.room)
		must(stream_link_init(&l, NULL) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0);
	stream_link_reset(&l, fd[0]);
	l.rx.snap = FRAME_SNAP;
	for (size_t at = 1, step = 1 + data[0] * 16u; at < size; at += step) {
		size_t some = MIN(step, size - at);

		must(write(fd[1], data + at, some) == (ssize_t)some);
		take(&l, &b, &turn);
	}
	close(fd[1]);
	take(&l, &b, &turn);
	must(l.end != STREAM_OPEN);
	must(stream_rx_arm(&l.rx));
	close(fd[0]);
	return 0;
}
