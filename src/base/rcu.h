/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-copy-update, QSBR flavour of liburcu. Workers are the readers: quiescent
 * once per round, offline while they sleep. Only the control thread publishes
 * and waits for grace periods. It is not a registered reader, so
 * rcu_wait_workers() never waits for its own thread.
 *
 * Removal is always: rcu_publish(p, NULL), rcu_wait_workers(), free.
 */
#ifndef RW_RCU_H
#define RW_RCU_H

#include "shm.h"

/* rcu:A  acquire and release: a reader of the pointer sees everything written
 * to the object before it was published. */
#define rcu_read(p)	  shm_load_acquire(&(p))
#define rcu_publish(p, v) shm_store_release(&(p), v)

/* Each thread that reads RCU pointers registers at its start, which makes it
 * online, and unregisters at its end. */
void rcu_register(void);
void rcu_unregister(void);

/* Says that the calling worker holds no RCU pointer. Called once per round. */
void rcu_quiescent(void);

/* Called around a sleep. An offline worker holds no RCU pointer, and grace
 * periods do not wait for it. */
void rcu_offline(void);
void rcu_online(void);

/* Waits for a grace period: on return no worker holds a pointer that was
 * unpublished before the call. [ctl] only; the caller holds no lock that a
 * worker may take. */
void rcu_wait_workers(void);

#endif
