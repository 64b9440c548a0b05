/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pcap stream to a descriptor (LINKTYPE_ETHERNET), for capture.c
 * and its thread. Records are gathered and written together. When writing
 * fails, a file is cut back to the end of its last whole record.
 */
#ifndef RW_CAPTURE_STREAM_H
#define RW_CAPTURE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_SNAPLEN_MAX 262144 /* the most that readers of pcap accept */

enum stream_times { STREAM_NANO, STREAM_MICRO };

struct stream {
	/* [const] */
	int fd;	      /* borrowed */
	bool is_file; /* a regular file: writing never blocks for long */
	bool is_socket;
	enum stream_times times;
	const bool *stop; /* [any, atomic] true: do not wait for the reader */

	/* [writer] */
	char *buf;	     /* the stream's header and whole records */
	size_t len;	     /* bytes in buf */
	uint32_t head;	     /* bytes of the stream's header in buf: 0 or all */
	uint64_t pending;    /* records in buf */
	uint64_t stop_by_ms; /* deadline after a stop; 0: no stop seen yet */
	int error;	     /* -errno that ended the stream; 0: none */

	uint64_t frames; /* [writer -> any, atomic] records written whole */
};

/* Puts the stream's header into the buffer. Borrows @fd and @stop. Returns 0 or
 * -ENOMEM. */
int stream_init(struct stream *s, int fd, uint32_t snaplen,
		enum stream_times times, const bool *stop);
void stream_fini(struct stream *s);

/* Adds a record of a frame of @len bytes; @data holds @kept of them. Flushes
 * first when the buffer has no room. */
void stream_put(struct stream *s, uint64_t time_ns, uint32_t len,
		const void *data, uint32_t kept);

/* Writes the buffer. Does nothing after an error. */
void stream_flush(struct stream *s);

/* Returns whether the stream ended because its reader left: no fault. */
bool stream_reader_left(const struct stream *s);

#endif
