/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2, clause 5.2): a raw image or a block device of the
 * host as a disk. Options, start and end; the requests are in blk_io.c. Control
 * thread.
 */
#include "blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_types.h"
#include "fd.h"
#include "le.h"
#include "shm.h"
#include "virtio.h"

enum { /* clause 5.2.3 */
       BLK_F_SEG_MAX = 2,
       BLK_F_RO = 5,
       BLK_F_BLK_SIZE = 6,
       BLK_F_FLUSH = 9,
       BLK_F_MQ = 12,
       BLK_F_DISCARD = 13,
       BLK_F_WRITE_ZEROES = 14,
};

/* struct virtio_blk_config, clause 5.2.4. */
struct blk_config {
	le64 capacity;
	le32 size_max, seg_max;
	uint8_t geometry[4];
	le32 blk_size;
	uint8_t topology[8];
	uint8_t writeback, unused0;
	le16 num_queues;
	le32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	le32 max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
} __attribute__((packed));

struct blk_conf {
	struct device_conf common;
	char *file, *serial;
	bool readonly, packed;
	uint32_t queues, queue_size;
};

static struct blk *to_blk(struct virtio_dev *d)
{
	return container_of(d, struct blk, dev);
}

static void config_read(struct virtio_dev *d, unsigned off, unsigned size,
			void *data)
{
	const struct blk *b = to_blk(d);
	struct blk_config c = {
		.capacity = cpu_to_le64(b->sectors),
		.seg_max = cpu_to_le32(BLK_SEG_MAX),
		.blk_size = cpu_to_le32(BLK_SECTOR),
		.writeback = 1,
		.num_queues = cpu_to_le16((uint16_t)b->count),
		.max_discard_sectors = cpu_to_le32(BLK_ZERO_SECTORS),
		.max_discard_seg = cpu_to_le32(BLK_ZERO_RANGES),
		.discard_sector_alignment = cpu_to_le32(4096 / BLK_SECTOR),
		.max_write_zeroes_sectors = cpu_to_le32(BLK_ZERO_SECTORS),
		.max_write_zeroes_seg = cpu_to_le32(BLK_ZERO_RANGES),
		.write_zeroes_may_unmap = 1,
	};

	memcpy(data, (const char *)&c + off, size);
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct blk *b = to_blk(d);

	if (idx >= b->count)
		return;
	blk_queue_stop(&b->queue[idx]);
	rings_stop(&b->rings, idx);
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *from)
{
	struct blk *b = to_blk(d);
	int rc = rings_start(&b->rings, idx, from);

	if (rc)
		return rc;
	rc = blk_queue_start(&b->queue[idx], from->kick_fd);
	if (rc)
		rings_stop(&b->rings, idx);
	return rc;
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	virtio_dev_set_call(&to_blk(d)->rings.ring[idx].vq, fd);
}

static void show(const struct virtio_dev *d, struct show *s)
{
	const struct blk *b = container_of(d, const struct blk, dev);

	show_num(s, "sectors", b->sectors);
	show_flag(s, "readonly", b->is_readonly);
	show_num(s, "reads", shm_load(&b->reads));
	show_num(s, "writes", shm_load(&b->writes));
	show_num(s, "errors", shm_load(&b->errors));
}

static void destroy(struct virtio_dev *d)
{
	struct blk *b = to_blk(d);

	for (unsigned i = 0; i < b->count; i++) {
		stop_ring(d, i);
		fd_close(&b->queue[i].stop_fd);
	}
	rings_fini(&b->rings);
	fd_close(&b->fd);
	free(b);
}

static const struct virtio_dev_ops blk_ops = {
	.config_read = config_read,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.show = show,
	.destroy = destroy,
};

/* Refuses images of other formats: their first sector would be the guest's. */
static int check_format(int fd, const char *file, struct err *err)
{
	static const struct {
		const char *name, *magic;
		off_t at;
	} others[] = {
		{ "qcow2", "QFI\xfb", 0 },
		{ "vmdk", "KDMV", 0 },
		{ "vhdx", "vhdxfile", 0 },
		{ "vdi", "\x7f\x10\xda\xbe", 64 },
	};
	char head[8];

	for (unsigned i = 0; i < ARRAY_SIZE(others); i++) {
		size_t n = strlen(others[i].magic);

		if (pread(fd, head, n, others[i].at) == (ssize_t)n &&
		    !memcmp(head, others[i].magic, n))
			return err_set(err, -EINVAL,
				       "file=%s: is a %s image, and only raw "
				       "ones are read here: `qemu-img convert "
				       "-O raw` makes one",
				       file, others[i].name);
	}
	return 0;
}

/* Two machines that write to one image destroy it. */
static int lock_image(struct blk *b, const char *file, struct err *err)
{
	struct flock l = { .l_type = b->is_readonly ? F_RDLCK : F_WRLCK,
			   .l_whence = SEEK_SET };

	if (fcntl(b->fd, F_OFD_SETLK, &l) < 0 &&
	    (errno == EAGAIN || errno == EACCES))
		return err_set(err, -EBUSY,
			       "file=%s: another machine has it: use a copy, "
			       "or readonly=on in both",
			       file);
	return 0; /* a file system without locks */
}

