/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU's options indev= and outdev= name: a chardev of type socket, by its
 * id, or its address as in QEMU's short form "unix:PATH,server=on" and
 * "tcp:HOST:PORT,server=on". Pure.
 */
#ifndef RW_DEVICE_H
#define RW_DEVICE_H

#include "sock_addr.h"

enum device_wait { DEVICE_WAIT_DEFAULT, DEVICE_WAIT_OFF, DEVICE_WAIT_ON };

struct device {
	char *id;   /* heap; NULL: written as an address */
	char *text; /* heap; as typed behind -chardev */
	struct sock_addr addr;
	bool server;
	enum device_wait wait; /* with server: for the peer, before anything
				* begins */
	uint32_t reconnect_ms; /* 0: never */
	const char *used_by;   /* id of the filter; borrowed; NULL: nobody */
	struct device *next;   /* list of chardevs */
};

/* Reads what stands behind QEMU's -chardev. Returns 0 with the heap object in
 * *@out, or -errno with @err. */
int device_parse_chardev(const char *text, struct device **out,
			 struct err *err);
void device_free_all(struct device *list);

/*
 * Finds the device that option @key names: one of @list, or an address. Returns
 * 0 with a copy in *@out (without id and next), or -errno with @err: -EBUSY
 * when a filter has the one of @list. That is then *@taken, in use by the
 * filter @user until device_release(); NULL for an address.
 */
int device_take(struct device *list, const char *key, const char *text,
		const char *user, struct device *out, struct device **taken,
		struct err *err);
void device_release(struct device *d); /* NULL is fine */

#endif
