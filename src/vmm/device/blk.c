/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2, clause 5.2): a raw image or a block device of the
 * host as a disk. Options, start and end. Control thread.
 */
#include "blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blk_options.h"
#include "fd.h"
#include "le.h"
#include "shm.h"
#include "virtio.h"

const char *const blk_cache_names[] = {
	[BLK_CACHE_WRITEBACK] = "writeback",
	[BLK_CACHE_WRITETHROUGH] = "writethrough",
	[BLK_CACHE_NONE] = "none",
	[BLK_CACHE_DIRECTSYNC] = "directsync",
	[BLK_CACHE_UNSAFE] = "unsafe",
	NULL,
};

const char *const blk_discard_names[] = {
	[BLK_DISCARD_IGNORE] = "ignore", [BLK_DISCARD_UNMAP] = "unmap", NULL
};

const char *const blk_aio_names[] = { "threads", NULL };

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

static struct blk *to_blk(struct virtio_dev *d)
{
	return container_of(d, struct blk, dev);
}

static void config_read(struct virtio_dev *d, unsigned off, unsigned size,
			void *data)
{
	const struct blk *b = to_blk(d);
	struct blk_config c = {
		.capacity = cpu_to_le64(b->image.sectors),
		.seg_max = cpu_to_le32(BLK_SEG_MAX),
		.blk_size = cpu_to_le32(b->image.block_size),
		.writeback = b->image.has_flush,
		.num_queues = cpu_to_le16((uint16_t)b->count),
		.max_discard_sectors = cpu_to_le32(BLK_DISCARD_SECTORS),
		.max_discard_seg = cpu_to_le32(BLK_RANGES),
		.discard_sector_alignment = cpu_to_le32(4096 / BLK_SECTOR),
		.max_write_zeroes_sectors = cpu_to_le32(BLK_ZERO_SECTORS),
		.max_write_zeroes_seg = cpu_to_le32(1),
		.write_zeroes_may_unmap = b->image.can_discard,
	};

	memcpy(data, (const char *)&c + off, size);
}

/* Clause 5.2.6.2: a driver that cannot ask for a flush gets writes that are
 * safe when they are done. */
static bool set_features(struct virtio_dev *d, uint64_t features)
{
	struct blk *b = to_blk(d);

	b->is_write_through =
		!feat_has(features, BLK_F_FLUSH) && !b->image.is_unsafe;
	return true;
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

	show_num(s, "sectors", b->image.sectors);
	show_flag(s, "readonly", b->image.is_readonly);
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
	blk_image_close(&b->image);
	log_limit_fini(&b->log);
	free(b);
}

static const struct virtio_dev_ops blk_ops = {
	.config_read = config_read,
	.set_features = set_features,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.show = show,
	.destroy = destroy,
};

static uint64_t features_of(const struct blk *b, const struct blk_conf *conf)
{
	const struct blk_image *i = &b->image;
	uint64_t f = rings_features(conf->packed) | feat_bit(BLK_F_SEG_MAX) |
		     feat_bit(BLK_F_BLK_SIZE);

	if (i->is_readonly)
		f |= feat_bit(BLK_F_RO);
	if (i->has_flush)
		f |= feat_bit(BLK_F_FLUSH);
	if (i->can_discard)
		f |= feat_bit(BLK_F_DISCARD);
	if (i->can_zero)
		f |= feat_bit(BLK_F_WRITE_ZEROES);
	if (b->count > 1)
		f |= feat_bit(BLK_F_MQ);
	return f;
}

static int try_image(const void *conf, struct err *err)
{
	struct blk_image i;
	int rc = blk_image_open(&i, conf, err);

	blk_image_close(&i);
	return rc;
}

static int create(const void *conf_, struct loop *loop, struct virtio_dev **out,
		  struct err *err)
{
	const struct blk_conf *conf = conf_;
	struct blk *b;
	int rc;

	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	b->count = conf->queues;
	for (unsigned i = 0; i < b->count; i++)
		b->queue[i] =
			(struct blk_queue){ .blk = b, .idx = i, .stop_fd = -1 };
	rc = blk_image_open(&b->image, conf, err);
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
	BLK_IMAGE_ROWS(blk_conf),
	OPT("logical_block_size", block_size, OPT_UINT, .min = 512, .max = 4096,
	    .def = "512", .arg = "BYTES",
	    .help = "of the guest's requests, a power of two"),
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
	.try = try_image,
};
