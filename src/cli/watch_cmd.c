/* SPDX-License-Identifier: Apache-2.0 */
/* `ringway watch`: prints a line for each event until the user or the daemon
 * ends it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "client.h"
#include "print.h"

/* Returns the event in a notification, or NULL when it is none. */
static const json_t *event_in(const json_t *message)
{
	const char *method =
		json_string_value(json_object_get(message, "method"));

	return method && !strcmp(method, "event")
		       ? json_object_get(message, "params")
		       : NULL;
}

/* Prints events until the daemon ends; always returns -errno with @err. */
static int print_events(struct client *c, bool json, struct err *err)
{
	json_t *message;

	client_wait_for_events(c);
	while ((message = client_receive(c, err))) {
		const json_t *event = event_in(message);

		if (event && json)
			print_json_line(event);
		else if (event)
			print_event(event);
		fflush(stdout);
		json_decref(message);
	}
	return -EPIPE;
}

int watch_run(struct call *call)
{
	json_t *result = NULL;
	struct client c;
	struct err err;
	int rc = client_open(&c, call->control, call->timeout, &err);

	if (!rc) {
		rc = client_call(&c, call->command->method,
				 json_incref(call->params), &result, &err);
		json_decref(result);
		if (!rc)
			rc = print_events(&c, call->json, &err);
		client_close(&c);
	}
	return cli_fail(cli_exit_code(rc), "%s", err.msg);
}
