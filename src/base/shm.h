/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access to memory that another party writes at the same time: a guest
 * (rings), or another thread of ours. This is the only place with raw atomic
 * builtins; everything else names one of these.
 *
 * Each call reads or writes the location exactly once. What comes from a guest
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
/* Strong; *@expected gets the value found. */
#define shm_compare_exchange(p, expected, v)                                 \
	__atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_ACQ_REL, \
				    __ATOMIC_ACQUIRE)

/* Orders every earlier load and store before every later one (store->load). */
#define shm_fence()	    __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define shm_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define shm_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * What was copied out of a guest's memory is private only once the compiler
 * knows it: it may read the source a second time instead of the copy. These
 * end that: for a value in a register, and for an object (@p its address).
 */
#define shm_settle(v)	     __asm__ volatile("" : "+r"(v))
#define shm_settle_object(p) __asm__ volatile("" : "+m"(*(p)))

/* Fetches the line of @p in order to write it. A plain prefetch of a line that
 * another core has written leaves it shared, and the store has to ask again;
 * the compiler uses this instruction only when told the processor (those
 * without it do nothing). */
static inline void prefetch_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/* Statistics: one writer, any reader; never torn, never a locked operation. */
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

/* A lock for short sections that are nearly always free: taken once a burst. */
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
