/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port/vhost_user: whole ports in a switch with a worker, and our vhost client
 * as the guest. Both socket roles, reconnection with new features, existing
 * sockets at the path, and nothing left behind.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "log.h"
#include "shm.h"
#include "switch.h"
#include "types.h"
#include "unix_sock.h"
#include "virtio.h"
#include "vu_guest.h"

#define BIT(name) (1ull << VIRTIO_##name)
#define PROTO	  (1ull << VHOST_USER_F_PROTOCOL_FEATURES)
#define SPLIT	  (BIT(F_VERSION_1) | BIT(NET_F_MRG_RXBUF) | PROTO)
#define PACKED	  (SPLIT | BIT(F_RING_PACKED))
#define LEGACY	  BIT(NET_F_MRG_RXBUF)
#define SLOT	  2048u
#define SLOTS	  64u
#define HDR	  12u /* header size with each of the feature sets above */

/* A switch whose control loop runs on a thread of its own. */
struct world {
	struct loop *loop;
	struct vswitch *sw;
	pthread_t thread;
	char dir[32];
};

struct call {
	void (*fn)(struct world *w, void *arg);
	struct world *w;
	void *arg;
	sem_t done;
};

static void run_call(void *arg)
{
	struct call *c = arg;

	c->fn(c->w, c->arg);
	sem_post(&c->done);
}

static void on_control(struct world *w, void (*fn)(struct world *, void *),
		       void *arg)
{
	struct call c = { fn, w, arg, { { 0 } } };

	sem_init(&c.done, 0, 0);
	assert_int_equal(loop_post(w->loop, run_call, &c), 0);
	wait_posted(&c.done);
	sem_destroy(&c.done);
}

static void *control_main(void *arg)
{
	loop_run(((struct world *)arg)->loop);
	return NULL;
}

