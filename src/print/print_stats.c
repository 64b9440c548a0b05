/* SPDX-License-Identifier: Apache-2.0 */
/* Counters as text, a line for each queue and direction, and rates. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "print_impl.h"

/* A counter of a queue, and the title of its column. */
static const struct {
	const char *key, *title;
} counters[] = {
	{ "frames", ">FRAMES" }, { "bytes", ">BYTES" },
	{ "bursts", ">BURSTS" }, { "kicks", ">KICKS" },
	{ "calls", ">CALLS" },	 { "copies", ">COPIES" },
	{ "polls", ">POLLS" },	 { "sleeps", ">SLEEPS" },
	{ "segmented", ">CUT" }, { "checksummed", ">CHECKSUMS" },
	{ "merged", ">MERGED" },
};

static void add_queue(struct table *t, const char *id, const char *direction,
		      const json_t *q)
{
	table_row(t);
	table_add(t, "%s", id);
	table_add(t, "%s", direction);
	table_add(t, "%" PRIu64, num(q, "queue"));
	if (json_object_get(q, "worker"))
		table_add(t, "%" PRIu64, num(q, "worker"));
	else
		table_add(t, "-");
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++)
		table_add_num(t, num(q, counters[i].key), true);
	table_add_value(t, json_object_get(q, "drops"));
}

/* Returns whether the queue gets a line: queue 0 always does, any other queue
 * when one of its counters is not 0. */
static bool is_worth(const json_t *q)
{
	if (!num(q, "queue") || json_object_size(json_object_get(q, "drops")))
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++)
		if (num(q, counters[i].key))
			return true;
	return false;
}

static void add_queues(struct table *t, const char *id, const char *direction,
		       const json_t *queues)
{
	const json_t *q;
	size_t i;

	json_array_foreach(queues, i, q)
		if (is_worth(q))
			add_queue(t, id, direction, q);
}

/* Adds a row with the number of frames that were for the port while it had no
 * queue to send on. */
static void add_down(struct table *t, const char *id, uint64_t n)
{
	table_row(t);
	table_add(t, "%s", id);
	table_add(t, "out");
	table_add(t, "-");
	table_add(t, "-");
	for (unsigned i = 0; i < ARRAY_SIZE(counters); i++)
		table_add(t, "-");
	table_add(t, "%" PRIu64 " link down", n);
}

void print_stats(const json_t *r)
{
	const char *head[ARRAY_SIZE(counters) + 6] = { "PORT", "", ">QUEUE",
						       ">WORKER" };
	struct table *t;
	const json_t *p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		head[4 + i] = counters[i].title;
	head[4 + i] = "DROPS";
	t = table_create(head);
	json_array_foreach(json_object_get(r, "ports"), i, p) {
		const char *id = json_string_value(json_object_get(p, "id"));

		add_queues(t, id, "in", json_object_get(p, "rx"));
		add_queues(t, id, "out", json_object_get(p, "tx"));
		if (num(p, "tx_down"))
			add_down(t, id, num(p, "tx_down"));
	}
	table_print(t, 0);
	printf("\n");
	print_workers(NULL, json_object_get(r, "workers"));
}

/* Returns the port called @id in @before, or NULL when the port is new. */
static const json_t *find_port(const json_t *before, const char *id)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(before, "ports"), i, p)
		if (!strcmp(json_string_value(json_object_get(p, "id")), id))
			return p;
	return NULL;
}

void print_rates(const json_t *before, const json_t *now, double seconds)
{
	static const char *const head[] = {
		"PORT", ">IN/S", ">BIT/S", ">OUT/S", ">BIT/S", ">DROPS/S", NULL,
	};
	static const struct {
		const char *key[2];
		double factor;
	} column[] = {
		{ { "rx_frames" }, 1 },
		{ { "rx_bytes" }, 8 },
		{ { "tx_frames" }, 1 },
		{ { "tx_bytes" }, 8 },
		{ { "rx_drops", "tx_drops" }, 1 },
	};
	struct table *t = table_create(head);
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(now, "ports"), i, p) {
		const char *id = json_string_value(json_object_get(p, "id"));
		const json_t *old = find_port(before, id);

		table_row(t);
		table_add(t, "%s", id);
		for (unsigned c = 0; c < ARRAY_SIZE(column); c++) {
			uint64_t n = 0;

			for (unsigned k = 0; k < 2 && column[c].key[k]; k++)
				n += num(p, column[c].key[k]) -
				     num(old, column[c].key[k]);
			table_add_short(t,
					(uint64_t)((double)n *
						   column[c].factor / seconds));
		}
	}
	table_print(t, 0);
	printf("\n");
	print_workers(json_object_get(before, "workers"),
		      json_object_get(now, "workers"));
}

/* Adds the state of the peers of a filter: "out connected, in down (...)". */
static void add_peers(struct table *t, const json_t *f)
{
	static const char *const keys[] = { "out", "in" };
	char text[300] = "";

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *p = json_object_get(f, keys[i]);
		const char *reason = str(p, "reason");

		if (p)
			text_append(text, sizeof(text), ", ", "%s %s%s%s%s",
				    keys[i], str(p, "state"),
				    *reason ? " (" : "", reason,
				    *reason ? ")" : "");
	}
	table_add(t, "%s", *text ? text : str(f, "reason"));
}

void print_filters(const json_t *r)
{
	static const char *const head[] = {
		"FILTER",  "TYPE",  "PORT",	"QUEUE", "STATUS",
		">FRAMES", ">HELD", ">DROPPED", "STATE", NULL,
	};
	struct table *t = table_create(head);
	const json_t *f;
	size_t i;

	json_array_foreach(json_object_get(r, "filters"), i, f) {
		bool is_on = json_is_true(json_object_get(f, "status"));
		const json_t *out = json_object_get(f, "out");

		table_row(t);
		table_add(t, "%s", str(f, "id"));
		table_add(t, "%s", str(f, "type"));
		table_add(t, "%s", str(f, "netdev"));
		table_add(t, "%s", str(f, "queue"));
		table_add(t, "%s", is_on ? "on" : "off");
		table_add_num(t, num(f, "frames") + num(out, "sent"), false);
		table_add_num(t, num(f, "held"), true);
		table_add_num(t, num(f, "dropped") + num(out, "dropped"), true);
		add_peers(t, f);
	}
	table_print(t, 0);
}
