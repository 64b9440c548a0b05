/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/: the back-end session against a scripted front-end: good and bad
 * messages, ring states, changes of running queues, and a peer that
 * disappears. */
#include "vu_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "log.h"
#include "virtio.h"

#define V1     (1ull << VIRTIO_F_VERSION_1)
#define PACKED (1ull << VIRTIO_F_RING_PACKED)
#define PROTO  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define OFFER  (V1 | PACKED | (1ull << VIRTIO_NET_F_MRG_RXBUF))

static struct vu_msg bare(uint32_t request)
{
	return (struct vu_msg){ .hdr = { request, VU_VERSION, 0 } };
}

/* Each message is sent once to a session that negotiated everything and has
 * memory. The verdict says whether the session survives. */
enum verdict { GOOD, BAD };

static const struct {
	uint32_t request, size;
	uint64_t word[5]; /* words of the payload */
	unsigned fds;	  /* number of eventfds; for memory: of the memory's
			   * descriptor */
	enum verdict verdict;
} messages[] = {
	{ VU_GET_FEATURES, 0, { 0 }, 0, GOOD },
	{ VU_GET_FEATURES, 8, { 0 }, 0, BAD },
	{ VU_GET_FEATURES, 0, { 0 }, 1, BAD },
	{ VU_SET_FEATURES, 8, { V1 }, 0, GOOD },
	{ VU_SET_FEATURES, 8, { V1 | 1ull << 63 }, 0, BAD },
	{ VU_SET_FEATURES, 4, { V1 }, 0, BAD },
	{ VU_SET_OWNER, 0, { 0 }, 0, GOOD },
	{ VU_SET_OWNER, 0, { 0 }, 2, BAD },
	{ VU_RESET_OWNER, 0, { 0 }, 0, GOOD },
	{ VU_SET_MEM_TABLE, 8, { 0 }, 0, GOOD },
	{ VU_SET_MEM_TABLE, 7, { 0 }, 0, BAD },
	{ VU_SET_MEM_TABLE, 0, { 0 }, 0, BAD },
	{ VU_SET_MEM_TABLE, 8, { 0 }, 1, BAD },
	{ VU_SET_MEM_TABLE, 8, { 1 }, 1, BAD },
	{ VU_SET_MEM_TABLE, 40, { 1, 0, 4096, 0, 0 }, 1, GOOD },
	{ VU_SET_MEM_TABLE, 264, { 1, 0, 4096, 0, 0 }, 1, GOOD },
	{ VU_SET_MEM_TABLE, 40, { 1, 0, 4096, 0, 0 }, 0, BAD },
	{ VU_SET_MEM_TABLE, 40, { 1, 0, 4096, 0, 0 }, 2, BAD },
	{ VU_SET_MEM_TABLE, 40, { 1, 0, 0, 0, 0 }, 1, BAD },
	{ VU_SET_MEM_TABLE, 40, { 1, 0, 1ull << 40, 0, 0 }, 1, BAD },
	{ VU_SET_MEM_TABLE, 40, { 1, -1ull, 4096, 0, 0 }, 1, BAD },
	{ VU_SET_MEM_TABLE, 40, { 9, 0, 4096, 0, 0 }, 8, BAD },
	{ VU_SET_MEM_TABLE, 264, { UINT32_MAX }, 8, BAD },
	{ VU_SET_MEM_TABLE, 296, { 9 }, 8, BAD },
	{ VU_SET_LOG_BASE, 16, { 4096, 0 }, 1, BAD },
	{ VU_SET_LOG_FD, 0, { 0 }, 1, BAD },
	{ VU_SET_VRING_NUM, 8, { 256ull << 32 }, 0, GOOD },
	{ VU_SET_VRING_NUM, 8, { 256ull << 32 | 3 }, 0, GOOD },
	{ VU_SET_VRING_NUM, 8, { 256ull << 32 | 4 }, 0, BAD },
	{ VU_SET_VRING_NUM, 8, { 256ull << 32 | UINT32_MAX }, 0, BAD },
	{ VU_SET_VRING_NUM, 8, { 0 }, 0, BAD },
	{ VU_SET_VRING_NUM, 8, { 3ull << 32 }, 0, BAD },
	{ VU_SET_VRING_NUM, 8, { 32768ull << 32 }, 0, GOOD },
	{ VU_SET_VRING_NUM, 8, { 32769ull << 32 }, 0, BAD },
	{ VU_SET_VRING_NUM, 8, { 65536ull << 32 }, 0, BAD },
	{ VU_SET_VRING_NUM, 12, { 256ull << 32 }, 0, BAD },
	{ VU_SET_VRING_ADDR, 40, { 0, 0, 0, 0, 0 }, 0, GOOD },
	{ VU_SET_VRING_ADDR, 40, { 4, 0, 0, 0, 0 }, 0, BAD },
	{ VU_SET_VRING_ADDR, 40, { 1ull << 32, 0, 0, 0, 0 }, 0, BAD },
	{ VU_SET_VRING_ADDR, 32, { 0 }, 0, BAD },
	{ VU_SET_VRING_BASE, 8, { 7ull << 32 | 1 }, 0, GOOD },
	{ VU_SET_VRING_BASE, 8, { 7ull << 32 | 4 }, 0, BAD },
	{ VU_GET_VRING_BASE, 8, { 2 }, 0, GOOD },
	{ VU_GET_VRING_BASE, 8, { 200 }, 0, BAD },
	{ VU_GET_VRING_BASE, 0, { 0 }, 0, BAD },
	{ VU_SET_VRING_KICK, 8, { 0 }, 1, GOOD },
	{ VU_SET_VRING_KICK, 8, { 0x100 }, 0, GOOD },
	{ VU_SET_VRING_KICK, 8, { 0 }, 0, BAD },
	{ VU_SET_VRING_KICK, 8, { 0x100 }, 1, BAD },
	{ VU_SET_VRING_KICK, 8, { 4 }, 1, BAD },
	{ VU_SET_VRING_KICK, 8, { 0xff }, 1, BAD },
	{ VU_SET_VRING_KICK, 8, { 0x200 }, 1, BAD },
	{ VU_SET_VRING_KICK, 8, { 0 }, 2, BAD },
	{ VU_SET_VRING_CALL, 8, { 3 }, 1, GOOD },
	{ VU_SET_VRING_CALL, 8, { 0x103 }, 0, GOOD },
	{ VU_SET_VRING_CALL, 8, { 5 }, 1, BAD },
	{ VU_SET_VRING_ERR, 8, { 1 }, 1, GOOD },
	{ VU_SET_VRING_ERR, 8, { 0x104 }, 0, BAD },
	{ VU_GET_PROTOCOL_FEATURES, 0, { 0 }, 0, GOOD },
	{ VU_SET_PROTOCOL_FEATURES, 8, { 0 }, 0, GOOD },
	{ VU_SET_PROTOCOL_FEATURES, 8, { 1ull << 1 }, 0, BAD },
	{ VU_SET_PROTOCOL_FEATURES, 8, { 1ull << 40 }, 0, BAD },
	{ VU_GET_QUEUE_NUM, 0, { 0 }, 0, GOOD },
	{ VU_SET_VRING_ENABLE, 8, { 1ull << 32 }, 0, GOOD },
	{ VU_SET_VRING_ENABLE, 8, { 2ull << 32 }, 0, BAD },
	{ VU_SET_VRING_ENABLE, 8, { 1ull << 32 | 4 }, 0, BAD },
	{ VU_SEND_RARP, 8, { 0x665544332211 }, 0, GOOD },
	{ VU_SEND_RARP, 6, { 0 }, 0, BAD },
	{ VU_NET_SET_MTU, 8, { 1500 }, 0, GOOD },
	{ VU_NET_SET_MTU, 8, { 20 }, 0, GOOD }, /* refused, but legal */
	{ VU_SET_BACKEND_REQ_FD, 0, { 0 }, 1, GOOD },
	{ VU_SET_BACKEND_REQ_FD, 0, { 0 }, 0, BAD },
	{ VU_SET_BACKEND_REQ_FD, 0, { 0 }, 2, BAD },
	{ VU_IOTLB_MSG, 32, { 0 }, 0, BAD },
	{ VU_SET_VRING_ENDIAN, 8, { 0 }, 0, BAD },
	{ VU_GET_CONFIG, 24, { 0 }, 0, BAD },
	{ VU_SET_CONFIG, 24, { 0 }, 0, BAD },
	{ VU_CREATE_CRYPTO_SESSION, 8, { 0 }, 0, BAD },
	{ VU_CLOSE_CRYPTO_SESSION, 8, { 0 }, 0, BAD },
	{ VU_POSTCOPY_ADVISE, 0, { 0 }, 0, BAD },
	{ VU_POSTCOPY_LISTEN, 0, { 0 }, 0, BAD },
	{ VU_POSTCOPY_END, 0, { 0 }, 0, BAD },
	{ VU_GET_INFLIGHT_FD, 24, { 0 }, 0, BAD },
	{ VU_SET_INFLIGHT_FD, 24, { 0 }, 1, BAD },
	{ VU_GPU_SET_SOCKET, 0, { 0 }, 1, BAD },
	{ VU_RESET_DEVICE, 0, { 0 }, 0, GOOD },
	{ VU_VRING_KICK, 8, { 0 }, 0, BAD },
	{ VU_GET_MAX_MEM_SLOTS, 0, { 0 }, 0, GOOD },
	{ VU_ADD_MEM_REG, 40, { 0, 0x1000, 4096, 0x1000, 0 }, 1, GOOD },
	{ VU_ADD_MEM_REG, 40, { 0, 0x1000, 4096, 0x1000, 0 }, 0, BAD },
	{ VU_ADD_MEM_REG, 40, { 0, 0x1000, 4096, 0x1000, 0 }, 2, BAD },
	{ VU_ADD_MEM_REG, 40, { 0, RIG_GPA, 4096, 0x1000, 0 }, 1, BAD },
	{ VU_ADD_MEM_REG, 32, { 0, 0x1000, 4096, 0x1000 }, 1, BAD },
	{ VU_REM_MEM_REG,
	  40,
	  { 0, RIG_GPA, RIG_MEM_SIZE, RIG_UVA, 0 },
	  0,
	  GOOD },
	{ VU_REM_MEM_REG,
	  40,
	  { 0, RIG_GPA, RIG_MEM_SIZE, RIG_UVA, 9 },
	  1,
	  GOOD },
	{ VU_REM_MEM_REG, 40, { 0, RIG_GPA, 4096, RIG_UVA, 0 }, 0, GOOD },
	{ VU_REM_MEM_REG, 40, { 0, RIG_GPA, 4096, RIG_UVA, 0 }, 2, BAD },
	{ VU_SET_STATUS, 8, { 15 }, 0, GOOD },
	{ VU_SET_STATUS, 8, { 256 }, 0, BAD },
	{ VU_GET_STATUS, 0, { 0 }, 0, GOOD },
	{ VU_GET_SHARED_OBJECT, 16, { 0 }, 0, BAD },
	{ VU_SET_DEVICE_STATE_FD, 8, { 0 }, 1, BAD },
	{ VU_CHECK_DEVICE_STATE, 0, { 0 }, 0, BAD },
	{ 0, 0, { 0 }, 0, BAD },
	{ VU_REQUEST_COUNT, 0, { 0 }, 0, BAD },
	{ UINT32_MAX, 0, { 0 }, 1, BAD },
};

