/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the daemon and of the command line: one row each. */
#ifndef RW_COMMANDS_H
#define RW_COMMANDS_H

#include "command.h"

/* Every handler's context is the struct daemon. */
extern const struct command commands[];

#endif
