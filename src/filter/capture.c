/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures, see capture.h. capture_frames() runs on workers; writer_main() and
 * its callees on the capture's own thread; the rest on the control thread.
 *
 * Theory of operation. Workers put records into the ring. The writer gathers
 * them in a stream (capture_stream.c) and flushes the stream whenever the ring
 * is empty, so the reader of a pipe sees frames as they come.
 *
 * End. The writer ends by itself when the reader is gone, writing fails or the
 * bound is reached: it posts @ended and exits; workers see is_over and record
 * no more. The owner unpublishes the capture and waits for workers (the only
 * threads that could still add to the ring); capture_destroy() has the writer
 * write the rest, and joins it. A call to @ended that is still in the loop then
 * finds is_stopped and only frees the memory.
 */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture_stream.h"
#include "chain.h"
#include "fd.h"
#include "log.h"
#include "mring.h"
#include "rcu.h"

#define RING_SIZE (4u << 20) /* room for 64 of the largest frames */

/* The header of each frame in the ring. */
struct record {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint32_t len;	  /* of the frame; fewer bytes may be kept */
};

struct capture {
	/* [const] */
	uint32_t snaplen;
	uint64_t max_frames; /* 0: no bound */
	enum capture_direction direction;
	struct loop *loop;
	void (*ended)(void *arg);
	void *ended_arg;
	char *port_name; /* heap, for log lines */
	int fd, event_fd;
	pthread_t thread;
	struct mring *ring; /* workers -> writer */

	/* [any, atomic] */
	bool stop;	  /* ctl -> writer: write the rest and end */
	bool is_over;	  /* writer -> workers: record no more */
	uint64_t dropped; /* frames that workers could not record */

	struct stream stream; /* [writer] */

	/* [ctl] the two last are valid once the writer ended */
	bool is_running; /* the writer was started */
	bool was_posted; /* a call of run_ended() is in the loop */
	bool is_stopped; /* capture_destroy() ran before that call */
};

void capture_frames(struct capture *c, bool is_rx, struct frame *const *frames,
		    unsigned n)
{
	bool must_signal = false;
	struct timespec ts;
	uint64_t now;

	if (shm_load(&c->is_over) ||
	    c->direction == (is_rx ? CAPTURE_TX : CAPTURE_RX))
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	for (unsigned i = 0; i < n; i++) {
		uint32_t kept = MIN(frames[i]->len, c->snaplen);
		struct record *r =
			mring_reserve(c->ring, (uint32_t)sizeof(*r) + kept);

		if (!r) {
			shm_fetch_add(&c->dropped, 1);
			continue;
		}
		*r = (struct record){ now, frames[i]->len };
		frame_copy(frames[i], 0, r + 1, kept);
		must_signal |= mring_commit(c->ring);
	}
	if (must_signal)
		fd_signal(c->event_fd);
}

/* Writes all records in the ring. Returns whether the writer goes on. */
static bool write_ring(struct capture *c)
{
	struct stream *s = &c->stream;
	const struct record *r;
	uint32_t size;

	while (!s->error && (r = mring_peek(c->ring, &size))) {
		stream_put(s, r->time_ns, r->len, r + 1,
			   size - (uint32_t)sizeof(*r));
		mring_release(c->ring);
		if (s->frames + s->pending == c->max_frames) {
			stream_flush(s);
			return false;
		}
	}
	stream_flush(s);
	return !s->error;
}

/* Sleeps until the ring has a record. Returns false when the reader is gone. */
static bool await_record(struct capture *c)
{
	/* poll() reports POLLERR or POLLHUP of a pipe or socket without its
	 * reader even if events is 0 */
	struct pollfd p[] = { { c->event_fd, POLLIN, 0 },
			      { c->stream.is_file ? -1 : c->fd, 0, 0 } };

	if (!mring_arm(c->ring))
		return true;
	poll(p, ARRAY_SIZE(p), -1);
	mring_disarm(c->ring);
	fd_drain(c->event_fd);
	return !p[1].revents;
}

static void free_capture(struct capture *c)
{
	stream_fini(&c->stream);
	mring_destroy(c->ring);
	fd_close(&c->event_fd);
	fd_close(&c->fd);
	free(c->port_name);
	free(c);
}

static void run_ended(void *arg)
{
	struct capture *c = arg;

	if (c->is_stopped) {
		free_capture(c);
		return;
	}
	c->was_posted = false;
	c->ended(c->ended_arg);
}

/* Returns -errno when writing failed, else 0. A reader that left, or that stood
 * still at the end, is no failure. */
static int failure(const struct capture *c)
{
	return stream_reader_left(&c->stream) || c->stream.error == -ETIMEDOUT
		       ? 0
		       : c->stream.error;
}

