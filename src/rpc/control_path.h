/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's default path. */
#ifndef RW_CONTROL_PATH_H
#define RW_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * Writes the default path to @buf: $RINGWAY_CONTROL if it is set, else
 * ringway/control.sock in $XDG_RUNTIME_DIR, else in /run/user/UID when that is
 * writable, else /tmp/ringway-UID/control.sock. With @make, creates the last
 * directory (0700), but not that of $RINGWAY_CONTROL.
 * Returns 0 or -errno with @err: -EPERM when that directory is not ours or
 * others can write to it, since a stranger could have put a socket there.
 */
int control_path_default(char *buf, size_t size, bool make, struct err *err);

/* The same for the socket @file in that directory. */
int control_path_of(const char *file, char *buf, size_t size, bool make,
		    struct err *err);

#endif
