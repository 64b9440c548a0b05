/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a 16550A, after National Semiconductor's PC16550D: FIFOs,
 * interrupts, loop-back. Without a host's side, and without a clock: a
 * character is sent in no time, and the owner says when the line was silent.
 *
 * All functions are called under the owner's lock.
 */
#ifndef RW_VMM_UART_REGS_H
#define RW_VMM_UART_REGS_H

#include <stdbool.h>
#include <stdint.h>

#define UART_FIFO 16

struct uart_regs {
	/* --- set by the owner --- */
	void (*send)(struct uart_regs *r, uint8_t c);
	/* The interrupt pin; called when it changes. */
	void (*set_irq)(struct uart_regs *r, bool level);
	/* --- what the guest wrote --- */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	/* --- state --- */
	uint8_t lsr_errors; /* LSR bits 1 to 4, until LSR is read */
	uint8_t msr;
	bool is_thre_pending; /* the THRE interrupt, if it is enabled */
	bool is_silent;	      /* character timeout */
	bool irq;	      /* the pin */
	uint8_t rbr;	      /* the character that was read last */
	unsigned first, count;
	struct uart_char {
		uint8_t c;
		uint8_t errors; /* LSR bits that come with it */
	} fifo[UART_FIFO];	/* received; one place without FIFO mode */
};

/* Sets the state that firmware leaves: 115200 bit/s, 8 bits, no parity. @r is
 * zeroed but for the two callbacks. */
void uart_regs_init(struct uart_regs *r);

/* Register 0 to 7. */
uint8_t uart_regs_read(struct uart_regs *r, unsigned reg);
void uart_regs_write(struct uart_regs *r, unsigned reg, uint8_t v);

/* Returns how many characters can come in: none in loop-back mode. */
unsigned uart_regs_room(const struct uart_regs *r);
/* Returns how many of them it takes to reach the trigger level. */
unsigned uart_regs_wanted(const struct uart_regs *r);
/* Characters come in. What has no room is an overrun. */
void uart_regs_receive(struct uart_regs *r, const uint8_t *c, unsigned count);
/* A break comes in: a character more, if there is room. */
void uart_regs_receive_break(struct uart_regs *r);
/* Returns whether characters lie in the FIFO about which the guest was not told
 * yet, as they are fewer than the trigger level. */
bool uart_regs_is_waiting(const struct uart_regs *r);
/* For the time of four characters none came in, and none was read. */
void uart_regs_silence(struct uart_regs *r);

#endif
