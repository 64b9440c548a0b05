/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device of the host, lent to vfio-pci for a guest. What it was is in the
 * journal (host_journal.h) from before the first change until it is again.
 * Control thread; the kernel's part may take as long as the drivers do.
 */
#ifndef RW_HOST_BIND_H
#define RW_HOST_BIND_H

#include "host_pci.h"

struct host_bind;

/*
 * Binds the device @address to vfio-pci, loads that module if it is missing,
 * and stores what gives it back. A device that has this driver stays as it is
 * and is not changed at the end either, unless a ringway that was killed bound
 * it: then it goes back to the driver that it had before that.
 * Returns 0, or -errno with @err and everything as it was. Whether the host
 * uses the device is asked before, by host_pci_use().
 */
int host_bind_take(struct host_bind **b, const char *address, struct err *err);
/* Gives the device back to the driver that it had, and frees @b. Names and
 * links of its network interfaces become what they were. Nobody may have it
 * open any more. NULL is fine. What fails is logged, and stays in the journal.
 */
void host_bind_give_back(struct host_bind *b);

/* Returns the process that lent the device @address to vfio-pci and runs; 0:
 * none. */
int host_bind_owner(const char *address);

/* Undoes the entry @name of the journal when it is one of a device and its
 * process is gone. Returns 0 when there was nothing to do, 1, and @told says
 * what was done, or -errno, and @told says what could not be done. */
int host_bind_restore(const char *name, struct err *told);

#endif
