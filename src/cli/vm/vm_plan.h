/* SPDX-License-Identifier: Apache-2.0 */
/* `ringway vm --dry-run`. */
#ifndef RW_VM_PLAN_H
#define RW_VM_PLAN_H

#include "machine_conf.h"

/* Prints the machine that @m and @c, after machine_conf_finish(), describe.
 * Returns 0, or -errno with @err when two devices have one place. */
int vm_print_plan(const struct machine_conf *m, const struct config *c,
		  const char *control, struct err *err);

#endif