static void *writer_main(void *arg)
{
	struct capture *c = arg;
	bool is_last, goes_on;

	do {
		/* The first round writes the file's header, which a program at
		 * the other end of a pipe waits for. */
		is_last = shm_load_acquire(&c->stop);
		goes_on = write_ring(c);
	} while (goes_on && !is_last && await_record(c));
	shm_store_release(&c->is_over, true); /* capture:A */
	if (failure(c))
		log_warn("port=%s: capture ended: %s", c->port_name,
			 strerror(-failure(c)));
	if (!shm_load(&c->stop)) {
		c->was_posted = true;
		if (loop_post(c->loop, run_ended, c))
			c->was_posted = false;
	}
	return NULL;
}

static int alloc_capture(struct capture **out, const char *name,
			 const struct capture_config *config)
{
	struct capture *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (!c)
		return rc;
	c->fd = -1; /* the caller owns the fd until all went well */
	c->snaplen = config->snaplen ? config->snaplen : STREAM_SNAPLEN_MAX;
	c->max_frames = config->max_frames;
	c->direction = config->direction;
	c->event_fd = fd_eventfd();
	c->ring = mring_create(RING_SIZE);
	c->port_name = strdup(name);
	if (c->event_fd >= 0 && c->ring && c->port_name &&
	    !stream_init(&c->stream, config->fd, c->snaplen, config->times,
			 &c->stop)) {
		*out = c;
		return 0;
	}
	if (c->event_fd < 0)
		rc = c->event_fd;
	free_capture(c);
	return rc;
}

/* A descriptor for reading only would take no frame. The read end of a pipe
 * would not even end the capture: it has no reader that could leave. */
static bool is_writable(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

int capture_create(const char *name, const struct capture_config *config,
		   struct loop *loop, void (*ended)(void *arg), void *arg,
		   struct capture **out, struct err *err)
{
	struct capture *c = NULL;
	int fd = config->fd;
	int rc;

	if (!is_writable(fd)) {
		rc = err_set(err, -EINVAL,
			     "capture: the descriptor that came along is not "
			     "open for writing");
		goto err_close;
	}
	rc = alloc_capture(&c, name, config);
	if (rc) {
		err_set(err, rc, "cannot start the capture: %s", strerror(-rc));
		goto err_close;
	}
	c->loop = loop;
	c->ended = ended;
	c->ended_arg = arg;
	c->fd = fd_take(&fd);
	*out = c;
	return 0;

err_close:
	fd_close(&fd);
	return rc;
}

int capture_begin(struct capture *c, struct err *err)
{
	int rc = -pthread_create(&c->thread, NULL, writer_main, c);

	if (rc)
		return err_set(err, rc, "capture: no thread: %s",
			       strerror(-rc));
	c->is_running = true;
	pthread_setname_np(c->thread, "capture");
	return 0;
}

int capture_start(struct port *p, const struct capture_config *config,
		  struct loop *loop, void (*ended)(void *arg), void *arg,
		  struct err *err)
{
	struct capture *c;
	int fd = config->fd, rc = chain_check_port(p, err);

	if (!rc && p->capture)
		rc = err_set(err, -EBUSY, "port %s is being captured already",
			     p->name);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	rc = capture_create(p->name, config, loop, ended, arg, &c, err);
	if (rc)
		return rc;
	/* The capture is live before the stream's header is written: a reader
	 * that has the header gets every later frame. */
	rcu_publish(p->capture, c);
	rcu_wait_workers();
	rc = capture_begin(c, err);
	if (rc)
		capture_stop(p, NULL);
	return rc;
}

struct capture_stats capture_read(const struct capture *c)
{
	/* capture:A  acquire: the writer's error is visible. Pairs in
	 * writer_main(). */
	bool is_over = shm_load_acquire(&c->is_over);

	return (struct capture_stats){ .frames = stat_read(&c->stream.frames),
				       .dropped = stat_read(&c->dropped),
				       .error = is_over ? failure(c) : 0 };
}

bool capture_stats(const struct port *p, struct capture_stats *out)
{
	*out = p->capture ? capture_read(p->capture)
			  : (struct capture_stats){ 0 };
	return p->capture != NULL;
}

/* Returns how many frames the writer left that are not in the stream. */
static uint64_t count_missing(struct capture *c)
{
	uint64_t n = c->stream.pending;
	uint32_t size;

	if (!c->stream.error || stream_reader_left(&c->stream))
		return 0;
	while (mring_peek(c->ring, &size)) {
		mring_release(c->ring);
		n++;
	}
	return n;
}

struct capture_stats capture_destroy(struct capture *c)
{
	struct capture_stats stats = { 0 };

	if (c->is_running) {
		shm_store_release(&c->stop, true);
		fd_signal(c->event_fd);
		pthread_join(c->thread, NULL);
		stats.frames = c->stream.frames;
		stats.dropped = c->dropped + count_missing(c);
		stats.error = failure(c);
	}
	if (c->was_posted) {
		c->is_stopped = true;
		fd_close(&c->fd);
	} else {
		free_capture(c);
	}
	return stats;
}

void capture_stop(struct port *p, struct capture_stats *last)
{
	struct capture *c = p->capture;
	struct capture_stats stats = { 0 };

	if (c) {
		rcu_publish(p->capture, NULL);
		rcu_wait_workers();
		stats = capture_destroy(c);
	}
	if (last)
		*last = stats;
}
