/* SPDX-License-Identifier: Apache-2.0 */
/* The vduse port without a kernel's device: regions of memory, answers to
 * messages, and which of these the reader gives itself. */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ether_text.h"
#include "fd.h"
#include "gmem.h"
#include "vduse.h"
#include "virtio.h"

static void test_regions(void **state)
{
	static const struct {
		struct vduse_iotlb_entry e;
		uint64_t size; /* 0: of no use */
	} cases[] = {
		{ { .start = 0, .last = 0xfff, .perm = VDUSE_ACCESS_RW },
		  0x1000 },
		{ { .start = 0x4000000,
		    .last = 0x4001fff,
		    .offset = 0x4000000,
		    .perm = VDUSE_ACCESS_RW },
		  0x2000 },
		{ { .start = 5, .last = 5, .perm = VDUSE_ACCESS_RW }, 1 },
		{ { .start = 1, .last = UINT64_MAX, .perm = VDUSE_ACCESS_RW },
		  UINT64_MAX },
		{ { .start = 0, .last = 0xfff, .perm = VDUSE_ACCESS_RO }, 0 },
		{ { .start = 0, .last = 0xfff, .perm = VDUSE_ACCESS_WO }, 0 },
		{ { .start = 0, .last = 0xfff, .perm = 0 }, 0 },
		{ { .start = 0x1000, .last = 0xfff, .perm = VDUSE_ACCESS_RW },
		  0 },
		{ { .start = 9, .last = 3, .perm = VDUSE_ACCESS_RW }, 0 },
		/* 2^64 bytes: their number has no room */
		{ { .start = 0, .last = UINT64_MAX, .perm = VDUSE_ACCESS_RW },
		  0 },
	};
	struct gmem_desc d;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vduse_iotlb_entry *e = &cases[i].e;
		bool is_useful = vduse_mem_describe(e, 7, &d);

		assert_int_equal(is_useful, cases[i].size != 0);
		if (!is_useful)
			continue;
		assert_int_equal(d.gpa, e->start);
		assert_int_equal(d.size, cases[i].size);
		assert_int_equal(d.mmap_offset, e->offset);
		assert_int_equal(d.fd, 7);
	}
}

/* A front-end of vhost-user may not pass a file without a type and size. The
 * kernel may; its own mmap() decides then. */
static void test_anonymous_file(void **state)
{
	struct gmem_desc d = { .size = 0x1000, .fd = fd_eventfd() };
	struct gmem *m;
	struct err err;

	(void)state;
	assert_int_equal(gmem_create(&d, 1, &m, &err), -EINVAL);
	d.is_kernels = true;
	assert_int_equal(gmem_create(&d, 1, &m, &err), -ENODEV);
	close(d.fd);
}

static void test_mac(void **state)
{
	static const uint8_t want[] = { 0x52, 0x54, 0, 0xAB, 0xcd, 7 };
	static const char *const bad[] = {
		"",
		"52:54:00:12:34",
		"52:54:00:12:34:",
		"52:54:00:12:34:56:",
		"52:54:00:12:34:567",
		"0x5:54:00:12:34:56",
		"52-54-00-12-34-56",
		" 2:54:00:12:34:56",
		"52:54:00:12:34:g6",
		"-2:54:00:12:34:56",
		"01:00:00:00:00:01",
		"00:00:00:00:00:00",
	};
	struct err err;
	uint8_t mac[6];

	(void)state;
	assert_int_equal(ether_from_text("mac", "52:54:00:AB:cd:7", mac, &err),
			 0);
	assert_memory_equal(mac, want, sizeof(mac));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ether_from_text("mac", bad[i], mac, &err),
				 -EINVAL);
		assert_non_null(strstr(err.msg, "52:54:00:12:34:56"));
	}
}

static struct vduse_port *new_port(void)
{
	struct vduse_port *v = calloc(1, sizeof(*v));

	assert_non_null(v);
	v->port.name = strdup("v");
	v->fd = -1;
	for (unsigned i = 0; i < VDUSE_QUEUES; i++)
		v->queue[i].position.avail = (uint16_t)(100 + i);
	return v;
}

static void free_port(struct vduse_port *v)
{
	log_limit_fini(&v->log);
	free(v->port.name);
	free(v);
}

