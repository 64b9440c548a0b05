/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of two caches over guest memory: that of the driver's processor and
 * that of the device's. Counts the cache lines that each side reads and writes,
 * and those that have to move between the two.
 *
 * Theory of operation. Driver and device have a mapping of the guest memory
 * each, as they have in two processes, so the address of an access tells its
 * side. lines_hooks.c reports the accesses. A line has a MESI state in each
 * cache, and the caches never evict. Two events move a line:
 *   - a side reads a line that it does not have and the other one modified;
 *   - a side writes a line that the other one has. It counts also if both have
 *     a copy and only the right to write has to move: the writer waits as long.
 * A prefetch moves a line too, but is neither a read nor a write.
 * Every line has a part: the piece of the ring or of a buffer that it belongs
 * to. One thread.
 */
#ifndef RW_LINES_H
#define RW_LINES_H

#include <stddef.h>
#include <stdint.h>

enum lines_side { LINES_DRIVER, LINES_DEVICE, LINES_SIDES };

/* Most bytes of guest memory, and most parts. */
#define LINES_MEMORY (1u << 20)
#define LINES_PARTS  16

struct lines_count {
	uint64_t reads;	  /* lines read; once in a burst */
	uint64_t writes;  /* lines written; once in a burst */
	uint64_t fetched; /* lines moved by a read */
	uint64_t owned;	  /* lines moved by a write */
};

/* Starts with empty caches over @size bytes of guest memory, which the driver
 * sees at @driver and the device at @device. All lines belong to part 0. */
void lines_start(const void *driver, const void *device, size_t size);

/* Makes the lines of [@off, @off + @size) belong to @part. */
void lines_set_part(unsigned part, size_t off, size_t size);

/* Sets all counts to 0; the caches stay as they are. */
void lines_clear(void);

/* Ends a burst: a line that is touched again counts again. */
void lines_end_burst(void);

/* Returns the counts of one side and one part since lines_clear(). */
struct lines_count lines_get(enum lines_side side, unsigned part);

enum lines_access {
	LINES_READ,
	LINES_WRITE,
	LINES_PREFETCH,	      /* moves a line as a read does */
	LINES_PREFETCH_WRITE, /* moves a line as a write does */
};

/* Records an access; does nothing for private memory. For lines_hooks.c. */
void lines_record(const volatile void *p, size_t size,
		  enum lines_access access);

#endif
