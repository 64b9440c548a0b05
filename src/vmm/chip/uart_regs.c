/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a 16550A, see uart_regs.h.
 *
 * The interrupt is an edge for the guest's interrupt controller. So a cause
 * that ends and comes back within one access must show as a low and a high
 * level: otherwise a driver that does one thing in each interrupt would wait
 * for ever.
 */
#include "uart_regs.h"

#include "util.h"

enum {
	IER_RX = 1 << 0,
	IER_THRE = 1 << 1,
	IER_LINE = 1 << 2,
	IER_MODEM = 1 << 3,

	IIR_NONE = 1,
	IIR_MODEM = 0,
	IIR_THRE = 2,
	IIR_RX = 4,
	IIR_LINE = 6,
	IIR_TIMEOUT = 12,
	IIR_FIFO = 0xc0,

	FCR_ENABLE = 1 << 0,
	FCR_RESET_RX = 1 << 1,
	FCR_KEPT = 0xc9,

	LCR_DLAB = 1 << 7,

	MCR_DTR = 1 << 0,
	MCR_RTS = 1 << 1,
	MCR_OUT1 = 1 << 2,
	MCR_OUT2 = 1 << 3,
	MCR_LOOP = 1 << 4,

	LSR_DATA = 1 << 0,
	LSR_OVERRUN = 1 << 1,
	LSR_BREAK = 1 << 4,
	LSR_EMPTY = 3 << 5, /* holding register and transmitter */
	LSR_FIFO_ERROR = 1 << 7,

	MSR_TERI = 1 << 2,
	MSR_DELTAS = 0xf,
	MSR_CTS = 1 << 4,
	MSR_DSR = 1 << 5,
	MSR_RI = 1 << 6,
	MSR_DCD = 1 << 7,
};

static bool has_fifo(const struct uart_regs *r)
{
	return r->fcr & FCR_ENABLE;
}

static unsigned trigger(const struct uart_regs *r)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return has_fifo(r) ? level[r->fcr >> 6] : 1;
}

/* The cause with the highest priority (data sheet, "Interrupt Control
 * Functions"). */
static uint8_t identify(const struct uart_regs *r)
{
	if (r->ier & IER_LINE && r->lsr_errors)
		return IIR_LINE;
	if (r->ier & IER_RX && r->count >= trigger(r))
		return IIR_RX;
	if (r->ier & IER_RX && r->is_silent)
		return IIR_TIMEOUT;
	if (r->ier & IER_THRE && r->is_thre_pending)
		return IIR_THRE;
	if (r->ier & IER_MODEM && r->msr & MSR_DELTAS)
		return IIR_MODEM;
	return IIR_NONE;
}

/* On a PC the pin goes through a gate that OUT2 opens. Loop-back mode holds the
 * pins of the modem control outputs inactive. */
static void update_irq(struct uart_regs *r)
{
	bool level = identify(r) != IIR_NONE && r->mcr & MCR_OUT2 &&
		     !(r->mcr & MCR_LOOP);

	if (level == r->irq)
		return;
	r->irq = level;
	r->set_irq(r, level);
}

/* The line's state, which this UART never leaves: a terminal is there. In
 * loop-back mode it has the modem control outputs. */
