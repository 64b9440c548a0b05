/* SPDX-License-Identifier: Apache-2.0 */
/* Workers' counters for `ringway stats` and `show`. Control thread; reads the
 * workers' counters. */
#include "clock.h"
#include "cycles.h"
#include "worker.h"

#define SHOW_AGAIN_MS 100 /* shares of shorter times mean little */

/* Prints the worker's use of time. A sleep that still lasts is not counted by
 * the worker, so the time asleep is the remainder. */
static void show_time(const struct worker *w, struct show *out)
{
	uint64_t working = stat_read(&w->working);
	uint64_t polling = stat_read(&w->polling);
	uint64_t all = cycles_now() - w->start_cycles;
	uint64_t us = (clock_ns() - w->start_ns) / 1000;

	show_num(out, "cycles_per_us", us ? all / us : 0);
	show_object(out, "cycles");
	show_num(out, "working", working);
	show_num(out, "polling", polling);
	show_num(out, "asleep",
		 all > working + polling ? all - working - polling : 0);
	show_end(out);
}

/* Prints the cycles of the measured bursts by stage. */
static void show_stages(const struct stage_totals *t, struct show *out)
{
	show_object(out, "measured");
	show_num(out, "frames", stat_read(&t->frames));
	show_num(out, "bursts", stat_read(&t->bursts));
	show_object(out, "cycles");
	for (unsigned s = 0; s < STAGE_COUNT; s++)
		show_num(out, stage_name(s), stat_read(&t->cycles[s]));
	show_end(out);
	show_end(out);
}

/* Returns the share of time that @w spent on frames since the last call. */
static unsigned busy_percent(struct worker *w)
{
	uint64_t now = cycles_now(), working = stat_read(&w->working);
	uint64_t elapsed = now - w->shown_cycles;

	/* the time since the last call is too short */
	if (loop_now_ms() - w->shown_ms < SHOW_AGAIN_MS || !elapsed)
		return w->shown_percent;
	w->shown_ms = loop_now_ms();
	w->shown_percent = (unsigned)((double)(working - w->shown_working) *
					      100 / (double)elapsed +
				      0.5);
	w->shown_working = working;
	w->shown_cycles = now;
	return w->shown_percent;
}

void workers_show(struct workers *ws, struct show *out, bool with_time)
{
	for (unsigned i = 0; i < ws->count; i++) {
		struct worker *w = &ws->worker[i];

		show_object(out, NULL);
		show_num(out, "worker", w->idx);
		if (w->cpu >= 0)
			show_num(out, "cpu", (uint64_t)w->cpu);
		show_num(out, "queues", w->queue_count);
		show_num(out, "busy_percent", busy_percent(w));
		show_num(out, "frames", stat_read(&w->frames));
		show_num(out, "rounds", stat_read(&w->rounds));
		show_num(out, "sleeps", stat_read(&w->sleeps));
		show_num(out, "spin_us", shm_load(&w->spin_ns) / 1000);
		if (with_time) {
			show_time(w, out);
			show_stages(&w->stages, out);
		}
		show_end(out);
	}
}

uint64_t port_show_work(const struct port *p, struct show *s)
{
	uint64_t out = 0, in = 0, kicks = 0, wakeups = 0, bursts = 0;
	uint64_t calls = 0;

	show_array(s, "workers");
	for (unsigned i = 0; i < p->rxq_count; i++) {
		const struct rxq *q = p->rxq[i];

		if (q->worker)
			show_num(s, NULL, q->worker_idx);
		out += stat_read(&q->stats.frames);
		kicks += stat_read(&q->stats.kicks);
		wakeups += stat_read(&q->stats.sleeps);
		bursts += stat_read(&q->stats.bursts);
		calls += stat_read(&q->stats.calls);
	}
	show_end(s);
	for (unsigned i = 0; i < p->txq_count; i++) {
		in += stat_read(&p->txq[i]->stats.frames);
		calls += stat_read(&p->txq[i]->stats.calls);
	}
	show_num(s, "frames_out", out);
	show_num(s, "frames_in", in);
	show_num(s, "kicks", kicks);
	show_num(s, "wakeups", wakeups);
	show_num(s, "bursts_out", bursts);
	return calls;
}
