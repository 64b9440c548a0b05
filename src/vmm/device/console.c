/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console (virtio 1.2, clause 5.3) with one port, whose other end is a
 * UNIX socket that we listen on, for one client at a time. Control thread.
 *
 * Theory of operation. The guest's kernel waits for every chain that it prints,
 * so output is taken at once and never held back: it goes to the client's
 * socket, else into a backlog of BACKLOG bytes, else it is dropped and counted.
 * Input is read from the socket only into a chain of the guest's: without one
 * the socket is not watched for input, and the client's sends block.
 *
 * A client that goes may have written before: its input is read to the end,
 * as the guest takes it. Until then it is not watched, since epoll would tell
 * of its end again and again, and output is dropped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device_types.h"
#include "fd.h"
#include "log.h"
#include "rings.h"
#include "serve.h"
#include "shm.h"
#include "sock_server.h"
#include "virtio.h"

#define TURN_CHAINS 16
#define TURN_IOV    128
#define RING_SIZE   64
#define BACKLOG	    (256 * 1024)
#define SOCKET_MODE 0600

enum { RING_IN, RING_OUT, RINGS }; /* clause 5.3.2 */

/* Clause 5.3.4. Nothing of it is valid without the features SIZE, MULTIPORT and
 * EMERG_WRITE, which are not offered. */
struct console_config {
	le16 cols, rows;
	le32 max_nr_ports;
	le32 emerg_wr;
};

struct console_conf {
	struct device_conf common;
	char *path;
	bool packed;
};

struct console {
	struct virtio_dev dev;
	struct rings rings;
	struct serve in, out;
	struct loop *loop;
	struct sock_server server;
	struct loop_watch watch; /* of the client; its loop is NULL without one,
				  * and after it went */
	bool has_input;		 /* the socket may have bytes to read */
	char *backlog;		 /* ring of BACKLOG bytes */
	size_t first, kept;	 /* first byte in @backlog, and how many */
	uint64_t dropped;	 /* bytes of output */
	uint64_t sent, received; /* bytes to and from clients */
};

static struct console *to_console(struct virtio_dev *d)
{
	return container_of(d, struct console, dev);
}

static bool has_client(const struct console *c)
{
	return c->server.client >= 0;
}

/* Returns whether there is a client that takes output. */
static bool has_listener(const struct console *c)
{
	return c->watch.loop;
}

static void drop_client(struct console *c)
{
	loop_watch_remove(&c->watch);
	c->has_input = false;
	c->dropped += c->kept;
	c->kept = 0;
	sock_server_drop(&c->server);
}

