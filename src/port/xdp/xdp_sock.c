/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a port over AF_XDP and their memory, see xdp.h. Control
 * thread. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xdp_impl.h"

#define MEMORY ((size_t)2 * XDP_CHUNKS * XDP_CHUNK)
/* The kernel frees the queue of a socket that is closed a moment later. */
#define BUSY_TRIES 10
#define BUSY_US	   5000

struct xdp_queue *xdp_queue_create(struct xdp_port *x, unsigned idx)
{
	struct xdp_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (q->memory == MAP_FAILED) {
		free(q);
		return NULL;
	}
	q->fd = -1;
	q->lag_fd = x->lag_fd;
	q->rx = (struct rxq){ .port = &x->port,
			      .idx = (uint16_t)idx,
			      .can_spin = true,
			      .can_hold = true,
			      .event_fd = -1 };
	q->tx = (struct txq){ .port = &x->port, .idx = (uint16_t)idx };
	return q;
}

void xdp_queue_destroy(struct xdp_queue *q)
{
	xdp_queue_close(q);
	munmap(q->memory, MEMORY);
	free(q);
}

static int fail(const struct xdp_port *x, unsigned queue, int rc,
		struct err *err)
{
	const char *name = x->iface.name;

	switch (rc) {
	case -EPERM:
		return err_set(err, rc,
			       "ifname=%s: AF_XDP needs CAP_NET_RAW, "
			       "CAP_NET_ADMIN and CAP_BPF: run as root",
			       name);
	case -ENOBUFS:
		return err_set(err, rc,
			       "ifname=%s: the memory of a queue exceeds the "
			       "limit of locked memory: %zu MiB for each queue "
			       "(ulimit -l, LimitMEMLOCK=)",
			       name, MEMORY >> 20);
	case -EBUSY:
		return err_set(err, rc,
			       "ifname=%s: another AF_XDP socket has queue %u",
			       name, queue);
	case -EINVAL:
		return err_set(err, rc, "ifname=%s: there is no queue %u", name,
			       queue);
	default:
		return err_set(err, rc, "ifname=%s: queue %u: %s", name, queue,
			       strerror(-rc));
	}
}

/* Gives all chunks of one direction to the kernel, the others to us. */
static void share_out(struct xdp_queue *q)
{
	uint32_t at = 0;

	memset(&q->store, 0, sizeof(q->store));
	for (q->spares = 0; q->spares < XDP_CHUNKS; q->spares++)
		q->spare[q->spares] = (XDP_CHUNKS + q->spares) * XDP_CHUNK;
	xsk_ring_prod__reserve(&q->fill, XDP_CHUNKS, &at);
	for (uint32_t i = 0; i < XDP_CHUNKS; i++)
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = i * XDP_CHUNK;
	xsk_ring_prod__submit(&q->fill, XDP_CHUNKS);
}

static bool is_zero_copy(int fd)
{
	struct xdp_options o = { 0 };
	socklen_t size = sizeof(o);

	return !getsockopt(fd, SOL_XDP, XDP_OPTIONS, &o, &size) &&
	       o.flags & XDP_OPTIONS_ZEROCOPY;
}

static int open_socket(struct xdp_port *x, struct xdp_queue *q, unsigned queue)
{
	const struct xsk_umem_config memory = {
		.fill_size = XDP_CHUNKS,
		.comp_size = XDP_CHUNKS,
		.frame_size = XDP_CHUNK,
	};
	const struct xsk_socket_config c = {
		.rx_size = XDP_CHUNKS,
		.tx_size = XDP_CHUNKS,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP |
			      (x->conf.force_copy ? XDP_COPY : 0),
	};
	int rc;

	/* libxdp leaves the counters of an earlier use in the rings. */
	memset(&q->fill, 0, sizeof(q->fill));
	memset(&q->done, 0, sizeof(q->done));
	memset(&q->rx_ring, 0, sizeof(q->rx_ring));
	memset(&q->tx_ring, 0, sizeof(q->tx_ring));
	rc = xsk_umem__create(&q->umem, q->memory, MEMORY, &q->fill, &q->done,
			      &memory);

	if (rc)
		return rc;
	return xsk_socket__create(&q->sock, x->iface.name, queue, q->umem,
				  &q->rx_ring, &q->tx_ring, &c);
}

int xdp_queue_open(struct xdp_port *x, struct xdp_queue *q, struct err *err)
{
	unsigned queue = x->conf.start_queue + q->rx.idx;
	int rc = open_socket(x, q, queue);

	/* Only while the port is being made: later events come by themselves,
	 * and control must not wait. */
	for (unsigned i = 0; rc == -EBUSY && !x->iface.ops && i < BUSY_TRIES;
	     i++) {
		usleep(BUSY_US);
		xdp_queue_close(q);
		rc = open_socket(x, q, queue);
	}
	if (rc) {
		xdp_queue_close(q);
		return fail(x, queue, rc, err);
	}
	q->fd = q->rx.event_fd = xsk_socket__fd(q->sock);
	q->is_zero_copy = is_zero_copy(q->fd);
	share_out(q);
	return 0;
}

void xdp_queue_close(struct xdp_queue *q)
{
	if (q->sock)
		xsk_socket__delete(q->sock);
	if (q->umem)
		xsk_umem__delete(q->umem);
	q->sock = NULL;
	q->umem = NULL;
	q->fd = q->rx.event_fd = -1;
}