static void try_message(unsigned i, bool in_use, bool want_ack)
{
	struct leaks before = leaks_count();
	struct vu_msg m = { .hdr = { messages[i].request, VU_VERSION,
				     messages[i].size } };
	struct rig r;

	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	for (uint32_t q = 0; in_use && q < RIG_CONTROL; q++)
		rig_set_up_queue(&r, q);
	memcpy(m.payload.raw, messages[i].word, sizeof(messages[i].word));
	for (; m.fd_count < messages[i].fds; m.fd_count++)
		m.fd[m.fd_count] =
			m.hdr.request == VU_SET_MEM_TABLE ||
					m.hdr.request == VU_ADD_MEM_REG
				? dup(r.mem_fd)
				: fd_eventfd();
	if (want_ack)
		m.hdr.flags |= VU_FLAG_NEED_REPLY;
	rig_send(&r, m);
	if (messages[i].verdict == GOOD &&
	    !(in_use && m.hdr.request == VU_SET_VRING_ADDR))
		assert_int_equal(r.closed, 0);
	else
		assert_int_equal(r.closed, 1);
	if (r.closed) {
		/* the line names the request */
		assert_ptr_equal(
			strstr(r.reason, vu_request_name(m.hdr.request)),
			r.reason);
	} else if (want_ack) {
		assert_true(rig_has_reply(&r));
	}
	rig_close(&r);
	leaks_assert_none(before);
}

