/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures, see capture.h. capture_frames() runs on workers; writer_main() and
 * what it calls on the capture's own thread; the rest on the control thread.
 *
 * Theory of operation. Workers put records into the ring; the writer takes them
 * out, gives them to libpcap, and flushes whenever the ring runs empty, so that
 * who reads a pipe sees frames as they come. The descriptor may be a pipe or a
 * socket whose reader stands still, and it may be shared with other programs,
 * so it is neither made non-blocking nor ever written to when that could block:
 * stopping a capture must not wait for a stranger.
 *
 * End. The writer ends by itself when the reader is gone, writing fails or the
 * bound is reached: it posts @ended and exits; workers see is_over and record
 * no more. capture_stop() unpublishes the capture, waits for workers (the only
 * ones that could still put something into the ring), has the writer write what
 * is left, and joins it. A call to @ended that is still in the loop by then
 * finds is_stopped and only frees the memory.
 */
#include "capture.h"

#include <errno.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "mring.h"
#include "rcu.h"

#define RING_SIZE    (4u << 20) /* 64 of the largest frames */
#define BUFFER_SIZE  (64u << 10)
#define SNAPLEN_MAX  262144 /* what readers of pcap accept */
#define STALL_MS     50	    /* between looks whether to stop */
#define STOP_WAIT_MS 200    /* for a slow reader at the end */

/* In front of each frame in the ring. */
struct record {
	uint64_t time_ns; /* CLOCK_REALTIME */
	uint32_t len;	  /* of the frame; what is kept may be less */
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
	bool is_file; /* writing never blocks for long */
	bool is_socket;
	pthread_t thread;
	struct mring *ring; /* workers -> writer */

	/* [any, atomic] */
	bool stop;	  /* ctl -> writer: write the rest and end */
	bool is_over;	  /* writer -> workers: nobody reads any more */
	uint64_t frames;  /* written; by the writer */
	uint64_t dropped; /* by workers */

	/* [writer] */
	FILE *file;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	char *buffer;	     /* of file */
	int error;	     /* -errno of the first failed write */
	uint64_t stop_by_ms; /* 0: not asked to stop yet */

