/* SPDX-License-Identifier: Apache-2.0 */
/* A tap in use, with its helper and its scripts, see tap_use.h. Control thread.
 */
#include "tap_use.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int create_scripts(struct tap_use *u, const struct tap_plan *plan,
			  struct err *err)
{
	const struct {
		const char *key, *path;
	} script[] = { { "script", plan->script },
		       { "downscript", plan->downscript } };

	if (!plan->script && !plan->downscript)
		return 0;
	/* When the second one is due there is nobody to tell. */
	for (unsigned i = 0; i < ARRAY_SIZE(script); i++)
		if (script[i].path && access(script[i].path, X_OK) < 0)
			return err_set(err, -errno, "%s=%s: cannot run it: %s",
				       script[i].key, script[i].path,
				       strerror(errno));
	u->scripts = tap_scripts_create(u, plan->script, plan->downscript);
	return u->scripts ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int tap_use_begin(struct tap_use *u, const struct tap_plan *plan,
		  struct err *err)
{
	int rc = create_scripts(u, plan, err);

	u->stage = TAP_USE_BUSY;
	u->sndbuf = plan->sndbuf;
	if (rc)
		return rc;
	if (plan->helper)
		return tap_helper_begin(u, plan->helper, plan->bridge, err);
	if (plan->script)
		return tap_scripts_begin(u->scripts, u, err);
	rc = tap_use_go_on(u);
	return rc ? err_set(err, rc, "interface %s: %s", u->tap.name,
			    strerror(-rc))
		  : 0;
}

int tap_use_go_on(struct tap_use *u)
{
	int rc = u->ready ? u->ready(u) : 0;

	if (!rc)
		u->stage = TAP_USE_READY;
	return rc;
}

int tap_use_take(struct tap_use *u, int fd, const char *what, struct err *err)
{
	int rc = tap_if_adopt_fd(&u->tap, what, fd, err);

	if (rc)
		return rc;
	rc = tap_if_set_up(&u->tap, u->sndbuf, err);
	if (!rc) {
		rc = tap_use_go_on(u);
		if (rc)
			err_set(err, rc, "%s: %s", what, strerror(-rc));
	}
	if (rc)
		tap_if_release(&u->tap);
	return rc;
}

void tap_use_fail(struct tap_use *u, const char *reason)
{
	u->stage = TAP_USE_FAILED;
	err_set(&u->reason, -EIO, "%s", reason);
	if (u->failed)
		u->failed(u);
}

void tap_use_undo(struct tap_use *u)
{
	tap_helper_leave(u);
	tap_scripts_destroy(u->scripts);
	u->scripts = NULL;
}

void tap_use_end(struct tap_use *u)
{
	tap_helper_leave(u);
	if (u->scripts)
		tap_scripts_end(u->scripts, &u->tap);
	else
		tap_if_close(&u->tap);
	u->scripts = NULL;
}

void tap_use_move(struct tap_use *to, struct tap_use *from)
{
	*to = *from;
	tap_if_move(&to->tap, &from->tap);
	from->scripts = NULL;
}

int tap_use_wait(struct tap_use *u, struct err *err)
{
	while (u->stage == TAP_USE_BUSY)
		if (!loop_step(u->loop))
			return err_set(err, -EINTR,
				       "ended while a script or helper ran");
	if (u->stage == TAP_USE_READY)
		return 0;
	*err = u->reason;
	return -EIO;
}