static void world_open(struct world *w)
{
	const struct switch_config config = { .workers = 1,
					      .poll_us = -1,
					      .mac_age_s = 300 };

	strcpy(w->dir, "/tmp/ringway-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->loop = loop_create();
	assert_int_equal(switch_create(&config, w->loop, &w->sw, NULL), 0);
	pthread_create(&w->thread, NULL, control_main, w);
}

static void world_close(struct world *w)
{
	loop_stop(w->loop);
	pthread_join(w->thread, NULL);
	switch_destroy(w->sw);
	loop_destroy(w->loop);
	/* fails unless every socket file is gone */
	assert_int_equal(rmdir(w->dir), 0);
}

struct add {
	const char *options;
	struct port *port;
	int rc;
	struct err err;
};

static void add_on_control(struct world *w, void *arg)
{
	const struct port_type *type = &port_vhost_user_type;
	const struct port_env env = switch_port_env(w->sw);
	struct port_conf common = { 0 };
	struct add *a = arg;
	void *conf = calloc(1, type->conf_size);
	struct opt_pair *pairs;
	int n = opt_split(a->options, NULL, &pairs, NULL);

	assert_true(n >= 0);
	assert_int_equal(opt_defaults(port_conf_rows, &common, NULL), 0);
	assert_int_equal(opt_defaults(type->rows, conf, NULL), 0);
	for (int i = 0; i < n; i++)
		if (opt_set(port_conf_rows, &common, pairs[i].key,
			    pairs[i].value, NULL))
			assert_int_equal(opt_set(type->rows, conf, pairs[i].key,
						 pairs[i].value, &a->err),
					 0);
	a->rc = type->create(&env, &common, conf, &a->port, &a->err);
	if (!a->rc)
		assert_int_equal(
			switch_add_port(w->sw, a->port, "default", NULL), 0);
	opt_pairs_free(NULL, pairs, n);
	opt_free(port_conf_rows, &common);
	opt_free(type->rows, conf);
	free(conf);
}

static int try_add(struct world *w, struct add *a, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*a = (struct add){ .options = text };
	on_control(w, add_on_control, a);
	return a->rc;
}

static struct port *add_port(struct world *w, const char *name)
{
	struct add a;

	assert_int_equal(try_add(w, &a, "id=%s,path=%s/%s", name, w->dir, name),
			 0);
	return a.port;
}

static void remove_on_control(struct world *w, void *arg)
{
	struct port *p = arg;

	switch_remove_port(w->sw, p);
	p->ops->destroy(p);
}

static void remove_port(struct world *w, struct port *p)
{
	on_control(w, remove_on_control, p);
}

static void wait_link(struct port *p, bool up)
{
	for (unsigned i = 0; port_link_is_up(p) != up; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

/* A guest with one queue pair. */
struct guest {
	struct vu_guest *f;
	uint8_t *mem;
	unsigned sent;
};

static void offer(struct guest *g, unsigned slot)
{
	struct iovec iov = { g->mem + slot * SLOT, SLOT };
	struct vq_drv_buf buf = { .iov = &iov,
				  .writable_count = 1,
				  .cookie = (void *)(uintptr_t)(slot + 1) };
	struct vq_drv *vq = vu_guest_queue(g->f, 0);

	assert_int_equal(vq_drv_push_burst(vq, &buf, 1), 1);
	if (vq_drv_should_notify(vq))
		vq_drv_notify(vq);
}

static void guest_start(struct guest *g, int sock, uint64_t features)
{
	const struct vu_guest_config config = {
		.features = features,
		.protocol_features = UINT64_MAX,
		.queue_pairs = 1,
		.queue_size = 256,
		.memory_size = 4 << 20,
	};
	struct err err = { "" };
	uint64_t size;

	*g = (struct guest){ .f = vu_guest_create(sock, &config, &err) };
	if (!g->f)
		fail_msg("%s", err.msg);
	assert_true(vu_guest_features(g->f) == features);
	g->mem = vu_guest_memory(g->f, &size);
	for (unsigned i = 0; i < SLOTS; i++)
		offer(g, i);
}

static void guest_connect(struct world *w, struct guest *g, struct port *p,
			  uint64_t features)
{
	char path[64];
	int sock;

	snprintf(path, sizeof(path), "%s/%s", w->dir, p->name);
	sock = unix_connect("path", path, NULL);
	assert_true(sock >= 0);
	guest_start(g, sock, features);
	wait_link(p, true);
}

static void guest_leave(struct guest *g, struct port *p)
{
	vu_guest_destroy(g->f);
	wait_link(p, false);
}

/* Sends a frame with @word from station @from to @to (0: all). */
static void send_frame(struct guest *g, uint8_t to, uint8_t from, uint32_t word)
{
	unsigned slot = SLOTS + g->sent++ % SLOTS;
	uint8_t *p = g->mem + slot * SLOT;
	struct iovec iov = { p, HDR + 64 };
	struct vq_drv_buf buf = { .iov = &iov,
				  .readable_count = 1,
				  .cookie = (void *)(uintptr_t)(slot + 1) };
	struct vq_drv *vq = vu_guest_queue(g->f, 1);
	struct vq_drv_used used[8];

	memset(p, 0, SLOT);
	memset(p + HDR, to ? 2 : 0xff, 12);
	if (to)
		p[HDR + 5] = to;
	memset(p + HDR + 6, 2, 6);
	p[HDR + 11] = from;
	p[HDR + 12] = 0x88;
	p[HDR + 13] = 0xb5;
	memcpy(p + HDR + 14, &word, sizeof(word));
	vq_drv_pop_burst(vq, used, 8);
	assert_int_equal(vq_drv_push_burst(vq, &buf, 1), 1);
	if (vq_drv_should_notify(vq))
		vq_drv_notify(vq);
}

/* Takes the next frame: its payload to @word, its type to *@type. Returns false
 * when none comes within @ms. */
static bool receive(struct guest *g, unsigned ms, uint32_t *word,
		    uint16_t *type)
{
	struct vq_drv *vq = vu_guest_queue(g->f, 0);
	struct vq_drv_used used;

	for (unsigned i = 0; i < ms * 10; i++) {
		if (vq_drv_pop_burst(vq, &used, 1)) {
			unsigned slot = (unsigned)(uintptr_t)used.cookie - 1;
			uint8_t *p = g->mem + slot * SLOT + HDR;

			memcpy(word, p + 14, sizeof(*word));
			*type = (uint16_t)(p[12] << 8 | p[13]);
			offer(g, slot);
			return true;
		}
		usleep(100);
	}
	return false;
}

static void expect(struct guest *g, uint32_t word)
{
	uint32_t got;
	uint16_t type;

	assert_true(receive(g, 3000, &got, &type));
	assert_int_equal(got, word);
}

static void expect_nothing(struct guest *g)
{
	uint32_t got;
	uint16_t type;

	assert_false(receive(g, 30, &got, &type));
}

/* Waits until @n frames for @p were dropped without a front-end. */
static void expect_dropped(struct port *p, uint64_t n)
{
	for (unsigned i = 0; i < 30000 && stat_read(&p->down_drops) < n; i++)
		usleep(100);
	assert_int_equal(stat_read(&p->down_drops), n);
}

static void test_two_guests(void **state)
{
	static const uint64_t features[] = {
		SPLIT,
		PACKED,
		LEGACY,
		SPLIT | BIT(F_EVENT_IDX) | BIT(F_IN_ORDER),
		PACKED | BIT(F_EVENT_IDX) | BIT(F_INDIRECT_DESC),
	};
	struct leaks before = leaks_count();
	struct port *pa, *pb;
	struct guest a, b;
	struct world w;

	(void)state;
	world_open(&w);
	pa = add_port(&w, "a");
	pb = add_port(&w, "b");
	guest_connect(&w, &a, pa, SPLIT);
	/* b comes and goes, each time with new features */
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		guest_connect(&w, &b, pb, features[i]);
		send_frame(&a, 0, 1, i);
		expect(&b, i);
		send_frame(&b, 1, 2, 100 + i);
		expect(&a, 100 + i);
		for (uint32_t n = 0; n < 200; n++) {
			send_frame(&a, 2, 1, n);
			expect(&b, n);
		}
		guest_leave(&b, pb);
		send_frame(&a, 2, 1, 7);
		expect_dropped(pb, i + 1);
	}
	expect_nothing(&a);
	vu_guest_destroy(a.f);
	remove_port(&w, pa);
	remove_port(&w, pb);
	world_close(&w);
	leaks_assert_none(before);
}

static void enable(struct guest *g, unsigned idx, bool is_enabled)
{
	assert_int_equal(vu_guest_queue_enable(g->f, idx, is_enabled), 0);
}

static uint64_t rx_disabled(struct port *p)
{
	return stat_read(&p->rxq[0]->stats.drops[DROP_RX_DISABLED]);
}

/* A disabled transmit queue is drained and counted, a disabled receive queue
 * gets no frames, and both work again when enabled. */
static void test_disable(void **state)
{
	struct port *pa, *pb;
	struct guest a, b;
	struct world w;

	(void)state;
	world_open(&w);
	pa = add_port(&w, "a");
	pb = add_port(&w, "b");
	guest_connect(&w, &a, pa, SPLIT);
	guest_connect(&w, &b, pb, PACKED);
	enable(&a, 1, false);
	send_frame(&a, 0, 1, 1);
	for (unsigned i = 0; !rx_disabled(pa); i++) {
		assert_true(i < 3000);
		usleep(1000);
	}
	expect_nothing(&b);
	enable(&a, 1, true);
	send_frame(&a, 0, 1, 2);
	expect(&b, 2);
	enable(&b, 0, false);
	wait_link(pb, false);
	send_frame(&a, 0, 1, 3);
	expect_nothing(&b);
	enable(&b, 0, true);
	wait_link(pb, true);
	send_frame(&a, 0, 1, 4);
	expect(&b, 4);
	vu_guest_destroy(a.f);
	vu_guest_destroy(b.f);
	remove_port(&w, pa);
	remove_port(&w, pb);
	world_close(&w);
}

static void test_rarp(void **state)
{
	struct vu_msg m = { .hdr = { VU_SEND_RARP, VU_VERSION, 8 },
			    .payload.u64 = 0x0a0000000002 };
	struct port *pa, *pb;
	struct guest a, b;
	struct world w;
	uint32_t word;
	uint16_t type;

	(void)state;
	world_open(&w);
	pa = add_port(&w, "a");
	pb = add_port(&w, "b");
	guest_connect(&w, &a, pa, SPLIT);
	guest_connect(&w, &b, pb, SPLIT);
	assert_int_equal(vu_guest_send(a.f, &m), 0);
	assert_true(receive(&b, 3000, &word, &type));
	assert_int_equal(type, 0x8035);
	/* the switch learned its address */
	send_frame(&b, 1, 9, 5);
	expect(&a, 5);
	vu_guest_destroy(a.f);
	vu_guest_destroy(b.f);
	remove_port(&w, pa);
	remove_port(&w, pb);
	world_close(&w);
}

/* Ports are removed while guests send. */
static void test_remove_busy(void **state)
{
	struct leaks before = leaks_count();
	struct world w;

	(void)state;
	world_open(&w);
	for (unsigned round = 0; round < 5; round++) {
		struct port *pa = add_port(&w, "a"), *pb = add_port(&w, "b");
		struct guest a, b;

		guest_connect(&w, &a, pa, round & 1 ? SPLIT : PACKED);
		guest_connect(&w, &b, pb, SPLIT);
		for (uint32_t n = 0; n < SLOTS; n++)
			send_frame(&a, 0, 1, n);
		remove_port(&w, round & 1 ? pa : pb);
		for (uint32_t n = 0; n < SLOTS; n++)
			send_frame(&a, 0, 1, n);
		remove_port(&w, round & 1 ? pb : pa);
		vu_guest_destroy(a.f);
		vu_guest_destroy(b.f);
	}
	world_close(&w);
	leaks_assert_none(before);
}

/* The port is the client: without a server, then with one, then again. */
static void test_client(void **state)
{
	struct leaks before = leaks_count();
	struct unix_listener l;
	struct world w;
	struct guest g;
	struct add a;
	char path[64];

	(void)state;
	world_open(&w);
	snprintf(path, sizeof(path), "%s/sock", w.dir);
	assert_int_equal(try_add(&w, &a,
				 "id=c,path=%s,server=off,reconnect-ms=20",
				 path),
			 0);
	for (unsigned round = 0; round < 3; round++) {
		int sock;

		assert_int_equal(unix_listen(&l, "path", path, 0600, NULL), 0);
		for (unsigned i = 0;
		     (sock = accept4(l.fd, NULL, NULL, SOCK_CLOEXEC)) < 0;
		     i++) {
			assert_true(i < 3000);
			usleep(1000);
		}
		guest_start(&g, sock, round & 1 ? PACKED : SPLIT);
		wait_link(a.port, true);
		unix_unlisten(&l);
		guest_leave(&g, a.port);
	}
	remove_port(&w, a.port);
	world_close(&w);
	leaks_assert_none(before);
}

/* Further front-ends wait until the first one leaves. */
static void test_one_at_a_time(void **state)
{
	const struct vu_msg m = { .hdr = { VU_GET_FEATURES, VU_VERSION, 0 } };
	struct world w;
	struct guest g;
	struct port *p;
	struct vu_rx rx = { 0 };
	char path[64];
	int sock;

	(void)state;
	world_open(&w);
	p = add_port(&w, "a");
	snprintf(path, sizeof(path), "%s/a", w.dir);
	guest_connect(&w, &g, p, SPLIT);
	sock = unix_connect("path", path, NULL);
	assert_true(sock >= 0);
	assert_int_equal(vu_msg_send(sock, &m), 0);
	usleep(20000);
	assert_int_equal(vu_rx_poll(sock, &rx, NULL), -EAGAIN);
	guest_leave(&g, p);
	for (unsigned i = 0; vu_rx_poll(sock, &rx, NULL) != 1; i++) {
		assert_true(i < 3000);
		usleep(1000);
	}
	close(sock);
	remove_port(&w, p);
	world_close(&w);
}

static void test_sockets_in_the_way(void **state)
{
	struct leaks before = leaks_count();
	struct unix_listener stale;
	struct port *p;
	struct world w;
	struct add a;
	char path[64], longer[120];
	struct stat st;

	(void)state;
	world_open(&w);
	snprintf(path, sizeof(path), "%s/a", w.dir);
	assert_int_equal(unix_listen(&stale, "path", path, 0600, NULL), 0);
	assert_int_equal(try_add(&w, &a, "id=a,path=%s", path), -EADDRINUSE);
	assert_non_null(strstr(a.err.msg, path));
	fd_close(&stale.fd); /* its owner died, the file remains */
	p = add_port(&w, "a");
	free(stale.path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(try_add(&w, &a, "id=b,path=%s", path), -EADDRINUSE);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(try_add(&w, &a, "id=b,path=/tmp/%s,server=%s",
					 longer, i ? "on" : "off"),
				 -ENAMETOOLONG);
		assert_non_null(strstr(a.err.msg, "107"));
	}
	assert_int_equal(try_add(&w, &a, "id=b,path=%s/none/b", w.dir),
			 -ENOENT);
	remove_port(&w, p);
	world_close(&w);
	leaks_assert_none(before);
}

/* 64 queue pairs in each of two ports. */
static void test_many_queues(void **state)
{
	const struct vu_guest_config config = {
		.features = PACKED,
		.protocol_features = UINT64_MAX,
		.queue_pairs = 64,
		.queue_size = 64,
		.memory_size = 4 << 20,
	};
	struct leaks before = leaks_count();
	struct world w;
	struct guest b;
	struct port *pb;
	struct add a;
	char path[64];

	(void)state;
	world_open(&w);
	snprintf(path, sizeof(path), "%s/a", w.dir);
	assert_int_equal(try_add(&w, &a, "id=a,path=%s,queues=64", path), 0);
	pb = add_port(&w, "b");
	guest_connect(&w, &b, pb, SPLIT);
	for (unsigned round = 0; round < 2; round++) {
		struct vu_guest *f;
		struct err err = { "" };

		f = vu_guest_create(unix_connect("path", path, NULL), &config,
				    &err);
		if (!f)
			fail_msg("%s", err.msg);
		wait_link(a.port, true);
		send_frame(&b, 0, 2, 1);
		vu_guest_destroy(f);
		wait_link(a.port, false);
	}
	vu_guest_destroy(b.f);
	remove_port(&w, a.port);
	remove_port(&w, pb);
	world_close(&w);
	leaks_assert_none(before);
}

static void test_qemu_args(void **state)
{
	struct world w;
	struct add a;
	char text[2048];

	(void)state;
	world_open(&w);
	assert_int_equal(try_add(&w, &a,
				 "id=vm 1,path=%s/a,,b,queues=4,mtu=9000",
				 w.dir),
			 0);
	assert_int_equal(
		a.port->ops->qemu_args(a.port, 0, text, sizeof(text), NULL), 0);
	assert_non_null(strstr(text, "/a,,b,reconnect=1\n"));
	assert_non_null(strstr(text, "size=1073741824\n"));
	assert_non_null(strstr(text, "id=rw-vm_1,"));
	assert_non_null(strstr(text, ",queues=4\n"));
	assert_non_null(strstr(text, ",mq=on"));
	assert_non_null(strstr(text, ",host_mtu=9000"));
	assert_non_null(strstr(text, ",mac=02:"));
	assert_int_equal(
		a.port->ops->qemu_args(a.port, 64 << 20, text, 60, NULL),
		-ENOSPC);
	remove_port(&w, a.port);
	assert_int_equal(try_add(&w, &a, "id=c,path=%s/c,server=off", w.dir),
			 0);
	assert_int_equal(a.port->ops->qemu_args(a.port, 64 << 20, text,
						sizeof(text), NULL),
			 0);
	assert_non_null(strstr(text, "/c,server=on\n"));
	assert_non_null(strstr(text, "size=67108864\n"));
	assert_null(strstr(text, "mq=on"));
	remove_port(&w, a.port);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_guests),
		cmocka_unit_test(test_disable),
		cmocka_unit_test(test_rarp),
		cmocka_unit_test(test_remove_busy),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_sockets_in_the_way),
		cmocka_unit_test(test_many_queues),
		cmocka_unit_test(test_qemu_args),
	};

	log_level = LOG_LEVEL_ERR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
