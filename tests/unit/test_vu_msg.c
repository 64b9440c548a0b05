/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/: messages on the wire, whole, in pieces, and broken. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "vu_msg.h"

struct pair {
	int tx, rx;
	struct vu_rx in;
};

static struct pair pair_open(void)
{
	struct pair p = { 0 };
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd),
			 0);
	p.tx = fd[0];
	p.rx = fd[1];
	return p;
}

static void pair_close(struct pair *p)
{
	vu_rx_next(&p->in);
	fd_close(&p->tx);
	fd_close(&p->rx);
}

static struct vu_msg make(uint32_t request, uint32_t size, unsigned fds)
{
	struct vu_msg m = { .hdr = { request, VU_VERSION, size },
			    .fd_count = fds };

	for (uint32_t i = 0; i < size; i++)
		m.payload.raw[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < fds; i++)
		m.fd[i] = fd_eventfd();
	return m;
}

static void test_whole(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 8, 40, 264, 512 };
	struct leaks before = leaks_count();
	struct pair p = pair_open();

	(void)state;
	assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), -EAGAIN);
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (unsigned fds = 0; fds <= VU_MAX_FDS; fds++) {
			struct vu_msg m = make(i + 1, sizes[i], fds);

			assert_int_equal(vu_msg_send(p.tx, &m), 0);
			assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), 1);
			assert_int_equal(p.in.msg.hdr.request, i + 1);
			assert_int_equal(p.in.msg.hdr.size, sizes[i]);
			assert_int_equal(p.in.msg.fd_count, fds);
			assert_memory_equal(p.in.msg.payload.raw, m.payload.raw,
					    sizes[i]);
			for (unsigned n = 0; n < fds; n++)
				assert_true(fcntl(p.in.msg.fd[n], F_GETFD) &
					    FD_CLOEXEC);
			vu_rx_next(&p.in);
			vu_msg_fini(&m);
			assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL),
					 -EAGAIN);
		}
	}
	fd_close(&p.tx);
	assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), 0);
	pair_close(&p);
	leaks_assert_none(before);
}

/* Several messages in one stream keep their own descriptors. */
static void test_queued(void **state)
{
	struct leaks before = leaks_count();
	struct pair p = pair_open();

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct vu_msg m = make(i + 1, i * 8, i);

		assert_int_equal(vu_msg_send(p.tx, &m), 0);
		vu_msg_fini(&m);
	}
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), 1);
		assert_int_equal(p.in.msg.hdr.size, i * 8);
		assert_int_equal(p.in.msg.fd_count, i);
		vu_rx_next(&p.in);
	}
	pair_close(&p);
	leaks_assert_none(before);
}

/* One message byte by byte; then cut off after each byte. */
static void test_pieces(void **state)
{
	struct leaks before = leaks_count();
	struct vu_msg m = make(9, 40, 0);
	uint8_t wire[52];

	(void)state;
	memcpy(wire, &m.hdr, 12);
	memcpy(wire + 12, m.payload.raw, 40);
	for (unsigned cut = 0; cut <= sizeof(wire); cut++) {
		struct pair p = pair_open();
		struct err err = { "" };

		for (unsigned i = 0; i < cut; i++) {
			assert_int_equal(vu_rx_poll(p.rx, &p.in, &err),
					 -EAGAIN);
			assert_int_equal(write(p.tx, wire + i, 1), 1);
		}
		fd_close(&p.tx);
		if (cut == sizeof(wire)) {
			assert_int_equal(vu_rx_poll(p.rx, &p.in, &err), 1);
			assert_memory_equal(p.in.msg.payload.raw, wire + 12,
					    40);
		} else {
			assert_int_equal(vu_rx_poll(p.rx, &p.in, &err),
					 cut ? -EPROTO : 0);
		}
		pair_close(&p);
	}
	leaks_assert_none(before);
}