static void test_messages(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(messages); i++) {
		try_message(i, false, false);
		try_message(i, false, true);
		try_message(i, true, false);
	}
}

/* Requests whose protocol features were not negotiated. */
static void test_not_negotiated(void **state)
{
	static const uint32_t requests[] = { VU_RESET_DEVICE,
					     VU_GET_MAX_MEM_SLOTS,
					     VU_GET_STATUS };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		struct rig r;

		rig_open(&r, OFFER);
		rig_send(&r, bare(requests[i]));
		assert_int_equal(r.closed, 1);
		rig_close(&r);
	}
}

static void test_replies(void **state)
{
	struct rig r;
	struct vu_msg m;

	(void)state;
	rig_open(&r, OFFER);
	m = rig_call(&r, bare(VU_GET_FEATURES));
	assert_true(m.payload.u64 == (OFFER | PROTO));
	/* NEED_REPLY has no effect before REPLY_ACK was negotiated */
	m = bare(VU_SET_OWNER);
	m.hdr.flags |= VU_FLAG_NEED_REPLY;
	rig_send(&r, m);
	assert_false(rig_has_reply(&r));
	rig_negotiate(&r, V1 | PROTO);
	assert_int_equal(rig_call(&r, bare(VU_GET_QUEUE_NUM)).payload.u64,
			 RIG_PAIRS);
	assert_int_equal(rig_call(&r, bare(VU_GET_MAX_MEM_SLOTS)).payload.u64,
			 509);
	assert_int_equal(rig_call(&r, m).payload.u64, 0);
	rig_send(&r, bare(VU_SET_OWNER));
	assert_false(rig_has_reply(&r));
	/* a request with its own answer gets one, even with NEED_REPLY */
	m = bare(VU_GET_FEATURES);
	m.hdr.flags |= VU_FLAG_NEED_REPLY;
	rig_call(&r, m);
	assert_false(rig_has_reply(&r));

	m = rig_u64(VU_NET_SET_MTU, 9000);
	m.hdr.flags |= VU_FLAG_NEED_REPLY;
	assert_int_equal(rig_call(&r, m).payload.u64, 0);
	assert_int_equal(r.mtu, 9000);
	m.payload.u64 = 70000;
	assert_int_equal(rig_call(&r, m).payload.u64, 1);
	assert_int_equal(r.mtu, 9000);
	rig_send(&r, rig_u64(VU_SET_STATUS, 11));
	assert_int_equal(rig_call(&r, bare(VU_GET_STATUS)).payload.u64, 11);
	rig_send(&r, rig_u64(VU_SEND_RARP, 0x665544332211));
	assert_memory_equal(r.mac, "\x11\x22\x33\x44\x55\x66", 6);
	assert_int_equal(r.closed, 0);

	/* a refusal is reported before the connection ends */
	m = rig_state(VU_SET_VRING_NUM, 0, 0);
	m.hdr.flags |= VU_FLAG_NEED_REPLY;
	assert_int_equal(rig_call(&r, m).payload.u64, 1);
	assert_int_equal(r.closed, 1);
	rig_close(&r);
}

