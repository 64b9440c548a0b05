/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the configuration again and makes what differs from the last reading:
 * a port whose lines did not change is not touched, nor is one that was added
 * since the start, unless the configuration names it now. Control thread.
 */
#ifndef RW_DAEMON_RELOAD_H
#define RW_DAEMON_RELOAD_H

#include "daemon.h"

/* Reads and changes. Shows in the open object what it did: arrays of ids
 * "added", "removed", "changed", "replaced", "failed" (objects with "id" and
 * "reason") and "restart" (options that take effect at the next start). Returns
 * 0, also with failures; or -errno with @err, and nothing is changed: the
 * configuration cannot be read. */
int daemon_reload(struct daemon *d, struct show *s, struct err *err);

/* The same for a signal. */
void daemon_reload_and_log(struct daemon *d);

/* Remembers the filters of the configuration @c, for the next reading. Returns
 * 0 or -ENOMEM. _forget_filters() frees that. */
int daemon_note_filters(struct daemon *d, const struct config *c);
void daemon_forget_filters(struct daemon *d);

/* Writes the daemon's options, ports and filters as they are now, as a
 * configuration file. */
void daemon_write(const struct daemon *d, FILE *f);

#endif
