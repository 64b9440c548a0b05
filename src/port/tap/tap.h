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
#include "tap_use.h"

#define TAP_READ_ROOM	   (68 * 1024) /* the largest frame and its header */
#define TAP_ARENA_SIZE	   (8 * TAP_READ_ROOM) /* eight such frames in a burst */
#define TAP_BOUNCE	   TAP_READ_ROOM /* behind the arena, for transmission */
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
	struct tap_use use;   /* [ctl] */
	enum tap_state state; /* [ctl] */
	char reason[512];     /* [ctl] why it failed; empty: not failed */
	struct loop *loop;    /* [const] */
	struct link_follower follower;	     /* [ctl] */
	unsigned count;			     /* [const] number of queues */
	struct tap_queue *q[TAP_MAX_QUEUES]; /* [const] */
	struct log_limit log;
};

/* What a port shall do; borrowed during tap_port_create(). */
struct tap_setup {
	const struct port_type *type; /* has a boolean option gro */
	struct tap_if *tap; /* open, moved to the port; unused with a helper */
	struct tap_plan plan;
	bool gro;
};

/* What the options of a tap say about the kernel's vhost-net. Borrowed from
 * them. */
struct tap_vhost {
	bool is_wanted, is_forced;
	const char *fds; /* "N:N:..." of /dev/vhost-net; NULL: to be opened */
	uint32_t poll_us;
	bool has_program; /* a script or helper comes before the first frame */
	unsigned pairs;	  /* of queues, which the interface is to have */
};

/* For owners that use a tap without a port. @conf: the options of
 * port_tap_type. */
struct tap_vhost tap_conf_vhost(const void *conf);
/* Opens the interface as its port would, and begins to use it: see
 * tap_use_begin(). Returns 0; or -errno with @err and nothing left. [ctl] */
int tap_conf_begin(const void *conf, struct tap_use *u, struct err *err);

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

#endif
