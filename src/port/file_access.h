/* SPDX-License-Identifier: Apache-2.0 */
/* Options that say who may use a socket's file: mode=, owner= and group=. */
#ifndef RW_PORT_FILE_ACCESS_H
#define RW_PORT_FILE_ACCESS_H

#include <sys/types.h>

#include "err.h"

/* Read permissions (octal), a user and a group: a number, or a name in
 * /etc/passwd or /etc/group. Return 0, or -EINVAL with @err. */
int file_mode_read(const char *text, mode_t *mode, struct err *err);
int file_owner_read(const char *text, uid_t *owner, struct err *err);
int file_group_read(const char *text, gid_t *group, struct err *err);

#endif
