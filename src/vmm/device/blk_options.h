/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a disk's options, which -drive takes, too: as in QEMU. */
#ifndef RW_VMM_DEVICE_BLK_OPTIONS_H
#define RW_VMM_DEVICE_BLK_OPTIONS_H

#include "opt.h"

#define BLK_SERIAL_SIZE 20 /* most bytes of a disk's serial number */

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

/* The rows of what -drive and -device say about an image: members of @conf, a
 * struct, with the names of its keys. */
#define BLK_IMAGE_ROWS(conf)                                                  \
	{ .key = "readonly",                                                  \
	  .kind = OPT_BOOL,                                                   \
	  .offset = offsetof(struct conf, readonly),                          \
	  .def = "off",                                                       \
	  .help = "the guest cannot write" },                                 \
		{ .key = "cache",                                             \
		  .kind = OPT_ENUM,                                           \
		  .offset = offsetof(struct conf, cache),                     \
		  .choices = blk_cache_names,                                 \
		  .def = "writeback",                                         \
		  .help = "when writes are safe, and whether the host "       \
			  "caches" },                                         \
		{ .key = "discard",                                           \
		  .kind = OPT_ENUM,                                           \
		  .offset = offsetof(struct conf, discard),                   \
		  .choices = blk_discard_names,                               \
		  .def = "ignore",                                            \
		  .help = "unmap: what the guest discards becomes a hole of " \
			  "the image" },                                      \
		{ .key = "aio",                                               \
		  .kind = OPT_ENUM,                                           \
		  .offset = offsetof(struct conf, aio),                       \
		  .choices = blk_aio_names,                                   \
		  .def = "threads",                                           \
		  .help = "as in QEMU: a thread of each queue makes the "     \
			  "calls" },                                          \
	{                                                                     \
		.key = "serial", .kind = OPT_STRING,                          \
		.offset = offsetof(struct conf, serial), .min = 1,            \
		.max = BLK_SERIAL_SIZE, .arg = "TEXT",                        \
		.help = "serial number that the guest reads"                  \
	}

#endif
