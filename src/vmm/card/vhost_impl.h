/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internals of a card on a vhost back-end: vhost_card.c has its start and end,
 * vhost_device.c the operations of the device, vhost_link.c the connection with
 * the back-end, vhost_vdpa.c what is special with a vDPA device. Control
 * thread.
 */
#ifndef RW_VMM_VHOST_IMPL_H
#define RW_VMM_VHOST_IMPL_H

#include "card_impl.h"
#include "log.h"
#include "retry.h"
#include "vhost_card.h"
#include "vhost_setup.h"
#include "vu_client.h"
#include "vu_listen.h"

struct vhost_ring {
	struct virtio_ring given; /* by the transport; while is_in_use */
	bool is_in_use;		  /* the driver uses it */
	bool is_served;		  /* the back-end has it */
};

/*   state          is left when
 *   AWAY           the timer says to try again, or with is_server a back-end
 *                  comes: CONNECTING
 *   CONNECTING     features are agreed: UP; else: ENDING
 *   UP             the connection ends, or the back-end cannot go on: ENDING
 *   ENDING         the timer, at once, outside the client's callbacks: AWAY
 */
enum vhost_state { VHOST_AWAY, VHOST_CONNECTING, VHOST_UP, VHOST_ENDING };

enum vhost_kind { VHOST_NET, VHOST_USER, VHOST_VDPA };

/* Of a vDPA device. */
struct vhost_vdpa {
	struct vdpa_target target; /* [const] */
	struct vdpa dev;	   /* its descriptor is the client's */
	struct vdpa_facts facts;   /* of the device that is open */
	int config_fd;		   /* it tells of changes by it */
	struct loop_watch config_watch;
	int node_fd;	  /* the kernel tells by it of the ends of files */
	int process_wd;	  /* the events about a VDUSE device's process */
	bool is_deserted; /* that process has ended */
	struct loop_watch node_watch;
};

struct vhost_card {
	struct card_face face;
	enum vhost_kind kind; /* [const] */
	struct loop *loop;
	const struct card_conf *conf; /* [const] */
	const char *path;	      /* [const] of vhost-user */
	pid_t peer_pid;		      /* of vhost-user; 0: not known */
	bool is_server;		      /* [const] the back-end connects to us */
	struct vu_listen listen;      /* if is_server */
	struct tap_use use;	      /* vhost-net: its tap */
	bool is_passed;		      /* [const] vhost-net: by descriptors */
	uint32_t poll_us;	      /* [const] vhost-net */
	struct vhost_vdpa vdpa;
	int err_fd; /* vhost-net tells of bad rings by it */
	struct loop_watch err_watch;
	enum vhost_state state;
	struct vu_client *client;     /* NULL: AWAY */
	struct loop_timer timer;      /* of CONNECTING: features are agreed */
	struct vhost_outcome outcome; /* of requests to the back-end */
	bool is_live;		      /* the driver set DRIVER_OK */
	bool was_served;	      /* since then a back-end had its rings */
	unsigned pairs_told;	      /* that the driver listens to */
	unsigned offloads_told;	 /* vhost-net: OFFLOAD_* that the tap sends */
	struct vhost_ring *ring; /* heap: vhost_ring_count() */
	struct rings rings;	 /* of which the control queue is used, but
				  * with vDPA */
	struct vnet_ctrl control;
	struct retry retry;
	uint64_t since_ms, connections;
	struct err reason; /* of the last end; empty: none */
	struct err told;   /* that the log has */
	struct log_limit log;
};

/* Features that the back-end has to know: of rings, and with vhost-user of
 * frames, which for vhost-net the tap has; with vDPA of commands, too. */
uint64_t vhost_backend_features(const struct vhost_card *v);
/* Features between it and us, which no driver sees. */
uint64_t vhost_backend_own_features(const struct vhost_card *v);

/* vhost_card.c: offers the driver what the card has and the back-end knows. For
 * a driver that has not chosen yet. */
void vhost_offer(struct vhost_card *v);

/* vhost_device.c */
extern const struct virtio_dev_ops vhost_dev_ops;
void vhost_control_changed(struct vnet_ctrl *c);
/* Gives the back-end the memory and all rings in use. @is_resumed: they go on
 * where their used index is. Returns 0 or -errno with v->reason. */
int vhost_start_all(struct vhost_card *v, bool is_resumed);

/* vhost_link.c: connects for the first time and waits until features are
 * agreed; with is_server it listens only. @vhost_fd: of vhost-net, owned by the
 * connection. Returns 0 or -errno with v->reason. */
int vhost_link_open(struct vhost_card *v, const int *vhost_fd);
void vhost_link_close(struct vhost_card *v);
/* The connection cannot go on, for v->reason: it ends soon, from the loop; or
 * now, outside the client's callbacks. The next try follows. */
void vhost_link_fail(struct vhost_card *v);
void vhost_link_drop(struct vhost_card *v);
/* Makes the next try sooner: the back-end may be there again. */
void vhost_link_try_soon(struct vhost_card *v);

/* vhost_vdpa.c: opens the device. Returns NULL with v->reason. */
struct vu_transport *vhost_vdpa_connect(struct vhost_card *v);
/* Features are agreed: takes over the device's configuration, and watches it.
 * Returns 0 or -errno with v->reason. _end() is due in both cases. */
int vhost_vdpa_begin(struct vhost_card *v);
/* Shows the next driver what the device says now: commands of the last one may
 * have changed it without an interrupt. */
void vhost_vdpa_refresh(struct vhost_card *v);
void vhost_vdpa_end(struct vhost_card *v);
void vhost_vdpa_init(struct vhost_card *v, const struct vdpa_target *t);
/* Returns what the device agrees on with us, whatever the driver chooses; and
 * what it has that the driver is offered without an option of the card. */
uint64_t vhost_vdpa_own_features(void);
uint64_t vhost_vdpa_offers(const struct vhost_card *v);
void vhost_vdpa_show(const struct vhost_card *v, struct show *s);

/* vhost_vdpa_files.c: watches the file of the device, and that of a VDUSE
 * device's process if this one may; when either goes, the connection ends.
 * Returns 0 or -errno. _unwatch() is due in both cases. */
int vhost_vdpa_watch(struct vhost_card *v);
void vhost_vdpa_unwatch(struct vhost_card *v);
/* Before the client's end. */
void vhost_vdpa_ending(const struct vhost_card *v);
/* Stores the name that the device has on the bus. */
bool vhost_vdpa_name(const struct vhost_card *v, char *name, size_t size);

/* Returns how many rings the back-end may have. Behind the pairs is the control
 * queue of a vDPA device; for others this process serves it. */
static inline unsigned vhost_ring_count(const struct vhost_card *v)
{
	return 2 * v->face.pairs + (v->kind == VHOST_VDPA);
}

static inline bool vhost_is_up(const struct vhost_card *v)
{
	return v->state == VHOST_UP;
}

#endif
