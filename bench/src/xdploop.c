/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xdploop: forwards what comes in at interface A to B through AF_XDP, until it
 * is killed: one memory area for both sockets, so nothing is copied here. The
 * bound for what a switch can do between two xdp ports.
 *
 *   xdploop A B
 */
/* BUILD-LIBS: -lxdp -lbpf */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#define FRAMES 4096
#define SIZE   4096
#define BURST  64

/* A socket with rings of its own on the shared memory. */
struct side {
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion, rx;
	struct xsk_socket *socket;
};

static void check(int rc, const char *what)
{
	if (!rc)
		return;
	fprintf(stderr, "xdploop: %s: error %d\n", what, rc);
	exit(1);
}

static void give(struct side *s, const uint64_t *addr, uint32_t n)
{
	uint32_t at;

	while (xsk_ring_prod__reserve(&s->fill, n, &at) != n)
		;
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&s->fill, at + i) =
			addr[i] / SIZE * SIZE;
	xsk_ring_prod__submit(&s->fill, n);
}

/* Returns what @to has sent to @from's ring of free frames. */
static void take_back(struct side *from, struct side *to)
{
	uint64_t addr[BURST];
	uint32_t at, n = xsk_ring_cons__peek(&to->completion, BURST, &at);

	for (uint32_t i = 0; i < n; i++)
		addr[i] = *xsk_ring_cons__comp_addr(&to->completion, at + i);
	xsk_ring_cons__release(&to->completion, n);
	if (n)
		give(from, addr, n);
}

static void wake(struct side *to)
{
	if (xsk_ring_prod__needs_wakeup(&to->tx))
		sendto(xsk_socket__fd(to->socket), NULL, 0, MSG_DONTWAIT, NULL,
		       0);
}

static void forward(struct side *from, struct side *to)
{
	struct pollfd p = { xsk_socket__fd(from->socket), POLLIN, 0 };
	uint32_t in, out, n;

	for (;;) {
		take_back(from, to);
		n = xsk_ring_cons__peek(&from->rx, BURST, &in);
		if (!n) {
			wake(to);
			poll(&p, 1, 1);
			continue;
		}
		while (xsk_ring_prod__reserve(&to->tx, n, &out) != n) {
			wake(to);
			take_back(from, to);
		}
		for (uint32_t i = 0; i < n; i++)
			*xsk_ring_prod__tx_desc(&to->tx, out + i) =
				*xsk_ring_cons__rx_desc(&from->rx, in + i);
		xsk_ring_prod__submit(&to->tx, n);
		xsk_ring_cons__release(&from->rx, n);
		wake(to);
	}
}

int main(int argc, char **argv)
{
	static struct side side[2];
	const struct xsk_umem_config memory = {
		.fill_size = FRAMES,
		.comp_size = FRAMES,
		.frame_size = SIZE,
	};
	const struct xsk_socket_config config = {
		.rx_size = 2048,
		.tx_size = 2048,
		.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
	};
	struct xsk_umem *umem;
	void *area;

	if (argc != 3)
		return 2;
	area = mmap(NULL, FRAMES * SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(xsk_umem__create(&umem, area, FRAMES * SIZE, &side[0].fill,
			       &side[0].completion, &memory),
	      "memory");
	for (int i = 0; i < 2; i++)
		check(xsk_socket__create_shared(&side[i].socket, argv[1 + i], 0,
						umem, &side[i].rx, &side[i].tx,
						&side[i].fill,
						&side[i].completion, &config),
		      argv[1 + i]);
	for (uint64_t i = 0; i < FRAMES / 2; i++)
		give(&side[0], &(uint64_t){ i * SIZE }, 1);
	forward(&side[0], &side[1]);
	return 0;
}
