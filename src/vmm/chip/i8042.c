/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard controller of a PC, with no keyboard and no mouse plugged in. It
 * is there for its output port, whose bit 0 is the processor's reset, and so
 * that a driver which looks for it gets answers: waiting for one that never
 * comes takes Linux half a second each.
 *
 * A byte for the keyboard is answered as by a controller that waited in vain
 * for the keyboard: with 0xfe and the time-out bit in the status.
 */
#include <errno.h>
#include <stdlib.h>

#include "chips.h"
#include "layout.h"

#define PORT_COMMAND (PORT_I8042 + 4)
#define IRQ_KEYBOARD 1

enum {
	STATUS_FULL = 1 << 0,	 /* the guest can read a byte */
	STATUS_SYSTEM = 1 << 2,	 /* the self test went well */
	STATUS_COMMAND = 1 << 3, /* the last byte was a command */
	STATUS_UNLOCKED = 1 << 4,
	STATUS_TIMEOUT = 1 << 6,

	MODE_IRQ = 1 << 0,
	MODE_SYSTEM = 1 << 2,
	MODE_NO_KEYBOARD = 1 << 4,
	MODE_NO_MOUSE = 1 << 5, /* always: there is one interface only */
	MODE_KEPT = 0x5d,

	CMD_READ_RAM = 0x20, /* to 0x3f; byte 0 is the mode */
	CMD_WRITE_RAM = 0x60,
	CMD_TEST_MOUSE = 0xa9,
	CMD_TEST = 0xaa,
	CMD_TEST_KEYBOARD = 0xab,
	CMD_KEYBOARD_OFF = 0xad,
	CMD_KEYBOARD_ON = 0xae,
	CMD_READ_INPUT = 0xc0,
	CMD_READ_OUTPUT = 0xd0,
	CMD_WRITE_OUTPUT = 0xd1,
	CMD_AS_KEYBOARD = 0xd2,
	CMD_AS_MOUSE = 0xd3,
	CMD_TO_MOUSE = 0xd4,
	CMD_PULSE = 0xf0, /* to 0xff: bits 0 to 3 that are 0 go low */

	OUTPUT_RUNS = 1 << 0, /* low: reset */
	OUTPUT_A20 = 1 << 1,

	NO_ANSWER = 0xfe,
	CLOCK_IS_LOW = 0x01,
	TEST_PASSED = 0x55,
};

struct i8042 {
	struct vm *vm;
	struct bus_range data, command;
	pthread_mutex_t lock;
	/* [under the lock] */
	uint8_t ram[32]; /* [0]: the mode */
	uint8_t output;	 /* the output port */
	uint8_t status;
	uint8_t byte; /* for the guest, with STATUS_FULL */
	uint8_t next; /* the command that the next data byte is for; or 0 */
	bool line;
};

static void update_line(struct i8042 *k)
{
	bool line = k->status & STATUS_FULL && k->ram[0] & MODE_IRQ;

	if (line == k->line)
		return;
	k->line = line;
	irqs_set_line(&k->vm->irqs, IRQ_KEYBOARD, line);
}

static void answer(struct i8042 *k, uint8_t byte)
{
	k->byte = byte;
	k->status &= (uint8_t)~STATUS_TIMEOUT;
	k->status |= STATUS_FULL;
}

static void write_mode(struct i8042 *k, uint8_t v)
{
	k->ram[0] = (v & MODE_KEPT) | MODE_NO_MOUSE;
	k->status &= (uint8_t)~STATUS_SYSTEM;
	if (v & MODE_SYSTEM)
		k->status |= STATUS_SYSTEM;
}

static void write_output(struct i8042 *k, uint8_t v)
{
	k->output = v;
	if (!(v & OUTPUT_RUNS))
		vm_end(k->vm, VM_END_RESET);
}

static void self_test(struct i8042 *k)
{
	k->ram[0] = MODE_NO_KEYBOARD | MODE_NO_MOUSE | MODE_SYSTEM;
	k->status |= STATUS_SYSTEM;
	answer(k, TEST_PASSED);
}

static void do_command(struct i8042 *k, uint8_t c)
{
	k->next = 0;
	k->status |= STATUS_COMMAND;
	if (c >= CMD_PULSE) {
		if (!(c & OUTPUT_RUNS))
			vm_end(k->vm, VM_END_RESET);
		return;
	}
	if (c >= CMD_READ_RAM && c < CMD_READ_RAM + 32) {
		answer(k, k->ram[c & 31]);
		return;
	}
	if (c >= CMD_WRITE_RAM && c < CMD_WRITE_RAM + 32) {
		k->next = c;
		return;
	}
	switch (c) {
	case CMD_TEST:
		self_test(k);
		break;
	case CMD_TEST_KEYBOARD:
		answer(k, 0);
		break;
	case CMD_TEST_MOUSE:
		answer(k, CLOCK_IS_LOW);
		break;
	case CMD_KEYBOARD_OFF:
		k->ram[0] |= MODE_NO_KEYBOARD;
		break;
	case CMD_KEYBOARD_ON:
		k->ram[0] &= (uint8_t)~MODE_NO_KEYBOARD;
		break;
	case CMD_READ_INPUT:
		answer(k, 0x80); /* not locked by the key of the case */
		break;
	case CMD_READ_OUTPUT:
		answer(k, k->output);
		break;
	case CMD_WRITE_OUTPUT:
	case CMD_AS_KEYBOARD:
	case CMD_AS_MOUSE:
	case CMD_TO_MOUSE:
		k->next = c;
		break;
	default: /* others have no answer, mouse on and off among them */
		break;
	}
}

