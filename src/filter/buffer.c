/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter-buffer: frames wait for the end of the interval in which they came,
 * then all go on. A lane with a gate for each direction does the work (lane.h).
 * buffer_take() runs on workers, the rest on the control thread.
 *
 * A buffer that is turned off, or removed, lets its frames go at once. It takes
 * new ones until all have gone, so the frames keep their order.
 */
#include <errno.h>
#include <stdlib.h>

#include "filter_impl.h"
#include "lane.h"

#define BUFFER_BYTES (16u << 20) /* of each direction */

struct buffer_conf {
	uint32_t interval;
	bool interval_given;
};

static const struct opt_row buffer_rows[] = {
	{ .key = "interval",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct buffer_conf, interval),
	  .set_offset = offsetof(struct buffer_conf, interval_given),
	  .min = 1,
	  .max = UINT32_MAX,
	  .required = true,
	  .arg = "MICROSECONDS",
	  .help = "at the end of each interval the frames that came in it go "
		  "on" },
	{ NULL },
};

struct buffer {
	struct filter filter;
	struct lane *lane[2]; /* [const] by is_rx; NULL: not this direction */
};

static struct buffer *to_buffer(struct filter *f)
{
	return container_of(f, struct buffer, filter);
}

static bool buffer_take(struct filter *f, bool is_rx,
			struct frame *const *frames, unsigned n)
{
	struct lane *l = to_buffer(f)->lane[is_rx];

	if (!shm_load(&f->is_on) && lane_is_empty(l))
		return false;
	lane_put(l, frames, n);
	return true;
}

static int buffer_start(struct filter *f, struct err *err)
{
	struct buffer *b = to_buffer(f);
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(b->lane) && !rc; i++)
		if (b->lane[i])
			rc = lane_attach(b->lane[i]);
	return rc ? err_set(err, rc, "cannot give the queue to a worker") : 0;
}

static void buffer_settle(struct filter *f)
{
	struct buffer *b = to_buffer(f);

	for (unsigned i = 0; i < ARRAY_SIZE(b->lane); i++)
		if (b->lane[i])
			lane_set_open(b->lane[i], !f->is_on);
}

static void buffer_drain(struct filter *f)
{
	struct buffer *b = to_buffer(f);

	for (unsigned i = 0; i < ARRAY_SIZE(b->lane); i++)
		if (b->lane[i])
			lane_drain(b->lane[i]);
}

static void buffer_free(struct buffer *b)
{
	for (unsigned i = 0; i < ARRAY_SIZE(b->lane); i++)
		lane_destroy(b->lane[i]);
	free(b);
}

static void buffer_destroy(struct filter *f)
{
	buffer_drain(f);
	buffer_free(to_buffer(f));
}

static void buffer_show(const struct filter *f, struct show *s)
{
	const struct buffer *b = container_of(f, const struct buffer, filter);

	lanes_show(b->lane, s);
}

static const struct filter_ops buffer_ops = {
	.take = buffer_take,
	.start = buffer_start,
	.settle = buffer_settle,
	.drain = buffer_drain,
	.destroy = buffer_destroy,
	.show = buffer_show,
};

static int buffer_create(const struct filter_env *env, struct port *p,
			 struct filter_spec *spec, struct filter **out,
			 struct err *err)
{
	const struct buffer_conf *c = spec->conf;
	struct buffer *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	filter_init(&b->filter, &buffer_ops, p, spec);
	for (unsigned i = 0; i < ARRAY_SIZE(b->lane); i++) {
		if (!filter_has(&b->filter, i))
			continue;
		b->lane[i] = lane_create(&env->port, &b->filter, i,
					 BUFFER_BYTES, c->interval * 1000ull);
		if (!b->lane[i]) {
			buffer_free(b);
			return err_set(err, -ENOMEM, "out of memory");
		}
	}
	buffer_settle(&b->filter);
	*out = &b->filter;
	return 0;
}

const struct filter_type filter_buffer_type = {
	.name = "filter-buffer",
	.help = "hold the port's frames, and let all go at each interval",
	.rows = buffer_rows,
	.conf_size = sizeof(struct buffer_conf),
	.create = buffer_create,
};