/* The message that negotiates REPLY_ACK may itself ask for an answer, as
 * user-mode-linux does; so may the one that gives it up. */
static void test_ack_of_its_own_negotiation(void **state)
{
	struct rig r;
	struct vu_msg m = rig_u64(VU_SET_PROTOCOL_FEATURES,
				  1ull << VU_PROTOCOL_F_REPLY_ACK);

	(void)state;
	rig_open(&r, OFFER);
	m.hdr.flags |= VU_FLAG_NEED_REPLY;
	assert_int_equal(rig_call(&r, m).payload.u64, 0);
	m.payload.u64 = 0;
	assert_int_equal(rig_call(&r, m).payload.u64, 0);
	rig_send(&r, m);
	assert_false(rig_has_reply(&r));
	assert_int_equal(r.closed, 0);
	rig_close(&r);
}

/* The steps of the set-up may come in any order. */
static void test_start_order(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 6; first++) {
		struct leaks before = leaks_count();
		struct rig r;

		rig_open(&r, OFFER);
		for (unsigned i = 0; i < 6; i++) {
			assert_null(r.queue[1].vq);
			switch ((first + i) % 6) {
			case 0:
				rig_negotiate(&r, V1 | PROTO);
				break;
			case 1:
				rig_send(&r, rig_mem_table(&r));
				break;
			case 2:
				rig_send(&r,
					 rig_state(VU_SET_VRING_NUM, 1, 128));
				break;
			case 3:
				rig_send(&r, rig_addr(1));
				break;
			case 4:
				rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1,
						    fd_eventfd()));
				break;
			case 5:
				rig_send(&r,
					 rig_state(VU_SET_VRING_ENABLE, 1, 1));
				break;
			}
			if (i == 4 && (first + 5) % 6 == 5)
				break; /* all but enable: it runs, disabled */
		}
		assert_int_equal(r.closed, 0);
		assert_non_null(r.queue[1].vq);
		assert_int_equal(r.queue[1].vq->count, 128);
		rig_close(&r);
		assert_int_equal(r.queue[1].stops, 1);
		leaks_assert_none(before);
	}
}

static void test_enable(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	assert_false(r.queue[0].enabled);
	rig_send(&r, rig_state(VU_SET_VRING_ENABLE, 0, 1));
	rig_send(&r, rig_state(VU_SET_VRING_ENABLE, 0, 1));
	assert_true(r.queue[0].enabled);
	assert_int_equal(r.queue[0].enables, 1);
	rig_send(&r, bare(VU_RESET_OWNER));
	assert_false(r.queue[0].enabled);
	assert_non_null(r.queue[0].vq);
	rig_send(&r, rig_state(VU_SET_VRING_ENABLE, 1, 1));
	rig_set_up_queue(&r, 1);
	assert_true(r.queue[1].enabled);

	/* without the protocol bit rings start enabled */
	rig_reconnect(&r, OFFER);
	rig_send(&r, rig_u64(VU_SET_FEATURES, V1));
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	assert_true(r.queue[0].enabled);
	rig_close(&r);
}

