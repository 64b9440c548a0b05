/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that gcc and clang call at each access to memory with
 * -fsanitize=thread, and wrappers of the C library's functions on memory, which
 * the compilers do not look into. All pass the access on to lines.c. They take
 * the place of the sanitizer's library, which is not linked; this file itself
 * is compiled without the option.
 *
 * The atomic functions are plain: the program has one thread. The names and
 * types are fixed by the compilers.
 */
#include "lines.h"

#include "lines_prefetch.h"

static void lines_read(const volatile void *p, size_t size)
{
	lines_record(p, size, LINES_READ);
}

static void lines_write(const volatile void *p, size_t size)
{
	lines_record(p, size, LINES_WRITE);
}

static void lines_read_write(const volatile void *p, size_t size)
{
	lines_read(p, size);
	lines_write(p, size);
}

void lines_prefetch(const volatile void *p, int is_write)
{
	lines_record(p, 1, is_write ? LINES_PREFETCH_WRITE : LINES_PREFETCH);
}

/* Each function is declared first, because no header declares it. */
#define HOOK(type, name, ...)   \
	type name(__VA_ARGS__); \
	type name(__VA_ARGS__)

HOOK(void, __tsan_init, void)
{
}

HOOK(void, __tsan_func_entry, void *caller)
{
	(void)caller;
}

HOOK(void, __tsan_func_exit, void)
{
}

#define ACCESS_AS(prefix, kind, size)              \
	HOOK(void, __tsan_##prefix##size, void *p) \
	{                                          \
		lines_##kind(p, size);             \
	}
#define ACCESS(kind, size)                      \
	ACCESS_AS(kind, kind, size)             \
	ACCESS_AS(unaligned_##kind, kind, size) \
	ACCESS_AS(volatile_##kind, kind, size)  \
	ACCESS_AS(unaligned_volatile_##kind, kind, size)

ACCESS(read, 1)
ACCESS(read, 2)
ACCESS(read, 4)
ACCESS(read, 8)
ACCESS(read, 16)
ACCESS(write, 1)
ACCESS(write, 2)
ACCESS(write, 4)
ACCESS(write, 8)
ACCESS(write, 16)

#define READ_WRITE(size)                        \
	ACCESS_AS(read_write, read_write, size) \
	ACCESS_AS(unaligned_read_write, read_write, size)

READ_WRITE(1)
READ_WRITE(2)
READ_WRITE(4)
READ_WRITE(8)
READ_WRITE(16)

HOOK(void, __tsan_read_range, void *p, size_t size)
{
	lines_read(p, size);
}

HOOK(void, __tsan_write_range, void *p, size_t size)
{
	lines_write(p, size);
}

/* A compare-exchange that fails does not write, but its processor takes the
 * line as for a write. */
#define ATOMIC_CHANGE(bits, name, change)                             \
	HOOK(uint##bits##_t, __tsan_atomic##bits##_##name,            \
	     volatile uint##bits##_t *p, uint##bits##_t v, int order) \
	{                                                             \
		uint##bits##_t old = *p;                              \
                                                                      \
		(void)order;                                          \
		lines_write(p, sizeof(*p));                           \
		*p = (uint##bits##_t)(change);                        \
		return old;                                           \
	}
#define ATOMIC_COMPARE(bits, name)                                          \
	HOOK(int, __tsan_atomic##bits##_##name, volatile uint##bits##_t *p, \
	     uint##bits##_t *expected, uint##bits##_t v, int order,         \
	     int failure_order)                                             \
	{                                                                   \
		uint##bits##_t old = *p;                                    \
                                                                            \
		(void)order;                                                \
		(void)failure_order;                                        \
		lines_write(p, sizeof(*p));                                 \
		if (old == *expected) {                                     \
			*p = v;                                             \
			return 1;                                           \
		}                                                           \
		*expected = old;                                            \
		return 0;                                                   \
	}
#define ATOMICS(bits)                                                       \
	HOOK(uint##bits##_t, __tsan_atomic##bits##_load,                    \
	     const volatile uint##bits##_t *p, int order)                   \
	{                                                                   \
		(void)order;                                                \
		lines_read(p, sizeof(*p));                                  \
		return *p;                                                  \
	}                                                                   \
	HOOK(void, __tsan_atomic##bits##_store, volatile uint##bits##_t *p, \
	     uint##bits##_t v, int order)                                   \
	{                                                                   \
		(void)order;                                                \
		lines_write(p, sizeof(*p));                                 \
		*p = v;                                                     \
	}                                                                   \
	ATOMIC_CHANGE(bits, exchange, v)                                    \
	ATOMIC_CHANGE(bits, fetch_add, old + v)                             \
	ATOMIC_CHANGE(bits, fetch_sub, old - v)                             \
	ATOMIC_CHANGE(bits, fetch_and, old &(v))                            \
	ATOMIC_CHANGE(bits, fetch_or, old | v)                              \
	ATOMIC_CHANGE(bits, fetch_xor, old ^ v)                             \
	ATOMIC_CHANGE(bits, fetch_nand, ~(old & v))                         \
	ATOMIC_COMPARE(bits, compare_exchange_strong)                       \
	ATOMIC_COMPARE(bits, compare_exchange_weak)                         \
	HOOK(uint##bits##_t, __tsan_atomic##bits##_compare_exchange_val,    \
	     volatile uint##bits##_t *p, uint##bits##_t expected,           \
	     uint##bits##_t v, int order, int failure_order)                \
	{                                                                   \
		uint##bits##_t old = *p;                                    \
                                                                            \
		(void)order;                                                \
		(void)failure_order;                                        \
		lines_write(p, sizeof(*p));                                 \
		if (old == expected)                                        \
			*p = v;                                             \
		return old;                                                 \
	}

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

HOOK(void, __tsan_atomic_thread_fence, int order)
{
	(void)order;
}

HOOK(void, __tsan_atomic_signal_fence, int order)
{
	(void)order;
}

/* The linker directs calls of NAME to __wrap_NAME, and those of __real_NAME to
 * the C library. */
void *__real_memcpy(void *dst, const void *src, size_t n);
void *__real_memmove(void *dst, const void *src, size_t n);
void *__real_memset(void *dst, int c, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);

HOOK(void *, __wrap_memcpy, void *dst, const void *src, size_t n)
{
	lines_read(src, n);
	lines_write(dst, n);
	return __real_memcpy(dst, src, n);
}

HOOK(void *, __wrap_memmove, void *dst, const void *src, size_t n)
{
	lines_read(src, n);
	lines_write(dst, n);
	return __real_memmove(dst, src, n);
}

HOOK(void *, __wrap_memset, void *dst, int c, size_t n)
{
	lines_write(dst, n);
	return __real_memset(dst, c, n);
}

HOOK(int, __wrap_memcmp, const void *a, const void *b, size_t n)
{
	lines_read(a, n);
	lines_read(b, n);
	return __real_memcmp(a, b, n);
}

/* The names that later releases of clang use for copies of structs. */
HOOK(void *, __tsan_memcpy, void *dst, const void *src, size_t n)
{
	return __wrap_memcpy(dst, src, n);
}

HOOK(void *, __tsan_memmove, void *dst, const void *src, size_t n)
{
	return __wrap_memmove(dst, src, n);
}

HOOK(void *, __tsan_memset, void *dst, int c, size_t n)
{
	return __wrap_memset(dst, c, n);
}
