/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to memory that another party writes at the same time: a guest
 * (rings), or another thread of ours. Raw atomic builtins stand only in this
 * file; all other code uses these macros.
 *
 * Each call reads or writes the location exactly once. A value from a guest
 * must be loaded once into a local, checked, and then used from the local.
 */
#ifndef RW_SHM_H
#define RW_SHM_H

#include <stdbool.h>
#include <stdint.h>

#define shm_load(p)		    __atomic_load_n(p, __ATOMIC_RELAXED)
#define shm_load_acquire(p)	    __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define shm_store(p, v)		    __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define shm_store_release(p, v)	    __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define shm_exchange(p, v)	    __atomic_exchange_n(p, v, __ATOMIC_ACQ_REL)
#define shm_fetch_or(p, v)	    __atomic_fetch_or(p, v, __ATOMIC_ACQ_REL)
#define shm_fetch_and(p, v)	    __atomic_fetch_and(p, v, __ATOMIC_ACQ_REL)
#define shm_fetch_add(p, v)	    __atomic_fetch_add(p, v, __ATOMIC_RELAXED)
#define shm_fetch_add_release(p, v) __atomic_fetch_add(p, v, __ATOMIC_RELEASE)
#define shm_fetch_sub(p, v)	    __atomic_fetch_sub(p, v, __ATOMIC_ACQ_REL)
/* A strong compare-exchange. On failure *@expected gets the value found. */
#define shm_compare_exchange(p, expected, v)                                 \
	__atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_ACQ_REL, \
				    __ATOMIC_ACQUIRE)

/* Orders every earlier load and store before every later one (store->load). */
#define shm_fence()	    __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define shm_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define shm_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * The compiler may read guest memory a second time instead of using the copy.
 * After these macros the copy is private: shm_settle() is for a value in a
 * register, shm_settle_object() for an object at address @p, and
 * shm_settle_memory() for one of a size that the compiler does not know.
 */
#define shm_settle(v)	     __asm__ volatile("" : "+r"(v))
#define shm_settle_object(p) __asm__ volatile("" : "+m"(*(p)))
#define shm_settle_memory(p) __asm__ volatile("" : : "r"(p) : "memory")

/* Fetches the cache line of @p for writing. A plain prefetch of a line that
 * another core has written leaves it shared, and the later store must ask for
 * it again. The compiler emits prefetchw only for a processor known to have it;
 * processors without it ignore it. */
static inline void prefetch_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/* Statistics counters have one writer and any number of readers. A read is
 * never torn; an addition needs no locked instruction. */
#define stat_add(p, n)                                                  \
	__atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + (n), \
			 __ATOMIC_RELAXED)
#define stat_inc(p)  stat_add(p, 1)
#define stat_read(p) __atomic_load_n(p, __ATOMIC_RELAXED)

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* A lock for short sections that is nearly always free: taken once a burst. */
struct spinlock {
	bool held;
};

static inline bool spin_trylock(struct spinlock *l)
{
	return !__atomic_exchange_n(&l->held, true, __ATOMIC_ACQUIRE);
}

static inline void spin_lock(struct spinlock *l)
{
	while (!spin_trylock(l))
		while (shm_load(&l->held))
			cpu_relax();
}

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->held, false, __ATOMIC_RELEASE);
}

#endif
