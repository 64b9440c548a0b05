/* SPDX-License-Identifier: Apache-2.0 */
/*
 * liburcu's QSBR flavour behind our names, see rcu.h. ThreadSanitizer does not
 * see the library's synchronisation, so annotations tell it: everything before
 * a worker's quiescent point happens before everything after the wait.
 */
#include "rcu.h"

#include <urcu-qsbr.h>

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif

#ifdef HAS_TSAN
#include <sanitizer/tsan_interface.h>
static char grace;
#define TSAN_RELEASE() __tsan_release(&grace)
#define TSAN_ACQUIRE() __tsan_acquire(&grace)
#else
#define TSAN_RELEASE()
#define TSAN_ACQUIRE()
#endif

void rcu_register(void)
{
	urcu_qsbr_register_thread();
}

void rcu_unregister(void)
{
	TSAN_RELEASE();
	urcu_qsbr_unregister_thread();
}

void rcu_quiescent(void)
{
	TSAN_RELEASE();
	urcu_qsbr_quiescent_state();
}

void rcu_offline(void)
{
	TSAN_RELEASE();
	urcu_qsbr_thread_offline();
}

void rcu_online(void)
{
	urcu_qsbr_thread_online();
}

void rcu_wait_workers(void)
{
	urcu_qsbr_synchronize_rcu();
	TSAN_ACQUIRE();
}
