/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI's fixed hardware (ACPI 6.4, clause 4.8): the PM1a event and control
 * blocks, the power management timer and eight general-purpose events. ACPI
 * mode is always on. The power button is the only fixed event, beside the
 * timer's.
 *
 * Registers are accessed in pieces of any size, so all of them are one array of
 * bytes that is made for a read, and a write is applied byte by byte.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "chips.h"
#include "clock.h"
#include "fd.h"
#include "layout.h"

enum {
	REG_STATUS = 0,
	REG_ENABLE = 2,
	REG_CONTROL = 4,
	REG_TIMER = 8,
	REG_GPE_STATUS = PORT_GPE - PORT_PM, /* a byte each (4.8.4.1) */
	REG_GPE_ENABLE,
	REGS,

	/* Of status and enable (4.8.3.1) */
	PM1_TIMER = 1 << 0,
	PM1_GLOBAL = 1 << 5,
	PM1_BUTTON = 1 << 8,
	/* A driver wants to read back what it enables, also for the sleep
	 * button, the clock's alarm and PCI Express, whose events never come.
	 */
	PM1_ENABLES = PM1_TIMER | PM1_GLOBAL | PM1_BUTTON | 1 << 9 | 1 << 10 |
		      1 << 14,

	/* Of control (4.8.3.2.1) */
	CTL_SCI = 1 << 0,
	CTL_BM_RLD = 1 << 1,
	CTL_TYPE = 7 << 10,
	CTL_SLEEP = 1 << 13,
};

#define TYPE_S5	 (5 << 10) /* of the DSDT's _S5 */
#define TIMER_HZ 3579545

struct pm {
	struct vm *vm;
	struct bus_range range;
	struct loop_watch watch;
	int timer_fd; /* due when the timer's high bit changes */
	uint64_t start_ns;
	pthread_mutex_t lock;
	uint16_t status, enable, control; /* [under the lock] */
	uint8_t gpe_status, gpe_enable;	  /* [under the lock] */
	uint8_t gpe_known; /* [under the lock] enabled once, at least */
	uint64_t halves;   /* [under the lock] changes of the high bit seen */
	bool line;	   /* [under the lock] */
};

/* Returns the timer with all the bits that it would have. */
static uint64_t ticks(const struct pm *p)
{
	uint64_t ns = clock_ns() - p->start_ns;

	return ns / 1000000000 * TIMER_HZ +
	       ns % 1000000000 * TIMER_HZ / 1000000000;
}

/* Returns when the timer has @t ticks, on the monotonic clock. */
static uint64_t time_of(const struct pm *p, uint64_t t)
{
	return p->start_ns + t / TIMER_HZ * 1000000000 +
	       (t % TIMER_HZ * 1000000000 + TIMER_HZ - 1) / TIMER_HZ;
}

static void set_timer(struct pm *p, bool is_armed)
{
	uint64_t at = time_of(p, (p->halves + 1) << 31);
	struct itimerspec spec = { 0 };

	if (is_armed) {
		spec.it_value.tv_sec = (time_t)(at / 1000000000);
		spec.it_value.tv_nsec = (long)(at % 1000000000);
	}
	timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* TMR_STS is set when the timer's highest bit changes (4.8.3.1.1). */
static void update_timer(struct pm *p)
{
	uint64_t halves = ticks(p) >> 31;

	if (halves != p->halves)
		p->status |= PM1_TIMER;
	p->halves = halves;
}

/* The SCI is a level: there as long as an enabled event is. */
static void update_line(struct pm *p)
{
	bool line = p->status & p->enable || p->gpe_status & p->gpe_enable;

	if (line == p->line)
		return;
	p->line = line;
	irqs_set_line(&p->vm->irqs, IRQ_SCI, line);
}

static void put(uint8_t *regs, unsigned off, unsigned size, uint64_t v)
{
	for (unsigned i = 0; i < size; i++)
		regs[off + i] = (uint8_t)(v >> 8 * i);
}

static uint64_t on_read(struct bus_range *r, uint64_t off, unsigned size)
{
	struct pm *p = container_of(r, struct pm, range);
	uint8_t regs[REGS] = { 0 };
	uint64_t v = 0;

	pthread_mutex_lock(&p->lock);
	update_timer(p);
	update_line(p);
	put(regs, REG_STATUS, 2, p->status);
	put(regs, REG_ENABLE, 2, p->enable);
	put(regs, REG_CONTROL, 2, p->control | CTL_SCI);
	put(regs, REG_TIMER, 4, ticks(p));
	regs[REG_GPE_STATUS] = p->gpe_status;
	regs[REG_GPE_ENABLE] = p->gpe_enable;
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)regs[off + i] << 8 * i;
	return v;
}

