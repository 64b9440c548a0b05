/* SPDX-License-Identifier: Apache-2.0 */
/* The disk, with a driver written after the standard (virtio 1.2, clause 5.2):
 * requests of every type, spread over buffers in every way, what a hostile
 * driver sends, images and their locks. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"
#include "dev_rig.h"
#include "le.h"
#include "virtio.h"

#define SECTORS 4096u

static char image[64];

/* Where the parts of a request are in the guest's memory. */
#define HEADER (DEV_RIG_DATA)
#define STATUS (DEV_RIG_DATA + 0x100)
#define DATA   (DEV_RIG_DATA + 0x1000)

static uint8_t *at(struct dev_rig *r, unsigned gpa)
{
	return r->vm.ram + gpa;
}

static uint8_t pattern(unsigned sector, unsigned byte)
{
	return (uint8_t)(sector * 7 + byte);
}

static int begin(void **state)
{
	uint8_t data[BLK_SECTOR];
	int fd;

	(void)state;
	snprintf(image, sizeof(image), "/tmp/test_blk.%d", (int)getpid());
	fd = open(image, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (unsigned s = 0; s < SECTORS; s++) {
		for (unsigned i = 0; i < sizeof(data); i++)
			data[i] = pattern(s, i);
		assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	}
	close(fd);
	return 0;
}

static int end(void **state)
{
	(void)state;
	return unlink(image);
}

static void open_disk(struct dev_rig *r, const char *options)
{
	char text[200];
	struct err err;
	int rc;

	snprintf(text, sizeof(text), "file=%s%s", image, options);
	rc = dev_rig_open(r, &device_blk_type, text, &err);
	if (rc)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
	dev_rig_agree(r, 0);
	dev_rig_start(r, 0, 128);
}

static void put_header(struct dev_rig *r, uint32_t type, uint64_t sector)
{
	le32 t = cpu_to_le32(type), zero = cpu_to_le32(0);
	le64 s = cpu_to_le64(sector);

	memcpy(at(r, HEADER), &t, 4);
	memcpy(at(r, HEADER) + 4, &zero, 4);
	memcpy(at(r, HEADER) + 8, &s, 8);
	*at(r, STATUS) = 0xee;
}

/* Sends the chain and checks that @size bytes came. Returns the status. */
static unsigned send_iov(struct dev_rig *r, const struct iovec *iov,
			 unsigned readable, unsigned writable, uint32_t size)
{
	struct vq_drv_used used;

	dev_rig_give(r, 0, iov, readable, writable, r);
	assert_true(dev_rig_take(r, 0, 20000, &used));
	assert_false(used.is_too_long);
	assert_int_equal(used.size, size);
	return *at(r, STATUS);
}

/* A request with @size bytes of data in one buffer. */
static unsigned ask(struct dev_rig *r, uint32_t type, uint64_t sector,
		    uint32_t size, uint32_t answer)
{
	bool is_in = type == BLK_T_IN || type == BLK_T_GET_ID;
	struct iovec iov[3] = { { at(r, HEADER), 16 }, { at(r, DATA), size } };

	put_header(r, type, sector);
	iov[size ? 2 : 1] = (struct iovec){ at(r, STATUS), 1 };
	return send_iov(r, iov, size && !is_in ? 2 : 1, size && is_in ? 2 : 1,
			answer);
}

static bool has_pattern(struct dev_rig *r, unsigned sector, unsigned count)
{
	for (unsigned i = 0; i < count * BLK_SECTOR; i++)
		if (at(r, DATA)[i] !=
		    pattern(sector + i / BLK_SECTOR, i % BLK_SECTOR))
			return false;
	return true;
}

static bool is_zero(struct dev_rig *r, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		if (at(r, DATA)[i])
			return false;
	return true;
}

static void put_range(struct dev_rig *r, unsigned n, uint64_t sector,
		      uint32_t sectors, uint32_t flags)
{
	le64 s = cpu_to_le64(sector);
	le32 count = cpu_to_le32(sectors), f = cpu_to_le32(flags);

	memcpy(at(r, DATA) + 16 * n, &s, 8);
	memcpy(at(r, DATA) + 16 * n + 8, &count, 4);
	memcpy(at(r, DATA) + 16 * n + 12, &f, 4);
}

static void test_requests(void **state)
{
	struct dev_rig r;

	(void)state;
	open_disk(&r, ",serial=0123456789abcdefghij,discard=unmap");
	assert_int_equal(ask(&r, BLK_T_IN, 3, 4096, 4097), BLK_S_OK);
	assert_true(has_pattern(&r, 3, 8));
	assert_int_equal(ask(&r, BLK_T_IN, SECTORS - 1, 512, 513), BLK_S_OK);
	assert_true(has_pattern(&r, SECTORS - 1, 1));

	memset(at(&r, DATA), 0x5a, 1024);
	assert_int_equal(ask(&r, BLK_T_OUT, 100, 1024, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_FLUSH, 0, 0, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_IN, 99, 512 * 4, 512 * 4 + 1), BLK_S_OK);
	assert_int_equal(at(&r, DATA)[511], pattern(99, 511));
	assert_int_equal(at(&r, DATA)[512], 0x5a);
	assert_int_equal(at(&r, DATA)[512 + 1023], 0x5a);
	assert_int_equal(at(&r, DATA)[512 + 1024], pattern(102, 0));

	assert_int_equal(ask(&r, BLK_T_GET_ID, 0, 20, 21), BLK_S_OK);
	assert_memory_equal(at(&r, DATA), "0123456789abcdefghij", 20);
	memset(at(&r, DATA), 0, 64);
	assert_int_equal(ask(&r, BLK_T_GET_ID, 0, 5, 6), BLK_S_OK);
	assert_memory_equal(at(&r, DATA), "01234\0", 6);
	/* more room than it has */
	assert_int_equal(ask(&r, BLK_T_GET_ID, 0, 64, 21), BLK_S_OK);

	assert_int_equal(ask(&r, 77, 0, 512, 1), BLK_S_UNSUPP);
	dev_rig_close(&r);
}

static void test_ranges(void **state)
{
	struct dev_rig r;
	struct stat before, after;

	(void)state;
	open_disk(&r, ",discard=unmap");
	assert_int_equal(stat(image, &before), 0);
	put_range(&r, 0, 1024, 1024, 0);
	put_range(&r, 1, 3000, 8, 0);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 32, 1), BLK_S_OK);
	assert_int_equal(stat(image, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(ask(&r, BLK_T_IN, 1024, 4096, 4097), BLK_S_OK);
	assert_true(is_zero(&r, 4096));

	put_range(&r, 0, 2000, 64, 0);
	assert_int_equal(ask(&r, BLK_T_WRITE_ZEROES, 0, 16, 1), BLK_S_OK);
	put_range(&r, 0, 2064, 64, 1); /* may become a hole */
	assert_int_equal(ask(&r, BLK_T_WRITE_ZEROES, 0, 16, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_IN, 2000, 65536, 65537), BLK_S_OK);
	assert_true(is_zero(&r, 65536));

	/* flags that no device knows, and the one that DISCARD has not */
	put_range(&r, 0, 0, 8, 2);
	assert_int_equal(ask(&r, BLK_T_WRITE_ZEROES, 0, 16, 1), BLK_S_UNSUPP);
	put_range(&r, 0, 0, 8, 1);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 16, 1), BLK_S_UNSUPP);
	/* beyond the end, beyond the limits, a part of a range, none */
	put_range(&r, 0, SECTORS - 1, 2, 0);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 16, 1), BLK_S_IOERR);
	put_range(&r, 0, UINT64_MAX, 2, 0);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 16, 1), BLK_S_IOERR);
	put_range(&r, 0, 0, UINT32_MAX, 0);
	assert_int_equal(ask(&r, BLK_T_WRITE_ZEROES, 0, 16, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 15, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 0, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_IN, 0, 512, 513), BLK_S_OK);
	assert_true(has_pattern(&r, 0, 1));
	dev_rig_close(&r);

	/* by default nothing becomes a hole */
	open_disk(&r, "");
	assert_false(feat_has(r.dev->features, BLK_F_DISCARD));
	put_range(&r, 0, 0, 8, 0);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 16, 1), BLK_S_UNSUPP);
	dev_rig_close(&r);
}

