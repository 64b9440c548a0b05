/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket can be asked: one row a method. */
#ifndef RW_METHODS_H
#define RW_METHODS_H

#include "rpc.h"

/* Every handler's context is the struct daemon. */
extern const struct rpc_method methods[];

#endif
