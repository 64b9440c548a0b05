/* SPDX-License-Identifier: Apache-2.0 */
/* Where the control socket is when nobody says so. */
#ifndef RW_CONTROL_PATH_H
#define RW_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * Writes the default path: ringway/control.sock in $XDG_RUNTIME_DIR, else in
 * /run/user/UID when that exists, else /tmp/ringway-UID/control.sock. With
 * @make the last directory is created (0700). It must be ours and closed to
 * others: -EPERM with @err otherwise, so that nobody else can have put a socket
 * there. 0 or -errno.
 */
int control_path_default(char *buf, size_t size, bool make, struct err *err);

#endif
