/* SPDX-License-Identifier: Apache-2.0 */
/* vhost/client over the ioctls of vhost-vdpa: a fake kernel records them, and
 * what they carry. Messages about memory come out of the other end of a socket.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "vu_client.h"

#define BIT(n)	(1ull << (n))
#define HAS	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM))
#define CONTROL BIT(VIRTIO_NET_F_CTRL_VQ)
#define MQ	(CONTROL | BIT(VIRTIO_NET_F_MQ))
#define NAME	"/dev/vhost-vdpa-9"

static struct {
	char log[4000];
	int peer; /* end of the messages */
	uint64_t features;
	uint64_t backend; /* features of vhost */
	uint64_t iova_last;
	uint32_t id;
	uint16_t ring_max;
	struct virtio_net_config config;
	uint8_t status, refused_bits;
	bool keeps_mac;
	unsigned long refuse; /* a request that fails, with @error */
	int error;
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

struct config {
	uint32_t off, len;
	uint8_t data[];
};

/* Requests that tell something of the device. Returns whether it is one. */
static bool answer(unsigned long request, void *to)
{
	struct config *c = to;

	switch (request) {
	case VHOST_VDPA_GET_DEVICE_ID:
		memcpy(to, &fake.id, sizeof(fake.id));
		return true;
	case VHOST_GET_FEATURES:
		memcpy(to, &fake.features, sizeof(fake.features));
		return true;
	case VHOST_GET_BACKEND_FEATURES:
		memcpy(to, &fake.backend, sizeof(fake.backend));
		return true;
	case VHOST_VDPA_GET_CONFIG_SIZE:
		*(uint32_t *)to = sizeof(fake.config);
		return true;
	case VHOST_VDPA_GET_VRING_NUM:
		memcpy(to, &fake.ring_max, sizeof(fake.ring_max));
		return true;
	case VHOST_VDPA_GET_IOVA_RANGE:
		*(struct vhost_vdpa_iova_range *)to =
			(struct vhost_vdpa_iova_range){ 0x1000,
							fake.iova_last };
		return true;
	case VHOST_VDPA_GET_STATUS:
		*(uint8_t *)to = fake.status;
		return true;
	case VHOST_VDPA_GET_CONFIG:
		assert_true(c->off + c->len <= sizeof(fake.config));
		memcpy(c->data, (char *)&fake.config + c->off, c->len);
		return true;
	case VHOST_VDPA_SET_CONFIG:
		if (!fake.keeps_mac)
			memcpy((char *)&fake.config + c->off, c->data, c->len);
		return true;
	default:
		return false;
	}
}

static void take_status(uint8_t status)
{
	note("status=%x ", status);
	/* bits are added, or all go */
	assert_true(!status || !(fake.status & ~status));
	fake.status = status & ~fake.refused_bits;
}

static const char *ring_word(unsigned long request)
{
	switch (request) {
	case VHOST_SET_VRING_NUM:
		return "num";
	case VHOST_SET_VRING_BASE:
		return "base";
	case VHOST_SET_VRING_CALL:
		return "call";
	case VHOST_SET_VRING_KICK:
		return "kick";
	case VHOST_VDPA_SET_VRING_ENABLE:
		return "enable";
	default:
		return NULL;
	}
}

