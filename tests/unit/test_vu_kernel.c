/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/client over the ioctls of vhost-net: a fake kernel records them, and
 * what they carry. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "leaks.h"
#include "vu_client.h"

#define PAIRS 2
/* virtio.h and linux/vhost.h cannot stand together */
#define CSUM	  0
#define MRG_RXBUF 15
#define HAS	  (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX)
#define ERR_FD	  99

static struct {
	char log[2000];
	int vhost[PAIRS];
	unsigned long refuse; /* a request that fails with EFAULT */
	unsigned regions;
	uint64_t uva;
} fake;

static void note(const char *fmt, ...) __printf(1, 2);

static void note(const char *fmt, ...)
{
	size_t n = strlen(fake.log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake.log + n, sizeof(fake.log) - n, fmt, ap);
	va_end(ap);
}

static const char *name_of(unsigned long request)
{
	switch (request) {
	case VHOST_GET_FEATURES:
		return "features?";
	case VHOST_SET_FEATURES:
		return "features";
	case VHOST_SET_OWNER:
		return "owner";
	case VHOST_SET_MEM_TABLE:
		return "memory";
	case VHOST_SET_VRING_NUM:
		return "num";
	case VHOST_SET_VRING_BASE:
		return "base";
	case VHOST_SET_VRING_ADDR:
		return "addr";
	case VHOST_SET_VRING_CALL:
		return "call";
	case VHOST_SET_VRING_KICK:
		return "kick";
	case VHOST_SET_VRING_ERR:
		return "err";
	case VHOST_SET_VRING_BUSYLOOP_TIMEOUT:
		return "poll";
	case VHOST_NET_SET_BACKEND:
		return "backend";
	case VHOST_GET_VRING_BASE:
		return "base?";
	default:
		return "?";
	}
}

static int request(int fd, unsigned long request, const void *arg)
{
	struct vhost_vring_state *state = (void *)(uintptr_t)arg;
	const struct vhost_vring_addr *addr = arg;
	const struct vhost_memory *memory = arg;
	int dev = fd == fake.vhost[1];

	assert_true(fd == fake.vhost[0] || fd == fake.vhost[1]);
	if (request == fake.refuse) {
		errno = EFAULT;
		return -1;
	}
	note("%d:%s", dev, name_of(request));
	switch (request) {
	case VHOST_GET_FEATURES: {
		/* the second one can do less */
		uint64_t v = HAS | (dev ? 0 : 1ull << MRG_RXBUF);

		memcpy((void *)(uintptr_t)arg, &v, sizeof(v));
		break;
	}
	case VHOST_SET_FEATURES:
		note("=%llx", *(const unsigned long long *)arg);
		break;
	case VHOST_SET_OWNER:
		break;
	case VHOST_SET_MEM_TABLE:
		fake.regions = memory->nregions;
		fake.uva = memory->regions[0].userspace_addr;
		break;
	case VHOST_SET_VRING_ADDR:
		note("%u=%llx,%llx,%llx", addr->index, addr->desc_user_addr,
		     addr->avail_user_addr, addr->used_user_addr);
		break;
	case VHOST_GET_VRING_BASE:
		note("%u", state->index);
		state->num = 77;
		break;
	default: /* a number or a descriptor of a ring */
		note("%u=%d", state->index, (int)state->num);
		break;
	}
	note(" ");
	return 0;
}

static void on_ready(void *ctx)
{
	*(bool *)ctx = true;
}

static void on_closed(void *ctx, const char *reason)
{
	*(bool *)ctx = false;
	note("closed: %s", reason);
}

static const struct vu_client_ops ops = { .ready = on_ready,
					  .closed = on_closed };

static uint64_t answer;
static char refusal[200];

static void on_done(void *arg, int rc, uint64_t value, const char *reason)
{
	(void)arg;
	answer = rc ? 0 : value;
	snprintf(refusal, sizeof(refusal), "%s", rc ? reason : "");
}

static const struct vu_client_done done = { on_done, NULL };

static struct vu_client *open_client(struct loop *loop, bool *is_ready)
{
	static const int tap[PAIRS] = { 70, 71 };
	const struct vu_client_config c = {
		.features = HAS | 1ull << MRG_RXBUF,
		.queue_pairs = PAIRS,
		.timeout_ms = 100,
	};
	struct vu_client *client;