/* The order of bytes counts, not their buffers. */
static void test_spread(void **state)
{
	struct dev_rig r;
	struct iovec iov[16];
	unsigned n = 0;

	(void)state;
	open_disk(&r, "");
	put_header(&r, BLK_T_IN, 5);
	for (unsigned i = 0; i < 16; i += 4)
		iov[n++] = (struct iovec){ at(&r, HEADER) + i, 4 };
	iov[n++] = (struct iovec){ at(&r, DATA), 1 };
	iov[n++] = (struct iovec){ at(&r, DATA) + 1, 510 };
	iov[n++] = (struct iovec){ at(&r, DATA) + 511, 514 };
	/* the status is the last byte of a buffer with data */
	assert_int_equal(send_iov(&r, iov, 4, 3, 1025), 0xee);
	assert_int_equal(at(&r, DATA)[1024], BLK_S_OK);
	assert_true(has_pattern(&r, 5, 2));

	/* header and data of a write in one buffer */
	put_header(&r, BLK_T_OUT, 6);
	memset(at(&r, HEADER) + 16, 0x77, 100);
	memset(at(&r, DATA), 0x77, 512);
	iov[0] = (struct iovec){ at(&r, HEADER), 116 };
	iov[1] = (struct iovec){ at(&r, DATA), 412 };
	iov[2] = (struct iovec){ at(&r, STATUS), 1 };
	assert_int_equal(send_iov(&r, iov, 2, 1, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_IN, 6, 512, 513), BLK_S_OK);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(at(&r, DATA)[i], 0x77);
	dev_rig_close(&r);
}