/* Repeated messages do not disturb a running queue. */
static void test_duplicates(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 1);
	rig_send(&r, rig_u64(VU_SET_FEATURES, V1 | PROTO));
	rig_send(&r, rig_state(VU_SET_VRING_NUM, 1, 256));
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 0));
	rig_send(&r, rig_addr(1));
	rig_send(&r, bare(VU_SET_OWNER));
	assert_int_equal(r.queue[1].starts, 1);
	assert_int_equal(r.queue[1].stops, 0);
	assert_int_equal(r.features_set, 1);
	/* a new kick restarts it; a new size or position stops it until then */
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(r.queue[1].starts, 2);
	rig_send(&r, rig_state(VU_SET_VRING_NUM, 1, 512));
	assert_null(r.queue[1].vq);
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, -1));
	assert_int_equal(r.queue[1].vq->count, 512);
	assert_int_equal(r.queue[1].kick_fd, -1);
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 9));
	assert_null(r.queue[1].vq);
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(r.queue[1].vq->next_avail, 9);
	assert_int_equal(r.closed, 0);
	rig_close(&r);
}

static void test_call_fd(void **state)
{
	struct leaks before = leaks_count();
	int fd = fd_eventfd();
	struct rig r;
	uint64_t v;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	rig_send(&r, rig_fd(VU_SET_VRING_CALL, 0, -1));
	assert_int_equal(r.queue[0].vq->call_fd, -1);
	vq_dev_notify(r.queue[0].vq);
	rig_send(&r, rig_fd(VU_SET_VRING_CALL, 0, dup(fd)));
	assert_int_equal(read(fd, &v, sizeof(v)), 8);
	vq_dev_notify(r.queue[0].vq);
	assert_int_equal(read(fd, &v, sizeof(v)), 8);
	assert_int_equal(r.queue[0].starts, 1);
	/* files and directories are refused for all three */
	rig_send(&r, rig_fd(VU_SET_VRING_CALL, 0,
			    open("/proc/self/exe", O_RDONLY | O_CLOEXEC)));
	assert_int_equal(r.closed, 1);
	close(fd);
	rig_close(&r);
	leaks_assert_none(before);
}

static void test_positions(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PACKED | PROTO);
	/* answered though it was never set up */
	assert_int_equal(rig_call(&r, rig_state(VU_GET_VRING_BASE, 3, 0))
				 .payload.state.num,
			 0x80008000);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 1);
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 0x8011));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	/* only the available half was set */
	assert_int_equal(rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0))
				 .payload.state.num,
			 0x80118011);
	assert_null(r.queue[1].vq);
	/* chains between used (5) and available (17) are taken again */
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 0x80058011));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0))
				 .payload.state.num,
			 0x80058005);
	/* a position outside the ring */
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 0x81008100));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
	assert_int_equal(r.closed, 1);
	rig_close(&r);
}

static void put_flags(struct rig *r, unsigned slot, uint16_t flags)
{
	/* descriptors of queue 1 */
	assert_int_equal(pwrite(r->mem_fd, &flags, 2, 0x10000 + slot * 16 + 14),
			 2);
}

/* The front-end sets position @told, as for a new ring, of a ring in use. Its
 * slots are used in this lap, available again, pending, or used in the last
 * lap. */
static void lost_position(uint32_t told)
{
	static const struct {
		unsigned used, again; /* slots of this lap */
		unsigned pending;     /* slots of the last lap behind them */
		bool wrap;
		uint32_t base;
	} ring[] = {
		{ 0, 0, 0, true, 0x80008000 },	 /* a new ring */
		{ 0, 0, 100, true, 0x80008000 }, /* a new ring with buffers */
		{ 10, 0, 20, true, 0x800a800a },
		{ 10, 10, 256 - 10, true, 0x800a800a },
		{ 10, 5, 246, false, 0x000a000a },
		{ 200, 0, 0, false, 0x00c800c8 },
		{ 256, 0, 0, true, 0 }, /* the next lap begins */
		{ 256, 256, 0, false, 0x80008000 },
	};
	const uint16_t avail = VQ_DESC_F_AVAIL, used = VQ_DESC_F_USED;

	for (unsigned i = 0; i < ARRAY_SIZE(ring); i++) {
		bool w = ring[i].wrap;
		struct rig r;

		rig_open(&r, OFFER | 1ull << VIRTIO_F_INDIRECT_DESC);
		rig_negotiate(&r, V1 | PACKED | PROTO |
					  1ull << VIRTIO_F_INDIRECT_DESC);
		rig_send(&r, rig_mem_table(&r));
		for (unsigned s = 0; s < 256; s++) {
			if (s < ring[i].again)
				put_flags(&r, s, w ? used : avail);
			else if (s < ring[i].used)
				put_flags(&r, s, w ? avail | used : 0);
			else if (s < ring[i].used + ring[i].pending)
				put_flags(&r, s, w ? avail : used);
			else
				put_flags(&r, s, w ? 0 : avail | used);
		}
		rig_set_up_queue(&r, 1);
		rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, told));
		rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
		assert_int_equal(
			rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0))
				.payload.state.num,
			ring[i].base);
		rig_close(&r);
	}
}

