/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor: a machine with its devices, beside the switch of a daemon, whose
 * ports are behind its network cards. Control thread.
 */
#ifndef RW_MONITOR_H
#define RW_MONITOR_H

#include "daemon.h"
#include "machine_conf.h"
#include "vm.h"

struct monitor;

/* Makes the terminal raw if the serial port of @conf is on it. Before
 * process-wide signal handlers are installed, since it has some for all signals
 * that end the process. Returns 0 or -errno with @err. */
int monitor_take_terminal(const struct machine_conf *conf, struct err *err);

/* Makes the machine that @conf describes and starts its vCPUs. @conf and @d are
 * borrowed. Returns 0 or -errno with @err; nothing is left then. When the
 * machine is over, the daemon's loop stops. */
int monitor_create(struct machine_conf *conf, struct daemon *d,
		   struct monitor **out, struct err *err);
/* Stops the vCPUs and frees the machine. Before daemon_destroy(). */
void monitor_destroy(struct monitor *m);

/* Returns why the machine ended; VM_END_NONE while it runs. */
enum vm_end monitor_end(const struct monitor *m);

#endif
