/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and back-ends of a machine that runs. @config has all of the daemon's
 * ports, the cards and back-ends of @m, and the chardevs. Control thread. */
#ifndef RW_MACHINE_HOT_H
#define RW_MACHINE_HOT_H

#include "machine_conf.h"

/* Reads a -netdev line into @config, as its last port. Returns 1 when it is a
 * vhost back-end, which @m has then; 0 for a port, which the caller makes; or
 * -errno with @err and nothing left. */
int machine_hot_netdev(struct machine_conf *m, struct config *config,
		       const char *text, struct err *err);

/* What a -device line became: one of the three. */
struct machine_hot {
	struct netdev *port; /* a card that is a port, to be made; owned by
			      * the caller */
	struct machine_card *card; /* open */
	struct machine_device *device;
};
/* Reads a -device line. Returns 0, or -errno with @err and nothing left.
 * machine_hot_forget() undoes it for a card or device. */
int machine_hot_device(struct machine_conf *m, struct config *config,
		       const char *text, const char *control, struct loop *loop,
		       struct machine_hot *hot, struct err *err);

/* Forgets the card or the device @id, if there is one, whose struct virtio_dev
 * is on no bus. A back-end stays, without a card. */
void machine_hot_forget(struct machine_conf *m, const char *id);
/* Forgets the vhost back-end @id. Returns 1, or 0 when there is none, or -EBUSY
 * with @err while a card is on it. */
int machine_hot_netdev_del(struct machine_conf *m, const char *id,
			   struct err *err);

/* Before the start: takes vhost back-ends without a card out of @config: they
 * wait for one to be added. */
int machine_hot_take_idle(struct machine_conf *m, struct config *config,
			  struct err *err);

#endif
