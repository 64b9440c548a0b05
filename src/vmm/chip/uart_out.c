/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of a serial port.
 *
 * Theory of operation. The guest writes one byte at a time. It goes to a
 * buffer, which the control thread writes to the host a little later: GATHER_NS
 * after the first byte, so that a line, or many, is one system call, and nobody
 * sees the delay. Half a buffer is written at once. A vCPU makes one system
 * call for each such round (setting the timer). Rejected: to write at each end
 * of a line; a kernel that boots prints thousands.
 *
 * When the reader takes no more, bytes stay in the buffer until there is room;
 * further ones are lost and counted. The guest is never held up: it would
 * depend on whoever reads its log.
 */
#include "uart_host.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fd.h"

#define GATHER_NS 2000000
#define STALL_NS  50000000 /* to try again where epoll cannot tell */
#define FINISH_MS 1000

int uart_timer_start(struct uart_timer *t, struct loop *loop,
		     void (*fn)(struct loop_watch *w, uint32_t events))
{
	int rc;

	t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	rc = loop_watch_add(loop, &t->watch, t->fd, EPOLLIN, fn);
	if (rc)
		fd_close(&t->fd);
	return rc;
}

void uart_timer_stop(struct uart_timer *t)
{
	loop_watch_remove(&t->watch);
	fd_close(&t->fd);
}

void uart_timer_set(struct uart_timer *t, uint64_t ns)
{
	/* A time of 0 would disarm it. */
	const struct itimerspec spec = {
		.it_value.tv_sec = (time_t)(ns / 1000000000),
		.it_value.tv_nsec = (long)(ns % 1000000000) + (ns == 0),
	};

	timerfd_settime(t->fd, 0, &spec, NULL);
}

void uart_timer_done(struct uart_timer *t)
{
	fd_drain(t->fd);
}

static unsigned buffered(struct uart_out *o)
{
	unsigned n;

	pthread_mutex_lock(o->lock);
	n = o->head - o->tail;
	pthread_mutex_unlock(o->lock);
	return n;
}

static void take(struct uart_out *o, unsigned count, bool is_lost)
{
	pthread_mutex_lock(o->lock);
	o->tail += count;
	if (is_lost)
		o->lost += count;
	else
		o->sent += count;
	pthread_mutex_unlock(o->lock);
}

/* Writes what is in the buffer now. Returns -EAGAIN when the reader takes no
 * more. */
static int write_out(struct uart_out *o)
{
	unsigned left = buffered(o);

	while (left) {
		unsigned off = o->tail & (UART_OUT_SIZE - 1);
		unsigned size = MIN(left, UART_OUT_SIZE - off);
		ssize_t n = host_fd_write(&o->fd, o->data + off, size);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return -EAGAIN;
		/* Whoever read is gone. */
		take(o, n < 0 ? left : (unsigned)n, n < 0);
		left -= n < 0 ? left : (unsigned)n;
	}
	return 0;
}

static void flush(struct uart_out *o);

static void on_room(struct loop_watch *w, uint32_t events)
{
	(void)events;
	flush(container_of(w, struct uart_out, room));
}

static void flush(struct uart_out *o)
{
	if (write_out(o) == -EAGAIN) {
		if (!o->room.loop && loop_watch_add(o->loop, &o->room, o->fd.fd,
						    EPOLLOUT, on_room))
			uart_timer_set(&o->timer, STALL_NS);
		return;
	}
	loop_watch_remove(&o->room);
	/* Bytes that came during the writing did not set the timer. */
	if (buffered(o))
		uart_timer_set(&o->timer, GATHER_NS);
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	struct uart_out *o = container_of(w, struct uart_out, timer.watch);

	(void)events;
	uart_timer_done(&o->timer);
	flush(o);
}

void uart_out_put(struct uart_out *o, uint8_t c)
{
	unsigned count = o->head - o->tail;

	if (o->fd.fd < 0) {
		o->lost += o->is_served;
		return;
	}
	if (count == UART_OUT_SIZE) {
		o->lost++;
		return;
	}
	o->data[o->head++ & (UART_OUT_SIZE - 1)] = c;
	if (count == 0)
		uart_timer_set(&o->timer, GATHER_NS);
	else if (count == UART_OUT_SIZE / 2)
		uart_timer_set(&o->timer, 0);
}

int uart_out_attach(struct uart_out *o, int fd)
{
	struct host_fd h;
	int rc = host_fd_open(&h, fd, true);

	if (rc)
		return rc;
	pthread_mutex_lock(o->lock);
	o->fd = h;
	pthread_mutex_unlock(o->lock);
	return 0;
}

void uart_out_detach(struct uart_out *o)
{
	struct host_fd old;

	loop_watch_remove(&o->room);
	pthread_mutex_lock(o->lock);
	old = o->fd;
	o->fd.fd = -1;
	o->lost += o->head - o->tail;
	o->tail = o->head;
	pthread_mutex_unlock(o->lock);
	host_fd_close(&old);
}

int uart_out_start(struct uart_out *o, struct loop *loop, pthread_mutex_t *lock,
		   int fd)
{
	int rc;

	o->loop = loop;
	o->lock = lock;
	o->fd.fd = o->timer.fd = -1;
	rc = uart_timer_start(&o->timer, loop, on_timer);
	if (!rc && fd >= 0)
		rc = uart_out_attach(o, fd);
	if (rc)
		uart_timer_stop(&o->timer);
	return rc;
}

void uart_out_stop(struct uart_out *o)
{
	uint64_t end = loop_now_ms() + FINISH_MS;

	while (o->fd.fd >= 0 && write_out(o) == -EAGAIN) {
		uint64_t now = loop_now_ms();

		if (now >= end) {
			take(o, buffered(o), true);
			break;
		}
		host_fd_wait_writable(&o->fd, (int)(end - now));
	}
	loop_watch_remove(&o->room);
	uart_timer_stop(&o->timer);
	host_fd_close(&o->fd);
}
