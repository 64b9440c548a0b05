/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: what a client wrote before it went, clients that follow each
 * other, and output that nobody takes. The driver is the test: rings in the
 * split format, one chain of one buffer at a time. */
#include "test.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device_types.h"
#include "fd.h"
#include "unix_sock.h"
#include "virtio.h"

#define RAM_SIZE   (2 << 20)
#define RING_SIZE  8
#define BUFFER	   4096
#define A_MOMENT   20
#define EVENTUALLY 10000 /* ms; only a failing test waits so long */

enum { IN, OUT, RINGS };

struct queue {
	struct vring_desc *desc;
	struct vring_avail *avail;
	volatile struct vring_used *used;
	uint8_t *buffer;
	uint64_t gpa; /* of all that */
	int kick;
};

struct rig {
	struct loop *loop;
	struct gmem *ram;
	uint8_t *host;
	struct virtio_dev *dev;
	void *conf;
	struct queue q[RINGS];
	char path[64];
};

static void ignore_change(struct virtio_dev *d)
{
	(void)d;
}

static void fail_reset(struct virtio_dev *d, const char *why)
{
	(void)d;
	fail_msg("the device stopped: %s", why);
}

static const struct virtio_transport_ops transport = {
	.config_changed = ignore_change,
	.needs_reset = fail_reset,
};

static void nothing(struct loop_timer *t)
{
	(void)t;
}

static void run(struct rig *r)
{
	uint64_t end = loop_now_ms() + A_MOMENT;
	struct loop_timer t = { 0 };

	while (loop_now_ms() < end) {
		if (!t.loop)
			loop_timer_arm(r->loop, &t, 1, nothing);
		loop_step(r->loop);
	}
	loop_timer_disarm(&t);
}

static void start_queue(struct rig *r, unsigned i)
{
	struct queue *q = &r->q[i];
	uint8_t *at = r->host + 0x10000 * (i + 1);
	struct virtio_ring ring;

	q->gpa = 0x10000 * (i + 1);
	q->desc = (void *)at;
	q->avail = (void *)(at + 0x1000);
	q->used = (void *)(at + 0x2000);
	q->buffer = at + 0x3000;
	q->kick = fd_eventfd();
	assert_true(q->kick >= 0);
	ring = (struct virtio_ring){ .size = RING_SIZE,
				     .desc = q->gpa,
				     .driver = q->gpa + 0x1000,
				     .device = q->gpa + 0x2000,
				     .kick_fd = q->kick,
				     .call_fd = -1 };
	assert_int_equal(r->dev->ops->start_ring(r->dev, i, &ring), 0);
}

static void start(struct rig *r)
{
	const struct device_type *type = &device_console_type;
	struct gmem_desc d = { .size = RAM_SIZE };
	struct err err;

	memset(r, 0, sizeof(*r));
	r->loop = loop_create();
	d.fd = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(d.fd, RAM_SIZE), 0);
	assert_int_equal(gmem_create(&d, 1, &r->ram, &err), 0);
	close(d.fd);
	r->host = gmem_translate(r->ram, 0, RAM_SIZE);
	snprintf(r->path, sizeof(r->path), "/tmp/ringway-console-%d.sock",
		 (int)getpid());
	r->conf = calloc(1, type->conf_size);
	assert_int_equal(opt_defaults(type->rows, r->conf, &err), 0);
	assert_int_equal(opt_set(type->rows, r->conf, "path", r->path, &err),
			 0);
	assert_int_equal(opt_set(type->rows, r->conf, "id", "con", &err), 0);
	assert_int_equal(type->create(r->conf, r->loop, &r->dev, &err), 0);
	r->dev->transport = &transport;
	r->dev->ram = r->ram;
	r->dev->driver_features = feat_bit(VIRTIO_F_VERSION_1);
	start_queue(r, IN);
	start_queue(r, OUT);
}

static void finish(struct rig *r)
{
	r->dev->ops->destroy(r->dev);
	assert_int_equal(access(r->path, F_OK), -1);
	for (unsigned i = 0; i < RINGS; i++)
		close(r->q[i].kick);
	opt_free(device_console_type.rows, r->conf);
	free(r->conf);
	gmem_put(r->ram);
	loop_destroy(r->loop);
}

