/* SPDX-License-Identifier: Apache-2.0 */
/* port/tunnel: the other ends of a tunnel against a naive table, and headers
 * that come back as they were written. */
#include "test.h"

#include <arpa/inet.h>
#include <string.h>

#include "encap.h"
#include "peers.h"

static struct sock_addr host(unsigned n, bool v6)
{
	struct sock_addr a = { 0 };

	if (v6) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_addr.s6_addr[0] = 0xfd;
		a.in6.sin6_addr.s6_addr[14] = (uint8_t)(n >> 8);
		a.in6.sin6_addr.s6_addr[15] = (uint8_t)n;
		a.len = sizeof(a.in6);
	} else {
		a.in.sin_family = AF_INET;
		a.in.sin_addr.s_addr = htonl(0x0a000000 + n);
		a.len = sizeof(a.in);
	}
	return a;
}

static bool is_host(const struct sock_addr *a, unsigned n, bool v6)
{
	struct sock_addr b = host(n, v6);

	return a && sock_addr_equal(a, &b);
}

static void test_one_remote(void **state)
{
	struct sock_addr other = host(2, false);
	struct peers p;

	(void)state;
	assert_int_equal(peers_init(&p, 1, 300), 0);
	p.peer[0].addr = host(1, false);
	assert_int_equal(peers_find(&p, &p.peer[0].addr, 1), 0);
	assert_int_equal(peers_find(&p, &other, 1), -1);
	peers_learn(&p, 0x112233, 0, 1);
	assert_true(is_host(peers_lookup(&p, 0x999, 1), 1, false));
	assert_int_equal(peers_count(&p, 1), 0);
	peers_fini(&p);
}

/* Random addresses move between remotes and grow old. With few of them none is
 * pushed out, so each answer is known. */
static void test_listed(void **state)
{
	enum { REMOTES = 5, MACS = 100 };
	struct {
		unsigned peer;
		uint32_t seen;
	} naive[MACS] = { 0 };
	struct rng r = rng_start();
	uint32_t now = 1000;
	struct peers p;

	(void)state;
	assert_int_equal(peers_init(&p, REMOTES, 30), 0);
	for (unsigned i = 0; i < REMOTES; i++)
		p.peer[i].addr = host(i + 1, true);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned m = rng_below(&r, MACS);
		unsigned peer = rng_below(&r, REMOTES);
		uint64_t mac = 0x020000000000 + (uint64_t)m * 0x10001;
		struct sock_addr a = host(peer + 1, true);
		const struct sock_addr *to = peers_lookup(&p, mac, now);

		if (naive[m].seen && now - naive[m].seen <= 30)
			assert_true(is_host(to, naive[m].peer + 1, true));
		else
			assert_null(to);
		assert_int_equal(peers_find(&p, &a, now), peer);
		if (rng_below(&r, 2)) {
			peers_learn(&p, mac, peer, now);
			naive[m].peer = peer;
			naive[m].seen = now;
		}
		now += !rng_below(&r, 4);
	}
	peers_fini(&p);
}

/* A group has more members than there is room for: those that are known keep
 * their places until they are silent for long, and an address is never behind
 * another member than its own. */
static void test_members(void **state)
{
	unsigned known = 0, again = 0;
	uint32_t now = 1000;
	struct peers p;

	(void)state;
	assert_int_equal(peers_init(&p, 0, 60), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4 * PEERS_MAX; i++) {
			struct sock_addr a = host(i + round * 10000, round);
			int n = peers_find(&p, &a, now);

			if (n < 0)
				continue;
			assert_int_equal(peers_find(&p, &a, now), n);
			peers_learn(&p, i + 1, (unsigned)n, now);
			assert_true(is_host(peers_lookup(&p, i + 1, now),
					    i + round * 10000, round));
			*(round ? &again : &known) += 1;
		}
		/* others find no room as long as these may be used */
		for (unsigned i = 0; i < PEERS_MAX; i++) {
			struct sock_addr a = host(60000 + i, round);

			if (known + again == PEERS_MAX)
				assert_int_equal(
					peers_find(&p, &a,
						   now + 60 + PEERS_GRACE),
					-1);
		}
		now += 60 + PEERS_GRACE + 1;
		assert_int_equal(peers_count(&p, now), 0);
	}
	assert_true(known > PEERS_MAX / 2 && known <= PEERS_MAX);
	assert_true(again > PEERS_MAX / 2 && again <= PEERS_MAX);
	peers_fini(&p);
}

/* Strangers' addresses push out others, and no more. */
static void test_bound(void **state)
{
	struct rng r = rng_start();
	struct peers p;

	(void)state;
	assert_int_equal(peers_init(&p, 2, 300), 0);
	for (unsigned i = 0; i < 100000; i++)
		peers_learn(&p, 1 + rng_below(&r, 1u << 30), i & 1, 5);
	assert_in_range(peers_count(&p, 5), PEERS_MACS / 2, PEERS_MACS);
	peers_learn(&p, 77, 1, 6);
	for (unsigned i = 0; i < 1000; i++)
		peers_learn(&p, 77, 1, 6);
	assert_ptr_equal(peers_lookup(&p, 77, 6), &p.peer[1].addr);
	assert_null(peers_lookup(&p, 0, 6));
	peers_fini(&p);
}

static void test_headers(void **state)
{
	static const struct {
		const struct encap *encap;
		struct encap_conf conf;
		const char *bytes;
		unsigned size;
	} row[] = {
		{ &encap_vxlan,
		  { .tx_session = 0x123456 },
		  "\x08\0\0\0\x12\x34\x56\0",
		  8 },
		{ &encap_geneve,
		  { .tx_session = 0x123456 },
		  "\0\0\x65\x58\x12\x34\x56\0",
		  8 },
		{ &encap_gre,
		  { .tx_session = ENCAP_NO_KEY },
		  "\0\0\x65\x58",
		  4 },
		{ &encap_gre,
		  { .tx_session = 0 },
		  "\x20\0\x65\x58\0\0\0\0",
		  8 },
		{ &encap_gre,
		  { .tx_session = 5, .seq = true },
		  "\x30\0\x65\x58\0\0\0\5\0\0\0\x09",
		  12 },
		{ &encap_gre,
		  { .tx_session = ENCAP_NO_KEY, .seq = true },
		  "\x10\0\x65\x58\0\0\0\x09",
		  8 },
		/* the frame is zeroes, so the sum is the header's */
		{ &encap_gre,
		  { .tx_session = ENCAP_NO_KEY, .csum = true },
		  "\x80\0\x65\x58\x1a\xa7\0\0",
		  8 },
	};
	struct frame f = { .head_off = FRAME_HEADROOM,
			   .head_len = ETH_HLEN,
			   .len = ETH_HLEN };
	uint8_t out[ENCAP_HDR_MAX + ETH_HLEN];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		uint64_t session;

		memset(out, 0, sizeof(out));
		assert_int_equal(row[i].encap->size(&row[i].conf), row[i].size);
		row[i].encap->put(&row[i].conf, &f, 9, out);
		assert_memory_equal(out, row[i].bytes, row[i].size);
		assert_int_equal(row[i].encap->parse(
					 out, row[i].size + ETH_HLEN, &session),
				 row[i].size);
		assert_int_equal(session, row[i].conf.tx_session);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_remote),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
