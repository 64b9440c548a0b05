/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter-dump: a capture into a file, as long as the filter exists. Workers
 * record the frames; the capture's own thread writes them (capture.c). The rest
 * runs on the control thread.
 *
 * The file has QEMU's format: microseconds, and the frames as they are on the
 * port's wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "fd.h"
#include "filter_impl.h"

struct dump_conf {
	char *file;
	uint32_t maxlen;
};

static const struct opt_row dump_rows[] = {
	{ .key = "file",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct dump_conf, file),
	  .required = true,
	  .arg = "PATH",
	  .help = "pcap file to write; an old one is overwritten" },
	{ .key = "maxlen",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct dump_conf, maxlen),
	  .min = 1,
	  .max = STREAM_SNAPLEN_MAX,
	  .def = "65536",
	  .arg = "BYTES",
	  .help = "most bytes of a frame to write" },
	{ NULL },
};

struct dump {
	struct filter filter;
	struct capture *capture;
	char reason[128]; /* [ctl] why writing ended; empty: it goes on */
};

static struct dump *to_dump(struct filter *f)
{
	return container_of(f, struct dump, filter);
}

static void dump_see(struct filter *f, bool is_rx, struct frame *const *frames,
		     unsigned n)
{
	capture_frames(to_dump(f)->capture, is_rx, frames, n);
}

/* Empties @fd, unless another dump writes to the same file. The lock goes with
 * the descriptor. */
static int take_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, -EBUSY,
			       "file=%s: another filter or program has locked "
			       "it: choose another file",
			       path);
	return ftruncate(fd, 0) < 0
		       ? err_set(err, -errno, "file=%s: cannot empty it: %s",
				 path, strerror(errno))
		       : 0;
}

/* Opens the file. A FIFO needs its reader now: waiting for one would stop the
 * control thread. */
static int open_file(const char *path, struct err *err)
{
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		      0644);
	int flags, rc;

	if (fd < 0)
		return err_set(err, -errno, "file=%s: cannot write to it: %s",
			       path,
			       errno == ENXIO ? "nothing reads from that pipe"
					      : strerror(errno));
	rc = take_file(fd, path, err);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	return fd;
}

/* The reader of a pipe is gone, or writing failed. */
static void on_ended(void *arg)
{
	struct dump *d = arg;
	const struct dump_conf *c = d->filter.spec->conf;
	int error = -capture_read(d->capture).error;
	char text[300];

	snprintf(d->reason, sizeof(d->reason), "%s",
		 error ? strerror(error) : "the reader of the pipe is gone");
	snprintf(text, sizeof(text), "filter %s: dump to %.100s ended: %s",
		 d->filter.spec->common.id, c->file, d->reason);
	port_tell_fault(d->filter.port, 0, text);
}

static int dump_start(struct filter *f, struct err *err)
{
	return capture_begin(to_dump(f)->capture, err);
}

static void dump_destroy(struct filter *f)
{
	struct dump *d = to_dump(f);

	capture_destroy(d->capture);
	free(d);
}

static void dump_show(const struct filter *f, struct show *s)
{
	const struct dump *d = container_of(f, const struct dump, filter);
	struct capture_stats stats = capture_read(d->capture);

	show_num(s, "frames", stats.frames);
	show_num(s, "dropped", stats.dropped);
	if (d->reason[0])
		show_str(s, "reason", d->reason);
}

static const struct filter_ops dump_ops = {
	.see = dump_see,
	.start = dump_start,
	.destroy = dump_destroy,
	.show = dump_show,
};

static int dump_create(const struct filter_env *env, struct port *p,
		       struct filter_spec *spec, struct filter **out,
		       struct err *err)
{
	const struct dump_conf *c = spec->conf;
	struct dump *d = calloc(1, sizeof(*d));
	struct capture_config config = { .snaplen = c->maxlen,
					 .times = STREAM_MICRO };
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	config.fd = rc = open_file(c->file, err);
	if (rc >= 0)
		rc = capture_create(p->name, &config, env->port.loop, on_ended,
				    d, &d->capture, err);
	if (rc) {
		free(d);
		return rc;
	}
	filter_init(&d->filter, &dump_ops, p, spec);
	*out = &d->filter;
	return 0;
}

const struct filter_type filter_dump_type = {
	.name = "filter-dump",
	.help = "write the port's frames to a pcap file",
	.rows = dump_rows,
	.conf_size = sizeof(struct dump_conf),
	.create = dump_create,
};
