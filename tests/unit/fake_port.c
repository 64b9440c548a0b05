/* SPDX-License-Identifier: Apache-2.0 */
/* Ports made of plain queues, see fake_port.h. */
#include "test.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "fake_port.h"
#include "fd.h"
#include "le.h"

#define UDP_PORT 7000

static uint8_t padding[FRAME_MAX];

static unsigned fake_rx_burst(struct rxq *rxq, struct burst *b)
{
	struct fake_queue *q = container_of(rxq, struct fake_queue, rxq);
	struct iovec *iov = (struct iovec *)b->scratch;
	unsigned n = 0, head = shm_load_acquire(&q->in.head);
	uint64_t begin;

	if (shm_exchange(&q->rx_scratch, b->scratch))
		shm_fetch_add(&q->overlaps, 1);
	while (q->in.tail + n != head && n < b->want) {
		struct message *m =
			&q->in.slot[(q->in.tail + n) & (QUEUE_ROOM - 1)];

		iov[2 * n] = (struct iovec){ m->data, m->len };
		iov[2 * n + 1] = (struct iovec){ padding, q->rx_padding };
		b->frame[n].hdr = (struct vnet_hdr){ 0 };
		b->frame[n].from = m->from;
		frame_from_iov(&b->frame[n], &iov[2 * n], q->rx_padding ? 2 : 1,
			       m->len + q->rx_padding, shm_load(&rxq->snap));
		n++;
	}
	b->borrowed = n;
	if (n && q->rx_ns)
		for (begin = clock_ns(); clock_ns() - begin < q->rx_ns;)
			cpu_relax();
	return n;
}

static void fake_rx_done(struct rxq *rxq, struct burst *b)
{
	struct fake_queue *q = container_of(rxq, struct fake_queue, rxq);
	unsigned to = q->in.tail + b->borrowed;

	/* moves the held frames together, behind the rest */
	for (unsigned i = b->borrowed; i-- && b->held_mask;)
		if (b->held_mask >> i & 1)
			q->in.slot[--to & (QUEUE_ROOM - 1)] =
				q->in.slot[(q->in.tail + i) & (QUEUE_ROOM - 1)];
	shm_store_release(&q->in.tail, to);
	if (shm_exchange(&q->rx_scratch, NULL) != b->scratch)
		shm_fetch_add(&q->overlaps, 1);
}

static bool fake_rx_has_burst(struct rxq *rxq)
{
	struct fake_queue *q = container_of(rxq, struct fake_queue, rxq);

	shm_fetch_add(&q->looks, 1);
	return shm_load_acquire(&q->in.head) - q->in.tail >= BURST_MAX;
}

static unsigned fake_tx_burst(struct txq *txq, struct frame *const *frames,
			      unsigned n)
{
	struct fake_queue *q = container_of(txq, struct fake_queue, txq);
	unsigned room = shm_load(&q->out_room), i;

	if (q->out_is_read)
		room = MIN(room, QUEUE_ROOM - (q->out.head -
					       shm_load_acquire(&q->out.tail)));
	for (i = 0; i < n && i < room; i++) {
		unsigned at = q->out.head & (QUEUE_ROOM - 1);
		struct message *m = &q->out.slot[at];
		unsigned every = shm_load(&q->drop_every);

		if (every && ++q->since_drop == every) {
			q->since_drop = 0;
			txq_drop(txq, DROP_TX_ERROR, 1, frames[i]->len);
			continue;
		}
		m->len = MIN(frames[i]->len, sizeof(m->data));
		frame_copy(frames[i], 0, m->data, m->len);
		shm_store_release(&q->out.head, q->out.head + 1);
	}
	shm_fetch_sub(&q->out_room, i);
	return i;
}

static void fake_destroy(struct port *port)
{
	struct fake_port *p = container_of(port, struct fake_port, port);

	for (unsigned i = 0; i < p->queues; i++) {
		rxq_detach(&p->q[i].rxq);
		fd_close(&p->q[i].rxq.event_fd);
		assert_int_equal(p->q[i].overlaps, 0);
	}
	port_fini(port);
	free(p);
}

static const struct port_ops fake_ops = {
	.rx_burst = fake_rx_burst,
	.rx_done = fake_rx_done,
	.rx_has_burst = fake_rx_has_burst,
	.tx_burst = fake_tx_burst,
	.destroy = fake_destroy,
};

static const struct port_type fake_type = { .name = "fake" };

static void init_queue(struct fake_port *p, unsigned i)
{
	struct fake_queue *q = &p->q[i];

	q->out_room = UINT32_MAX;
	q->rxq = (struct rxq){ .port = &p->port,
			       .idx = (uint16_t)i,
			       .event_fd = fd_eventfd(),
			       .can_hold = true };
	q->txq = (struct txq){ .port = &p->port, .idx = (uint16_t)i };
	p->port.rxq[i] = &q->rxq;
	p->port.txq[i] = &q->txq;
}

