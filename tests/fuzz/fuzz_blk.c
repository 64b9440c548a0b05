/* SPDX-License-Identifier: Apache-2.0 */
/* vmm/device: any request of a driver to a disk, in any buffers, touches only
 * its buffers and the image, whose size stays. The first byte of the input says
 * how many buffers the device may read, the next how many it may write; then
 * come their sizes, of two bytes each, and what is in those to be read. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blk.h"

#define SECTORS 64
#define BUFFERS 16

static struct blk disk;

static void open_disk(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, SECTORS * BLK_SECTOR));
	disk.image = (struct blk_image){ .fd = fd,
					 .plain_fd = fd,
					 .can_discard = true,
					 .can_zero = true,
					 .sectors = SECTORS,
					 .block_size = BLK_SECTOR };
	disk.dev.name = "fuzz";
	disk.queue[0].blk = &disk;
}

static uint8_t take(const uint8_t **data, size_t *size)
{
	if (!*size)
		return 0;
	--*size;
	return *(*data)++;
}

/* Makes the buffer of @v on the heap, so that its ends are watched. */
static void make_buffer(struct iovec *v, const uint8_t **data, size_t *size,
			bool is_readable)
{
	unsigned low = take(data, size), high = take(data, size);

	v->iov_len = 1 + (low | high << 8) % 2048;
	v->iov_base = malloc(v->iov_len);
	must(v->iov_base != NULL);
	memset(v->iov_base, 0, v->iov_len);
	for (size_t i = 0; is_readable && i < v->iov_len && *size; i++)
		((uint8_t *)v->iov_base)[i] = take(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iovec made[2 * BUFFERS], iov[2 * BUFFERS];
	struct vq_chain chain = { .iov = iov };
	struct stat st;
	int64_t n;

	if (!disk.image.sectors)
		open_disk();
	chain.readable_count = take(&data, &size) % (BUFFERS + 1);
	chain.writable_count = take(&data, &size) % (BUFFERS + 1);
	for (unsigned i = 0; i < chain.readable_count + chain.writable_count;
	     i++) {
		bool is_readable = i < chain.readable_count;

		make_buffer(&made[i], &data, &size, is_readable);
		iov[i] = made[i];
		*(is_readable ? &chain.readable_size : &chain.writable_size) +=
			(uint32_t)made[i].iov_len;
	}
	n = blk_serve(&disk.queue[0], &chain);
	must(chain.writable_size ? n >= 1 && n <= chain.writable_size
				 : n == -EPROTO);
	must(!fstat(disk.image.fd, &st) && st.st_size == SECTORS * BLK_SECTOR);
	for (unsigned i = 0; i < chain.readable_count + chain.writable_count;
	     i++)
		free(made[i].iov_base);
	return 0;
}