static void test_answers(void **state)
{
	struct vduse_dev_request req = { .request_id = 77 };
	struct vduse_dev_response resp, zero = { 0 };
	struct vduse_port *v = new_port();

	(void)state;
	req.type = VDUSE_GET_VQ_STATE;
	for (uint32_t i = 0; i < VDUSE_QUEUES; i++) {
		req.vq_state.index = i;
		vduse_message_answer(v, &req, &resp);
		assert_int_equal(resp.request_id, 77);
		assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
		assert_int_equal(resp.vq_state.index, i);
		assert_int_equal(resp.vq_state.split.avail_index, 100 + i);
		/* or the kernel refuses the answer */
		assert_memory_equal(resp.reserved, zero.reserved,
				    sizeof(zero.reserved));
	}
	req.vq_state.index = VDUSE_QUEUES;
	vduse_message_answer(v, &req, &resp);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_FAILED);
	req.vq_state.index = UINT32_MAX;
	vduse_message_answer(v, &req, &resp);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_FAILED);
	req.type = 99;
	vduse_message_answer(v, &req, &resp);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_FAILED);
	/* no driver: there is nothing to map again */
	req.type = VDUSE_UPDATE_IOTLB;
	vduse_message_answer(v, &req, &resp);
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	free_port(v);
}

static void test_status(void **state)
{
	struct vduse_port *v = new_port();

	(void)state;
	assert_int_equal(vduse_message_status(v, VIRTIO_STATUS_ACKNOWLEDGE), 0);
	assert_int_equal(v->queue[1].position.avail, 101);
	/* the descriptor is bad: the rings cannot start, and this is said */
	assert_int_equal(vduse_message_status(v, VIRTIO_STATUS_DRIVER_OK),
			 -EBADF);
	assert_non_null(strstr(v->reason.msg, "features"));
	assert_int_equal(vduse_message_status(v, 0), 0);
	assert_int_equal(v->queue[1].position.avail, 0);
	free_port(v);
}

static void send_message(int fd, uint32_t type, uint32_t id, uint8_t status)
{
	struct vduse_dev_request req = { .type = type, .request_id = id };

	req.s.status = status;
	assert_int_equal(write(fd, &req, sizeof(req)), sizeof(req));
}

static bool has_answer(int fd, int ms)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, ms) > 0;
}

static uint32_t answered_id(int fd)
{
	struct vduse_dev_response resp;

	assert_true(has_answer(fd, 5000));
	assert_int_equal(read(fd, &resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(resp.result, VDUSE_REQ_RESULT_OK);
	return resp.request_id;
}

static void wait_for_news(struct vduse_reader *r, struct vduse_news *news)
{
	assert_true(has_answer(r->news_fd, 5000));
	vduse_reader_take(r, news);
}

/* While control does nothing, a status is answered and a reset is not, nor is
 * anything read after the reset. */
static void test_reader(void **state)
{
	struct vduse_reader r;
	struct vduse_news news;
	int s[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
	assert_int_equal(fd_set_nonblock(s[1]), 0);
	assert_int_equal(vduse_reader_init(&r), 0);
	assert_int_equal(vduse_reader_start(&r, s[1]), 0);
	send_message(s[0], VDUSE_SET_STATUS, 1, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_int_equal(answered_id(s[0]), 1);
	send_message(s[0], VDUSE_SET_STATUS, 2, VIRTIO_STATUS_DRIVER_OK);
	assert_int_equal(answered_id(s[0]), 2);
	send_message(s[0], VDUSE_SET_STATUS, 3, 0);
	send_message(s[0], VDUSE_SET_STATUS, 4, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_false(has_answer(s[0], 50));
	do
		wait_for_news(&r, &news);
	while (!news.has_request);
	assert_int_equal(news.request.request_id, 3);
	assert_int_equal(answered_id(s[0]), 4);
	do
		wait_for_news(&r, &news);
	while (!news.has_status);
	assert_int_equal(news.status, VIRTIO_STATUS_ACKNOWLEDGE);
	assert_false(news.has_request);
	vduse_reader_stop(&r);
	/* a device that nobody reads any more */
	send_message(s[0], VDUSE_SET_STATUS, 5, VIRTIO_STATUS_DRIVER);
	assert_false(has_answer(s[0], 50));
	vduse_reader_fini(&r);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_anonymous_file),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
