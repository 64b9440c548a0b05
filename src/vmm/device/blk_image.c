/* SPDX-License-Identifier: Apache-2.0 */
/* The image of a disk: opened, checked and locked, see blk.h. Control thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"
#include "blk_options.h"
#include "fd.h"

/*
 * QEMU's locks, so that each notices the other: a byte for each thing that
 * somebody does with an image, another for each that he does not bear. All are
 * locks for reading, which stand together; who holds one is asked for.
 */
enum {
	LOCK_DOES = 100,
	LOCK_FORBIDS = 200,
	DO_READ = 0,
	DO_WRITE = 1,
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

/* Takes the byte @at for reading. Returns whether that worked, or the file
 * system has no locks. */
static bool take_byte(int fd, off_t at)
{
	struct flock l = { .l_type = F_RDLCK,
			   .l_whence = SEEK_SET,
			   .l_start = at,
			   .l_len = 1 };

	return !fcntl(fd, F_OFD_SETLK, &l) ||
	       (errno != EAGAIN && errno != EACCES);
}

static bool has_other(int fd, off_t at)
{
	struct flock l = { .l_type = F_WRLCK,
			   .l_whence = SEEK_SET,
			   .l_start = at,
			   .l_len = 1 };

	return !fcntl(fd, F_OFD_GETLK, &l) && l.l_type != F_UNLCK;
}

/* Two machines that write to one image destroy it, and one that reads what
 * another writes sees nonsense. */
static int lock_image(const struct blk_image *i, const char *file,
		      struct err *err)
{
	int fd = i->fd;
	bool is_free = take_byte(fd, LOCK_DOES + DO_READ) &&
		       take_byte(fd, LOCK_FORBIDS + DO_WRITE) &&
		       (i->is_readonly || take_byte(fd, LOCK_DOES + DO_WRITE));

	if (is_free && !has_other(fd, LOCK_DOES + DO_WRITE) &&
	    !has_other(fd, LOCK_FORBIDS + DO_READ) &&
	    (i->is_readonly || !has_other(fd, LOCK_FORBIDS + DO_WRITE)))
		return 0;
	return err_set(err, -EBUSY,
		       "file=%s: another machine has it, or a disk of this "
		       "one: use a copy, or readonly=on in both",
		       file);
}

static int measure(struct blk_image *i, const char *file, struct err *err)
{
	uint64_t size = 0;
	struct stat st;

	if (fstat(i->fd, &st) < 0)
		return err_set(err, -errno, "file=%s: %s", file,
			       strerror(errno));
	if (S_ISREG(st.st_mode))
		size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode) || ioctl(i->fd, BLKGETSIZE64, &size) < 0)
		return err_set(err, -EINVAL,
			       "file=%s: must be a file or a block device",
			       file);
	i->can_zero = S_ISREG(st.st_mode) && !i->is_readonly;
	i->sectors = size / BLK_SECTOR;
	if (!i->sectors)
		return err_set(err, -EINVAL,
			       "file=%s: has not even a sector of %d bytes",
			       file, BLK_SECTOR);
	if (size % i->block_size)
		return err_set(err, -EINVAL,
			       "file=%s: has %llu bytes, which is no multiple "
			       "of %u: `truncate -s %%%u` makes it one",
			       file, (unsigned long long)size, i->block_size,
			       i->block_size);
	return 0;
}

static int open_file(const struct blk_conf *conf, int flags, struct err *err)
{
	int fd = open(conf->file, flags | (conf->readonly ? O_RDONLY : O_RDWR) |
					  O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == EINVAL && flags & O_DIRECT)
		return err_set(err, -EINVAL,
			       "cache=%s: the file system of %s cannot pass "
			       "its cache by: write cache=%s",
			       blk_cache_names[conf->cache], conf->file,
			       conf->cache == BLK_CACHE_NONE ? "writeback"
							     : "writethrough");
	return err_set(err, -errno, "file=%s: %s%s", conf->file,
		       strerror(errno),
		       !conf->readonly && (errno == EACCES || errno == EROFS)
			       ? ": readonly=on needs less"
			       : "");
}

static int check_sizes(const struct blk_conf *conf, struct err *err)
{
	if (!is_power_of_two(conf->queue_size))
		return err_set(err, -EINVAL,
			       "queue-size=%u: must be a power of two",
			       conf->queue_size);
	if (!is_power_of_two(conf->block_size))
		return err_set(err, -EINVAL,
			       "logical_block_size=%u: must be a power of two",
			       conf->block_size);
	return 0;
}

int blk_image_open(struct blk_image *i, const struct blk_conf *conf,
		   struct err *err)
{
	bool is_direct = conf->cache == BLK_CACHE_NONE ||
			 conf->cache == BLK_CACHE_DIRECTSYNC;
	int rc;

	*i = (struct blk_image){
		.fd = -1,
		.plain_fd = -1,
		.is_readonly = conf->readonly,
		.has_flush = conf->cache != BLK_CACHE_WRITETHROUGH &&
			     conf->cache != BLK_CACHE_DIRECTSYNC,
		.is_unsafe = conf->cache == BLK_CACHE_UNSAFE,
		.block_size = conf->block_size,
	};
	rc = check_sizes(conf, err);
	if (rc)
		return rc;
	i->plain_fd = open_file(conf, 0, err);
	if (i->plain_fd < 0)
		return i->plain_fd;
	i->fd = is_direct ? open_file(conf, O_DIRECT, err) : i->plain_fd;
	if (i->fd < 0)
		return i->fd;
	rc = measure(i, conf->file, err);
	i->can_discard = i->can_zero && conf->discard == BLK_DISCARD_UNMAP;
	if (!rc)
		rc = check_format(i->plain_fd, conf->file, err);
	return rc ? rc : lock_image(i, conf->file, err);
}

void blk_image_close(struct blk_image *i)
{
	if (i->fd != i->plain_fd)
		fd_close(&i->fd);
	fd_close(&i->plain_fd);
	i->fd = -1;
}