static int request(int fd, unsigned long request, const void *arg)
{
	struct vhost_vring_state *state = (void *)(uintptr_t)arg;
	const struct vhost_vring_addr *addr = arg;

	(void)fd;
	if (request == fake.refuse) {
		errno = fake.error;
		return -1;
	}
	if (answer(request, (void *)(uintptr_t)arg))
		return 0;
	if (ring_word(request)) {
		note("%s%u=%d ", ring_word(request), state->index,
		     (int)state->num);
		return 0;
	}
	switch (request) {
	case VHOST_SET_OWNER:
		note("owner ");
		break;
	case VHOST_SET_BACKEND_FEATURES:
		note("backend=%llx ", *(const unsigned long long *)arg);
		break;
	case VHOST_SET_FEATURES:
		/* not behind FEATURES_OK */
		assert_false(fake.status & VIRTIO_CONFIG_S_FEATURES_OK);
		note("features=%llx ", *(const unsigned long long *)arg);
		break;
	case VHOST_VDPA_SET_STATUS:
		take_status(*(const uint8_t *)arg);
		break;
	case VHOST_SET_VRING_ADDR:
		/* while it runs it would not be looked at */
		assert_false(fake.status & VIRTIO_CONFIG_S_DRIVER_OK);
		note("addr%u=%llx,%llx,%llx ", addr->index,
		     addr->desc_user_addr, addr->avail_user_addr,
		     addr->used_user_addr);
		break;
	case VHOST_GET_VRING_BASE:
		note("base?%u ", state->index);
		state->num = 70 + state->index;
		break;
	case _IO(VHOST_VIRTIO, 0x7D):
		note("suspend ");
		break;
	default:
		fail_msg("request %#lx", request);
	}
	return 0;
}

