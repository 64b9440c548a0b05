/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing of captures, see capture_stream.h. The capture's own thread.
 *
 * Stopping a capture must not wait for a stranger, and the descriptor may be a
 * pipe or a socket whose reader stands still. Other programs may share it, so
 * it is not made non-blocking. Instead, nothing is written while that could
 * block.
 */
#include "capture_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "loop.h"
#include "shm.h"
#include "key.h"

#define BUFFER_SIZE  (128u << 10)
#define STALL_MS     50	 /* between checks for a stop */
#define STOP_WAIT_MS 200 /* wait for a slow reader after a stop */

/* The format of pcap-savefile(5), in the host's byte order. */
struct file_header {
	uint32_t magic; /* says the unit of the times */
	uint16_t major, minor;
	uint32_t zone, accuracy; /* 0 */
	uint32_t snaplen;
	uint32_t link_type; /* 1: Ethernet */
};

struct record_header {
	uint32_t seconds, fraction;
	uint32_t kept, len;
};

_Static_assert(sizeof(struct file_header) + sizeof(struct record_header) +
			       FRAME_MAX + VLAN_HLEN <=
		       BUFFER_SIZE,
	       "the largest record fits");

int stream_init(struct stream *s, int fd, uint32_t snaplen,
		enum stream_times times, const bool *stop)
{
	const struct file_header h = {
		.magic = times == STREAM_NANO ? 0xa1b23c4d : 0xa1b2c3d4,
		.major = 2,
		.minor = 4,
		.snaplen = MIN(snaplen, STREAM_SNAPLEN_MAX),
		.link_type = 1,
	};
	struct stat st;

	*s = (struct stream){ .fd = fd, .stop = stop, .times = times };
	s->buf = malloc(BUFFER_SIZE);
	if (!s->buf)
		return -ENOMEM;
	if (!fstat(fd, &st)) {
		s->is_file = S_ISREG(st.st_mode);
		s->is_socket = S_ISSOCK(st.st_mode);
	}
	memcpy(s->buf, &h, sizeof(h));
	s->head = sizeof(h);
	s->len = sizeof(h);
	return 0;
}

void stream_fini(struct stream *s)
{
	free(s->buf);
	s->buf = NULL;
}

/* Waits until the descriptor takes PIPE_BUF bytes without blocking; after a
 * stop at most STOP_WAIT_MS. Returns 0 or -errno. */
static int wait_writable(struct stream *s)
{
	struct pollfd p = { s->fd, POLLOUT, 0 };

	for (;;) {
		int rc = poll(&p, 1, STALL_MS);

		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc > 0 && (p.revents & POLLERR))
			return -EPIPE;
		if (!shm_load(s->stop)) {
			if (rc > 0)
				return 0;
			continue;
		}
		if (!s->stop_by_ms)
			s->stop_by_ms = loop_now_ms() + STOP_WAIT_MS;
		if (loop_now_ms() >= s->stop_by_ms)
			return -ETIMEDOUT;
		if (rc > 0)
			return 0;
	}
}

static ssize_t write_some(struct stream *s, const char *data, size_t size)
{
	int rc = s->is_file ? 0 : wait_writable(s);
	ssize_t n;

	if (rc)
		return rc;
	if (s->is_socket)
		n = send(s->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(s->fd, data, s->is_file ? size : MIN(size, PIPE_BUF));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n < 0 ? -errno : n;
}

/* Returns the end of the last whole record in the first @size bytes of the
 * buffer. Adds these records to those written. */
static size_t count_whole(struct stream *s, size_t size)
{
	struct record_header h;
	size_t at = s->head;

	if (size < at)
		return 0;
	while (size - at >= sizeof(h)) {
		memcpy(&h, s->buf + at, sizeof(h));
		if (size - at - sizeof(h) < h.kept)
			break;
		at += sizeof(h) + h.kept;
		stat_inc(&s->frames);
		s->pending--;
	}
	return at;
}

/* Removes the last @excess bytes from the file, unless another program wrote
 * behind them. */
static void cut_file(struct stream *s, off_t excess)
{
	off_t end = lseek(s->fd, 0, SEEK_CUR);
	struct stat st;

	if (end < excess || fstat(s->fd, &st) || st.st_size != end)
		return;
	if (!ftruncate(s->fd, end - excess))
		lseek(s->fd, end - excess, SEEK_SET);
}

void stream_flush(struct stream *s)
{
	size_t done = 0, whole;

	while (!s->error && done < s->len) {
		ssize_t n = write_some(s, s->buf + done, s->len - done);

		if (n < 0)
			s->error = (int)n;
		else
			done += (size_t)n;
	}
	if (!s->error) {
		stat_add(&s->frames, s->pending);
		s->pending = 0;
	} else if (done) {
		whole = count_whole(s, done);
		if (s->is_file && done > whole)
			cut_file(s, (off_t)(done - whole));
	}
	s->head = 0;
	s->len = 0;
}

void stream_put(struct stream *s, uint64_t time_ns, uint32_t len,
		const void *data, uint32_t kept)
{
	const uint32_t ns = (uint32_t)(time_ns % 1000000000);
	const struct record_header h = {
		.seconds = (uint32_t)(time_ns / 1000000000),
		.fraction = s->times == STREAM_NANO ? ns : ns / 1000,
		.kept = kept,
		.len = len,
	};

	if (BUFFER_SIZE - s->len < sizeof(h) + kept)
		stream_flush(s);
	s->pending++;
	if (s->error)
		return;
	memcpy(s->buf + s->len, &h, sizeof(h));
	memcpy(s->buf + s->len + sizeof(h), data, kept);
	s->len += sizeof(h) + kept;
}

bool stream_reader_left(const struct stream *s)
{
	return s->error == -EPIPE || s->error == -ECONNRESET;
}
