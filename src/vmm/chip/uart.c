/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A serial port: the registers (uart_regs.c) between the guest's ports and the
 * host's two sides (uart_out.c, uart_in.c). One lock for all of it, under which
 * no thread waits; the host is read and written without it.
 */
#include "uart.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "byte_reg.h"
#include "layout.h"
#include "log.h"
#include "uart_host.h"

struct uart {
	struct vm *vm;
	struct bus_range range;
	pthread_mutex_t lock;
	struct uart_regs regs; /* [under the lock] */
	struct uart_out out;
	struct uart_in in;
	struct sock_server *server; /* NULL: no clients */
};

static uint8_t read_reg(void *dev, unsigned reg)
{
	struct uart *u = dev;

	return uart_regs_read(&u->regs, reg);
}

static void write_reg(void *dev, unsigned reg, uint8_t v)
{
	struct uart *u = dev;

	uart_regs_write(&u->regs, reg, v);
}

static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct uart *u = container_of(r, struct uart, range);
	uint64_t v;

	pthread_mutex_lock(&u->lock);
	v = byte_regs_read(u, off, size, read_reg);
	uart_in_serve(&u->in);
	pthread_mutex_unlock(&u->lock);
	return v;
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct uart *u = container_of(r, struct uart, range);

	pthread_mutex_lock(&u->lock);
	byte_regs_write(u, off, size, value, write_reg);
	uart_in_serve(&u->in);
	pthread_mutex_unlock(&u->lock);
}

static void send(struct uart_regs *r, uint8_t c)
{
	uart_out_put(&container_of(r, struct uart, regs)->out, c);
}

static void set_irq(struct uart_regs *r, bool level)
{
	struct uart *u = container_of(r, struct uart, regs);

	irqs_set_line(&u->vm->irqs, IRQ_COM1, level);
}

int uart_create(struct vm *vm, int in_fd, int out_fd, struct uart **out,
		struct err *err)
{
	struct uart *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return err_set(err, -ENOMEM, "serial port: out of memory");
	u->vm = vm;
	pthread_mutex_init(&u->lock, NULL);
	u->regs.send = send;
	u->regs.set_irq = set_irq;
	uart_regs_init(&u->regs);
	u->in.vm = vm;
	u->in.lock = &u->lock;
	u->in.regs = &u->regs;
	u->in.out = &u->out;
	rc = uart_out_start(&u->out, vm->loop, &u->lock, out_fd);
	if (rc) {
		err_set(err, rc, "serial port: its output: %s", strerror(-rc));
		goto err_free;
	}
	rc = uart_in_start(&u->in, in_fd);
	if (rc) {
		err_set(err, rc, "serial port: its input: %s", strerror(-rc));
		goto err_out;
	}
	u->range = (struct bus_range){ .name = "serial port",
				       .base = PORT_COM1,
				       .size = 8,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->ports, &u->range, err);
	if (rc)
		goto err_in;
	*out = u;
	return 0;
err_in:
	uart_in_stop(&u->in);
err_out:
	uart_out_stop(&u->out);
err_free:
	pthread_mutex_destroy(&u->lock);
	free(u);
	return rc;
}

static void drop_client(struct uart *u)
{
	uart_in_detach(&u->in);
	uart_out_detach(&u->out);
	sock_server_drop(u->server);
}

static void on_came(struct sock_server *s)
{
	struct uart *u = s->owner;
	int rc = uart_out_attach(&u->out, s->client);

	if (!rc)
		rc = uart_in_attach(&u->in, s->client);
	if (rc)
		drop_client(u);
}

static void on_replaced(struct sock_server *s)
{
	drop_client(s->owner);
}

static void on_input_end(struct uart_in *in)
{
	drop_client(container_of(in, struct uart, in));
}

void uart_serve(struct uart *u, struct sock_server *s)
{
	u->server = s;
	u->in.ended = on_input_end;
	pthread_mutex_lock(&u->lock);
	u->out.is_served = true;
	pthread_mutex_unlock(&u->lock);
	s->owner = u;
	s->came = on_came;
	s->replaced = on_replaced;
	if (s->client >= 0)
		on_came(s);
}

void uart_destroy(struct uart *u)
{
	if (!u)
		return;
	bus_remove(&u->vm->ports, &u->range);
	uart_in_stop(&u->in);
	uart_out_stop(&u->out);
	if (u->server) {
		u->server->owner = NULL;
		u->server->came = u->server->replaced = NULL;
	}
	if (u->out.lost && !u->server)
		log_warn("serial port: %" PRIu64 " bytes of its output lost, "
			 "nobody read them",
			 u->out.lost);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

void uart_show(struct uart *u, struct show *s)
{
	uint64_t sent, lost, received;

	if (u->server)
		show_flag(s, "client", u->server->client >= 0);
	pthread_mutex_lock(&u->lock);
	sent = u->out.sent;
	lost = u->out.lost;
	received = u->in.received;
	pthread_mutex_unlock(&u->lock);
	show_num(s, "received_bytes", received);
	show_num(s, "sent_bytes", sent);
	show_num(s, "lost_bytes", lost);
}
