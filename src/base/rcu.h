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

#include "shm.h"

/* rcu:A  acquire and release: what the pointer leads to was written before it
 * was published. */
#define rcu_read(p)	  shm_load_acquire(&(p))
#define rcu_publish(p, v) shm_store_release(&(p), v)

/* Every thread that reads RCU pointers, at its begin and end. Starts online. */
void rcu_register(void);
void rcu_unregister(void);

/* The calling worker holds no pointer from before. Once per loop. */
void rcu_quiescent(void);

/* Around a sleep: while offline a worker holds nothing and is not waited for.
 */
void rcu_offline(void);
void rcu_online(void);

/* Returns when no worker can still hold a pointer that was unpublished before
 * the call. [ctl] only; never with a lock held that a worker may take. */
void rcu_wait_workers(void);

#endif
