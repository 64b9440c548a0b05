/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port that swallows all frames and sends none, for tests and measurements.
 * Its operations run on the threads that port.h names and call only fabric/.
 */
#include "types.h"

#include <errno.h>
#include <stdlib.h>

struct null_conf {
	bool offload;
};

struct null_port {
	struct port port;
	struct txq tx;
};

static const struct opt_row null_rows[] = {
	{
		.key = "offload",
		.kind = OPT_BOOL,
		.offset = offsetof(struct null_conf, offload),
		.def = "on",
		.help = "take large frames and missing checksums as they are",
	},
	{ NULL },
};

static unsigned null_tx_burst(struct txq *q, struct frame *const *frames,
			      unsigned n)
{
	(void)q;
	(void)frames;
	return n;
}

static void null_destroy(struct port *p)
{
	port_set_txqs(p, NULL, 0, 0);
	port_fini(p);
	free(container_of(p, struct null_port, port));
}

static const struct port_ops null_ops = {
	.tx_burst = null_tx_burst,
	.destroy = null_destroy,
};

static int null_create(const struct port_env *env,
		       const struct port_conf *common, const void *conf_,
		       struct port **out, struct err *err)
{
	const struct null_conf *conf = conf_;
	struct null_port *n = calloc(1, sizeof(*n));
	struct txq *tx;

	if (!n)
		return err_set(err, -ENOMEM, "out of memory");
	if (port_init(&n->port, env, &port_null_type, &null_ops, common, 1))
		goto err_free;
	n->tx.port = &n->port;
	n->port.txq[0] = tx = &n->tx;
	n->port.rxq_count = 0; /* nothing ever comes in */
	if (port_set_txqs(&n->port, &tx, 1, conf->offload ? OFFLOAD_ALL : 0))
		goto err_fini;
	*out = &n->port;
	return 0;

err_fini:
	port_fini(&n->port);
err_free:
	free(n);
	return err_set(err, -ENOMEM, "out of memory");
}

const struct port_type port_null_type = {
	.name = "null",
	.help = "swallows what it gets, sends nothing",
	.rows = null_rows,
	.conf_size = sizeof(struct null_conf),
	.create = null_create,
};