/* The client takes no more output; it may have left input. */
static void stop_output(struct console *c)
{
	char byte;

	loop_watch_remove(&c->watch);
	c->dropped += c->kept;
	c->kept = 0;
	c->has_input =
		recv(c->server.client, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
	if (c->has_input)
		serve_now(&c->in); /* the guest may have had room before */
	else
		drop_client(c);
}

static void watch_client(struct console *c)
{
	if (!has_listener(c))
		return;
	/* Without has_input the guest has room, or the service of its ring
	 * would have set it. */
	loop_watch_set(&c->watch,
		       (c->has_input ? 0 : EPOLLIN) | (c->kept ? EPOLLOUT : 0));
}

/* Returns the bytes that the client took; 0 also when it takes none any more.
 */
static size_t send_some(struct console *c, struct iovec *iov, size_t count)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t n =
		sendmsg(c->server.client, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		stop_output(c);
	if (n <= 0)
		return 0;
	c->sent += (uint64_t)n;
	return (size_t)n;
}

static void keep(struct console *c, const char *data, size_t size)
{
	size_t n = MIN(size, BACKLOG - c->kept);
	size_t at = (c->first + c->kept) & (BACKLOG - 1);
	size_t part = MIN(n, BACKLOG - at);

	memcpy(c->backlog + at, data, part);
	memcpy(c->backlog, data + part, n - part);
	c->kept += n;
	c->dropped += size - n;
}

static void send_backlog(struct console *c)
{
	size_t part = MIN(c->kept, BACKLOG - c->first);
	struct iovec iov[2] = { { c->backlog + c->first, part },
				{ c->backlog, c->kept - part } };
	size_t n = send_some(c, iov, 2);

	/* A client that went has taken the backlog along. */
	if (!has_listener(c))
		return;
	c->first = (c->first + n) & (BACKLOG - 1);
	c->kept -= n;
}

static void print_chain(struct console *c, const struct vq_chain *chain)
{
	struct iovec *iov = chain->iov;
	unsigned count = chain->readable_count;
	size_t n = 0;

	if (has_listener(c) && !c->kept && count)
		n = send_some(c, iov, count);
	for (unsigned i = 0; i < count; i++) {
		size_t skip = MIN(n, iov[i].iov_len);
		size_t left = iov[i].iov_len - skip;

		n -= skip;
		if (has_listener(c))
			keep(c, (char *)iov[i].iov_base + skip, left);
		else
			c->dropped += left;
	}
}

static enum serve_result output_turn(struct serve *s)
{
	struct console *c = container_of(s, struct console, out);
	struct iovec iov[TURN_IOV];
	struct vq_chain chain[TURN_CHAINS];
	struct vq_done done[TURN_CHAINS];
	unsigned n = vq_dev_pop_burst(s->vq, chain, TURN_CHAINS, iov, TURN_IOV);

	for (unsigned i = 0; i < n; i++) {
		print_chain(c, &chain[i]);
		done[i] =
			(struct vq_done){ chain[i].id, chain[i].slot_count, 0 };
	}
	serve_push(s->vq, done, n);
	watch_client(c);
	return SERVE_EMPTY;
}

/* Reads from the client into @chain; returns the bytes, or 0 when there are
 * none or the client is gone. */
static uint32_t receive(struct console *c, const struct vq_chain *chain)
{
	struct iovec *iov = chain->iov + chain->readable_count;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = chain->writable_count };
	ssize_t n = recvmsg(c->server.client, &msg, MSG_DONTWAIT);

	if (n > 0) {
		c->received += (uint64_t)n;
		return (uint32_t)n;
	}
	if (n < 0 && errno == EINTR)
		return 0;
	/* Without a watch nobody would tell of more. */
	if (!n || errno != EAGAIN || !has_listener(c))
		drop_client(c);
	c->has_input = false;
	return 0;
}

static enum serve_result input_turn(struct serve *s)
{
	struct console *c = container_of(s, struct console, in);
	enum serve_result result = SERVE_WAITS;
	struct iovec iov[TURN_IOV];
	struct vq_chain chain;

	if (!c->has_input)
		return SERVE_WAITS;
	for (unsigned i = 0; i < TURN_CHAINS && c->has_input; i++) {
		struct vq_done done;

		if (!vq_dev_pop_burst(s->vq, &chain, 1, iov, TURN_IOV))
			return SERVE_EMPTY;
		done = (struct vq_done){ chain.id, chain.slot_count, 0 };
		if (chain.writable_count) {
			done.size = receive(c, &chain);
			if (!done.size) {
				vq_dev_unpop(s->vq, &chain, 1);
				break;
			}
		}
		serve_push(s->vq, &done, 1);
	}
	if (c->has_input)
		result = SERVE_AGAIN;
	watch_client(c);
	return result;
}

static void on_client(struct loop_watch *w, uint32_t events)
{
	struct console *c = container_of(w, struct console, watch);

	if (events & EPOLLOUT)
		send_backlog(c);
	if (events & EPOLLIN && has_client(c))
		c->has_input = true;
	if (events & (EPOLLHUP | EPOLLERR) && has_listener(c))
		stop_output(c);
	if (c->has_input)
		serve_now(&c->in);
	watch_client(c);
}

static void on_replaced(struct sock_server *s)
{
	drop_client(container_of(s, struct console, server));
}

static void on_came(struct sock_server *s)
{
	struct console *c = container_of(s, struct console, server);

	c->first = c->kept = 0;
	c->has_input = false;
	if (loop_watch_add(c->loop, &c->watch, s->client, EPOLLIN, on_client))
		sock_server_drop(s);
}

static void config_read(struct virtio_dev *d, unsigned off, unsigned size,
			void *data)
{
	static const struct console_config config;

	(void)d;
	memcpy(data, (const char *)&config + off, size);
}

