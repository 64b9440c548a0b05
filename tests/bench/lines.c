/* SPDX-License-Identifier: Apache-2.0 */
/* See lines.h. Calls nothing: the wrappers of memcpy() and its like lead here.
 */
#include "lines.h"

#define LINE	   64
#define LINE_COUNT (LINES_MEMORY / LINE)

enum state { INVALID, SHARED, EXCLUSIVE, MODIFIED };

static uintptr_t view[LINES_SIDES]; /* address of the memory for a side */
static size_t memory_size;
static uint32_t burst; /* number of the burst, from 1 on */
static struct lines_count counts[LINES_SIDES][LINES_PARTS];

static struct line {
	uint8_t part;
	struct {
		uint8_t state;	  /* enum state */
		uint32_t read_in; /* burst of the last read */
		uint32_t written_in;
	} side[LINES_SIDES];
} lines[LINE_COUNT];

void lines_start(const void *driver, const void *device, size_t size)
{
	view[LINES_DRIVER] = (uintptr_t)driver;
	view[LINES_DEVICE] = (uintptr_t)device;
	memory_size = size < LINES_MEMORY ? size : LINES_MEMORY;
	burst = 1;
	for (unsigned i = 0; i < LINE_COUNT; i++)
		lines[i] = (struct line){ 0 };
	lines_clear();
}

void lines_set_part(unsigned part, size_t off, size_t size)
{
	for (size_t i = off / LINE; i <= (off + size - 1) / LINE; i++)
		lines[i].part = (uint8_t)part;
}

void lines_clear(void)
{
	for (unsigned i = 0; i < LINES_SIDES; i++)
		for (unsigned j = 0; j < LINES_PARTS; j++)
			counts[i][j] = (struct lines_count){ 0 };
}

void lines_end_burst(void)
{
	burst++;
}

struct lines_count lines_get(enum lines_side side, unsigned part)
{
	return counts[side][part];
}

/* Return how many lines move, 0 or 1, when side @own reads @l or writes it. */
static unsigned fetch(struct line *l, int own)
{
	int other = !own, moved = l->side[other].state == MODIFIED;

	if (l->side[own].state != INVALID)
		return 0;
	if (l->side[other].state == INVALID) {
		l->side[own].state = EXCLUSIVE;
		return 0;
	}
	l->side[own].state = l->side[other].state = SHARED;
	return moved;
}

static unsigned take(struct line *l, int own)
{
	int other = !own, moved = l->side[other].state != INVALID;

	l->side[other].state = INVALID;
	l->side[own].state = MODIFIED;
	return moved;
}

static void count_line(struct line *l, int own, enum lines_access access)
{
	struct lines_count *c = &counts[own][l->part];

	if (access == LINES_READ || access == LINES_PREFETCH)
		c->fetched += fetch(l, own);
	else
		c->owned += take(l, own);
	if (access == LINES_READ) {
		c->reads += l->side[own].read_in != burst;
		l->side[own].read_in = burst;
	} else if (access == LINES_WRITE) {
		c->writes += l->side[own].written_in != burst;
		l->side[own].written_in = burst;
	}
}

void lines_record(const volatile void *p, size_t size, enum lines_access access)
{
	for (int side = 0; size && side < LINES_SIDES; side++) {
		size_t off = (uintptr_t)p - view[side];

		if (off >= memory_size || size > memory_size - off)
			continue;
		for (size_t i = off / LINE; i <= (off + size - 1) / LINE; i++)
			count_line(&lines[i], side, access);
	}
}