	/* [ctl] once the writer ended */
	bool was_posted; /* a call of run_ended() is in the loop */
	bool is_stopped; /* capture_stop() was there before it */
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

/* Waits until the descriptor takes PIPE_BUF bytes without blocking; once the
 * capture is to stop, no longer than is polite. */
static int wait_writable(struct capture *c)
{
	struct pollfd p = { c->fd, POLLOUT, 0 };

	for (;;) {
		int rc = poll(&p, 1, STALL_MS);

		if (rc < 0 && errno != EINTR)
			return -errno;
		if (rc > 0 && (p.revents & POLLERR))
			return -EPIPE;
		if (!shm_load(&c->stop)) {
			if (rc > 0)
				return 0;
			continue;
		}
		if (!c->stop_by_ms)
			c->stop_by_ms = loop_now_ms() + STOP_WAIT_MS;
		if (loop_now_ms() >= c->stop_by_ms)
			return -ETIMEDOUT;
		if (rc > 0)
			return 0;
	}
}

static ssize_t write_some(struct capture *c, const char *data, size_t size)
{
	int rc = c->is_file ? 0 : wait_writable(c);
	ssize_t n;

	if (rc)
		return rc;
	if (c->is_socket)
		n = send(c->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(c->fd, data, c->is_file ? size : MIN(size, PIPE_BUF));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n < 0 ? -errno : n;
}

/* What stdio calls to write. */
static ssize_t write_all(void *cookie, const char *data, size_t size)
{
	struct capture *c = cookie;
	size_t done = 0;

	while (!c->error && done < size) {
		ssize_t n = write_some(c, data + done, size - done);

		if (n < 0)
			c->error = (int)n;
		else
			done += (size_t)n;
	}
	return c->error ? 0 : (ssize_t)size;
}

static void write_record(struct capture *c, const struct record *r,
			 uint32_t size)
{
	struct pcap_pkthdr h = {
		.ts = { (time_t)(r->time_ns / 1000000000),
			/* nanoseconds: so the file's header says */
			(suseconds_t)(r->time_ns % 1000000000) },
		.caplen = size - (uint32_t)sizeof(*r),
		.len = r->len,
	};

	pcap_dump((u_char *)c->dumper, &h, (const u_char *)(r + 1));
	stat_inc(&c->frames);
}

/* Writes what is in the ring. True: go on. */
static bool write_ring(struct capture *c)
{
	const struct record *r;
	uint32_t size;

	while (!c->error && (r = mring_peek(c->ring, &size))) {
		write_record(c, r, size);
		mring_release(c->ring);
		if (c->frames == c->max_frames) {
			fflush(c->file);
			return false;
		}
	}
	fflush(c->file);
	return !c->error;
}

/* Sleeps until there is something in the ring. False: the reader is gone. */
static bool await_record(struct capture *c)
{
	/* a reader that goes makes its pipe or socket report POLLERR or
	 * POLLHUP without being asked for it */
	struct pollfd p[] = { { c->event_fd, POLLIN, 0 },
			      { c->is_file ? -1 : c->fd, 0, 0 } };

	if (!mring_arm(c->ring))
		return true;
	poll(p, ARRAY_SIZE(p), -1);
	mring_disarm(c->ring);
	fd_drain(c->event_fd);
	return !p[1].revents;
}

static void close_stream(struct capture *c)
{
	if (c->dumper)
		pcap_dump_close(c->dumper);
	else if (c->file)
		fclose(c->file);
	if (c->pcap)
		pcap_close(c->pcap);
	c->dumper = NULL;
	c->file = NULL;
	c->pcap = NULL;
}

static void free_capture(struct capture *c)
{
	/* The writer closed the stream; what has none writes nothing now. */
	c->error = -ECANCELED;
	close_stream(c);
	mring_destroy(c->ring);
	fd_close(&c->event_fd);
	fd_close(&c->fd);
	free(c->buffer);
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

static void *writer_main(void *arg)
{
	struct capture *c = arg;
	bool is_last, goes_on;

	do {
		/* The first time, this writes the file's header: a program
		 * at the other end of a pipe waits for it. */
		is_last = shm_load_acquire(&c->stop);
		goes_on = write_ring(c);
	} while (goes_on && !is_last && await_record(c));
	shm_store(&c->is_over, true);
	close_stream(c);
	if (c->error && c->error != -EPIPE && c->error != -ETIMEDOUT)
		log_warn("port=%s: capture ended: %s", c->port_name,
			 strerror(-c->error));
	if (!shm_load(&c->stop)) {
		c->was_posted = true;
		if (loop_post(c->loop, run_ended, c))
			c->was_posted = false;
	}
	return NULL;
}

static int open_stream(struct capture *c)
{
	const cookie_io_functions_t io = { .write = write_all };

	c->buffer = malloc(BUFFER_SIZE);
	c->file = c->buffer ? fopencookie(c, "w", io) : NULL;
	if (!c->file)
		return -ENOMEM;
	setvbuf(c->file, c->buffer, _IOFBF, BUFFER_SIZE);
	c->pcap = pcap_open_dead_with_tstamp_precision(
		DLT_EN10MB, (int)MIN(c->snaplen, SNAPLEN_MAX),
		PCAP_TSTAMP_PRECISION_NANO);
	if (!c->pcap)
		return -ENOMEM;
	c->dumper = pcap_dump_fopen(c->pcap, c->file);
	if (!c->dumper)
		c->file = NULL; /* libpcap closed it */
	return c->dumper ? 0 : -ENOMEM;
}

static struct capture *create_capture(const struct port *p,
				      const struct capture_config *config)
{
	struct capture *c = calloc(1, sizeof(*c));
	struct stat st;

	if (!c)
		return NULL;
	c->fd = -1; /* the caller's until all went well */
	c->snaplen = config->snaplen ? config->snaplen : SNAPLEN_MAX;
	c->max_frames = config->max_frames;
	c->direction = config->direction;
	if (!fstat(config->fd, &st)) {
		c->is_file = S_ISREG(st.st_mode);
		c->is_socket = S_ISSOCK(st.st_mode);
	}
	c->event_fd = fd_eventfd();
	c->ring = mring_create(RING_SIZE);
	c->port_name = strdup(p->name);
	if (c->event_fd >= 0 && c->ring && c->port_name && !open_stream(c))
		return c;
	free_capture(c);
	return NULL;
}

int capture_start(struct port *p, const struct capture_config *config,
		  struct loop *loop, void (*ended)(void *arg), void *arg,
		  struct err *err)
{
	struct capture *c = NULL;
	int fd = config->fd;
	int rc;

	if (p->capture) {
		rc = err_set(err, -EBUSY, "port %s is being captured already",
			     p->name);
		goto err_close;
	}
	c = create_capture(p, config);
	if (!c) {
		rc = err_set(err, -ENOMEM, "capture: out of memory");
		goto err_close;
	}
	c->loop = loop;
	c->ended = ended;
	c->ended_arg = arg;
	c->fd = fd_take(&fd);
	/* Live before the stream's header is written: who sees that finds
	 * every frame that follows. */
	rcu_publish(p->capture, c);
	rcu_wait_workers();
	rc = -pthread_create(&c->thread, NULL, writer_main, c);
	if (rc) {
		rcu_publish(p->capture, NULL);
		rcu_wait_workers();
		free_capture(c);
		return err_set(err, rc, "capture: no thread: %s",
			       strerror(-rc));
	}
	pthread_setname_np(c->thread, "capture");
	return 0;

err_close:
	fd_close(&fd);
	return rc;
}

bool capture_stats(const struct port *p, struct capture_stats *out)
{
	const struct capture *c = p->capture;

	*out = (struct capture_stats){ 0 };
	if (!c)
		return false;
	out->frames = stat_read(&c->frames);
	out->dropped = stat_read(&c->dropped);
	return true;
}

void capture_stop(struct port *p, struct capture_stats *last)
{
	struct capture *c = p->capture;
	struct capture_stats stats;

	if (c) {
		rcu_publish(p->capture, NULL);
		rcu_wait_workers();
		shm_store_release(&c->stop, true);
		fd_signal(c->event_fd);
		pthread_join(c->thread, NULL);
		stats.frames = c->frames;
		stats.dropped = c->dropped;
	} else {
		stats = (struct capture_stats){ 0 };
	}
	if (last)
		*last = stats;
	if (!c)
		return;
	if (c->was_posted) {
		c->is_stopped = true;
		fd_close(&c->fd);
	} else {
		free_capture(c);
	}
}
