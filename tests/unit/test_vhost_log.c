/* SPDX-License-Identifier: Apache-2.0 */
/* The log of written pages, of the kernel's vhost-net itself: a frame comes
 * from a tap into memory of ours, and the pages of its buffer and of the used
 * ring are marked. Skipped without /dev/vhost-net or the right to make a tap.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "vu_client.h"

#define PAGE	 VU_CLIENT_LOG_PAGE
#define RAM_SIZE (8 * PAGE)
#define RAM_GPA	 (16ull * PAGE)
#define HAS	 (1ull << VIRTIO_F_VERSION_1)
#define LOG_ALL	 (1ull << VHOST_F_LOG_ALL)

/* A split ring of one descriptor, each area in a page of its own. */
enum { DESC, AVAIL, USED, BUFFER, PAGES };

static int failed;

static void on_ready(void *ctx)
{
	(void)ctx;
}

static void on_closed(void *ctx, const char *reason)
{
	(void)ctx;
	fprintf(stderr, "%s\n", reason);
	failed++;
}

static void on_done(void *arg, int rc, uint64_t value, const char *reason)
{
	(void)value;
	if (rc)
		fprintf(stderr, "%s: %s\n", (const char *)arg, reason);
	failed += !!rc;
}

static struct vu_client_done done(const char *what)
{
	return (struct vu_client_done){ on_done, (void *)(uintptr_t)what };
}

/* Returns a tap that is up, with its name in @r; -1: no right. */
static int open_tap(struct ifreq *r)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 12;

	*r = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	if (fd >= 0 && (ioctl(fd, TUNSETIFF, r) < 0 ||
			ioctl(fd, TUNSETVNETHDRSZ, &size) < 0))
		fd_close(&fd);
	r->ifr_flags = IFF_UP;
	if (fd >= 0 && ioctl(sock, SIOCSIFFLAGS, r) < 0)
		fd_close(&fd);
	fd_close(&sock);
	return fd;
}

static void send_frame(const char *name)
{
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(name) };
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	assert_int_equal(
		sendto(sock, frame, sizeof(frame), 0, (void *)&to, sizeof(to)),
		sizeof(frame));
	fd_close(&sock);
}

static uint8_t *map(unsigned size, int *fd)
{
	uint8_t *p;

	*fd = memfd_create("log", MFD_CLOEXEC);
	assert_int_equal(ftruncate(*fd, size), 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* Puts one buffer into the ring. */
static void offer_buffer(uint8_t *ram)
{
	const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} desc = { RAM_GPA + BUFFER * PAGE, PAGE, 2, 0 };
	const uint16_t idx = 1;

	memcpy(ram + DESC * PAGE, &desc, sizeof(desc));
	memcpy(ram + AVAIL * PAGE + 2, &idx, sizeof(idx));
}

static bool is_marked(const uint8_t *bits, unsigned page)
{
	page += RAM_GPA / PAGE;
	return bits[page / 8] & 1 << page % 8;
}

static void test_pages(void **state)
{
	struct loop *loop = loop_create();
	int vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC), ram_fd, log_fd;
	struct ifreq ifr;
	int tap = open_tap(&ifr);
	const struct vu_client_config conf = { .features = HAS | LOG_ALL,
					       .queue_pairs = 1,
					       .timeout_ms = 1000 };
	static const struct vu_client_ops ops = { .ready = on_ready,
						  .closed = on_closed };
	uint8_t *ram = map(RAM_SIZE, &ram_fd), *bits = map(PAGE, &log_fd);
	const struct gmem_desc region = { .gpa = RAM_GPA,
					  .size = RAM_SIZE,
					  .uva = (uintptr_t)ram };
	const struct vu_client_log log = { log_fd, bits, PAGE, -1 };
	struct vu_client_ring ring = {
		.num = 1,
		.desc = (uintptr_t)ram + DESC * PAGE,
		.avail = (uintptr_t)ram + AVAIL * PAGE,
		.used = (uintptr_t)ram + USED * PAGE,
		.log = RAM_GPA + USED * PAGE,
		.kick_fd = fd_eventfd(),
		.call_fd = fd_eventfd(),
		.enabled = true,
	};
	struct vu_client *c;
	struct err err;

	(void)state;
	if (vhost < 0 || tap < 0) {
		fd_close(&vhost);
		fd_close(&tap);
		loop_destroy(loop);
		skip();
	}
	c = vu_client_create(
		loop,
		vu_kernel_create(&(struct vu_kernel_conf){ .vhost_fd = &vhost,
							   .tap_fd = &tap,
							   .pairs = 1,
							   .err_fd = -1 }),
		&conf, &ops, NULL);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(
		vu_client_set_memory(c, &region, 1, done("memory"), &err), 0);
	assert_int_equal(
		vu_client_queue_start(c, 0, &ring, done("start"), &err), 0);
	assert_int_equal(vu_client_set_log(c, &log, done("log"), &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(failed, 0);
	offer_buffer(ram);
	fd_signal(ring.kick_fd);
	send_frame(ifr.ifr_name);
	for (unsigned i = 0; i < 200 && !is_marked(bits, USED); i++)
		usleep(10000);
	assert_true(is_marked(bits, USED));
	assert_true(is_marked(bits, BUFFER));
	assert_false(is_marked(bits, DESC));
	assert_false(is_marked(bits, AVAIL));
	assert_false(is_marked(bits, PAGES));
	/* ours, or one of the kernel's own: all are multicast */
	assert_true(ram[BUFFER * PAGE + 12] & 1);
	assert_int_equal(vu_client_set_log(c, NULL, done("end"), &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(failed, 0);
	vu_client_destroy(c);
	fd_close(&tap);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_pages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
