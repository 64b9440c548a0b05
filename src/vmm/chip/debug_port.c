/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port that SeaBIOS and OVMF write their logs to, if a read of it says that
 * it is there. vCPU threads. A guest can write to it at any time, so the number
 * of lines is bounded.
 */
#include <errno.h>
#include <stdlib.h>

#include "fw_cfg.h"
#include "layout.h"
#include "log.h"

#define IS_THERE  0xe9
#define LINES_MAX 2000

struct debug_port {
	struct vm *vm;
	struct bus_range range;
	pthread_mutex_t lock;
	/* [under the lock] */
	char line[160];
	unsigned size, lines;
};

static void end_line(struct debug_port *p)
{
	if (p->size)
		log_debug("firmware: %.*s", (int)p->size, p->line);
	p->lines += p->size != 0;
	p->size = 0;
}

static void add_char(struct debug_port *p, char c)
{
	if (p->lines == LINES_MAX)
		return;
	if (c == '\n' || p->size == sizeof(p->line))
		end_line(p);
	if (c >= ' ' && c <= '~')
		p->line[p->size++] = c;
}

static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	(void)r, (void)off, (void)size;
	return IS_THERE;
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct debug_port *p = container_of(r, struct debug_port, range);

	(void)off, (void)size;
	pthread_mutex_lock(&p->lock);
	add_char(p, (char)value);
	pthread_mutex_unlock(&p->lock);
}

int debug_port_create(struct vm *vm, struct debug_port **out, struct err *err)
{
	struct debug_port *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "debug port: out of memory");
	p->vm = vm;
	pthread_mutex_init(&p->lock, NULL);
	p->range = (struct bus_range){ .name = "debug port",
				       .base = PORT_DEBUG,
				       .size = 1,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->ports, &p->range, err);
	if (rc) {
		pthread_mutex_destroy(&p->lock);
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void debug_port_destroy(struct debug_port *p)
{
	if (!p)
		return;
	bus_remove(&p->vm->ports, &p->range);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
