/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture of a port's frames to a pcap stream. The worker copies each frame
 * into a bounded ring; a full ring drops the copy, never the frame, and counts
 * it. The capture's own thread writes to the file descriptor.
 */
#ifndef RW_CAPTURE_H
#define RW_CAPTURE_H

#include "capture_stream.h"
#include "port.h"

enum capture_direction { CAPTURE_BOTH, CAPTURE_RX, CAPTURE_TX };

struct capture_config {
	int fd;		     /* the capture owns it, even if the start fails */
	uint32_t snaplen;    /* bytes of each frame kept; 0: all */
	uint64_t max_frames; /* 0: no bound */
	enum capture_direction
		direction;	 /* set at the start: pcap does not record it */
	enum stream_times times; /* resolution of the times */
};

/*
 * Starts capturing @p. Returns 0, or -errno with @err; -EBUSY when @p is
 * captured already, -EINVAL when the descriptor is not open for writing. Posts
 * @ended(arg) to @loop when the reader went away (EPIPE), writing failed or
 * max_frames were written; the owner then calls capture_stop().
 */
int capture_start(struct port *p, const struct capture_config *config,
		  struct loop *loop, void (*ended)(void *arg), void *arg,
		  struct err *err);
struct capture_stats {
	uint64_t frames;  /* frames written */
	uint64_t dropped; /* the ring was full, or the write failed */
	int error; /* -errno when writing failed (a full disk, say); a file then
		    * ends with a whole frame */
};

/* Ends the capture of @p: writes what workers recorded and closes the fd.
 * Stores the final numbers in @last (may be NULL); zeros when @p is not
 * captured. */
void capture_stop(struct port *p, struct capture_stats *last);

/* Returns whether @p is captured, with the numbers so far in @out. */
bool capture_stats(const struct port *p, struct capture_stats *out);

/*
 * The same without a port, for owners that have the frames' place themselves.
 * capture_create() makes a capture that records and does not write yet; @name
 * is for log lines. capture_begin() starts the writing. Both return 0 or -errno
 * with @err. After @ended nothing more is written; the descriptor stays open
 * until capture_destroy(), which writes the rest and returns the last numbers.
 * No worker has the capture any more then.
 */
int capture_create(const char *name, const struct capture_config *config,
		   struct loop *loop, void (*ended)(void *arg), void *arg,
		   struct capture **out, struct err *err);
int capture_begin(struct capture *c, struct err *err);
struct capture_stats capture_destroy(struct capture *c);
struct capture_stats capture_read(const struct capture *c);

/* Records @n frames that go into or out of @c's port. [worker] */
void capture_frames(struct capture *c, bool is_rx, struct frame *const *frames,
		    unsigned n);

#endif