static void test_lost_position(void **state)
{
	(void)state;
	lost_position(0x8000);
	lost_position(0); /* the position that user-mode-linux sets */
}

/* Position 0 without indirect descriptors: only the first descriptor shows the
 * lap. */
static void test_split_word(void **state)
{
	static const struct {
		uint16_t flags;
		uint32_t base;
	} first[] = {
		{ 0, 0x80008000 },
		{ VQ_DESC_F_AVAIL, 0x80008000 },
		{ VQ_DESC_F_AVAIL | VQ_DESC_F_USED, 0 },
		{ VQ_DESC_F_USED, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
		struct rig r;

		rig_open(&r, OFFER);
		rig_negotiate(&r, V1 | PACKED | PROTO);
		rig_send(&r, rig_mem_table(&r));
		put_flags(&r, 0, first[i].flags);
		rig_set_up_queue(&r, 1);
		rig_send(&r, rig_state(VU_SET_VRING_BASE, 1, 0));
		rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
		assert_int_equal(
			rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0))
				.payload.state.num,
			first[i].base);
		rig_close(&r);
	}
}

/* Memory is added, grows, shrinks and is replaced under running queues. */
static void test_memory_changes(void **state)
{
	const uint64_t half = RIG_MEM_SIZE / 2;
	struct leaks before = leaks_count();
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_region(&r, VU_ADD_MEM_REG, 0, half, true));
	rig_set_up_queue(&r, 0);
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 0, 77));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 0, fd_eventfd()));
	assert_int_equal(r.queue[0].starts, 2);
	rig_send(&r, rig_region(&r, VU_ADD_MEM_REG, half, half, true));
	assert_int_equal(r.queue[0].starts, 3);
	assert_int_equal(r.queue[0].vq->next_avail, 77);
	assert_int_equal(r.queue[0].vq->mem->count, 2);
	/* QEMU 7.2 repeats it for each queue pair: no effect */
	rig_send(&r, rig_region(&r, VU_ADD_MEM_REG, half, half, true));
	assert_int_equal(r.queue[0].starts, 3);
	/* without its rings the queue waits; with them it goes on */
	rig_send(&r, rig_region(&r, VU_REM_MEM_REG, 0, half, true));
	assert_null(r.queue[0].vq);
	rig_send(&r, rig_region(&r, VU_REM_MEM_REG, 0, half, false));
	rig_send(&r, rig_region(&r, VU_ADD_MEM_REG, 0, half, true));
	assert_int_equal(r.queue[0].vq->next_avail, 77);
	rig_send(&r, rig_mem_table(&r));
	assert_int_equal(r.queue[0].vq->next_avail, 77);
	assert_int_equal(r.queue[0].vq->mem->count, 1);
	assert_int_equal(r.closed, 0);
	rig_close(&r);
	leaks_assert_none(before);
}

/* Features change while queues run. */
static void test_feature_changes(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	rig_send(&r, rig_u64(VU_SET_FEATURES,
			     V1 | PROTO | 1ull << VIRTIO_NET_F_MRG_RXBUF));
	assert_int_equal(r.features_set, 2);
	assert_int_equal(r.queue[0].starts, 2);
	assert_true(feat_has(r.queue[0].vq->features, VIRTIO_NET_F_MRG_RXBUF));
	rig_close(&r);
}

