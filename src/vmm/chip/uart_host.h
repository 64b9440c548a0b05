/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of a serial port: its output and its input. Parts of uart.c,
 * whose lock they share. */
#ifndef RW_VMM_UART_HOST_H
#define RW_VMM_UART_HOST_H

#include <pthread.h>

#include "host_fd.h"
#include "raw_term.h"
#include "uart_regs.h"
#include "vm.h"

#define UART_OUT_SIZE 8192 /* power of two */
#define UART_IN_SIZE  256

/* A timerfd that vCPUs set, and the control thread watches. loop.h's own timers
 * belong to the control thread. */
struct uart_timer {
	int fd;
	struct loop_watch watch;
};

int uart_timer_start(struct uart_timer *t, struct loop *loop,
		     void (*fn)(struct loop_watch *w, uint32_t events));
void uart_timer_stop(struct uart_timer *t);
/* Makes it due in @ns nanoseconds, whatever was set before. Any thread. */
void uart_timer_set(struct uart_timer *t, uint64_t ns);
/* Makes it due no more, for now. In its callback. */
void uart_timer_done(struct uart_timer *t);

struct uart_out {
	struct loop *loop;
	pthread_mutex_t *lock;
	struct host_fd fd;	 /* [ctl; changes under the lock] */
	bool is_served;		 /* without @fd output is lost, not unwanted */
	struct uart_timer timer; /* when to write */
	struct loop_watch room;	 /* [ctl] while the reader takes no more */
	uint64_t sent, lost;	 /* bytes [under the lock] */
	/* Free-running [under the lock]; between @tail and @head are bytes that
	 * were not written yet, and that only the control thread touches. */
	unsigned head, tail;
	uint8_t data[UART_OUT_SIZE];
};

int uart_out_start(struct uart_out *o, struct loop *loop, pthread_mutex_t *lock,
		   int fd);
void uart_out_stop(struct uart_out *o);
/* Writes to @fd from now on; and to nobody: what waits is lost. [ctl] */
int uart_out_attach(struct uart_out *o, int fd);
void uart_out_detach(struct uart_out *o);
void uart_out_put(struct uart_out *o, uint8_t c); /* under the lock */

struct uart_in {
	struct vm *vm;
	pthread_mutex_t *lock;
	struct uart_regs *regs; /* [under the lock] */
	struct uart_out *out;	/* for the monitor's own words */
	struct host_fd fd;	/* [ctl] */
	bool is_term;		/* [ctl] @fd is the monitor's terminal */
	bool is_tty;		/* [ctl] some terminal */
	bool is_file;		/* [ctl] always readable, so epoll refuses */
	bool is_at_end;		/* [ctl] */
	void (*ended)(struct uart_in *in); /* NULL: nobody needs to know */
	struct loop_watch watch;
	struct loop_timer retry; /* while another process has the terminal */
	struct term_keys keys;	 /* [ctl] */
	/* Looks after the receiver: the two reasons below. */
	struct uart_timer timer;
	/* [under the lock] */
	bool is_paused;	   /* control reads on when @count is 0 */
	bool is_wanted;	   /* control is to read on now */
	bool is_timed;	   /* the guest is to be told of characters */
	unsigned seen;	   /* characters in the FIFO after the last access */
	uint64_t last_ns;  /* when their number changed */
	uint64_t received; /* bytes */
	unsigned first, count;
	uint8_t data[UART_IN_SIZE]; /* read, but not in the FIFO yet */
};

/* @vm, @lock, @regs and @out are set. */
int uart_in_start(struct uart_in *in, int fd);
void uart_in_stop(struct uart_in *in);
/* Reads from @fd from now on; and from nobody: what was read stays. After the
 * end of the input, and of what was read of it, ended() is called. [ctl] */
int uart_in_attach(struct uart_in *in, int fd);
void uart_in_detach(struct uart_in *in);
/* After each access of the guest, under the lock. */
void uart_in_serve(struct uart_in *in);

#endif
