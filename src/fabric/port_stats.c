/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of ports and queues for `ringway stats`. Control thread; reads the
 * workers' counters. */
#include "port.h"

static void show_drops(const struct queue_stats *s, struct show *out)
{
	show_object(out, "drops");
	for (unsigned r = 0; r < DROP_COUNT; r++) {
		uint64_t n = stat_read(&s->drops[r]);

		if (n)
			show_num(out, drop_reason_name(r), n);
	}
	show_end(out);
}

static void show_common(const struct queue_stats *s, struct show *out)
{
	show_num(out, "frames", stat_read(&s->frames));
	show_num(out, "bytes", stat_read(&s->bytes));
	show_num(out, "bursts", stat_read(&s->bursts));
	show_num(out, "calls", stat_read(&s->calls));
}

static void show_rxq(const struct rxq *q, struct show *out)
{
	const struct queue_stats *s = &q->stats;

	show_object(out, NULL);
	show_num(out, "queue", q->idx);
	show_common(s, out);
	show_num(out, "kicks", stat_read(&s->kicks));
	show_num(out, "polls", stat_read(&s->polls));
	show_num(out, "sleeps", stat_read(&s->sleeps));
	show_num(out, "waits", stat_read(&s->waits));
	show_num(out, "merged", stat_read(&s->merged));
	if (q->worker)
		show_num(out, "worker", q->worker_idx);
	show_drops(s, out);
	show_end(out);
}

static void show_txq(const struct txq *q, struct show *out)
{
	const struct queue_stats *s = &q->stats;

	show_object(out, NULL);
	show_num(out, "queue", q->idx);
	show_common(s, out);
	show_num(out, "copies", stat_read(&s->copies));
	show_num(out, "segmented", stat_read(&s->segmented));
	show_num(out, "checksummed", stat_read(&s->checksummed));
	show_drops(s, out);
	show_end(out);
}

static uint64_t drops_of(const struct queue_stats *s)
{
	uint64_t n = 0;

	for (unsigned r = 0; r < DROP_COUNT; r++)
		n += stat_read(&s->drops[r]);
	return n;
}

/* Prints the sums over all queues, which people read first. */
static void show_totals(const struct port *p, struct show *out)
{
	uint64_t rx_frames = 0, rx_bytes = 0, rx_drops = 0;
	uint64_t tx_frames = 0, tx_bytes = 0, tx_drops;

	tx_drops = stat_read(&p->down_drops);
	for (unsigned i = 0; i < p->rxq_count; i++) {
		const struct queue_stats *s = &p->rxq[i]->stats;

		rx_frames += stat_read(&s->frames);
		rx_bytes += stat_read(&s->bytes);
		rx_drops += drops_of(s);
	}
	for (unsigned i = 0; i < p->txq_count; i++) {
		const struct queue_stats *s = &p->txq[i]->stats;

		tx_frames += stat_read(&s->frames);
		tx_bytes += stat_read(&s->bytes);
		tx_drops += drops_of(s);
	}
	show_num(out, "rx_frames", rx_frames);
	show_num(out, "rx_bytes", rx_bytes);
	show_num(out, "rx_drops", rx_drops);
	show_num(out, "tx_frames", tx_frames);
	show_num(out, "tx_bytes", tx_bytes);
	show_num(out, "tx_drops", tx_drops);
	show_num(out, "tx_down", stat_read(&p->down_drops));
}

void port_show_stats(const struct port *p, struct show *out)
{
	show_totals(p, out);
	show_num(out, "macs", shm_load(&p->mac_count));
	show_array(out, "rx");
	for (unsigned i = 0; i < p->rxq_count; i++)
		show_rxq(p->rxq[i], out);
	show_end(out);
	show_array(out, "tx");
	for (unsigned i = 0; i < p->txq_count; i++)
		show_txq(p->txq[i], out);
	show_end(out);
}