static void test_errors(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t size;
	} bad[] = {
		{ BLK_T_IN, SECTORS, 512 },
		{ BLK_T_IN, SECTORS - 1, 1024 },
		{ BLK_T_OUT, SECTORS - 1, 1024 },
		{ BLK_T_IN, UINT64_MAX, 512 },
		{ BLK_T_OUT, UINT64_MAX, 512 },
		/* times 512 it is sector 0 again */
		{ BLK_T_IN, 1ull << 55, 512 },
		{ BLK_T_OUT, 1ull << 55, 512 },
		{ BLK_T_IN, 0, 511 },
		{ BLK_T_OUT, 0, 513 },
	};
	struct dev_rig r;
	struct iovec iov[3];

	(void)state;
	open_disk(&r, "");
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			ask(&r, bad[i].type, bad[i].sector, bad[i].size, 1),
			BLK_S_IOERR);
	/* a header that is too short, and one that the device may write */
	put_header(&r, BLK_T_IN, 0);
	iov[0] = (struct iovec){ at(&r, HEADER), 15 };
	iov[1] = (struct iovec){ at(&r, DATA), 512 };
	iov[2] = (struct iovec){ at(&r, STATUS), 1 };
	assert_int_equal(send_iov(&r, iov, 1, 2, 1), BLK_S_IOERR);
	put_header(&r, BLK_T_IN, 0);
	iov[0].iov_len = 16;
	assert_int_equal(send_iov(&r, iov, 0, 3, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_IN, 0, 512, 513), BLK_S_OK);
	assert_true(has_pattern(&r, 0, 1));
	assert_int_equal(r.resets_needed, 0);

	/* no byte for the status: the device needs a reset, and works then */
	put_header(&r, BLK_T_OUT, 0);
	dev_rig_give(&r, 0, iov, 2, 0, &r);
	for (unsigned i = 0; i < 2000 && !r.resets_needed; i++) {
		usleep(1000);
		rig_settle(&r.vm);
	}
	assert_int_equal(r.resets_needed, 1);
	assert_non_null(strstr(r.why, "without a byte for the status"));
	dev_rig_stop(&r, 0);
	r.resets_needed = 0;
	dev_rig_start(&r, 0, 64);
	assert_int_equal(ask(&r, BLK_T_IN, 7, 512, 513), BLK_S_OK);
	assert_true(has_pattern(&r, 7, 1));
	dev_rig_close(&r);
}