static void write_data(struct i8042 *k, uint8_t v)
{
	uint8_t next = k->next;

	k->next = 0;
	k->status &= (uint8_t)~STATUS_COMMAND;
	if (next >= CMD_WRITE_RAM && next < CMD_WRITE_RAM + 32) {
		if (next == CMD_WRITE_RAM)
			write_mode(k, v);
		else
			k->ram[next & 31] = v;
		return;
	}
	switch (next) {
	case CMD_WRITE_OUTPUT:
		write_output(k, v);
		break;
	case CMD_AS_KEYBOARD:
	case CMD_AS_MOUSE:
		/* Without a second interface it comes back by the first. */
		answer(k, v);
		break;
	default: /* for the keyboard, or a mouse: neither is there */
		/* The keyboard's interface is on after a byte for it. */
		if (!next)
			k->ram[0] &= (uint8_t)~MODE_NO_KEYBOARD;
		answer(k, NO_ANSWER);
		k->status |= STATUS_TIMEOUT;
		break;
	}
}

static uint8_t read_data(struct i8042 *k)
{
	k->status &= (uint8_t) ~(STATUS_FULL | STATUS_TIMEOUT);
	return k->byte;
}

static uint8_t read_reg(struct i8042 *k, bool is_data)
{
	uint8_t v;

	pthread_mutex_lock(&k->lock);
	v = is_data ? read_data(k) : k->status;
	update_line(k);
	pthread_mutex_unlock(&k->lock);
	return v;
}

static void write_reg(struct i8042 *k, bool is_data, uint8_t v)
{
	pthread_mutex_lock(&k->lock);
	if (is_data)
		write_data(k, v);
	else
		do_command(k, v);
	update_line(k);
	pthread_mutex_unlock(&k->lock);
}

/* Each range is one port, so an access is one byte. */
static uint64_t on_data_read(struct bus_range *r, uint64_t off, unsigned size)
{
	(void)off, (void)size;
	return read_reg(container_of(r, struct i8042, data), true);
}

static uint64_t on_status_read(struct bus_range *r, uint64_t off, unsigned size)
{
	(void)off, (void)size;
	return read_reg(container_of(r, struct i8042, command), false);
}

static void on_data_write(struct bus_range *r, uint64_t off, unsigned size,
			  uint64_t value)
{
	(void)off, (void)size;
	write_reg(container_of(r, struct i8042, data), true, (uint8_t)value);
}

static void on_command_write(struct bus_range *r, uint64_t off, unsigned size,
			     uint64_t value)
{
	(void)off, (void)size;
	write_reg(container_of(r, struct i8042, command), false,
		  (uint8_t)value);
}

int i8042_create(struct vm *vm, struct i8042 **out, struct err *err)
{
	struct i8042 *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return err_set(err, -ENOMEM,
			       "keyboard controller: out of memory");
	k->vm = vm;
	pthread_mutex_init(&k->lock, NULL);
	k->ram[0] = MODE_NO_KEYBOARD | MODE_NO_MOUSE | MODE_SYSTEM;
	k->status = STATUS_SYSTEM | STATUS_UNLOCKED;
	k->output = OUTPUT_RUNS | OUTPUT_A20;
	k->data = (struct bus_range){ .name = "keyboard controller (data)",
				      .base = PORT_I8042,
				      .size = 1,
				      .read = on_data_read,
				      .write = on_data_write };
	k->command = (struct bus_range){ .name = "keyboard controller",
					 .base = PORT_COMMAND,
					 .size = 1,
					 .read = on_status_read,
					 .write = on_command_write };
	rc = bus_add(&vm->ports, &k->data, err);
	if (rc)
		goto err_free;
	rc = bus_add(&vm->ports, &k->command, err);
	if (rc)
		goto err_data;
	*out = k;
	return 0;
err_data:
	bus_remove(&vm->ports, &k->data);
err_free:
	pthread_mutex_destroy(&k->lock);
	free(k);
	return rc;
}

void i8042_destroy(struct i8042 *k)
{
	if (!k)
		return;
	bus_remove(&k->vm->ports, &k->data);
	bus_remove(&k->vm->ports, &k->command);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
