/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of the serial port, as -serial names it. It outlives the
 * machine: after a reset the client of a socket is still there. Control thread.
 */
#ifndef RW_SERIAL_H
#define RW_SERIAL_H

#include "device.h"
#include "sock_server.h"

enum serial_kind {
	SERIAL_NONE, /* there is no port */
	SERIAL_NULL, /* a port that nobody is at */
	SERIAL_STDIO,
	SERIAL_FILE,
	SERIAL_PTY,
	SERIAL_SOCKET,
};

struct serial_conf {
	enum serial_kind kind;
	const char *path;   /* of SERIAL_FILE; borrowed of the text */
	struct device sock; /* of SERIAL_SOCKET; copied */
};

/* Reads @text, the value of -serial; @devices are the -chardevs. Opens nothing.
 * Returns 0 or -errno with @err. */
int serial_read(struct serial_conf *c, const char *text, struct device *devices,
		struct err *err);

struct serial {
	enum serial_kind kind;
	int in, out;  /* -1: none */
	int other_fd; /* a pty's slave, so that the master is never hung up; or
			 a file; -1: none */
	struct sock_server server; /* of SERIAL_SOCKET */
};

/* Opens what @c names. Prints the name of a pty, and where a socket listens, to
 * standard error. Returns 0 or -errno with @err; serial_close() is due in both
 * cases. */
int serial_open(struct serial *s, const struct serial_conf *c,
		struct loop *loop, struct err *err);
void serial_close(struct serial *s);

#endif