/* Sends @count descriptors with @data, without vu_msg_send()'s limits. */
static void send_fds(int sock, const void *data, size_t size, unsigned count)
{
	union {
		char buf[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen =
				     CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	int fd[64];

	for (unsigned i = 0; i < count; i++)
		fd[i] = fd_eventfd();
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(c), fd, count * sizeof(int));
	assert_int_equal(sendmsg(sock, &mh, 0), size);
	for (unsigned i = 0; i < count; i++)
		fd_close(&fd[i]);
}

static void test_too_many_fds(void **state)
{
	struct leaks before = leaks_count();
	const struct vu_header hdr = { 5, VU_VERSION, 0 };

	(void)state;
	for (unsigned n = VU_MAX_FDS; n < 20; n += 3) {
		struct pair p = pair_open();

		send_fds(p.tx, &hdr, sizeof(hdr), n);
		assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL),
				 n > VU_MAX_FDS ? -EPROTO : 1);
		pair_close(&p);
		leaks_assert_none(before);
	}
}

/* Descriptors that do not fit into this process are not the sender's fault. */
static void test_no_room_for_fds(void **state)
{
	struct leaks before = leaks_count();
	struct err err = { "" };
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	for (unsigned room = 0; room < 3; room++) {
		struct pair p = pair_open();
		struct vu_msg m = make(VU_SET_MEM_TABLE, 8, 3);
		int next;

		assert_int_equal(vu_msg_send(p.tx, &m), 0);
		vu_msg_fini(&m);
		next = dup(0);
		close(next);
		low = (struct rlimit){ (rlim_t)next + room, old.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
		assert_int_equal(vu_rx_poll(p.rx, &p.in, &err), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(p.in.msg.fd_count, room);
		assert_non_null(strstr(err.msg, "ulimit -n"));
		pair_close(&p);
	}
	leaks_assert_none(before);
}

/* Descriptors may come with any piece, but not more than eight together. */
static void test_fds_in_pieces(void **state)
{
	struct leaks before = leaks_count();
	const struct vu_header hdr = { 5, VU_VERSION, 8 };
	struct pair p = pair_open();

	(void)state;
	send_fds(p.tx, &hdr, sizeof(hdr), 3);
	send_fds(p.tx, "abcd", 4, 5);
	assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), -EAGAIN);
	assert_int_equal(p.in.msg.fd_count, 8);
	send_fds(p.tx, "efgh", 4, 1);
	assert_int_equal(vu_rx_poll(p.rx, &p.in, NULL), -EPROTO);
	pair_close(&p);
	leaks_assert_none(before);
}

static void test_bad_header(void **state)
{
	static const struct vu_header bad[] = {
		{ 1, 0, 0 },
		{ 1, 2, 0 },
		{ 1, 3, 0 },
		{ 1, VU_VERSION, 513 },
		{ 1, VU_VERSION, UINT32_MAX },
		{ UINT32_MAX, VU_FLAG_REPLY, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct pair p = pair_open();
		struct err err = { "" };

		assert_int_equal(write(p.tx, &bad[i], 12), 12);
		assert_int_equal(vu_rx_poll(p.rx, &p.in, &err), -EPROTO);
		assert_true(strlen(err.msg));
		pair_close(&p);
	}
}

/* A peer that never reads: the sender gives up. */
static void test_full_socket(void **state)
{
	struct pair p = pair_open();
	struct vu_msg m = make(1, 512, 0);
	int rc;

	(void)state;
	do
		rc = vu_msg_send(p.tx, &m);
	while (!rc);
	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(vu_msg_send(p.tx, &m), -ETIMEDOUT);
	fd_close(&p.rx);
	assert_int_equal(vu_msg_send(p.tx, &m), -EPIPE);
	pair_close(&p);
}

static void test_names(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < VU_REQUEST_COUNT; i++)
		assert_null(strstr(vu_request_name(i), "request"));
	assert_string_equal(vu_request_name(VU_SET_VRING_NUM), "SET_VRING_NUM");
	assert_string_equal(vu_request_name(0), "request 0");
	assert_string_equal(vu_request_name(99), "request 99");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_queued),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_too_many_fds),
		cmocka_unit_test(test_no_room_for_fds),
		cmocka_unit_test(test_fds_in_pieces),
		cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_full_socket),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