static void write_enable(struct pm *p, uint16_t v)
{
	bool was_on = p->enable & PM1_TIMER;

	p->enable = v & PM1_ENABLES;
	if (was_on != (bool)(p->enable & PM1_TIMER))
		set_timer(p, !was_on);
}

static void write_gpe_enable(struct pm *p, uint8_t v)
{
	p->gpe_enable = v;
	p->gpe_known |= v;
}

/* Applies one byte. */
static void write_byte(struct pm *p, unsigned reg, uint8_t byte)
{
	unsigned shift = 8 * (reg & 1);
	uint16_t mask = (uint16_t)(0xff << shift);
	uint16_t v = (uint16_t)(byte << shift);

	switch (reg & ~1u) {
	case REG_STATUS:
		p->status &= (uint16_t)~v;
		break;
	case REG_ENABLE:
		write_enable(p, (uint16_t)((p->enable & ~mask) | v));
		break;
	case REG_CONTROL:
		v |= p->control & (uint16_t)~mask;
		p->control = v & (CTL_BM_RLD | CTL_TYPE);
		/* SLP_EN is write-only. */
		if (v & CTL_SLEEP && (v & CTL_TYPE) == TYPE_S5)
			vm_end(p->vm, VM_END_POWEROFF);
		break;
	case REG_GPE_STATUS:
		if (reg == REG_GPE_STATUS)
			p->gpe_status &= (uint8_t)~byte;
		else
			write_gpe_enable(p, byte);
		break;
	default: /* the timer is read-only */
		break;
	}
}

static void on_write(struct bus_range *r, uint64_t off, unsigned size,
		     uint64_t value)
{
	struct pm *p = container_of(r, struct pm, range);

	pthread_mutex_lock(&p->lock);
	update_timer(p);
	for (unsigned i = 0; i < size; i++)
		write_byte(p, (unsigned)off + i, (uint8_t)(value >> 8 * i));
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	struct pm *p = container_of(w, struct pm, watch);

	(void)events;
	fd_drain(p->timer_fd);
	pthread_mutex_lock(&p->lock);
	update_timer(p);
	set_timer(p, p->enable & PM1_TIMER);
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

void pm_press_button(struct pm *p)
{
	pthread_mutex_lock(&p->lock);
	p->status |= PM1_BUTTON;
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

void pm_raise_event(struct pm *p, unsigned n)
{
	pthread_mutex_lock(&p->lock);
	p->gpe_status |= (uint8_t)(1u << n);
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

bool pm_event_is_known(struct pm *p, unsigned n)
{
	bool is;

	pthread_mutex_lock(&p->lock);
	is = p->gpe_known >> n & 1;
	pthread_mutex_unlock(&p->lock);
	return is;
}

int pm_create(struct vm *vm, struct pm **out, struct err *err)
{
	struct pm *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "power management: out of memory");
	p->vm = vm;
	p->start_ns = clock_ns();
	pthread_mutex_init(&p->lock, NULL);
	p->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	rc = p->timer_fd < 0 ? -errno
			     : loop_watch_add(vm->loop, &p->watch, p->timer_fd,
					      EPOLLIN, on_timer);
	if (rc) {
		err_set(err, rc, "power management: its timer: %s",
			strerror(-rc));
		goto err_free;
	}
	p->range = (struct bus_range){ .name = "power management",
				       .base = PORT_PM,
				       .size = REGS,
				       .read = on_read,
				       .write = on_write };
	rc = bus_add(&vm->ports, &p->range, err);
	if (rc)
		goto err_free;
	*out = p;
	return 0;
err_free:
	loop_watch_remove(&p->watch);
	fd_close(&p->timer_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return rc;
}

void pm_destroy(struct pm *p)
{
	if (!p)
		return;
	bus_remove(&p->vm->ports, &p->range);
	loop_watch_remove(&p->watch);
	fd_close(&p->timer_fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