static void test_readonly(void **state)
{
	struct dev_rig r;

	(void)state;
	open_disk(&r, ",readonly=on,discard=unmap");
	assert_true(feat_has(r.dev->features, BLK_F_RO));
	assert_false(feat_has(r.dev->features, BLK_F_DISCARD));
	memset(at(&r, DATA), 0, 512);
	assert_int_equal(ask(&r, BLK_T_OUT, 0, 512, 1), BLK_S_IOERR);
	put_range(&r, 0, 0, 8, 0);
	assert_int_equal(ask(&r, BLK_T_DISCARD, 0, 16, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_WRITE_ZEROES, 0, 16, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_FLUSH, 0, 0, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_IN, 0, 512, 513), BLK_S_OK);
	assert_true(has_pattern(&r, 0, 1));
	dev_rig_close(&r);
}

/* Who may ask for a flush, and who need not. */
static void test_caches(void **state)
{
	static const struct {
		const char *options;
		bool has_flush;
	} modes[] = {
		{ ",cache=writeback", true },
		{ ",cache=writethrough", false },
		{ ",cache=unsafe", true },
		{ ",packed=on,aio=threads", true },
	};
	struct dev_rig r;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		const struct blk *b;

		open_disk(&r, modes[i].options);
		b = container_of(r.dev, struct blk, dev);
		assert_int_equal(feat_has(r.dev->features, BLK_F_FLUSH),
				 modes[i].has_flush);
		assert_int_equal(b->is_write_through, !modes[i].has_flush);
		assert_int_equal(ask(&r, BLK_T_OUT, 9, 512, 1), BLK_S_OK);
		assert_int_equal(ask(&r, BLK_T_FLUSH, 0, 0, 1), BLK_S_OK);
		/* a driver that does not take FLUSH */
		dev_rig_stop(&r, 0);
		dev_rig_agree(&r, feat_bit(VIRTIO_F_VERSION_1));
		assert_int_equal(b->is_write_through, !b->image.is_unsafe);
		dev_rig_start(&r, 0, 16);
		assert_int_equal(ask(&r, BLK_T_OUT, 9, 512, 1), BLK_S_OK);
		dev_rig_close(&r);
	}
}

/* The host's cache is passed by; buffers that the kernel does not take so are
 * served, too. */
static void test_direct(void **state)
{
	struct iovec iov[3];
	struct dev_rig r;
	char text[100];
	struct err err;
	int rc;

	(void)state;
	snprintf(text, sizeof(text), "file=%s,cache=none", image);
	rc = dev_rig_open(&r, &device_blk_type, text, &err);
	if (rc) {
		assert_non_null(strstr(err.msg, "write cache=writeback"));
		dev_rig_close(&r);
		skip();
	}
	dev_rig_agree(&r, 0);
	dev_rig_start(&r, 0, 64);
	assert_int_equal(ask(&r, BLK_T_IN, 8, 4096, 4097), BLK_S_OK);
	assert_true(has_pattern(&r, 8, 8));
	put_header(&r, BLK_T_OUT, 16);
	memset(at(&r, DATA), 0x33, 1024);
	iov[0] = (struct iovec){ at(&r, HEADER), 16 };
	iov[1] = (struct iovec){ at(&r, DATA) + 3, 512 };
	iov[2] = (struct iovec){ at(&r, STATUS), 1 };
	assert_int_equal(send_iov(&r, iov, 2, 1, 1), BLK_S_OK);
	assert_int_equal(ask(&r, BLK_T_IN, 16, 4096, 4097), BLK_S_OK);
	assert_int_equal(at(&r, DATA)[511], 0x33);
	assert_int_equal(at(&r, DATA)[512], pattern(17, 0));
	dev_rig_close(&r);
}