	memset(&fake, 0, sizeof(fake));
	for (unsigned i = 0; i < PAIRS; i++)
		fake.vhost[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	client = vu_client_create(loop,
				  vu_kernel_create(&(struct vu_kernel_conf){
					  .vhost_fd = fake.vhost,
					  .tap_fd = tap,
					  .pairs = PAIRS,
					  .poll_us = 50,
					  .err_fd = ERR_FD,
					  .request = request }),
				  &c, &ops, is_ready);
	assert_non_null(client);
	return client;
}

static void expect(const char *want)
{
	assert_string_equal(fake.log, want);
	fake.log[0] = '\0';
}

static void test_life(void **state)
{
	const struct gmem_desc ram[2] = {
		{ .gpa = 0, .size = 8192, .uva = 0x10000 },
		{ .gpa = 1ull << 32, .size = 4096, .uva = 0x50000 }
	};
	const struct vu_client_ring ring = { .num = 256,
					     .base = 5,
					     .desc = 0x10100,
					     .avail = 0x10200,
					     .used = 0x10300,
					     .kick_fd = 40,
					     .call_fd = 41,
					     .enabled = true };
	struct loop *loop = loop_create();
	bool is_ready = false;
	struct vu_client *c = open_client(loop, &is_ready);
	struct err err;

	(void)state;
	assert_int_equal(vu_client_wait(c), 0);
	assert_true(is_ready);
	assert_int_equal(vu_client_offered(c), HAS);
	expect("0:features? 1:features? 0:owner 1:owner 0:err0=99 1:err0=99 "
	       "0:poll0=50 1:poll0=50 0:err1=99 1:err1=99 0:poll1=50 "
	       "1:poll1=50 0:features=120000000 1:features=120000000 ");

	/* a driver wants less; what the kernel lacks is refused here */
	assert_int_equal(vu_client_set_features(c, 1ull << VIRTIO_F_VERSION_1,
						done, &err),
			 0);
	assert_int_equal(vu_client_set_features(c, 1ull << CSUM, done, &err),
			 -EINVAL);
	assert_int_equal(vu_client_set_memory(c, ram, 2, done, &err), 0);
	assert_int_equal(vu_client_queue_start(c, 3, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("0:features=100000000 1:features=100000000 0:memory 1:memory "
	       "1:num1=256 1:base1=5 1:addr1=10100,10200,10300 1:call1=41 "
	       "1:kick1=40 1:backend1=71 ");
	assert_int_equal(fake.regions, 2);
	assert_int_equal(fake.uva, 0x10000);
	assert_int_equal(vu_client_features(c), 1ull << VIRTIO_F_VERSION_1);

	/* not while a queue runs */
	assert_int_equal(vu_client_set_features(c, HAS, done, &err), -EBUSY);
	assert_int_equal(vu_client_queue_enable(c, 3, false, done, &err), 0);
	assert_int_equal(vu_client_queue_call(c, 3, 42, done, &err), 0);
	assert_int_equal(vu_client_queue_stop(c, 3, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("1:backend1=-1 1:call1=42 1:backend1=-1 1:base?1 ");
	assert_int_equal(answer, 77);
	vu_client_destroy(c);
	assert_int_equal(fcntl(fake.vhost[0], F_GETFD), -1); /* closed */
	loop_destroy(loop);
}

static void test_refusals(void **state)
{
	const struct vu_client_ring ring = { .num = 3 };
	struct loop *loop = loop_create();
	bool is_ready = false;
	struct vu_client *c = open_client(loop, &is_ready);
	struct err err;

	(void)state;
	fake.refuse = VHOST_SET_VRING_NUM;
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err),
			 -ENOTCONN);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_string_equal(refusal,
			    "queue 0: SET_VRING_NUM: vhost-net: Bad address");
	vu_client_destroy(c);

	c = open_client(loop, &is_ready);
	fake.refuse = VHOST_SET_OWNER;
	is_ready = true;
	assert_int_equal(vu_client_wait(c), -ENOTCONN);
	assert_false(is_ready);
	assert_non_null(
		strstr(fake.log, "closed: SET_OWNER: vhost-net: Bad address"));
	vu_client_destroy(c);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
