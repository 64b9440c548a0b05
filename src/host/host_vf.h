/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual functions (SR-IOV) of the host's cards: how many there are. Control
 * thread; the kernel's part takes as long as the drivers do.
 */
#ifndef RW_HOST_VF_H
#define RW_HOST_VF_H

#include "host_pci.h"
#include "show.h"

/*
 * Makes the card @pf have @count virtual functions, 0: none. Others that it has
 * are taken away before, which is refused while one is in use. The host's
 * drivers are bound to the new ones when @is_probed. Returns 0, or -errno with
 * @err and as many as before. A process that is killed meanwhile leaves an
 * entry in the journal.
 */
int host_vf_create(const struct host_pci *pf, unsigned count, bool is_probed,
		   struct err *err);

/*
 * As host_vf_create() without the host's drivers, for a while: with the first
 * virtual functions of a card it writes an entry in the journal, and has it
 * until host_vf_keep(). After that, the last one that is given back to the host
 * takes all of them away: host_vf_drop(). *@entry is NULL when the card has
 * enough of them: nothing was done.
 */
struct host_note;
int host_vf_create_for_now(const struct host_pci *pf, unsigned count,
			   struct host_note **entry, struct err *err);
void host_vf_keep(struct host_note *entry);
/* Takes the virtual functions of the card @pf away when they were made for a
 * while and none is in use. Returns 0 when there was nothing to do, 1, and
 * @told says what was done, or -errno, and @told says what could not be done.
 */
int host_vf_drop(const char *pf, struct err *told);

/* Returns 0 when the host and all guests can do without virtual function @vf,
 * or -EBUSY with @err: who has it. */
int host_vf_check_free(const struct host_pci *vf, struct err *err);

/* Emits the card and its virtual functions, with the settings of each that the
 * card's driver tells, and who has it. */
void host_vf_show(const struct host_pci *pf, struct show *out);

/* Undoes the entry @name of the journal, as host_bind_restore() does. */
int host_vf_restore(const char *name, struct err *told);

#endif
