/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input of a serial port.
 *
 * Theory of operation. The control thread reads a piece of input, and then no
 * more until the guest has taken it all: what the guest does not take waits at
 * the host. From the piece the FIFO is filled up to its trigger level, by the
 * control thread when the piece comes, later by the vCPU that read the FIFO
 * empty. Not fuller, and not before: as on a slow line, a driver may read as
 * many characters as the level says and then wait for the next interrupt, which
 * is an edge; it comes when the FIFO fell below the level and rises again.
 *
 * The control thread's timer has two reasons, which vCPUs give it: to read on,
 * and to tell the guest of characters below the trigger level that it left
 * (character timeout).
 */
#include "uart_host.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

/* Four characters at 115200 bit/s */
#define SILENCE_NS 347000
#define RETRY_MS   500

static void resume(struct uart_in *in);

/* Fills the FIFO. Under the lock. */
static void feed(struct uart_in *in)
{
	unsigned n = MIN(uart_regs_wanted(in->regs), in->count);

	if (!n)
		return;
	uart_regs_receive(in->regs, in->data + in->first, n);
	in->first += n;
	in->count -= n;
	in->received += n;
	/* Nothing follows: that is the silence, at once. */
	if (!in->count)
		uart_regs_silence(in->regs);
}

void uart_in_serve(struct uart_in *in)
{
	if (in->count && !in->regs->count)
		feed(in);
	if (in->regs->count != in->seen && uart_regs_is_waiting(in->regs)) {
		in->last_ns = clock_ns();
		if (!in->is_timed)
			uart_timer_set(&in->timer, SILENCE_NS);
		in->is_timed = true;
	}
	in->seen = in->regs->count;
	if (in->is_paused && !in->count) {
		in->is_paused = false;
		in->is_wanted = true;
		uart_timer_set(&in->timer, 0);
	}
}

/* Takes the character timeout on, or puts it off. Under the lock. */
static void time_out(struct uart_in *in)
{
	uint64_t ns = clock_ns() - in->last_ns;

	if (!in->is_timed)
		return;
	if (uart_regs_is_waiting(in->regs) && ns < SILENCE_NS) {
		uart_timer_set(&in->timer, SILENCE_NS - ns);
		return;
	}
	in->is_timed = false;
	if (uart_regs_is_waiting(in->regs))
		uart_regs_silence(in->regs);
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	struct uart_in *in = container_of(w, struct uart_in, timer.watch);
	bool is_wanted;

	(void)events;
	uart_timer_done(&in->timer);
	pthread_mutex_lock(in->lock);
	is_wanted = in->is_wanted;
	in->is_wanted = false;
	time_out(in);
	pthread_mutex_unlock(in->lock);
	if (is_wanted)
		resume(in);
}

static void end_input(struct uart_in *in)
{
	in->is_at_end = true;
	loop_watch_remove(&in->watch);
	if (in->ended)
		in->ended(in);
}

static void on_retry(struct loop_timer *t)
{
	struct uart_in *in = container_of(t, struct uart_in, retry);

	if (in->is_term)
		term_raw();
	resume(in);
}

static void retry_later(struct uart_in *in)
{
	loop_watch_remove(&in->watch);
	loop_timer_arm(in->vm->loop, &in->retry, RETRY_MS, on_retry);
}

/* Does what the keys of the monitor ask for. Returns how many characters are
 * left for the guest. */
static int filter(struct uart_in *in, char *data, int size)
{
	int n = term_filter(&in->keys, data, size);

	if (n < 0) {
		end_input(in);
		vm_end(in->vm, VM_END_QUIT);
		return 0;
	}
	pthread_mutex_lock(in->lock);
	if (in->keys.wants_help)
		for (const char *c = TERM_HELP; *c; c++)
			uart_out_put(in->out, (uint8_t)*c);
	if (in->keys.wants_break) {
		uart_regs_receive_break(in->regs);
		uart_regs_silence(in->regs);
	}
	pthread_mutex_unlock(in->lock);
	return n;
}

static void give(struct uart_in *in, const char *data, unsigned size)
{
	bool is_paused;

	pthread_mutex_lock(in->lock);
	memcpy(in->data, data, size);
	in->first = 0;
	in->count = size;
	feed(in);
	is_paused = in->is_paused = in->count > 0;
	if (in->is_file && !is_paused) {
		in->is_wanted = true;
		uart_timer_set(&in->timer, 0);
	}
	pthread_mutex_unlock(in->lock);
	/* Also without events epoll would tell of a hang-up, again and again.
	 */
	if (is_paused)
		loop_watch_remove(&in->watch);
}

static void pull(struct uart_in *in, uint32_t events)
{
	bool is_hung_up = events & (EPOLLHUP | EPOLLERR);
	char data[UART_IN_SIZE];
	ssize_t n;

	/* In the background a read would stop the whole machine. */
	if (in->is_term && !is_hung_up && !term_is_ours()) {
		retry_later(in);
		return;
	}
	n = host_fd_read(&in->fd, data, sizeof(data));
	if (n > 0) {
		if (in->is_term)
			n = filter(in, data, (int)n);
		if (n > 0)
			give(in, data, (unsigned)n);
	} else if (n == -EIO && in->is_term && !is_hung_up) {
		retry_later(in);
	} else if (is_hung_up || (n == 0 && !in->is_tty) ||
		   (n != 0 && n != -EAGAIN && n != -EINTR)) {
		end_input(in);
	}
}

static void on_input(struct loop_watch *w, uint32_t events)
{
	pull(container_of(w, struct uart_in, watch), events);
}

static void resume(struct uart_in *in)
{
	int rc;

	if (in->is_at_end || in->watch.loop)
		return;
	if (in->is_term && !term_is_ours()) {
		retry_later(in);
		return;
	}
	if (in->is_file) {
		pull(in, 0);
		return;
	}
	rc = loop_watch_add(in->vm->loop, &in->watch, in->fd.fd, EPOLLIN,
			    on_input);
	if (rc == -EPERM) {
		in->is_file = true;
		pull(in, 0);
	} else if (rc) {
		loop_timer_arm(in->vm->loop, &in->retry, RETRY_MS, on_retry);
	}
}

int uart_in_attach(struct uart_in *in, int fd)
{
	bool is_full;
	int rc;

	in->is_tty = isatty(fd);
	in->is_term = in->is_tty && fd == STDIN_FILENO;
	rc = host_fd_open(&in->fd, fd, false);
	if (rc)
		return rc;
	in->is_at_end = in->is_file = false;
	pthread_mutex_lock(in->lock);
	/* What another client wrote comes first. */
	is_full = in->is_paused = in->count > 0;
	pthread_mutex_unlock(in->lock);
	if (!is_full)
		resume(in);
	return 0;
}

void uart_in_detach(struct uart_in *in)
{
	in->is_at_end = true;
	loop_watch_remove(&in->watch);
	loop_timer_disarm(&in->retry);
	host_fd_close(&in->fd);
}

int uart_in_start(struct uart_in *in, int fd)
{
	int rc;

	in->fd.fd = in->timer.fd = -1;
	in->is_at_end = true;
	rc = uart_timer_start(&in->timer, in->vm->loop, on_timer);
	if (rc || fd < 0)
		return rc;
	rc = uart_in_attach(in, fd);
	if (rc)
		uart_timer_stop(&in->timer);
	return rc;
}

void uart_in_stop(struct uart_in *in)
{
	uart_in_detach(in);
	uart_timer_stop(&in->timer);
}
