/* SPDX-License-Identifier: Apache-2.0 */
/* port/socket: the stream's framing against a naive reader, with random frames,
 * pieces and receivers that are full. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "le.h"
#include "stream.h"

#define BYTES (1 << 20)

struct rig {
	struct stream_link link;
	int peer;
	struct rng rng;
	struct burst burst;
};

static void rig_init(struct rig *r)
{
	int fds[2];

	memset(r, 0, sizeof(*r));
	r->rng = rng_start();
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(stream_link_init(&r->link, NULL), 0);
	stream_link_reset(&r->link, fds[0]);
	r->link.rx.snap = FRAME_SNAP;
	r->peer = fds[1];
}

static void rig_fini(struct rig *r)
{
	close(r->link.fd);
	if (r->peer >= 0)
		close(r->peer);
	stream_link_fini(&r->link);
}

/* Returns the length of the next frame to send; some cannot be taken. */
static uint32_t random_length(struct rng *rng)
{
	switch (rng_below(rng, 12)) {
	case 0:
		return rng_below(rng, ETH_HLEN);
	case 1:
		return FRAME_MAX + 1 +
		       rng_below(rng, STREAM_FRAME_MAX - FRAME_MAX);
	case 2:
		return ETH_HLEN + rng_below(rng, FRAME_MAX - ETH_HLEN + 1);
	default:
		return ETH_HLEN + rng_below(rng, 200);
	}
}

static bool is_taken(uint32_t len)
{
	return len >= ETH_HLEN && len <= FRAME_MAX;
}

/* Fills @data with frames that begin with their number; returns the bytes. */
static size_t make_stream(struct rng *rng, uint8_t *data)
{
	uint32_t number = 0;
	size_t at = 0;

	for (;;) {
		uint32_t len = random_length(rng);

		if (at + STREAM_LEN + len > BYTES)
			return at;
		put_be32(data + at, len);
		memset(data + at + STREAM_LEN, (int)number, len);
		if (len >= 4)
			put_be32(data + at + STREAM_LEN, number);
		at += STREAM_LEN + len;
		number++;
	}
}

/* Takes frames, holding some back at random. Each must be the next one of
 * @data; *@at moves behind it. Returns how many were finished. */
static unsigned take(struct rig *r, const uint8_t *data, size_t *at,
		     uint64_t *bad)
{
	struct burst *b = &r->burst;
	unsigned n, held = 0, from;
	uint8_t *got = malloc(FRAME_MAX);
	size_t next = *at;

	b->want = 1 + rng_below(&r->rng, BURST_MAX);
	n = stream_rx_burst(&r->link.rx, b);
	assert_true(n <= BURST_MAX);
	/* frames from a random one on have to wait */
	from = rng_below(&r->rng, 3) ? n : rng_below(&r->rng, n + 1);
	b->held_mask = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t len;

		while (!is_taken(len = get_be32(data + next)))
			next += STREAM_LEN + len;
		assert_int_equal(b->frame[i].len, len);
		frame_copy(&b->frame[i], 0, got, len);
		assert_memory_equal(got, data + next + STREAM_LEN, len);
		next += STREAM_LEN + len;
		if (i >= from) {
			b->held_mask |= 1ull << i;
			held++;
		} else {
			*at = next;
		}
	}
	stream_rx_done(&r->link.rx, b);
	*bad = r->link.rx.stats.drops[DROP_RX_BAD_FRAME];
	free(got);
	return n - held;
}

static void test_framing(void **state)
{
	uint8_t *data = malloc(BYTES);
	struct rig *r = malloc(sizeof(*r));
	size_t size, sent = 0, at = 0;
	uint64_t bad = 0, expected_bad = 0, frames = 0, expected = 0;

	(void)state;
	rig_init(r);
	size = make_stream(&r->rng, data);
	for (size_t i = 0; i < size;) {
		uint32_t len = get_be32(data + i);

		expected += is_taken(len);
		expected_bad += !is_taken(len);
		i += STREAM_LEN + len;
	}
	for (unsigned idle = 0; idle < 1000;) {
		uint32_t piece =
			1 +
			rng_below(&r->rng, rng_below(&r->rng, 2) ? 50 : 100000);
		size_t some = MIN(size - sent, piece);
		ssize_t got = some ? write(r->peer, data + sent, some) : 0;
		unsigned n;

		if (got > 0)
			sent += (size_t)got;
		/* an event, as the peer's bytes make one */
		stream_rx_disarm(&r->link.rx);
		n = take(r, data, &at, &bad);
		frames += n;
		idle = n || got > 0 ? 0 : idle + 1;
	}
	assert_int_equal(sent, size);
	assert_int_equal(frames, expected);
	assert_int_equal(bad, expected_bad);
	assert_true(stream_rx_arm(&r->link.rx));
	assert_int_equal((uint32_t)r->link.end, STREAM_OPEN);
	close(r->peer);
	r->peer = -1;
	stream_rx_disarm(&r->link.rx);
	assert_int_equal(take(r, data, &at, &bad), 0);
	assert_int_equal((uint32_t)r->link.end, STREAM_CLOSED);
	rig_fini(r);
	free(r);
	free(data);
}

