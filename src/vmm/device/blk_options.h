/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a disk's options, which -drive takes, too: as in QEMU. */
#ifndef RW_VMM_DEVICE_BLK_OPTIONS_H
#define RW_VMM_DEVICE_BLK_OPTIONS_H

/*                writes are safe          the host's cache
 * writeback      when the driver asks     is used
 * writethrough   before they are done     is used
 * none           when the driver asks     is passed by
 * directsync     before they are done     is passed by
 * unsafe         some time                is used
 */
enum blk_cache {
	BLK_CACHE_WRITEBACK,
	BLK_CACHE_WRITETHROUGH,
	BLK_CACHE_NONE,
	BLK_CACHE_DIRECTSYNC,
	BLK_CACHE_UNSAFE,
};

enum blk_discard { BLK_DISCARD_IGNORE, BLK_DISCARD_UNMAP };

/* Names by value, NULL-terminated. */
extern const char *const blk_cache_names[], *const blk_discard_names[];
extern const char *const blk_aio_names[];

#endif