static int measure(struct blk *b, const char *file, struct err *err)
{
	uint64_t size = 0;
	struct stat st;

	if (fstat(b->fd, &st) < 0)
		return err_set(err, -errno, "file=%s: %s", file,
			       strerror(errno));
	if (S_ISREG(st.st_mode))
		size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode) || ioctl(b->fd, BLKGETSIZE64, &size) < 0)
		return err_set(err, -EINVAL,
			       "file=%s: must be a file or a block device",
			       file);
	b->can_zero = S_ISREG(st.st_mode) && !b->is_readonly;
	b->sectors = size / BLK_SECTOR;
	if (!b->sectors)
		return err_set(err, -EINVAL,
			       "file=%s: has not even a sector of %d bytes",
			       file, BLK_SECTOR);
	return 0;
}

static int open_image(struct blk *b, const struct blk_conf *conf,
		      struct err *err)
{
	int rc;

	b->is_readonly = conf->readonly;
	b->fd = open(conf->file, (conf->readonly ? O_RDONLY : O_RDWR) |
					 O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (b->fd < 0)
		return err_set(
			err, -errno, "file=%s: %s%s", conf->file,
			strerror(errno),
			!conf->readonly && (errno == EACCES || errno == EROFS)
				? ": readonly=on needs less"
				: "");
	rc = measure(b, conf->file, err);
	if (!rc)
		rc = check_format(b->fd, conf->file, err);
	return rc ? rc : lock_image(b, conf->file, err);
}

static uint64_t features_of(const struct blk *b, const struct blk_conf *conf)
{
	uint64_t f = rings_features(conf->packed) | feat_bit(BLK_F_SEG_MAX) |
		     feat_bit(BLK_F_BLK_SIZE) | feat_bit(BLK_F_FLUSH);

	if (b->is_readonly)
		f |= feat_bit(BLK_F_RO);
	if (b->can_zero)
		f |= feat_bit(BLK_F_DISCARD) | feat_bit(BLK_F_WRITE_ZEROES);
	if (b->count > 1)
		f |= feat_bit(BLK_F_MQ);
	return f;
}

static int create(const void *conf_, struct loop *loop, struct virtio_dev **out,
		  struct err *err)
{
	const struct blk_conf *conf = conf_;
	struct blk *b;
	int rc;

	if (!is_power_of_two(conf->queue_size))
		return err_set(err, -EINVAL,
			       "queue-size=%u: must be a power of two",
			       conf->queue_size);
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->count = conf->queues;
	for (unsigned i = 0; i < b->count; i++)
		b->queue[i] =
			(struct blk_queue){ .blk = b, .idx = i, .stop_fd = -1 };
	rc = open_image(b, conf, err);
	if (rc) {
		destroy(&b->dev);
		return rc;
	}
	if (conf->serial)
		memcpy(b->serial, conf->serial, strlen(conf->serial));
	b->dev = (struct virtio_dev){
		.ops = &blk_ops,
		.name = conf->common.id,
		.type = 2,
		.ring_count = b->count,
		.ring_size = (uint16_t)conf->queue_size,
		.features = features_of(b, conf),
		.config_size = sizeof(struct blk_config),
		.loop = loop,
	};
	rc = rings_init(&b->rings, loop, &b->dev, b->count);
	for (unsigned i = 0; i < b->count && !rc; i++) {
		b->queue[i].stop_fd = fd_eventfd();
		rc = MIN(b->queue[i].stop_fd, 0);
	}
	if (rc) {
		destroy(&b->dev);
		return err_set(err, rc, "%s", strerror(-rc));
	}
	*out = &b->dev;
	return 0;
}

#define OPT(k, member, t, ...)                                           \
	{                                                                \
		.key = k, .kind = t,                                     \
		.offset = offsetof(struct blk_conf, member), __VA_ARGS__ \
	}

static const struct opt_row blk_rows[] = {
	DEVICE_ROWS(blk_conf),
	OPT("file", file, OPT_PATH, .required = true, .arg = "FILE",
	    .help = "raw image or block device; drive=ID takes it of a -drive"),
	OPT("readonly", readonly, OPT_BOOL, .def = "off",
	    .help = "the guest cannot write"),
	OPT("serial", serial, OPT_STRING, .min = 1, .max = BLK_SERIAL_SIZE,
	    .arg = "TEXT", .help = "serial number that the guest reads"),
	OPT("num-queues", queues, OPT_UINT, .min = 1, .max = BLK_QUEUES_MAX,
	    .def = "1", .arg = "N", .help = "queues, each with a thread"),
	OPT("queue-size", queue_size, OPT_UINT, .min = 4, .max = 1024,
	    .def = "256", .arg = "N",
	    .help = "descriptors of a queue, a power of two"),
	OPT("packed", packed, OPT_BOOL, .def = "off",
	    .help = "offer packed rings"),
	{ NULL },
};

const struct device_type device_blk_type = {
	.name = "virtio-blk-pci",
	.help = "a disk: a raw image or a block device",
	.rows = blk_rows,
	.conf_size = sizeof(struct blk_conf),
	.create = create,
};
