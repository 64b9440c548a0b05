/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/client over the ioctls of vhost-net and vhost-vsock: a fake kernel
 * records them, and what they carry. */
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
#define LOG_ALL	  (1ull << VHOST_F_LOG_ALL)
/* Of Linux 6.17, by number: headers may be older. */
#define GET_ARRAY 0x8008af83ul
#define SET_ARRAY 0x4008af83ul

static struct {
	char log[2000];
	int vhost[PAIRS];
	unsigned long refuse; /* a request that fails, with @error */
	int error;
	unsigned regions;
	uint64_t uva;
	bool has_array;
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
	case VHOST_VSOCK_SET_RUNNING:
		return "running";
	case VHOST_GET_VRING_BASE:
		return "base?";
	case VHOST_SET_LOG_BASE:
		return "log";
	case VHOST_SET_LOG_FD:
		return "logfd";
	case GET_ARRAY:
		return "array?";
	case SET_ARRAY:
		return "array";
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
	if (request == fake.refuse ||
	    (!fake.has_array &&
	     (request == GET_ARRAY || request == SET_ARRAY))) {
		errno = request == fake.refuse ? fake.error : ENOBUFS;
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
	case GET_ARRAY: {
		/* both words of the second one are less */
		uint64_t v[3] = { 2, HAS | LOG_ALL, dev ? 2 : 3 };

		assert_int_equal(*(const uint64_t *)arg, 2);
		memcpy((void *)(uintptr_t)arg, v, sizeof(v));
		break;
	}
	case SET_ARRAY: {
		const unsigned long long *v = arg;

		note("%llu=%llx,%llx", v[0], v[1], v[2]);
		break;
	}
	case VHOST_SET_LOG_BASE:
		note("=%llx", *(const unsigned long long *)arg);
		break;
	case VHOST_SET_LOG_FD:
		note("=%d", *(const int *)arg);
		break;
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
		if (addr->flags)
			note(",%x:%llx", addr->flags, addr->log_guest_addr);
		break;
	case VHOST_GET_VRING_BASE:
		note("%u", state->index);
		state->num = 77;
		break;
	case VHOST_VSOCK_SET_RUNNING:
		note("=%d", *(const int *)arg);
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

static struct vu_client *open_with(struct loop *loop, bool *is_ready,
				   uint64_t features, bool has_array)
{
	static const int tap[PAIRS] = { 70, 71 };
	const struct vu_client_config c = {
		.features = features,
		.features_high = 6,
		.queue_pairs = PAIRS,
		.timeout_ms = 100,
	};
	struct vu_client *client;

	memset(&fake, 0, sizeof(fake));
	fake.error = EFAULT;
	fake.has_array = has_array;
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

static struct vu_client *open_client(struct loop *loop, bool *is_ready)
{
	return open_with(loop, is_ready, HAS | 1ull << MRG_RXBUF, false);
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
	fake.error = EFAULT;
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err),
			 -ENOTCONN);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_string_equal(refusal,
			    "queue 0: SET_VRING_NUM: vhost-net: Bad address");
	fake.refuse = VHOST_SET_MEM_TABLE;
	fake.error = E2BIG;
	assert_int_equal(vu_client_set_memory(c, NULL, 0, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_non_null(
		strstr(refusal, "vhost-net: 0 regions, the kernel takes "));
	assert_int_equal(vu_client_set_log(c, NULL, done, &err), -EOPNOTSUPP);
	vu_client_destroy(c);

	c = open_client(loop, &is_ready);
	fake.refuse = VHOST_SET_OWNER;
	fake.error = EFAULT;
	is_ready = true;
	assert_int_equal(vu_client_wait(c), -ENOTCONN);
	assert_false(is_ready);
	assert_non_null(
		strstr(fake.log, "closed: SET_OWNER: vhost-net: Bad address"));
	vu_client_destroy(c);
	loop_destroy(loop);
}

/* Features above 63, of a kernel that has them, and of one that does not
 * take them back. */
static void test_features_array(void **state)
{
	struct loop *loop = loop_create();
	bool is_ready = false;
	struct vu_client *c = open_with(loop, &is_ready, HAS, true);

	(void)state;
	assert_int_equal(vu_client_wait(c), 0);
	assert_non_null(strstr(fake.log, "0:array? 1:array? 0:owner"));
	assert_non_null(strstr(fake.log, "0:array2=120000000,2 "
					 "1:array2=120000000,2 "));
	assert_null(strstr(fake.log, "features"));
	assert_int_equal(vu_client_offered(c), HAS);
	assert_int_equal(vu_client_features_high(c), 2);
	vu_client_destroy(c);

	c = open_with(loop, &is_ready, HAS, false);
	assert_int_equal(vu_client_wait(c), 0);
	assert_int_equal(vu_client_features_high(c), 0);
	assert_non_null(strstr(fake.log, "0:features=120000000 "));
	vu_client_destroy(c);
	loop_destroy(loop);
}

/* The log is given to rings that run and to those that start later; it goes
 * with the feature. */
static void test_log(void **state)
{
	static uint8_t bits[8];
	const struct vu_client_log log = {
		.fd = 50, .bits = bits, .size = sizeof(bits), .event_fd = 51
	};
	const struct vu_client_ring ring = { .num = 8,
					     .desc = 0x1000,
					     .avail = 0x2000,
					     .used = 0x3000,
					     .log = 0x9000,
					     .kick_fd = 40,
					     .call_fd = 41 };
	struct loop *loop = loop_create();
	bool is_ready = false;
	struct vu_client *c = open_with(loop, &is_ready, HAS | LOG_ALL, true);
	char want[400];
	struct err err;

	(void)state;
	assert_int_equal(vu_client_wait(c), 0);
	/* not before there is a log: the kernel refuses the feature then */
	assert_null(strstr(fake.log, "array2=124000000"));
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	fake.log[0] = '\0';
	assert_int_equal(vu_client_set_log(c, &log, done, &err), 0);
	assert_int_equal(vu_client_queue_start(c, 3, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	snprintf(want, sizeof(want),
		 "0:log=%llx 1:log=%llx 0:logfd=51 1:logfd=51 "
		 "0:array2=124000000,2 1:array2=124000000,2 "
		 "0:addr0=1000,2000,3000,1:9000 "
		 "1:num1=8 1:base1=0 1:addr1=1000,2000,3000,1:9000 "
		 "1:call1=41 1:kick1=40 1:backend1=-1 ",
		 (unsigned long long)(uintptr_t)bits,
		 (unsigned long long)(uintptr_t)bits);
	expect(want);
	assert_int_equal(vu_client_set_log(c, NULL, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("0:array2=120000000,2 1:array2=120000000,2 "
	       "0:addr0=1000,2000,3000 1:addr1=1000,2000,3000 ");
	vu_client_destroy(c);
	loop_destroy(loop);
}

/* The queues of vhost-vsock run when both are set up, and stop with the first
 * that does. Its descriptor may have an owner already: this process. */
static void test_vsock(void **state)
{
	const struct vu_client_config config = { .features = HAS,
						 .queue_pairs = 1,
						 .timeout_ms = 100 };
	struct vu_client_ring ring = {
		.num = 16, .kick_fd = 40, .call_fd = 41, .enabled = true
	};
	struct loop *loop = loop_create();
	struct vu_client *c;
	bool is_ready = false;
	struct err err;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.vhost[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fake.refuse = VHOST_SET_OWNER;
	fake.error = EBUSY;
	c = vu_client_create(loop,
			     vu_kernel_create(&(struct vu_kernel_conf){
				     .vhost_fd = fake.vhost,
				     .pairs = 1,
				     .err_fd = ERR_FD,
				     .request = request }),
			     &config, &ops, &is_ready);
	assert_int_equal(vu_client_wait(c), 0);
	assert_true(is_ready);
	expect("0:features? 0:err0=99 0:err1=99 0:features=120000000 ");
	assert_int_equal(vu_client_queue_start(c, 1, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("0:num1=16 0:base1=0 0:addr1=0,0,0 0:call1=41 0:kick1=40 ");
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("0:num0=16 0:base0=0 0:addr0=0,0,0 0:call0=41 0:kick0=40 "
	       "0:running=1 ");
	assert_int_equal(vu_client_queue_stop(c, 0, done, &err), 0);
	assert_int_equal(vu_client_queue_stop(c, 1, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	expect("0:running=0 0:base?0 0:base?1 ");

	fake.refuse = VHOST_SET_VRING_KICK;
	fake.error = EPERM;
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	assert_int_equal(vu_client_wait(c), 0);
	assert_string_equal(refusal, "queue 0: SET_VRING_KICK: vhost-vsock: "
				     "Operation not permitted");
	vu_client_destroy(c);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_features_array),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_vsock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