/* A length that no frame can have ends the connection after the frames before
 * it; a partial frame at the end of the stream is no frame. */
static void test_ends(void **state)
{
	static const uint32_t bad[] = { STREAM_FRAME_MAX + 1, 0x7fffffff,
					0xffffffff };
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	for (unsigned i = 0; i <= ARRAY_SIZE(bad); i++) {
		bool is_cut = i == ARRAY_SIZE(bad);
		uint8_t data[STREAM_LEN + 20 + STREAM_LEN + 3] = { 0 };

		rig_init(r);
		put_be32(data, 20);
		put_be32(data + STREAM_LEN + 20, is_cut ? 20 : bad[i]);
		assert_int_equal(write(r->peer, data, sizeof(data)),
				 sizeof(data));
		if (is_cut)
			shutdown(r->peer, SHUT_WR);
		for (unsigned k = 0; k < 4; k++) {
			r->burst.want = BURST_MAX;
			r->burst.held_mask = 0;
			stream_rx_disarm(&r->link.rx);
			assert_int_equal(
				stream_rx_burst(&r->link.rx, &r->burst),
				k == 0);
			stream_rx_done(&r->link.rx, &r->burst);
		}
		assert_int_equal((uint32_t)r->link.end,
				 is_cut ? STREAM_CLOSED : STREAM_NONSENSE);
		if (!is_cut)
			assert_int_equal(r->link.end >> 32, bad[i]);
		assert_true(stream_rx_arm(&r->link.rx));
		rig_fini(r);
	}
	free(r);
}

/* Frames of random sizes and pieces arrive whole and in order, whatever parts
 * of them the socket takes. */
static void test_sending(void **state)
{
	struct rig *r = malloc(sizeof(*r));
	struct frame *frame = aligned_alloc(CACHE_LINE, sizeof(*frame) * 64);
	struct iovec *iov = malloc(sizeof(*iov) * 64 * 1200);
	uint8_t *data = calloc(1, FRAME_MAX), *got = malloc(BYTES);
	size_t have = 0;
	uint32_t sent = 0, seen = 0;
	int small = 4096;

	(void)state;
	rig_init(r);
	setsockopt(r->link.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (seen < 3000) {
		unsigned n = 1 + rng_below(&r->rng, 64), done = 0;
		struct frame *frames[64];
		uint32_t room;
		ssize_t more;

		for (unsigned i = 0; i < n; i++) {
			uint32_t len = rng_below(&r->rng, 8)
					       ? 60 + rng_below(&r->rng, 300)
					       : 60 + rng_below(&r->rng, 65000);
			unsigned pieces =
				rng_below(&r->rng, 20)
					? 1
					: 2 + rng_below(&r->rng, 1100);
			struct iovec *v = iov + i * 1200;
			uint32_t left = len, size;
			unsigned count = 0;

			pieces = MIN(pieces, len / 32);
			for (; left; left -= size, count++) {
				size = count + 1 < pieces ? 32 : left;
				v[count] = (struct iovec){ data, size };
			}
			frame[i].hdr = (struct vnet_hdr){ 0 };
			frame_from_iov(&frame[i], v, count, len, FRAME_SNAP);
			/* its number, in the head */
			put_be32(frame_head(&frame[i]), sent + i);
			frames[i] = &frame[i];
		}
		done = stream_tx_burst(&r->link.tx, frames, n);
		assert_true(done <= n);
		sent += done;
		if (rng_below(&r->rng, 2))
			stream_link_flush(&r->link);
		room = 1 + rng_below(&r->rng, 200000);
		more = read(r->peer, got + have, MIN(BYTES - have, room));
		if (more > 0)
			have += (size_t)more;
		while (have >= STREAM_LEN + 4) {
			size_t whole = STREAM_LEN + get_be32(got);

			assert_in_range(whole, STREAM_LEN + 60,
					STREAM_LEN + FRAME_MAX);
			if (have < whole)
				break;
			assert_int_equal(get_be32(got + STREAM_LEN), seen);
			seen++;
			memmove(got, got + whole, have - whole);
			have -= whole;
		}
	}
	assert_int_equal((uint32_t)r->link.end, STREAM_OPEN);
	rig_fini(r);
	free(r);
	free(frame);
	free(iov);
	free(data);
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
