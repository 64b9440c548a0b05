/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio network card whose rings somebody else serves: the kernel's
 * vhost-net, with a tap, a vhost-user back-end, or a vDPA device. The card has
 * the registers, the configuration space and the control queue; kicks and
 * interrupts pass it by (ioeventfd, irqfd). It outlives machines, as the card
 * of card.h. Control thread.
 */
#ifndef RW_VMM_VHOST_CARD_H
#define RW_VMM_VHOST_CARD_H

#include "card.h"
#include "tap_use.h"
#include "vdpa_target.h"

struct vhost_card;

struct vhost_card_setup {
	const char *id;		      /* borrowed until destroy() */
	const struct card_conf *conf; /* borrowed until destroy() */
	unsigned pairs;
	/* vhost-user: socket of the back-end (borrowed until destroy()), and
	 * first delay before the next try to connect; 0: never. With is_server
	 * the back-end connects to us. NULL: vhost-net */
	const char *path;
	uint32_t reconnect_ms;
	bool is_server;
	/* vhost-net: taken over also on failure */
	struct tap_use *use; /* READY; a queue for each pair */
	const int *vhost_fd;
	bool is_passed; /* the descriptors cannot be opened again */
	uint32_t poll_us;
	/* vDPA: the device (borrowed until destroy()). NULL: one of the others
	 */
	const struct vdpa_target *vdpa;
};

/* Makes the card and agrees with its back-end on features, for which it waits;
 * with is_server the back-end comes later. Returns 0 or -errno with @err. */
int vhost_card_create(struct loop *loop, const struct vhost_card_setup *setup,
		      struct vhost_card **out, struct err *err);
void vhost_card_destroy(struct vhost_card *v); /* NULL is fine */

/* Runs the loop until a back-end was there, and says in the log what it waits
 * for. Returns 0, or -EINTR with @err after loop_stop(). */
int vhost_card_wait(struct vhost_card *v, struct err *err);

struct virtio_dev *vhost_card_device(struct vhost_card *v);

/* Returns the process of a vhost-user back-end that is connected; 0: there is
 * none, or it is not known. */
pid_t vhost_card_peer(const struct vhost_card *v);
/* Returns the name of the tap of vhost-net, or NULL. */
const char *vhost_card_tap(const struct vhost_card *v);
/* Returns the name of the vDPA device's file, or NULL. */
const char *vhost_card_vdpa(const struct vhost_card *v);

/* Opens /dev/vhost-net @count times, or takes the descriptors @fds ("N:N:...";
 * NULL: none). Returns 0, or -errno with @err and nothing open. */
int vhost_net_open(const char *fds, unsigned count, int *fd, struct err *err);

#endif
