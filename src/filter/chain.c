/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a burst through a chain of filters, see chain.h. Runs on workers;
 * calls the filters' see and take. Allocates nothing, logs nothing.
 *
 * All filters act on whole bursts. So a burst needs two walks at most: one that
 * looks for the filter that takes it, one for those that only look at it.
 */
#include "chain.h"

#include <errno.h>

#include "filter.h"

/* The filters that a frame passes: positions from @at up to @end, by @step. */
struct walk {
	int at, end, step;
};

static struct walk walk_of(const struct filter_chain *c,
			   const struct filter *from, bool is_rx)
{
	struct walk w = { 0, (int)c->count, 1 };

	if (is_rx)
		w = (struct walk){ (int)c->count - 1, -1, -1 };
	if (!from)
		return w;
	while (w.at != w.end && c->filter[w.at] != from)
		w.at += w.step;
	/* a filter that has left the chain: nothing is behind it */
	if (w.at != w.end)
		w.at += w.step;
	return w;
}

static void show_to(const struct filter_chain *c, struct walk w, bool is_rx,
		    struct frame *const *frames, unsigned n)
{
	for (; w.at != w.end; w.at += w.step) {
		struct filter *f = c->filter[w.at];

		if (f->ops->see && filter_has(f, is_rx) && shm_load(&f->is_on))
			f->ops->see(f, is_rx, frames, n);
	}
}

bool chain_take(const struct filter_chain *c, const struct filter *from,
		bool is_rx, struct frame *const *frames, unsigned n)
{
	const struct walk all = walk_of(c, from, is_rx);

	for (struct walk w = all; w.at != w.end; w.at += w.step) {
		struct filter *f = c->filter[w.at];

		if (!f->ops->take || !filter_has(f, is_rx) ||
		    !f->ops->take(f, is_rx, frames, n))
			continue;
		w.end = w.at;
		w.at = all.at;
		show_to(c, w, is_rx, frames, n);
		return true;
	}
	return false;
}

void chain_see(const struct filter_chain *c, const struct filter *from,
	       bool is_rx, struct frame *const *frames, unsigned n)
{
	if (n)
		show_to(c, walk_of(c, from, is_rx), is_rx, frames, n);
}

int chain_check_port(const struct port *p, struct err *err)
{
	if (!p->brings)
		return 0;
	return err_set(err, -EINVAL,
		       "port %s only puts %s into a hub, and no frames pass "
		       "it: name %s instead",
		       p->name, p->brings->name, p->brings->name);
}
