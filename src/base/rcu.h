/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-copy-update, QSBR flavour of liburcu. Workers are the readers: quiescent
 * once per loop, offline while they sleep. The control thread is the only one
 * that publishes and waits; it is not a registered reader, so
 * rcu_wait_workers() never waits for itself.
 *
 * Taking something away is always: rcu_publish(p, NULL), rcu_wait_workers(),
 * free.
 */
#ifndef RW_RCU_H
#define RW_RCU_H

#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu-qsbr.h>

#define rcu_read(p) rcu_dereference(p)
#define rcu_publish(p, v) rcu_assign_pointer(p, v)

/* Returns when no worker can still hold a pointer that was unpublished before
 * the call. [ctl] only; never with a lock held that a worker may take. */
static inline void rcu_wait_workers(void)
{
	urcu_qsbr_synchronize_rcu();
}

#endif