/* Notes the messages about memory. */
static void read_messages(void)
{
	static const char *const words[] = {
		[VHOST_IOTLB_UPDATE] = "map",
		[VHOST_IOTLB_INVALIDATE] = "unmap",
		[VHOST_IOTLB_BATCH_BEGIN] = "begin",
		[VHOST_IOTLB_BATCH_END] = "end",
	};
	struct vhost_msg_v2 m;

	while (recv(fake.peer, &m, sizeof(m), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(m)) {
		assert_int_equal(m.type, VHOST_IOTLB_MSG_V2);
		assert_int_equal(m.asid, 0);
		note("%s", words[m.iotlb.type]);
		if (m.iotlb.type == VHOST_IOTLB_UPDATE ||
		    m.iotlb.type == VHOST_IOTLB_INVALIDATE)
			note("=%llx+%llx@%llx", m.iotlb.iova, m.iotlb.size,
			     m.iotlb.uaddr);
		if (m.iotlb.type == VHOST_IOTLB_UPDATE)
			assert_int_equal(m.iotlb.perm, VHOST_ACCESS_RW);
		note(" ");
	}
}

static void expect(const char *want)
{
	read_messages();
	assert_string_equal(fake.log, want);
	fake.log[0] = '\0';
}

static bool is_ready;
static char closed[200], refusal[300];
static uint64_t value;

static void on_ready(void *ctx)
{
	(void)ctx;
	is_ready = true;
}

static void on_closed(void *ctx, const char *reason)
{
	(void)ctx;
	snprintf(closed, sizeof(closed), "%s", reason);
}

static const struct vu_client_ops ops = { .ready = on_ready,
					  .closed = on_closed };

static void on_done(void *arg, int rc, uint64_t v, const char *reason)
{
	(void)arg;
	value = v;
	snprintf(refusal, sizeof(refusal), "%s", rc ? reason : "");
}

static const struct vu_client_done done = { on_done, NULL };

/* A device with @features, without those of vhost that are optional. */
static struct vdpa fake_device(uint64_t features)
{
	int pair[2];

	memset(&fake, 0, sizeof(fake));
	fake.features = features;
	fake.backend = BIT(VHOST_BACKEND_F_IOTLB_MSG_V2);
	fake.id = 1;
	fake.ring_max = 256;
	fake.iova_last = UINT32_MAX;
	fake.config.max_virtqueue_pairs = 4;
	fake.error = EFAULT;
	closed[0] = refusal[0] = '\0';
	is_ready = false;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fake.peer = pair[1];
	return (struct vdpa){ .fd = pair[0], .name = NAME, .request = request };
}

static struct vu_client *open_client(struct loop *loop, const struct vdpa *d,
				     unsigned pairs)
{
	struct vu_vdpa_conf conf = { .dev = *d, .pairs = pairs };
	const struct vu_client_config config = { .features = HAS | MQ,
						 .queue_pairs = pairs,
						 .has_control = true,
						 .timeout_ms = 100 };
	struct vu_client *c;
	struct err err;

	assert_int_equal(vdpa_probe(d, &conf.facts, &err), 0);
	c = vu_client_create(loop, vu_vdpa_create(&conf), &config, &ops, NULL);
	assert_non_null(c);
	return c;
}

static const struct gmem_desc ram[2] = {
	{ .gpa = 0x1000, .size = 0x8000, .uva = 0x7f0000001000 },
	{ .gpa = 0x100000, .size = 0x4000, .uva = 0x7f0000200000 }
};
static const struct vu_client_ring ring = { .num = 256,
					    .base = 5,
					    .desc = 0x7f0000001100,
					    .avail = 0x7f0000002000,
					    .used = 0x7f0000203000,
					    .kick_fd = 40,
					    .call_fd = 41,
					    .enabled = true };

static void test_probe(void **state)
{
	struct vdpa d = fake_device(HAS | MQ);
	struct vdpa_facts f;
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct err err;

	(void)state;
	assert_int_equal(vdpa_probe(&d, &f, &err), 0);
	assert_int_equal(f.features, HAS | MQ);
	assert_int_equal(f.ring_max, 256);
	assert_int_equal(f.pairs, 4);
	assert_true(f.has_control);
	assert_int_equal(f.iova_first, 0x1000);
	assert_int_equal(f.iova_last, UINT32_MAX);
	assert_int_equal(vdpa_config_write(&d, 0, 6, mac), 0);
	memset(mac, 0, 6);
	assert_int_equal(vdpa_config_read(&d, 0, 6, mac), 0);
	assert_int_equal(mac[5], 9);
	assert_int_equal(vdpa_config_read(&d, 0, 100, mac), -EINVAL);

	/* without a control queue there is one pair, whatever it says */
	fake.features = HAS | BIT(VIRTIO_NET_F_MQ);
	assert_int_equal(vdpa_probe(&d, &f, &err), 0);
	assert_int_equal(f.pairs, 1);
	fake.features = HAS | MQ;
	fake.config.max_virtqueue_pairs = 0;
	assert_int_equal(vdpa_probe(&d, &f, &err), -EPROTO);
	fake.refuse = VHOST_VDPA_GET_IOVA_RANGE;
	fake.features = HAS;
	assert_int_equal(vdpa_probe(&d, &f, &err), 0);
	assert_int_equal(f.iova_last, UINT64_MAX);

	fake.id = 2;
	assert_int_equal(vdpa_probe(&d, &f, &err), -EINVAL);
	assert_string_equal(err.msg,
			    NAME ": is no network device: its virtio type is "
				 "2");
	fake.refuse = VHOST_VDPA_GET_DEVICE_ID;
	fake.error = ENOTTY;
	assert_int_equal(vdpa_probe(&d, &f, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "is no device of vhost-vdpa"));
	close(d.fd);
	close(fake.peer);
}

static void start(struct vu_client *c, unsigned idx)
{
	struct err err;

	assert_int_equal(vu_client_queue_start(c, idx, &ring, done, &err), 0);
}

static void settle(struct vu_client *c)
{
	assert_int_equal(vu_client_wait(c), 0);
	assert_string_equal(refusal, "");
}

static void give_all(struct vu_client *c, uint64_t features)
{
	struct err err;

	assert_int_equal(vu_client_set_features(c, features, done, &err), 0);
	assert_int_equal(vu_client_set_memory(c, ram, 2, done, &err), 0);
	settle(c);
}

/* From the first features to the second driver. The device cannot be suspended,
 * so nobody knows where its rings are. */
static void test_life(void **state)
{
	struct loop *loop = loop_create();
	struct vdpa d = fake_device(HAS);
	struct vu_client *c = open_client(loop, &d, 1);
	struct err err;

	(void)state;
	settle(c);
	assert_true(is_ready);
	assert_int_equal(vu_client_offered(c), HAS);
	expect("backend=2 owner status=0 status=3 features=300000000 "
	       "status=b ");
	give_all(c, HAS);
	expect("status=0 status=3 features=300000000 status=b "
	       "map=1000+8000@7f0000001000 map=100000+4000@7f0000200000 ");
	start(c, 0);
	start(c, 1);
	assert_int_equal(vu_client_driver_ok(c, done, &err), 0);
	settle(c);
	expect("num0=256 base0=5 addr0=1100,2000,103000 call0=41 kick0=40 "
	       "enable0=1 num1=256 base1=5 addr1=1100,2000,103000 call1=41 "
	       "kick1=40 enable1=1 status=f ");

	/* the first one that stops stops all */
	assert_int_equal(vu_client_queue_stop(c, 0, done, &err), 0);
	settle(c);
	assert_int_equal(value, VU_POSITION_UNKNOWN);
	expect("status=0 kick0=-1 call0=-1 ");
	assert_int_equal(vu_client_queue_stop(c, 1, done, &err), 0);
	settle(c);
	expect("kick1=-1 call1=-1 ");

	/* the map of the last driver is taken back */
	assert_int_equal(vu_client_set_memory(c, ram + 1, 1, done, &err), 0);
	assert_int_equal(vu_client_set_memory(c, NULL, 0, done, &err), 0);
	settle(c);
	expect("unmap=1000+8000@7f0000001000 unmap=100000+4000@7f0000200000 "
	       "map=100000+4000@7f0000200000 unmap=100000+4000@7f0000200000 ");
	vu_client_destroy(c);
	assert_int_equal(fcntl(d.fd, F_GETFD), -1); /* closed */
	close(fake.peer);
	loop_destroy(loop);
}

/* What a kernel and a device may have: changes of memory together, positions
 * before the end, a control queue behind all pairs of the device, of which the
 * card has two. */
static void test_all_there_is(void **state)
{
	struct loop *loop = loop_create();
	struct vdpa d = fake_device(HAS | MQ);
	struct vu_client *c;
	struct err err;

	(void)state;
	fake.backend = UINT64_MAX;
	c = open_client(loop, &d, 2);
	settle(c);
	/* no address space ids, for which nothing is done here */
	expect("backend=56 owner status=0 status=3 features=300420000 "
	       "status=b ");
	give_all(c, HAS | MQ);
	expect("status=0 status=3 features=300420000 status=b begin "
	       "map=1000+8000@7f0000001000 map=100000+4000@7f0000200000 end ");
	start(c, 4);
	assert_int_equal(vu_client_driver_ok(c, done, &err), 0);
	settle(c);
	expect("num8=256 base8=5 addr8=1100,2000,103000 call8=41 kick8=40 "
	       "enable8=1 status=f ");
	assert_int_equal(vu_client_queue_stop(c, 4, done, &err), 0);
	settle(c);
	assert_int_equal(value, 78);
	expect("suspend base?0 base?1 base?2 base?3 base?8 status=0 kick8=-1 "
	       "call8=-1 ");

	/* without MQ it is behind the only pair (clause 5.1.2) */
	assert_int_equal(vu_client_set_features(c, HAS | CONTROL, done, &err),
			 0);
	start(c, 4);
	settle(c);
	assert_non_null(strstr(fake.log, "num2=256"));
	assert_int_equal(vu_client_queue_start(c, 5, &ring, done, &err),
			 -EINVAL);
	vu_client_destroy(c);
	close(fake.peer);
	loop_destroy(loop);
}

/* Returns what the client says when it cannot begin. */
static const char *why_not(uint64_t features, unsigned pairs,
			   uint8_t refused_bits, unsigned long refuse,
			   int error)
{
	struct loop *loop = loop_create();
	struct vdpa d = fake_device(features);
	struct vu_client *c = open_client(loop, &d, pairs);

	fake.refused_bits = refused_bits;
	fake.refuse = refuse;
	fake.error = error;
	if (refuse == VHOST_SET_BACKEND_FEATURES)
		fake.backend = 0;
	assert_int_equal(vu_client_wait(c), -ENOTCONN);
	assert_false(is_ready);
	vu_client_destroy(c);
	close(fake.peer);
	loop_destroy(loop);
	return closed;
}

static void test_no_beginning(void **state)
{
	(void)state;
	assert_string_equal(why_not(HAS, 1, VIRTIO_CONFIG_S_FEATURES_OK, 0, 0),
			    "SET_FEATURES: " NAME
			    ": the device does not take these features");
	assert_string_equal(why_not(HAS, 1, 0, VHOST_SET_FEATURES, EINVAL),
			    "SET_FEATURES: " NAME ": features 0x300000000: "
			    "Invalid argument");
	assert_string_equal(why_not(HAS, 2, 0, 0, 0),
			    "2 queue pairs are needed, the back-end has 1");
	assert_string_equal(why_not(HAS, 1, 0, VHOST_SET_BACKEND_FEATURES, 0),
			    "protocol features: " NAME ": the kernel has no "
			    "IOTLB_MSG_V2, which is needed");
	assert_string_equal(why_not(HAS, 1, 0, VHOST_SET_OWNER, EBUSY),
			    "SET_OWNER: " NAME ": Device or resource busy");
	assert_non_null(strstr(why_not(HAS, 1, 0, VHOST_VDPA_SET_STATUS, EIO),
			       "the device does not answer"));
}

static void expect_refusal(struct vu_client *c, const char *words)
{
	assert_int_equal(vu_client_wait(c), 0);
	if (!strstr(refusal, words))
		fail_msg("'%s' is not in '%s'", words, refusal);
	refusal[0] = '\0';
}

static void test_refusals(void **state)
{
	struct vu_client_ring bad = ring;
	struct loop *loop = loop_create();
	struct vdpa d = fake_device(HAS);
	struct vu_client *c;
	struct err err;

	(void)state;
	fake.iova_last = 0x101fff;
	c = open_client(loop, &d, 1);
	settle(c);
	fake.log[0] = '\0';
	assert_int_equal(vu_client_set_memory(c, ram, 2, done, &err), 0);
	expect_refusal(c, NAME " reaches addresses from 0x1000 to 0x101fff "
			       "only, and the guest has memory from 0x100000 "
			       "to 0x103fff: give it less (-m)");
	expect(""); /* nothing half done */
	assert_int_equal(vu_client_set_memory(c, ram, 1, done, &err), 0);
	/* a ring beside the memory that the device sees */
	assert_int_equal(vu_client_queue_start(c, 0, &bad, done, &err), 0);
	expect_refusal(c, "queue 0: SET_VRING_ADDR: " NAME ": Bad address");
	bad.used = bad.avail;
	fake.refuse = VHOST_VDPA_SET_VRING_ENABLE;
	fake.error = EOPNOTSUPP;
	assert_int_equal(vu_client_queue_start(c, 0, &bad, done, &err), 0);
	expect_refusal(c, "queue 0: SET_VRING_ENABLE: " NAME);
	fake.refuse = 0;
	fake.refused_bits = VIRTIO_CONFIG_S_DRIVER_OK;
	assert_int_equal(vu_client_driver_ok(c, done, &err), 0);
	expect_refusal(c, "DRIVER_OK: " NAME ": the device does not start");

	/* a process behind it that is gone */
	fake.refuse = VHOST_VDPA_SET_STATUS;
	fake.error = EIO;
	assert_int_equal(vu_client_driver_ok(c, done, &err), 0);
	assert_int_equal(vu_client_wait(c), -ENOTCONN);
	assert_non_null(strstr(closed, "DRIVER_OK: " NAME ": the device does "
				       "not answer (if it is one of VDUSE"));
	vu_client_destroy(c);
	close(fake.peer);
	loop_destroy(loop);
}

/* The messages do not reach the device: what was mapped is not said to be. */
static void test_no_map(void **state)
{
	struct loop *loop = loop_create();
	struct vdpa d = fake_device(HAS);
	struct vu_client *c = open_client(loop, &d, 1);
	struct err err;

	(void)state;
	settle(c);
	close(fake.peer);
	assert_int_equal(vu_client_set_memory(c, ram, 2, done, &err), 0);
	expect_refusal(c, "sharing memory: " NAME ": mapping 0 MiB: ");
	assert_int_equal(vu_client_queue_start(c, 0, &ring, done, &err), 0);
	expect_refusal(c, "SET_VRING_ADDR: " NAME ": Bad address");
	vu_client_destroy(c);
	loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_all_there_is),
		cmocka_unit_test(test_no_beginning),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_map),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
