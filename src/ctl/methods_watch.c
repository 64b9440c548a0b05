/* SPDX-License-Identifier: Apache-2.0 */
/* The method `watch`, which subscribes its client to events. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon_watch.h"
#include "json_show.h"
#include "methods_impl.h"
#include "observer.h"

const struct opt_row watch_params[] = {
	{ .key = "events",
	  .kind = OPT_LIST,
	  .offset = offsetof(struct watch_args, events),
	  .choices = event_names,
	  .arg = "KIND",
	  .help = "kinds of events (default: all)",
	  .word = OPT_WORD },
	{ NULL },
};

int method_watch(struct rpc_call *call)
{
	const struct watch_args *args = call->args;
	unsigned kinds = 0;
	struct json_show j;
	int rc;

	for (unsigned i = 0; i < args->events.count; i++)
		for (unsigned k = 0; k < EVENT_COUNT; k++)
			if (!strcmp(args->events.value[i], event_names[k]))
				kinds |= 1u << k;
	if (!args->events.count)
		kinds = EVENT_ALL;
	rc = daemon_watch_start(call->ctx, call->conn, kinds);
	if (rc)
		return err_set(&call->err, rc, "out of memory");
	json_show_init(&j, call->result);
	show_array(&j.show, "events");
	for (unsigned k = 0; k < EVENT_COUNT; k++)
		if (kinds >> k & 1)
			show_str(&j.show, NULL, event_names[k]);
	show_end(&j.show);
	return 0;
}
