/* SPDX-License-Identifier: Apache-2.0 */
/* Methods about the configuration. Control thread. */
#include <errno.h>
#include <stdlib.h>

#include "daemon_reload.h"
#include "json_show.h"
#include "methods_impl.h"

int method_reload(struct rpc_call *call)
{
	struct json_show j;

	json_show_init(&j, call->result);
	return daemon_reload(call->ctx, &j.show, &call->err);
}

int method_config(struct rpc_call *call)
{
	const struct daemon *d = call->ctx;
	char *text = NULL;
	size_t size;
	FILE *f = d->machine ? NULL : open_memstream(&text, &size);

	if (d->machine)
		return err_set(&call->err, -EOPNOTSUPP,
			       "a machine has no configuration file of a "
			       "switch: its command line is in `ps`");
	if (f)
		daemon_write(d, f);
	if (!f || fclose(f)) {
		free(text);
		return err_set(&call->err, -ENOMEM, "out of memory");
	}
	json_object_set_new(call->result, "text", json_text(text));
	free(text);
	return 0;
}