static int start_ring(struct virtio_dev *d, unsigned idx,
		      const struct virtio_ring *from)
{
	struct console *c = to_console(d);
	int rc = rings_start(&c->rings, idx, from);

	if (rc)
		return rc;
	rc = serve_start(idx == RING_IN ? &c->in : &c->out, c->loop,
			 &c->rings.ring[idx].vq, from->kick_fd,
			 idx == RING_IN ? input_turn : output_turn);
	if (rc)
		rings_stop(&c->rings, idx);
	return rc;
}

static void stop_ring(struct virtio_dev *d, unsigned idx)
{
	struct console *c = to_console(d);

	if (idx >= RINGS)
		return;
	serve_stop(idx == RING_IN ? &c->in : &c->out);
	rings_stop(&c->rings, idx);
}

static void set_call(struct virtio_dev *d, unsigned idx, int fd)
{
	virtio_dev_set_call(&to_console(d)->rings.ring[idx].vq, fd);
}

static void show(const struct virtio_dev *d, struct show *s)
{
	const struct console *c = container_of(d, const struct console, dev);

	show_str(s, "path", c->server.listener.path);
	show_flag(s, "client", has_client(c));
	show_num(s, "sent", c->sent);
	show_num(s, "dropped", c->dropped);
	show_num(s, "received", c->received);
}

static void destroy(struct virtio_dev *d)
{
	struct console *c = to_console(d);

	for (unsigned i = 0; i < RINGS; i++)
		stop_ring(d, i);
	if (has_client(c))
		drop_client(c);
	sock_server_stop(&c->server);
	rings_fini(&c->rings);
	free(c->backlog);
	free(c);
}

static const struct virtio_dev_ops console_ops = {
	.config_read = config_read,
	.start_ring = start_ring,
	.stop_ring = stop_ring,
	.set_call = set_call,
	.show = show,
	.destroy = destroy,
};

static int create(const void *conf_, struct loop *loop, struct virtio_dev **out,
		  struct err *err)
{
	const struct console_conf *conf = conf_;
	struct console *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, -ENOMEM, "out of memory");
	c->loop = loop;
	c->server = (struct sock_server){ .came = on_came,
					  .replaced = on_replaced,
					  .listener.fd = -1,
					  .client = -1 };
	c->dev = (struct virtio_dev){
		.ops = &console_ops,
		.name = conf->common.id,
		.type = 3,
		.ring_count = RINGS,
		.ring_size = RING_SIZE,
		.features = rings_features(conf->packed),
		.config_size = sizeof(struct console_config),
		.loop = loop,
	};
	c->backlog = malloc(BACKLOG);
	rc = c->backlog ? rings_init(&c->rings, loop, &c->dev, RINGS) : -ENOMEM;
	if (rc) {
		err_set(err, rc, "%s", strerror(-rc));
		goto err_destroy;
	}
	rc = unix_listen(&c->server.listener, "path", conf->path, SOCKET_MODE,
			 err);
	if (rc)
		goto err_destroy;
	rc = sock_server_start(&c->server, loop);
	if (rc) {
		err_set(err, rc, "%s", strerror(-rc));
		goto err_destroy;
	}
	*out = &c->dev;
	return 0;
err_destroy:
	destroy(&c->dev);
	return rc;
}

#define OPT(k, member, t, ...)                                               \
	{                                                                    \
		.key = k, .kind = t,                                         \
		.offset = offsetof(struct console_conf, member), __VA_ARGS__ \
	}

static const struct opt_row console_rows[] = {
	DEVICE_ROWS(console_conf),
	OPT("path", path, OPT_PATH, .required = true, .arg = "SOCKET",
	    .help = "UNIX socket to listen on, for one client at a time"),
	OPT("packed", packed, OPT_BOOL, .def = "off",
	    .help = "offer packed rings"),
	{ NULL },
};

const struct device_type device_console_type = {
	.name = "virtio-console",
	.help = "a console of the guest, at a UNIX socket",
	.rows = console_rows,
	.conf_size = sizeof(struct console_conf),
	.create = create,
};