struct fake_port *add_port_full(struct world *w, const char *name,
				const char *net, enum port_full full,
				unsigned queues)
{
	struct fake_port *p;
	size_t size = align_up(sizeof(*p) + queues * sizeof(p->q[0]), 64);
	struct port_env env = switch_port_env(w->sw);
	struct port_conf conf = { (char *)(uintptr_t)name,
				  (char *)(uintptr_t)net, 100, full, 1000 };
	struct err err;

	p = aligned_alloc(64, size);
	assert_non_null(p);
	memset(p, 0, size);
	p->queues = queues;
	assert_int_equal(
		port_init(&p->port, &env, &fake_type, &fake_ops, &conf, queues),
		0);
	for (unsigned i = 0; i < queues; i++)
		init_queue(p, i);
	assert_int_equal(
		port_set_txqs(&p->port, p->port.txq, queues, OFFLOAD_ALL), 0);
	assert_int_equal(switch_add_port(w->sw, &p->port, net, &err), 0);
	for (unsigned i = 0; i < queues; i++)
		assert_int_equal(rxq_attach(&p->q[i].rxq), 0);
	return p;
}

struct fake_port *add_port(struct world *w, const char *name, const char *net)
{
	return add_port_full(w, name, net, PORT_FULL_DROP, 1);
}

void remove_port(struct world *w, struct fake_port *p)
{
	switch_remove_port(w->sw, &p->port);
	p->port.ops->destroy(&p->port);
}

struct world start_with(const struct switch_config *config)
{
	struct world w = { .loop = loop_create() };
	struct err err;

	assert_int_equal(switch_create(config, w.loop, &w.sw, &err), 0);
	return w;
}

struct world start(unsigned workers)
{
	return start_with(&(struct switch_config){
		.workers = workers, .poll_us = -1, .mac_age_s = 300 });
}

void stop(struct world *w)
{
	switch_destroy(w->sw);
	loop_destroy(w->loop);
}

struct message *fifo_next(struct fifo *f)
{
	if (f->head - shm_load_acquire(&f->tail) == QUEUE_ROOM)
		return NULL;
	return &f->slot[f->head & (QUEUE_ROOM - 1)];
}

void fifo_push(struct fifo *f)
{
	shm_store_release(&f->head, f->head + 1);
}

void fifo_kick(struct fake_queue *q)
{
	fd_signal(q->rxq.event_fd);
}

const struct message *fifo_first(const struct fifo *f)
{
	if (shm_load_acquire(&f->head) == f->tail)
		return NULL;
	return &f->slot[f->tail & (QUEUE_ROOM - 1)];
}

void fifo_pop(struct fifo *f)
{
	shm_store_release(&f->tail, f->tail + 1);
}

static void make_ethernet(struct message *m, unsigned dst, unsigned src)
{
	memset(m->data, 0, sizeof(m->data));
	m->data[0] = dst == 255 ? 0xff : 2;
	m->data[5] = (uint8_t)dst;
	m->data[6] = 2;
	m->data[11] = (uint8_t)src;
	m->len = 100;
}

void send_frame(struct fake_port *p, unsigned dst, unsigned src,
		unsigned serial)
{
	struct message *m = fifo_next(&p->q[0].in);

	assert_non_null(m);
	make_ethernet(m, dst, src);
	memcpy(m->data + 20, &serial, sizeof(serial));
	fifo_push(&p->q[0].in);
	fifo_kick(&p->q[0]);
}

static void put_udp(struct message *m, unsigned dst, unsigned src,
		    unsigned sport, unsigned dport)
{
	uint8_t *ip = m->data + 14;

	make_ethernet(m, dst, src);
	put_be16(m->data + 12, 0x0800);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(m->len - 14));
	ip[8] = 64;
	ip[9] = 17;
	put_be32(ip + 12, 0x0a000000 + src);
	put_be32(ip + 16, 0x0a000000 + dst);
	put_be16(ip + 20, (uint16_t)sport);
	put_be16(ip + 22, (uint16_t)dport);
	put_be16(ip + 24, (uint16_t)(m->len - 34));
}

static void put_payload(struct message *m, unsigned flow, unsigned serial)
{
	memcpy(m->data + 42, &flow, sizeof(flow));
	memcpy(m->data + 46, &serial, sizeof(serial));
}

void make_udp(struct message *m, unsigned dst, unsigned src, unsigned flow,
	      unsigned serial)
{
	put_udp(m, dst, src, UDP_PORT + flow, UDP_PORT);
	put_payload(m, flow, serial);
}

void make_udp_back(struct message *m, unsigned dst, unsigned src, unsigned flow,
		   unsigned serial)
{
	put_udp(m, dst, src, UDP_PORT, UDP_PORT + flow);
	put_payload(m, flow, serial);
}

void read_udp(const struct message *m, unsigned *flow, unsigned *serial)
{
	memcpy(flow, m->data + 42, sizeof(*flow));
	memcpy(serial, m->data + 46, sizeof(*serial));
}

unsigned wait_frames(struct fake_port *p, unsigned n)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (shm_load_acquire(&p->q[0].out.head) >= n)
			break;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	return shm_load_acquire(&p->q[0].out.head);
}

void wait_taken(struct fake_port *p)
{
	for (unsigned i = 0; i < 2000; i++) {
		if (shm_load_acquire(&p->q[0].in.tail) == p->q[0].in.head)
			return;
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	}
	fail_msg("the switch does not take frames");
}
