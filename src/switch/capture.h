/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture of a port's frames to a pcap stream. The worker copies each frame
 * into a bounded ring (a full ring drops the copy, never the frame, and counts
 * it); a thread of the capture writes to the file descriptor.
 */
#ifndef RW_CAPTURE_H
#define RW_CAPTURE_H

#include "port.h"

enum capture_direction { CAPTURE_BOTH, CAPTURE_RX, CAPTURE_TX };

struct capture_config {
	int fd;		     /* ownership moves to the capture, also when
			      * it cannot start */
	uint32_t snaplen;    /* bytes of each frame kept; 0: all */
	uint64_t max_frames; /* 0: no bound */
	enum capture_direction
		direction; /* pcap has no room to tell it later */
};

/*
 * Starts capturing @p. One capture a port: -EBUSY. @ended(arg) is posted to
 * @loop when the reader went away (EPIPE), writing failed or max_frames were
 * written; the owner then calls capture_stop().
 */
int capture_start(struct port *p, const struct capture_config *config,
		  struct loop *loop, void (*ended)(void *arg), void *arg,
		  struct err *err);
struct capture_stats {
	uint64_t frames;  /* written */
	uint64_t dropped; /* the ring was full, or they could not be written */
	int error; /* -errno when writing failed, of a full disk say; what
		    * was written ends with a whole frame then, if it
		    * is a file */
};

/* Ends it: what workers had handed over is written, then the fd is closed.
 * @last (may be NULL) gets the final numbers. Does nothing, and leaves zeros,
 * when the port is not captured. */
void capture_stop(struct port *p, struct capture_stats *last);

/* Numbers up to now; false: not captured. */
bool capture_stats(const struct port *p, struct capture_stats *out);

/* Worker: records @n frames, in or out of @c's port. */
void capture_frames(struct capture *c, bool is_rx, struct frame *const *frames,
		    unsigned n);

#endif
