/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports on interfaces of the kernel that give us descriptors: the types `tap`
 * (tap_type.c), `bridge` and `macvtap`, whose files have their options. tap.c
 * is the port of all of them (control thread), tap_io.c the data path of its
 * queues (workers), tap_script.c runs scripts, tap_helper.c a helper that
 * brings the interface; tap_linux.c, tap_adopt.c and macvtap_link.c talk to the
 * kernel.
 */
#ifndef RW_TAP_H
#define RW_TAP_H

#include <sys/uio.h>

#include "child.h"
#include "link_events.h"
#include "log.h"
#include "port.h"
#include "store.h"
#include "tap_linux.h"

#define TAP_READ_ROOM	   (68 * 1024) /* the largest frame and its header */
#define TAP_ARENA_SIZE	   (8 * TAP_READ_ROOM) /* eight such frames in a burst */
#define TAP_BOUNCE	   TAP_READ_ROOM /* behind the arena, for transmission */
#define TAP_CHILD_MS	   10000 /* a script or helper that takes longer is ended */

#define TAP_DEFAULT_BRIDGE "br0"

struct tap_queue {
	struct rxq rx;
	struct txq tx;
	int fd;		    /* [const since tap_start()] borrowed from the
			     * tap_if */
	unsigned hdr_size;  /* [const since tap_start()] 12, or 0 without
			     * vnet_hdr */
	uint8_t *arena;	    /* [const] TAP_ARENA_SIZE, then TAP_BOUNCE */
	bool is_shared;	    /* [any, atomic] others have the descriptor, too */
	bool has_more;	    /* [worker] the last burst stopped early */
	bool is_gone;	    /* [worker] the interface is gone and control was
			     * told */
	struct store store; /* [worker] the frames that were read */
};

struct tap_port {
	struct port port;
	struct tap_if tap;    /* [ctl] */
	enum tap_state state; /* [ctl] */
	char reason[512];     /* [ctl] why it failed; empty: not failed */
	uint64_t sndbuf; /* [const] for a helper's interface; 0: no bound */
	struct tap_helper *helper;	     /* [ctl] NULL: none runs */
	struct tap_scripts *scripts;	     /* [ctl] NULL: none */
	struct loop *loop;		     /* [const] */
	struct link_follower follower;	     /* [ctl] */
	unsigned count;			     /* [const] number of queues */
	struct tap_queue *q[TAP_MAX_QUEUES]; /* [const] */
	struct log_limit log;
};

/* What a port shall do; borrowed during tap_port_create(). */
struct tap_setup {
	const struct port_type *type; /* has a boolean option gro */
	struct tap_if *tap; /* open, moved to the port; unused with a helper */
	const char *script, *downscript; /* NULL: none */
	const char *helper;		 /* NULL: none */
	const char *bridge; /* the helper's; checked by tap_if_check_name() */
	uint64_t sndbuf;    /* for a helper's interface */
	bool gro;
};

/* What the options of a tap say about the kernel's vhost-net. Borrowed from
 * them. */
struct tap_vhost {
	bool is_wanted, is_forced;
	const char *fds; /* "N:N:..." of /dev/vhost-net; NULL: to be opened */
	uint32_t poll_us;
};

/* For owners that use a tap without a port. @conf: the options of
 * port_tap_type. tap_conf_open() opens the interface as its port would, and
 * returns 0 or -errno with @err; passed descriptors are taken then. [ctl] */
struct tap_vhost tap_conf_vhost(const void *conf);
int tap_conf_open(const void *conf, struct tap_if *t, struct err *err);

/* Makes a port and starts it. Returns 0 with the port in *@out; or -errno with
 * @err, and setup->tap is the caller's again. [ctl] */
int tap_port_create(const struct port_env *env, const struct port_conf *common,
		    const struct tap_setup *setup, struct port **out,
		    struct err *err);

/* The port_ops of a tap's queues. [worker] */
unsigned tap_rx_burst(struct rxq *rx, struct burst *b);
bool tap_rx_arm(struct rxq *rx);
void tap_rx_done(struct rxq *rx, struct burst *b);
unsigned tap_tx_burst(struct txq *tx, struct frame *const *frames, unsigned n);

/* Attaches the queues and sets the link by the interface's state. Returns 0,
 * -ENODEV if the interface is gone, or another -errno. [ctl] */
int tap_start(struct tap_port *t);
/* Gives a port without an interface that of @fd, sets it up and starts the
 * port. Returns 0; or -errno with @err, which begins with @what, and the caller
 * still owns @fd. [ctl] */
int tap_take(struct tap_port *t, int fd, const char *what, struct err *err);
/* Makes the port fail for good, with the link down and a reason. [ctl] */
void tap_fail(struct tap_port *t, const char *reason);
/*
 * Returns the scripts of a port, or NULL without memory. @up and @down are
 * paths or NULL; @name is the port's id. All three are copied. [ctl]
 */
struct tap_scripts *tap_scripts_create(struct loop *loop, const char *name,
				       const char *up, const char *down);
bool tap_scripts_have_up(const struct tap_scripts *s);
/* Starts the up script for @t; the script's end calls tap_start() or
 * tap_fail(). Returns 0 or -errno with @err. [ctl] */
int tap_scripts_begin(struct tap_scripts *s, struct tap_port *t,
		      struct err *err);
/* Takes the interface over from a port that is destroyed, starts the down
 * script and returns. At the script's end the interface is closed and @s freed.
 * [ctl]
 */
void tap_scripts_end(struct tap_scripts *s, struct tap_if *tap);
/* Frees the scripts of a port that could not be created; NULL is fine. [ctl] */
void tap_scripts_destroy(struct tap_scripts *s);
/* Returns 0 for a child of option @key=@path that succeeded, or -errno with
 * @err, which says how it ended. */
int tap_judge_child(const struct child *c, const char *key, const char *path,
		    int status, struct err *err);

/*
 * Starts the helper @path for @t, which joins the interface to @bridge. Its end
 * calls tap_take() or tap_fail(). Returns 0 or -errno with @err. [ctl]
 */
int tap_helper_begin(struct tap_port *t, const char *path, const char *bridge,
		     struct err *err);
/* Ends the helper of a port that is destroyed, if one runs. [ctl] */
void tap_helper_leave(struct tap_port *t);

#endif
