/* SPDX-License-Identifier: Apache-2.0 */
/* filter-replay: for QEMU's record and replay of a whole machine. Here it is
 * accepted, so that a command line need not change, and does nothing. Control
 * thread. */
#include <errno.h>
#include <stdlib.h>

#include "filter_impl.h"
#include "log.h"

static void replay_destroy(struct filter *f)
{
	free(f);
}

static const struct filter_ops replay_ops = { .destroy = replay_destroy };

static int replay_create(const struct filter_env *env, struct port *p,
			 struct filter_spec *spec, struct filter **out,
			 struct err *err)
{
	struct filter *f = calloc(1, sizeof(*f));

	(void)env;
	if (!f)
		return err_set(err, -ENOMEM, "out of memory");
	log_info("filter=%s: filter-replay has no effect: only QEMU records "
		 "and replays a machine",
		 spec->common.id);
	filter_init(f, &replay_ops, p, spec);
	*out = f;
	return 0;
}

static const struct opt_row replay_rows[] = { { NULL } };

const struct filter_type filter_replay_type = {
	.name = "filter-replay",
	.help = "accepted without effect: for QEMU's record and replay",
	.rows = replay_rows,
	.create = replay_create,
};