static void test_block_size(void **state)
{
	struct dev_rig r;
	le32 size;

	(void)state;
	open_disk(&r, ",logical_block_size=4096");
	r.dev->ops->config_read(r.dev, 20, 4, &size);
	assert_int_equal(le32_to_cpu(size), 4096);
	assert_int_equal(ask(&r, BLK_T_IN, 8, 4096, 4097), BLK_S_OK);
	assert_true(has_pattern(&r, 8, 8));
	assert_int_equal(ask(&r, BLK_T_IN, 8, 512, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_IN, 1, 4096, 1), BLK_S_IOERR);
	dev_rig_close(&r);
}

/* An end of the queue does not wait for the end of a request. */
static void test_stop(void **state)
{
	struct dev_rig r;
	struct blk_queue *q;
	struct iovec iov[66];
	struct vq_chain chain = { .iov = iov,
				  .readable_size = 16,
				  .readable_count = 1,
				  .writable_count = 33,
				  .writable_size = 32 * 65536 + 1 };

	(void)state;
	open_disk(&r, "");
	q = &container_of(r.dev, struct blk, dev)->queue[0];
	dev_rig_stop(&r, 0); /* its flag stays set */
	put_header(&r, BLK_T_IN, 0);
	iov[0] = (struct iovec){ at(&r, HEADER), 16 };
	for (unsigned i = 1; i < 33; i++)
		iov[i] = (struct iovec){ at(&r, DATA), 65536 };
	iov[33] = (struct iovec){ at(&r, STATUS), 1 };
	assert_int_equal(blk_serve(q, &chain), -ECANCELED);
	assert_int_equal(*at(&r, STATUS), 0xee);
	/* what the kernel does at once is done */
	chain.writable_count = 17;
	chain.writable_size = 16 * 65536 + 1;
	iov[0] = (struct iovec){ at(&r, HEADER), 16 };
	for (unsigned i = 1; i < 17; i++)
		iov[i] = (struct iovec){ at(&r, DATA), 65536 };
	iov[17] = (struct iovec){ at(&r, STATUS), 1 };
	assert_int_equal(blk_serve(q, &chain), BLK_CHUNK + 1);
	assert_int_equal(*at(&r, STATUS), BLK_S_OK);
	dev_rig_close(&r);
}

/* Nor for all ranges of one: each may take the host long. */
static void test_stop_ranges(void **state)
{
	struct dev_rig r;
	struct blk_queue *q;
	struct iovec iov[3];
	struct vq_chain chain = { .iov = iov,
				  .readable_count = 2,
				  .writable_count = 1,
				  .writable_size = 1 };

	(void)state;
	open_disk(&r, ",discard=unmap");
	q = &container_of(r.dev, struct blk, dev)->queue[0];
	dev_rig_stop(&r, 0); /* its flag stays set */
	put_header(&r, BLK_T_DISCARD, 0);
	put_range(&r, 0, 0, 8, 0);
	put_range(&r, 1, 8, 8, 0);
	for (unsigned n = 2; n; n--) {
		iov[0] = (struct iovec){ at(&r, HEADER), 16 };
		iov[1] = (struct iovec){ at(&r, DATA), n * 16 };
		iov[2] = (struct iovec){ at(&r, STATUS), 1 };
		chain.readable_size = 16 + n * 16;
		assert_int_equal(blk_serve(q, &chain), n > 1 ? -ECANCELED : 1);
	}
	assert_int_equal(*at(&r, STATUS), BLK_S_OK);
	dev_rig_close(&r);
}

/* The host's disk fails: the guest hears of it. */
static void test_host_errors(void **state)
{
	struct dev_rig r;

	(void)state;
	log_level = LOG_LEVEL_ERR;
	open_disk(&r, "");
	assert_int_equal(truncate(image, 1024 * BLK_SECTOR), 0);
	assert_int_equal(ask(&r, BLK_T_IN, 2000, 512, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_IN, 1023, 1024, 1), BLK_S_IOERR);
	assert_int_equal(ask(&r, BLK_T_IN, 1023, 512, 513), BLK_S_OK);
	dev_rig_close(&r);
}

