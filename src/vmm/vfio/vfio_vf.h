/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions as cards of a machine: the part of options about them.
 * Control thread. */
#ifndef RW_VFIO_VF_H
#define RW_VFIO_VF_H

#include "host_loan.h"
#include "vfio.h"

/* Returns 0 when the options fit each other, or -EINVAL with @err. */
int vfio_vf_check(const struct vfio_conf *c, struct err *err);

/* Returns whether the card is to be taken from its driver: bind=, whose default
 * is off for host= and on for vf-of=. */
static inline bool vfio_vf_binds(const struct vfio_conf *c)
{
	return c->bind_set ? c->bind : c->vf_of != NULL;
}

/* Lends the virtual function that vf-of= names, as host_loan_take() does. */
int vfio_vf_take(const struct vfio_conf *c, struct host_loan **loan,
		 char address[HOST_ADDRESS], struct err *err);

#endif
