/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap in use, with what runs around it: a helper that brings the interface,
 * or an up script before the first frame; and a down script at the end. A port
 * uses a tap so, and so does a card whose frames vhost-net moves. Control
 * thread.
 *
 *   stage         is left when
 *   BUSY          the helper or the up script has ended: READY or FAILED
 *   READY         never
 *   FAILED        never; reason says why
 */
#ifndef RW_TAP_USE_H
#define RW_TAP_USE_H

#include "child.h"
#include "tap_linux.h"

#define TAP_CHILD_MS 10000 /* a script or helper that takes longer is ended */

struct tap_helper;
struct tap_scripts;

/* What shall run around an interface. Borrowed during tap_use_begin(). */
struct tap_plan {
	const char *script, *downscript; /* NULL: none */
	const char *helper;		 /* NULL: none */
	const char *bridge; /* the helper's; checked by tap_if_check_name() */
	uint64_t sndbuf;    /* of a helper's interface; 0: no bound */
};

enum tap_stage { TAP_USE_BUSY, TAP_USE_READY, TAP_USE_FAILED };

struct tap_use {
	struct tap_if tap; /* of a helper: after it has ended */
	enum tap_stage stage;
	struct err reason;	     /* FAILED */
	struct loop *loop;	     /* [const] */
	const char *name;	     /* [const] in log lines; borrowed */
	uint64_t sndbuf;	     /* [const] */
	struct tap_helper *helper;   /* NULL: none runs */
	struct tap_scripts *scripts; /* NULL: none */
	/* Called at the begin of READY: returns 0, or -errno, which makes it
	 * FAILED; and at that of FAILED. NULL: nothing is called. */
	int (*ready)(struct tap_use *u);
	void (*failed)(struct tap_use *u);
};

/* Begins to use u->tap, which is open and set up but with a helper, as @plan
 * says. loop, name and the functions of @u are set. The stage is BUSY or READY
 * then. Returns 0; or -errno with @err: tap_use_undo() is due. */
int tap_use_begin(struct tap_use *u, const struct tap_plan *plan,
		  struct err *err);
/* Ends what runs and forgets it; u->tap is the caller's again. */
void tap_use_undo(struct tap_use *u);
/* Ends what runs. The down script, if there is one, has the interface until it
 * has ended; then the interface is closed. */
void tap_use_end(struct tap_use *u);
/* Moves @from, which is READY, to @to; @from is empty then. */
void tap_use_move(struct tap_use *to, struct tap_use *from);
/* Runs the loop while @u is BUSY. Returns 0; or -errno with @err when it
 * FAILED, or -EINTR after loop_stop(). */
int tap_use_wait(struct tap_use *u, struct err *err);

/* --- for tap_helper.c and tap_script.c --- */

/* Makes @u READY, if its owner can go on. Returns 0 or -errno. */
int tap_use_go_on(struct tap_use *u);
/* Makes @u the user of the helper's interface @fd. Returns 0; or -errno with
 * @err, which begins with @what, and the caller still owns @fd. */
int tap_use_take(struct tap_use *u, int fd, const char *what, struct err *err);
void tap_use_fail(struct tap_use *u, const char *reason);

/* Returns the scripts of @u, or NULL without memory. @up and @down are paths or
 * NULL, and copied, as u->name is. */
struct tap_scripts *tap_scripts_create(const struct tap_use *u, const char *up,
				       const char *down);
/* Starts the up script; its end calls tap_use_go_on() or tap_use_fail().
 * Returns 0 or -errno with @err. */
int tap_scripts_begin(struct tap_scripts *s, struct tap_use *u,
		      struct err *err);
/* Takes the interface over from a use that ends, starts the down script and
 * returns. At the script's end the interface is closed and @s freed. */
void tap_scripts_end(struct tap_scripts *s, struct tap_if *tap);
/* Frees scripts that do not run; NULL is fine. */
void tap_scripts_destroy(struct tap_scripts *s);

/* Starts the helper @path for @u, which joins the interface to @bridge. Its end
 * calls tap_use_take() or tap_use_fail(). Returns 0 or -errno with @err. */
int tap_helper_begin(struct tap_use *u, const char *path, const char *bridge,
		     struct err *err);
/* Ends the helper of @u, if one runs. */
void tap_helper_leave(struct tap_use *u);

/* Returns 0 for a child of option @key=@path that succeeded, or -errno with
 * @err, which says how it ended. */
int tap_judge_child(const struct child *c, const char *key, const char *path,
		    int status, struct err *err);

#endif
