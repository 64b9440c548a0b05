/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A serial port, 16550A, at COM1: one terminal, file or socket of the host on
 * its other side. vCPUs write registers; input of the host comes on the control
 * thread.
 */
#ifndef RW_VMM_UART_H
#define RW_VMM_UART_H

#include "sock_server.h"
#include "vm.h"

struct uart;

/* Adds a serial port to @vm. @in_fd (-1: none) is read, what the guest writes
 * goes to @out_fd (-1: nowhere); both are borrowed, and neither makes a thread
 * wait or gets another flag. A writer that cannot take more (a full pipe) loses
 * output. If @in_fd is standard input and a terminal, the keys of raw_term.h
 * work, and it is only read, and made raw again, in the foreground. Returns 0
 * or -errno with @err. */
int uart_create(struct vm *vm, int in_fd, int out_fd, struct uart **out,
		struct err *err);
/* Lets the clients of @s, which is started and borrowed, be the other side of
 * @u, which has none. What a client wrote before it went still comes in; output
 * without a client is lost, and counted. Sets the calls of @s. */
void uart_serve(struct uart *u, struct sock_server *s);
/* Writes what is left of the output, and waits up to a second for a slow
 * reader; a client of a sock_server stays. The vCPUs are stopped. NULL is
 * fine. */
void uart_destroy(struct uart *u);

void uart_show(struct uart *u, struct show *s);

#endif