static void test_bad_rings(void **state)
{
	static const struct {
		uint32_t num;
		uint64_t desc, avail, used; /* offsets in the memory */
		bool packed;
	} bad[] = {
		{ 256, RIG_MEM_SIZE - 4095, 0, 0x8000, false },
		{ 256, 0, RIG_MEM_SIZE - 516, 0x8000, false },
		{ 256, 0, 0x4000, RIG_MEM_SIZE - 2052, false },
		{ 256, 8, 0x4000, 0x8000, false },
		{ 256, 0, 0x4001, 0x8000, false },
		{ 256, 0, 0x4000, 0x8002, false },
		{ 3, RIG_MEM_SIZE - 32, 0x4000, 0x8000, true },
		{ 3, 0, RIG_MEM_SIZE - 2, 0x8000, true },
		{ 3, 0, 0x4000, -8ull, true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct leaks before = leaks_count();
		struct vu_msg m = rig_addr(1);
		struct rig r;

		rig_open(&r, OFFER);
		rig_negotiate(&r, V1 | PROTO | (bad[i].packed ? PACKED : 0));
		rig_send(&r, rig_mem_table(&r));
		rig_send(&r, rig_state(VU_SET_VRING_NUM, 1, bad[i].num));
		m.payload.addr.desc = RIG_UVA + bad[i].desc;
		m.payload.addr.avail = RIG_UVA + bad[i].avail;
		m.payload.addr.used = RIG_UVA + bad[i].used;
		rig_send(&r, m);
		assert_int_equal(r.closed, 0);
		rig_send(&r, rig_fd(VU_SET_VRING_KICK, 1, fd_eventfd()));
		assert_int_equal(r.closed, 1);
		assert_int_equal(r.queue[1].starts, 0);
		rig_close(&r);
		leaks_assert_none(before);
	}
}

static void test_resets(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	rig_send(&r, rig_state(VU_SET_VRING_ENABLE, 0, 1));
	rig_send(&r, rig_u64(VU_SET_STATUS, 15));
	assert_non_null(r.queue[0].vq);
	rig_send(&r, rig_state(VU_SET_VRING_BASE, 0, 33));
	rig_send(&r, rig_fd(VU_SET_VRING_KICK, 0, fd_eventfd()));
	rig_send(&r, rig_u64(VU_SET_STATUS, 0));
	assert_null(r.queue[0].vq);
	/* QEMU 7.2 asks only now */
	assert_int_equal(rig_call(&r, rig_state(VU_GET_VRING_BASE, 0, 0))
				 .payload.state.num,
			 33);
	rig_set_up_queue(&r, 0);
	assert_true(r.queue[0].enabled);
	rig_send(&r, bare(VU_RESET_DEVICE));
	assert_null(r.queue[0].vq);
	rig_set_up_queue(&r, 0);
	assert_false(r.queue[0].enabled);
	assert_int_equal(r.queue[0].vq->next_avail, 0);
	assert_int_equal(r.closed, 0);
	rig_close(&r);
}

/* A broken ring is signalled once; the session and the other queues go on. */
static void test_fault(void **state)
{
	int err_fd = fd_eventfd();
	struct iovec iov[16];
	struct vq_chain chain[4];
	uint16_t idx = 300;
	struct rig r;
	uint64_t v;

	(void)state;
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 0);
	rig_set_up_queue(&r, 1);
	rig_send(&r, rig_fd(VU_SET_VRING_ERR, 1, dup(err_fd)));
	vu_backend_check(r.b);
	assert_int_equal(read(r.report_fd, &v, 8), -1);
	/* available index of queue 1 beyond its size */
	assert_int_equal(pwrite(r.mem_fd, &idx, 2, 0x10000 + 0x4002), 2);
	assert_int_equal(vq_dev_pop_burst(r.queue[1].vq, chain, 4, iov, 16), 0);
	assert_int_equal(vq_dev_pop_burst(r.queue[1].vq, chain, 4, iov, 16), 0);
	/* reported once */
	assert_int_equal(read(r.report_fd, &v, 8), 8);
	assert_int_equal(v, 1);
	assert_string_equal(r.fault, "");
	vu_backend_check(r.b);
	assert_non_null(strstr(r.fault, "available index"));
	vu_backend_check(r.b);
	assert_int_equal(read(err_fd, &v, 8), 8);
	assert_int_equal(v, 1);
	assert_int_equal(r.closed, 0);
	assert_int_equal(r.queue[1].vq->fault, VQ_FAULT_AVAIL_RANGE);
	/* it works again after a new set-up */
	rig_call(&r, rig_state(VU_GET_VRING_BASE, 1, 0));
	rig_set_up_queue(&r, 1);
	assert_int_equal(r.queue[1].vq->fault, VQ_FAULT_NONE);
	close(err_fd);
	rig_close(&r);
}

