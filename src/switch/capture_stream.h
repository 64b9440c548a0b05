/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pcap stream to a descriptor (LINKTYPE_ETHERNET, nanoseconds), for capture.c
 * and its thread. Records are gathered and written together; where writing
 * fails, a file is cut back behind its last whole record.
 */
#ifndef RW_CAPTURE_STREAM_H
#define RW_CAPTURE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_SNAPLEN_MAX 262144 /* what readers of pcap accept */

struct stream {
	/* [const] */
	int fd;	      /* borrowed */
	bool is_file; /* writing never blocks for long */
	bool is_socket;
	const bool *stop; /* [any, atomic] true: do not wait for a reader */

	/* [writer] */
	char *buf;	     /* whole records, and the stream's header */
	size_t len;	     /* bytes in it */
	uint32_t head;	     /* of these, the stream's header: 0 or all of it */
	uint64_t pending;    /* records in it */
	uint64_t stop_by_ms; /* 0: not asked to stop yet */
	int error;	     /* -errno of what ended it; 0: goes on */

	uint64_t frames; /* [writer -> any, atomic] records written whole */
};

/* Puts the header into the buffer. 0 or -ENOMEM. @fd and @stop are borrowed. */
int stream_init(struct stream *s, int fd, uint32_t snaplen, const bool *stop);
void stream_fini(struct stream *s);

/* Adds a record of a frame of @len bytes, of which @kept are at @data. Writes
 * what was gathered before when there is no room. */
void stream_put(struct stream *s, uint64_t time_ns, uint32_t len,
		const void *data, uint32_t kept);

/* Writes what was gathered. After an error nothing is written any more. */
void stream_flush(struct stream *s);

/* Did the stream end because its reader left? That is no fault. */
bool stream_reader_left(const struct stream *s);

#endif