static uint8_t modem_inputs(const struct uart_regs *r)
{
	if (!(r->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((r->mcr & MCR_RTS ? MSR_CTS : 0) |
			 (r->mcr & MCR_DTR ? MSR_DSR : 0) |
			 (r->mcr & MCR_OUT1 ? MSR_RI : 0) |
			 (r->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void update_msr(struct uart_regs *r)
{
	uint8_t now = modem_inputs(r);
	uint8_t changed = (now ^ r->msr) & 0xf0;

	/* Of the ring indicator only the trailing edge counts. */
	if (now & MSR_RI)
		changed &= (uint8_t)~MSR_RI;
	r->msr = (uint8_t)(now | (r->msr & MSR_DELTAS) | changed >> 4);
}

/* In FIFO mode the errors of a character show when it is the next one to be
 * read. */
static void show_errors(struct uart_regs *r)
{
	if (!r->count)
		return;
	r->lsr_errors |= r->fifo[r->first].errors;
	r->fifo[r->first].errors = 0;
}

static void clear_fifo(struct uart_regs *r)
{
	r->first = r->count = 0;
	r->is_silent = false;
}

static void push(struct uart_regs *r, uint8_t c, uint8_t errors)
{
	unsigned size = has_fifo(r) ? UART_FIFO : 1;

	r->is_silent = false;
	if (r->count == size) {
		/* A full FIFO keeps what it has, a register is overwritten. */
		r->lsr_errors |= LSR_OVERRUN;
		if (!has_fifo(r))
			r->fifo[r->first] = (struct uart_char){ c, errors };
	} else {
		r->fifo[(r->first + r->count) & (UART_FIFO - 1)] =
			(struct uart_char){ c, errors };
		r->count++;
	}
	show_errors(r);
}

static uint8_t read_rbr(struct uart_regs *r)
{
	if (!r->count)
		return r->rbr;
	r->rbr = r->fifo[r->first].c;
	r->first = (r->first + 1) & (UART_FIFO - 1);
	r->count--;
	r->is_silent = false;
	show_errors(r);
	return r->rbr;
}

static uint8_t read_lsr(struct uart_regs *r)
{
	uint8_t v = (uint8_t)(LSR_EMPTY | r->lsr_errors);

	if (r->count)
		v |= LSR_DATA;
	if (has_fifo(r)) {
		bool is_bad = r->lsr_errors & ~LSR_OVERRUN;

		for (unsigned i = 0; i < r->count; i++)
			is_bad |= r->fifo[(r->first + i) & (UART_FIFO - 1)]
					  .errors != 0;
		if (is_bad)
			v |= LSR_FIFO_ERROR;
	}
	r->lsr_errors = 0;
	return v;
}

static uint8_t read_iir(struct uart_regs *r)
{
	uint8_t cause = identify(r);

	if (cause == IIR_THRE)
		r->is_thre_pending = false;
	return has_fifo(r) ? cause | IIR_FIFO : cause;
}

static uint8_t read_msr(struct uart_regs *r)
{
	uint8_t v = r->msr;

	r->msr &= (uint8_t)~MSR_DELTAS;
	return v;
}

static uint8_t read_reg(struct uart_regs *r, unsigned reg)
{
	bool has_divisor = r->lcr & LCR_DLAB;

	switch (reg) {
	case 0:
		return has_divisor ? r->dll : read_rbr(r);
	case 1:
		return has_divisor ? r->dlm : r->ier;
	case 2:
		return read_iir(r);
	case 3:
		return r->lcr;
	case 4:
		return r->mcr;
	case 5:
		return read_lsr(r);
	case 6:
		return read_msr(r);
	default:
		return r->scr;
	}
}

uint8_t uart_regs_read(struct uart_regs *r, unsigned reg)
{
	uint8_t v = read_reg(r, reg);

	update_irq(r);
	return v;
}

static void write_thr(struct uart_regs *r, uint8_t c)
{
	r->is_thre_pending = false;
	update_irq(r);
	/* Characters have 5 to 8 bits, also in loop-back mode. */
	c &= (uint8_t)(0xff >> (3 - (r->lcr & 3)));
	if (r->mcr & MCR_LOOP)
		push(r, c, 0);
	else
		r->send(r, c);
	r->is_thre_pending = true;
}

static void write_ier(struct uart_regs *r, uint8_t v)
{
	/* The transmitter is empty, as always: enabled, its interrupt comes. */
	if (v & IER_THRE && !(r->ier & IER_THRE))
		r->is_thre_pending = true;
	r->ier = v & 0xf;
}

static void write_fcr(struct uart_regs *r, uint8_t v)
{
	/* Without bit 0 the other bits are not programmed. */
	if (!(v & FCR_ENABLE))
		v = 0;
	if (v & FCR_RESET_RX || (v ^ r->fcr) & FCR_ENABLE)
		clear_fifo(r);
	r->fcr = v & FCR_KEPT;
}

void uart_regs_write(struct uart_regs *r, unsigned reg, uint8_t v)
{
	bool has_divisor = r->lcr & LCR_DLAB;

	switch (reg) {
	case 0:
		if (has_divisor)
			r->dll = v;
		else
			write_thr(r, v);
		break;
	case 1:
		if (has_divisor)
			r->dlm = v;
		else
			write_ier(r, v);
		break;
	case 2:
		write_fcr(r, v);
		break;
	case 3:
		r->lcr = v;
		break;
	case 4:
		r->mcr = v & 0x1f;
		update_msr(r);
		break;
	case 7:
		r->scr = v;
		break;
	default: /* LSR and MSR are read-only but in a factory's tests. */
		break;
	}
	update_irq(r);
}

void uart_regs_init(struct uart_regs *r)
{
	r->lcr = 3;
	r->dll = 1;
	r->msr = modem_inputs(r);
}

unsigned uart_regs_room(const struct uart_regs *r)
{
	if (r->mcr & MCR_LOOP)
		return 0;
	return (has_fifo(r) ? UART_FIFO : 1) - r->count;
}

unsigned uart_regs_wanted(const struct uart_regs *r)
{
	if (r->mcr & MCR_LOOP || r->count >= trigger(r))
		return 0;
	return trigger(r) - r->count;
}

void uart_regs_receive(struct uart_regs *r, const uint8_t *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		push(r, c[i], 0);
	update_irq(r);
}

void uart_regs_receive_break(struct uart_regs *r)
{
	if (!uart_regs_room(r))
		return;
	push(r, 0, LSR_BREAK);
	update_irq(r);
}

bool uart_regs_is_waiting(const struct uart_regs *r)
{
	return r->count && r->count < trigger(r) && !r->is_silent;
}

void uart_regs_silence(struct uart_regs *r)
{
	if (has_fifo(r) && r->count)
		r->is_silent = true;
	update_irq(r);
}
