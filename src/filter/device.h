/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU's options indev= and outdev= name: a chardev of type socket, by its
 * id, or its address as in QEMU's short form "unix:PATH,server=on" and
 * "tcp:HOST:PORT,server=on". Pure.
 */
#ifndef RW_DEVICE_H
#define RW_DEVICE_H

#include "sock_addr.h"

struct device {
	char *id; /* heap; NULL: written as an address */
	struct sock_addr addr;
	bool server;
	uint32_t reconnect_ms; /* 0: never */
	struct device *next;   /* list of chardevs */
};

/* Reads what stands behind QEMU's -chardev. Returns 0 with the heap object in
 * *@out, or -errno with @err. */
int device_parse_chardev(const char *text, struct device **out,
			 struct err *err);
void device_free_all(struct device *list);

/* Finds the device that option @key names: one of @list, or an address. Returns
 * 0 with a copy in *@out (without id and next), or -errno with @err. */
int device_find(const struct device *list, const char *key, const char *text,
		struct device *out, struct err *err);

#endif
