/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-vsock against the kernel's vhost-vsock: a driver that sets a ring up
 * wrongly, and the next one. Skipped where there is no such device. */
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "device_types.h"
#include "fd.h"
#include "virtio.h"

#define RAM_SIZE (2 << 20)
#define KERNELS	 2

struct rig {
	struct loop *loop;
	struct gmem *ram;
	struct virtio_dev *dev;
	void *conf;
	int kick[KERNELS], call;
};

static void start(struct rig *r)
{
	const struct device_type *type = &device_vsock_type;
	struct gmem_desc d = { .size = RAM_SIZE };
	struct err err;

	r->loop = loop_create();
	d.fd = memfd_create("ram", MFD_CLOEXEC);
	assert_int_equal(ftruncate(d.fd, RAM_SIZE), 0);
	assert_int_equal(gmem_create(&d, 1, &r->ram, &err), 0);
	close(d.fd);
	r->conf = calloc(1, type->conf_size);
	assert_int_equal(opt_defaults(type->rows, r->conf, &err), 0);
	assert_int_equal(
		opt_set(type->rows, r->conf, "guest-cid", "7654321", &err), 0);
	assert_int_equal(opt_set(type->rows, r->conf, "id", "sock", &err), 0);
	assert_int_equal(type->create(r->conf, r->loop, &r->dev, &err), 0);
	r->dev->ram = r->ram;
	r->call = fd_eventfd();
	for (unsigned i = 0; i < KERNELS; i++)
		r->kick[i] = fd_eventfd();
}

static void finish(struct rig *r)
{
	r->dev->ops->destroy(r->dev);
	for (unsigned i = 0; i < KERNELS; i++)
		close(r->kick[i]);
	close(r->call);
	opt_free(device_vsock_type.rows, r->conf);
	free(r->conf);
	gmem_put(r->ram);
	loop_destroy(r->loop);
}

/* What a driver does, with the second ring at @second. Returns the outcome. */
static int drive(struct rig *r, uint64_t second)
{
	r->dev->driver_features = feat_bit(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < KERNELS; i++) {
		uint64_t at = i ? second : 0x10000;
		const struct virtio_ring ring = { .size = 128,
						  .desc = at,
						  .driver = at + 0x1000,
						  .device = at + 0x2000,
						  .kick_fd = r->kick[i],
						  .call_fd = r->call };

		assert_int_equal(r->dev->ops->start_ring(r->dev, i, &ring), 0);
	}
	return r->dev->ops->driver_ok(r->dev);
}

static void leave(struct rig *r)
{
	for (unsigned i = 0; i < KERNELS; i++)
		r->dev->ops->stop_ring(r->dev, i);
	r->dev->ops->reset(r->dev);
}

static void test_bad_ring(void **state)
{
	struct rig r;

	(void)state;
	if (access("/dev/vhost-vsock", R_OK | W_OK))
		skip();
	start(&r);
	assert_true(drive(&r, RAM_SIZE) < 0);
	leave(&r);
	assert_int_equal(drive(&r, 0x20000), 0);
	leave(&r);
	assert_int_equal(drive(&r, 0x20000), 0);
	leave(&r);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bad_ring) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