static void refuse(const char *options, const char *words)
{
	struct dev_rig r;
	struct err err;

	assert_true(dev_rig_open(&r, &device_blk_type, options, &err) < 0);
	if (!strstr(err.msg, words))
		print_error("%s\n", err.msg);
	assert_non_null(strstr(err.msg, words));
	dev_rig_close(&r);
}

static void test_bad_images(void **state)
{
	char text[120];
	int fd;

	(void)state;
	snprintf(text, sizeof(text), "file=%s", image);
	assert_int_equal(truncate(image, 1025), 0);
	refuse(text, "has 1025 bytes, which is no multiple of 512: "
		     "`truncate -s %512`");
	assert_int_equal(truncate(image, 1536), 0);
	snprintf(text, sizeof(text), "file=%s,logical_block_size=4096", image);
	refuse(text, "no multiple of 4096");
	snprintf(text, sizeof(text), "file=%s,logical_block_size=1000", image);
	refuse(text, "power of two");
	snprintf(text, sizeof(text), "file=%s,cache=writearound", image);
	refuse(text, "must be one of: writeback");
	snprintf(text, sizeof(text), "file=%s,aio=native", image);
	refuse(text, "must be one of: threads");
	fd = open(image, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
	close(fd);
	snprintf(text, sizeof(text), "file=%s", image);
	refuse(text, "is a qcow2 image");
	assert_int_equal(truncate(image, 100), 0);
	refuse(text, "not even a sector");
	refuse("file=/dev/null", "must be a file or a block device");
	refuse("file=/nowhere/x", "No such file");
}

/* One writer, or readers. The bytes are those of QEMU's locks. */
static void test_locks(void **state)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = 101, .l_len = 1 };
	char text[120], readonly[140];
	struct dev_rig a, b;
	struct err err;
	int fd;

	(void)state;
	snprintf(text, sizeof(text), "file=%s", image);
	snprintf(readonly, sizeof(readonly), "%s,readonly=on", text);
	open_disk(&a, "");
	refuse(text, "another machine has it");
	refuse(readonly, "another machine has it");
	fd = open(image, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_GETLK, &l), 0);
	assert_int_equal(l.l_type, F_RDLCK);
	dev_rig_close(&a);

	open_disk(&a, ",readonly=on");
	assert_int_equal(dev_rig_open(&b, &device_blk_type, readonly, &err), 0);
	dev_rig_close(&b);
	refuse(text, "another machine has it");
	dev_rig_close(&a);

	/* QEMU that writes, or that forbids others to */
	for (off_t byte = 101; byte <= 201; byte += 100) {
		l = (struct flock){ .l_type = F_RDLCK,
				    .l_start = byte,
				    .l_len = 1 };
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &l), 0);
		refuse(text, "another machine has it");
		if (byte == 101)
			refuse(readonly, "another machine has it");
		l.l_type = F_UNLCK;
		assert_int_equal(fcntl(fd, F_OFD_SETLK, &l), 0);
	}
	close(fd);
	open_disk(&a, "");
	dev_rig_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, begin, end),
		cmocka_unit_test_setup_teardown(test_ranges, begin, end),
		cmocka_unit_test_setup_teardown(test_spread, begin, end),
		cmocka_unit_test_setup_teardown(test_errors, begin, end),
		cmocka_unit_test_setup_teardown(test_readonly, begin, end),
		cmocka_unit_test_setup_teardown(test_caches, begin, end),
		cmocka_unit_test_setup_teardown(test_direct, begin, end),
		cmocka_unit_test_setup_teardown(test_block_size, begin, end),
		cmocka_unit_test_setup_teardown(test_stop, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_ranges, begin, end),
		cmocka_unit_test_setup_teardown(test_host_errors, begin, end),
		cmocka_unit_test_setup_teardown(test_bad_images, begin, end),
		cmocka_unit_test_setup_teardown(test_locks, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