/* The file behind the memory is cut: the copy goes on, the session ends. */
static void test_lost_memory(void **state)
{
	struct leaks before = leaks_count();
	struct rig r;
	uint64_t v;

	(void)state;
	assert_int_equal(gmem_guard_install(), 0);
	rig_open(&r, OFFER);
	rig_negotiate(&r, V1 | PROTO);
	rig_send(&r, rig_mem_table(&r));
	rig_set_up_queue(&r, 1);
	gmem_guard_report_to(r.report_fd);
	assert_int_equal(ftruncate(r.mem_fd, 4096), 0);
	assert_int_equal(vq_dev_pending(r.queue[1].vq, 1), 0);
	gmem_guard_report_to(-1);
	assert_int_equal(read(r.report_fd, &v, 8), 8);
	assert_int_equal(v, 1);
	vu_backend_check(r.b);
	assert_int_equal(r.closed, 1);
	assert_non_null(strstr(r.reason, "memory"));
	rig_close(&r);
	leaks_assert_none(before);
}

/* Writes to @m the messages of a front-end until two queues run; returns their
 * number. */
static unsigned make_script(struct rig *r, struct vu_msg *m)
{
	unsigned n = 0;

	/* no message with a reply: sending that fails after the peer left */
	m[n++] = bare(VU_SET_OWNER);
	m[n++] = rig_u64(VU_SET_PROTOCOL_FEATURES, 0x1a03d);
	m[n++] = rig_u64(VU_SET_FEATURES, V1 | PROTO);
	m[n++] = rig_mem_table(r);
	m[n] = rig_region(r, VU_ADD_MEM_REG, 0, 4096, true);
	m[n].payload.mem_single.region.gpa = 0;
	m[n++].payload.mem_single.region.uva = 0;
	for (uint32_t i = 0; i < 2; i++) {
		m[n++] = rig_state(VU_SET_VRING_NUM, i, 256);
		m[n++] = rig_addr(i);
		m[n++] = rig_fd(VU_SET_VRING_CALL, i, fd_eventfd());
		m[n++] = rig_fd(VU_SET_VRING_ERR, i, fd_eventfd());
		m[n++] = rig_fd(VU_SET_VRING_KICK, i, fd_eventfd());
		m[n++] = rig_state(VU_SET_VRING_ENABLE, i, 1);
	}
	m[n] = bare(VU_SET_BACKEND_REQ_FD);
	m[n].fd[0] = fd_eventfd();
	m[n++].fd_count = 1;
	return n;
}

/* Sends the first @limit bytes of @m with its descriptor. */
static unsigned send_part(int sock, const struct vu_msg *m, unsigned limit)
{
	uint8_t wire[12 + sizeof(m->payload)];
	struct iovec iov = { wire, MIN(12 + m->hdr.size, limit) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(wire, &m->hdr, 12);
	memcpy(wire + 12, m->payload.raw, m->hdr.size);
	if (m->fd_count) {
		memcpy(CMSG_DATA(&control.head), m->fd, sizeof(int));
		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
	}
	assert_int_equal(sendmsg(sock, &mh, 0), iov.iov_len);
	return (unsigned)iov.iov_len;
}

/* The stream is cut after each of its bytes: nothing leaks. */
static void test_disappear(void **state)
{
	struct vu_msg script[32];
	unsigned count, total = 0;
	struct rig r;

	(void)state;
	rig_open(&r, OFFER);
	count = make_script(&r, script);
	rig_close(&r);
	for (unsigned i = 0; i < count; i++)
		total += 12 + script[i].hdr.size;
	for (unsigned cut = 0; cut <= total; cut++) {
		struct leaks before = leaks_count();
		unsigned left = cut;

		rig_open(&r, OFFER);
		for (unsigned i = 0; left; i++)
			left -= send_part(r.sock, &script[i], left);
		/* half of the time the end arrives together with the rest */
		if (cut & 1)
			rig_step(&r);
		fd_close(&r.sock);
		rig_step(&r);
		assert_int_equal(r.closed, 1);
		for (unsigned i = 0; i < RIG_CONTROL; i++) {
			assert_int_equal(r.queue[i].starts, r.queue[i].stops);
			assert_true(cut < total || i > 1 || r.queue[i].starts);
		}
		rig_close(&r);
		leaks_assert_none(before);
	}
	for (unsigned i = 0; i < count; i++)
		vu_msg_fini(&script[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_not_negotiated),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_ack_of_its_own_negotiation),
		cmocka_unit_test(test_start_order),
		cmocka_unit_test(test_enable),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_call_fd),
		cmocka_unit_test(test_positions),
		cmocka_unit_test(test_lost_position),
		cmocka_unit_test(test_split_word),
		cmocka_unit_test(test_memory_changes),
		cmocka_unit_test(test_feature_changes),
		cmocka_unit_test(test_bad_rings),
		cmocka_unit_test(test_resets),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_lost_memory),
		cmocka_unit_test(test_disappear),
	};

	log_level = LOG_LEVEL_ERR; /* refusals are expected here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
