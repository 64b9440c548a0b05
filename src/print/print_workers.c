/* SPDX-License-Identifier: Apache-2.0 */
/* The workers' time as text: its shares, and cycles a frame by stage. */
#include <inttypes.h>
#include <stdio.h>

#include "cycles.h"
#include "print_impl.h"
#include "workers.h"

static double ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

/* Returns the counters of @now minus those of @before. */
static json_t *less(const json_t *now, const json_t *before)
{
	json_t *o = json_object(), *v;
	const char *key;

	json_object_foreach((json_t *)now, key, v) {
		json_t *old = json_object_get(before, key);

		if (json_is_object(v))
			json_object_set_new(o, key, less(v, old));
		else
			json_object_set_new(
				o, key,
				json_integer(json_integer_value(v) -
					     json_integer_value(old)));
	}
	return o;
}

static void print_times(const json_t *const *w, json_t *const *gone,
			size_t count)
{
	static const char *const head[] = {
		"WORKER",  ">CPU",	    ">QUEUES",	">FRAMES",
		">SLEEPS", ">SPIN US",	    ">WORKING", ">POLLING",
		">ASLEEP", ">CYCLES/FRAME", NULL,
	};
	static const char *const kind[] = { "working", "polling", "asleep" };
	struct table *t = table_create(head);

	for (size_t i = 0; i < count; i++) {
		const json_t *cycles = json_object_get(gone[i], "cycles");
		uint64_t all = 0;

		for (unsigned k = 0; k < ARRAY_SIZE(kind); k++)
			all += num(cycles, kind[k]);
		table_row(t);
		table_add(t, "%" PRIu64, num(w[i], "worker"));
		if (json_object_get(w[i], "cpu"))
			table_add_num(t, num(w[i], "cpu"), false);
		else
			table_add(t, "-");
		table_add_num(t, num(w[i], "queues"), false);
		table_add_num(t, num(gone[i], "frames"), true);
		table_add_num(t, num(gone[i], "sleeps"), true);
		table_add_num(t, num(w[i], "spin_us"), false);
		for (unsigned k = 0; k < ARRAY_SIZE(kind); k++)
			table_add(t, "%.1f%%",
				  100 * ratio(num(cycles, kind[k]), all));
		table_add(
			t, "%.0f",
			ratio(num(cycles, "working"), num(gone[i], "frames")));
	}
	table_print(t, 0);
}

/* Prints the stages of the measured bursts; leaves out stages without cycles.
 */
static void print_stages(const json_t *const *w, json_t *const *gone,
			 size_t count)
{
	char title[STAGE_COUNT][32];
	const char *head[STAGE_COUNT + 4];
	struct table *t;

	head[0] = "WORKER";
	head[1] = ">MEASURED";
	for (unsigned s = 0; s < STAGE_COUNT; s++) {
		snprintf(title[s], sizeof(title[s]), ">%s", stage_name(s));
		head[s + 2] = title[s];
	}
	head[STAGE_COUNT + 2] = ">CYCLES/FRAME";
	head[STAGE_COUNT + 3] = NULL;
	t = table_create(head);
	for (size_t i = 0; i < count; i++) {
		const json_t *m = json_object_get(gone[i], "measured");
		const json_t *cycles = json_object_get(m, "cycles");
		uint64_t frames = num(m, "frames"), all = 0;

		table_row(t);
		table_add(t, "%" PRIu64, num(w[i], "worker"));
		table_add_num(t, frames, true);
		for (unsigned s = 0; s < STAGE_COUNT; s++) {
			uint64_t n = num(cycles, stage_name(s));

			if (n && frames)
				table_add(t, "%.1f", ratio(n, frames));
			else
				table_add(t, "-");
			all += n;
		}
		table_add(t, "%.1f", ratio(all, frames));
	}
	table_print(t, 0);
}

void print_workers(const json_t *before, const json_t *now)
{
	size_t count = MIN(json_array_size(now), WORKERS_MAX);
	const json_t *w[WORKERS_MAX];
	json_t *gone[WORKERS_MAX];
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		w[i] = json_array_get(now, i);
		gone[i] = less(w[i], json_array_get(before, i));
		any |= num(json_object_get(gone[i], "measured"), "frames");
	}
	print_times(w, gone, count);
	if (any) {
		printf("\n");
		print_stages(w, gone, count);
	}
	for (size_t i = 0; i < count; i++)
		json_decref(gone[i]);
}
