/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts of a tap, see tap_use.h. Control thread.
 *
 * A script is a child that the loop waits for. The up script runs while its
 * port has no link yet. The down script runs after the port is gone; this file
 * keeps the interface until the script has ended or its time is over. If a port
 * is destroyed while its up script runs, that script is ended before the down
 * script begins.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "child.h"
#include "log.h"
#include "tap_use.h"

struct tap_scripts {
	struct child child;
	struct loop *loop;
	char *name;		/* of the user; heap */
	char *up, *down;	/* heap; NULL: none */
	const char *key, *path; /* of the running or the last script */
	struct tap_use *use;	/* NULL: the use has ended and @tap is ours */
	struct tap_if tap;	/* of a use that has ended */
};

static char *copy(const char *text, bool *is_short)
{
	char *s = text ? strdup(text) : NULL;

	*is_short |= text && !s;
	return s;
}

struct tap_scripts *tap_scripts_create(const struct tap_use *u, const char *up,
				       const char *down)
{
	struct tap_scripts *s = calloc(1, sizeof(*s));
	bool is_short = false;

	if (!s)
		return NULL;
	s->loop = u->loop;
	s->name = copy(u->name, &is_short);
	s->up = copy(up, &is_short);
	s->down = copy(down, &is_short);
	if (!is_short)
		return s;
	tap_scripts_destroy(s);
	return NULL;
}

void tap_scripts_destroy(struct tap_scripts *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->up);
	free(s->down);
	free(s);
}

int tap_judge_child(const struct child *c, const char *key, const char *path,
		    int status, struct err *err)
{
	if (c->is_late)
		return err_set(err, -ETIMEDOUT,
			       "%s=%s: still running after %d seconds; ended",
			       key, path, TAP_CHILD_MS / 1000);
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "%s=%s: ended by signal %d", key,
			       path, WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_set(err, -EIO, "%s=%s: ended with status %d", key,
			       path, WEXITSTATUS(status));
	return 0;
}

static void on_end(struct child *c, int status);

static int run(struct tap_scripts *s, const char *key, const char *path,
	       const struct tap_if *tap, struct err *err)
{
	const char *argv[] = { path, tap->name, NULL };
	int rc;

	s->key = key;
	s->path = path;
	rc = child_start(&s->child, s->loop, argv, TAP_CHILD_MS, on_end);
	if (rc)
		err_set(err, rc, "%s=%s: cannot run it: %s", key, path,
			strerror(-rc));
	return rc;
}

static void finish(struct tap_scripts *s)
{
	tap_if_close(&s->tap);
	tap_scripts_destroy(s);
}

static void run_down(struct tap_scripts *s)
{
	struct err err;
	int rc = s->down ? run(s, "downscript", s->down, &s->tap, &err) : 1;

	if (rc < 0)
		log_warn("port=%s: %s", s->name, err.msg);
	if (rc)
		finish(s);
}

static void on_end(struct child *c, int status)
{
	struct tap_scripts *s = container_of(c, struct tap_scripts, child);
	struct err err;
	int rc = tap_judge_child(c, s->key, s->path, status, &err);

	if (s->use) {
		if (!rc) {
			rc = tap_use_go_on(s->use);
			if (rc)
				err_set(&err, rc,
					"script=%s: cannot use interface %s "
					"after it: %s",
					s->path, s->use->tap.name,
					strerror(-rc));
		}
		if (rc)
			tap_use_fail(s->use, err.msg);
	} else if (s->path == s->up) {
		run_down(s);
	} else {
		if (rc)
			log_warn("port=%s: %s", s->name, err.msg);
		finish(s);
	}
}

int tap_scripts_begin(struct tap_scripts *s, struct tap_use *u, struct err *err)
{
	s->use = u;
	return run(s, "script", s->up, &u->tap, err);
}

void tap_scripts_end(struct tap_scripts *s, struct tap_if *tap)
{
	s->use = NULL;
	tap_if_move(&s->tap, tap);
	if (s->child.stage == CHILD_NONE)
		run_down(s);
	else
		child_stop(&s->child);
}
