/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timer of the RTL8139C+ (TCTR and TimerInt, 5.19 and 5.22 of the
 * RTL8139C): a count of the PCI bus's clock, which a write sets to zero, and
 * the value at which it is a cause of an interrupt. vCPU threads under the
 * function's lock; the control thread when the value is reached.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "rtl8139.h"

#define TICK_NS	 30ull /* 33 MHz */
#define NS_PER_S 1000000000ull
#define WRAP_NS	 (TICK_NS << 32)

static struct timespec from_ns(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S),
				  .tv_nsec = (long)(ns % NS_PER_S) };
}

uint32_t rtl8139_timer_read(const struct rtl8139 *r)
{
	return (uint32_t)((nic_now_ns() - r->timer.zero_ns) / TICK_NS);
}

/* The count comes by the value once more each time that it goes round. */
static void arm(struct rtl8139_timer *t)
{
	uint64_t now = nic_now_ns(), round = (now - t->zero_ns) / WRAP_NS;
	uint64_t at = t->zero_ns + round * WRAP_NS + t->due * TICK_NS;
	struct itimerspec when = { 0 };

	if (t->due) {
		when.it_value = from_ns(at > now ? at : at + WRAP_NS);
		when.it_interval = from_ns(WRAP_NS);
	}
	timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void rtl8139_timer_zero(struct rtl8139 *r)
{
	r->timer.zero_ns = nic_now_ns();
	arm(&r->timer);
}

void rtl8139_timer_set(struct rtl8139 *r, uint32_t due)
{
	r->timer.due = due;
	arm(&r->timer);
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	struct rtl8139 *r = container_of(w, struct rtl8139, timer.watch);
	uint64_t rounds;

	(void)events;
	/* There is nothing to read once a vCPU has set another time. */
	if (read(w->fd, &rounds, sizeof(rounds)) != sizeof(rounds) ||
	    !r->nic.ram)
		return;
	nic_cause(&r->nic, RTL_TIMEOUT);
	nic_irq_update(&r->nic);
}

int rtl8139_timer_init(struct rtl8139 *r)
{
	struct rtl8139_timer *t = &r->timer;

	t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (t->fd < 0)
		return -errno;
	return loop_watch_add(r->nic.loop, &t->watch, t->fd, EPOLLIN, on_timer);
}

void rtl8139_timer_fini(struct rtl8139 *r)
{
	loop_watch_remove(&r->timer.watch);
	fd_close(&r->timer.fd);
}