static void make_available(struct queue *q, uint32_t size, uint16_t flags)
{
	uint16_t idx = q->avail->idx;

	q->desc[0] = (struct vring_desc){ q->gpa + 0x3000, size, flags, 0 };
	q->avail->ring[idx % RING_SIZE] = 0;
	__atomic_store_n(&q->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	fd_signal(q->kick);
}

static void print(struct rig *r, const char *text)
{
	struct queue *q = &r->q[OUT];
	uint16_t idx = q->used->idx;

	memcpy(q->buffer, text, strlen(text));
	make_available(q, (uint32_t)strlen(text), 0);
	run(r);
	assert_int_equal((uint16_t)(q->used->idx - idx), 1);
}

/* Gives the device a buffer and takes what it writes: @text. */
static void take(struct rig *r, const char *text)
{
	struct queue *q = &r->q[IN];
	uint16_t idx = q->used->idx;

	make_available(q, BUFFER, VRING_DESC_F_WRITE);
	for (unsigned i = 0; i < EVENTUALLY && q->used->idx == idx;
	     i += A_MOMENT)
		run(r);
	assert_int_not_equal(q->used->idx, idx);
	assert_int_equal(q->used->ring[idx % RING_SIZE].len, strlen(text));
	assert_memory_equal(q->buffer, text, strlen(text));
}

static int connect_to(struct rig *r)
{
	int fd = unix_connect("path", r->path, NULL);

	assert_true(fd >= 0);
	run(r);
	return fd;
}

static void say(struct rig *r, int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	run(r);
}

static void assert_hears(int fd, const char *text)
{
	char buf[100];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	assert_int_equal(n, (ssize_t)strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

/* Counted by `show`. */
struct taker {
	struct show show;
	uint64_t dropped;
	bool client;
};

static void take_num(struct show *s, const char *key, uint64_t v)
{
	if (!strcmp(key, "dropped"))
		container_of(s, struct taker, show)->dropped = v;
}

static void take_flag(struct show *s, const char *key, bool v)
{
	(void)key;
	container_of(s, struct taker, show)->client = v;
}

static void take_str(struct show *s, const char *key, const char *v)
{
	(void)s, (void)key, (void)v;
}

static struct taker state_of(struct rig *r)
{
	static const struct show_ops ops = { .num = take_num,
					     .flag = take_flag,
					     .str = take_str };
	struct taker t = { .show.ops = &ops };

	r->dev->ops->show(r->dev, &t.show);
	return t;
}

static void test_client(void **state)
{
	struct rig r;
	int fd, other;

	(void)state;
	start(&r);
	print(&r, "nobody");
	fd = connect_to(&r);
	print(&r, "hello");
	assert_hears(fd, "hello");
	other = connect_to(&r);
	assert_hears(other, "another client is connected\r\n");
	close(other);
	say(&r, fd, "one");
	take(&r, "one");
	close(fd);
	run(&r);
	print(&r, "gone");
	assert_int_equal(state_of(&r).dropped, 10);
	assert_false(state_of(&r).client);
	finish(&r);
}

/* The guest had no room when the client went. */
static void test_last_words(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r);
	fd = connect_to(&r);
	say(&r, fd, "last words");
	close(fd);
	run(&r);
	assert_true(state_of(&r).client);
	take(&r, "last words");
	run(&r);
	/* It ends with the next room: only reading tells. */
	make_available(&r.q[IN], BUFFER, VRING_DESC_F_WRITE);
	run(&r);
	assert_false(state_of(&r).client);
	finish(&r);
}

/* Output to the client failed before its input was read. */
static void test_last_words_after_output(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r);
	fd = connect_to(&r);
	say(&r, fd, "one");
	say(&r, fd, "two");
	close(fd);
	print(&r, "to nobody");
	assert_int_equal(state_of(&r).dropped, 9);
	take(&r, "onetwo");
	finish(&r);
}

/* The same, but the guest has room and makes no more: nothing else tells. */
static void test_last_words_at_once(void **state)
{
	struct queue *q;
	struct rig r;
	int fd;

	(void)state;
	start(&r);
	q = &r.q[IN];
	fd = connect_to(&r);
	make_available(q, BUFFER, VRING_DESC_F_WRITE);
	run(&r);
	assert_int_equal(q->used->idx, 0);
	/* Of all that the loop finds at once, output is first. */
	memcpy(r.q[OUT].buffer, "x", 1);
	make_available(&r.q[OUT], 1, 0);
	assert_int_equal(write(fd, "bye", 3), 3);
	close(fd);
	for (unsigned i = 0; i < EVENTUALLY && !q->used->idx; i += A_MOMENT)
		run(&r);
	assert_int_equal(q->used->idx, 1);
	assert_int_equal(q->used->ring[0].len, 3);
	assert_memory_equal(q->buffer, "bye", 3);
	finish(&r);
}

/* The guest reads nothing: the next client comes all the same. */
static void test_next_client(void **state)
{
	struct rig r;
	int fd;

	(void)state;
	start(&r);
	fd = connect_to(&r);
	say(&r, fd, "never read");
	close(fd);
	run(&r);
	fd = connect_to(&r);
	print(&r, "welcome");
	assert_hears(fd, "welcome");
	say(&r, fd, "mine");
	take(&r, "mine");
	close(fd);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_last_words_after_output),
		cmocka_unit_test(test_last_words_at_once),
		cmocka_unit_test(test_next_client),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
