/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large copies, see copy_large.h. Any thread; calls nothing.
 *
 * The ordinary copy is a loop over whole lines of the destination. It beats
 * libc's memcpy(), which takes `rep movsb` at these sizes: 1.5 times with 64
 * KiB frames over 33 MB of buffers (rings of 16 KiB buffers), 1.7 times with
 * 1448 bytes over 128 MiB when it fetches ahead; the two tie where everything
 * is in the second-level cache. 64-byte vectors were not faster than 32-byte
 * ones.
 */
#include "copy_large.h"

#include "copy.h"
#include "shm.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Distance of prefetches in bytes. Of 512, 1024, 1408, 2048 and 3072, 1024 is
 * the best or within the noise everywhere; 3072 loses the gain. */
#define AHEAD 1024

static inline size_t until_line(const uint8_t *p)
{
	return -(uintptr_t)p & (CACHE_LINE - 1);
}

static inline void fetch(const uint8_t *src, const uint8_t *dst)
{
	__builtin_prefetch(src);
	prefetch_write(dst);
}

static void plain_any(uint8_t *dst, const uint8_t *src, size_t n,
		      uint8_t *next_dst, const uint8_t *next_src,
		      size_t next_size)
{
	(void)next_dst;
	(void)next_src;
	(void)next_size;
	memcpy(dst, src, n);
}

/* Does all prefetches before memcpy(), because none can run during it. That is
 * still better than one miss after the other. */
static void ahead_any(uint8_t *dst, const uint8_t *src, size_t n,
		      uint8_t *next_dst, const uint8_t *next_src,
		      size_t next_size)
{
	size_t first = MIN(next_size, AHEAD);

	for (size_t i = 0; i < first; i += CACHE_LINE)
		fetch(next_src + i, next_dst + i);
	memcpy(dst, src, n);
}

#if defined(__x86_64__)

#define TARGET_AVX2 __attribute__((target("avx2")))

TARGET_AVX2 static inline void move_line(uint8_t *dst, const uint8_t *src)
{
	__m256i a = _mm256_loadu_si256((const void *)src);
	__m256i b = _mm256_loadu_si256((const void *)(src + 32));

	_mm256_storeu_si256((void *)dst, a);
	_mm256_storeu_si256((void *)(dst + 32), b);
}

TARGET_AVX2 static void plain_avx2(uint8_t *dst, const uint8_t *src, size_t n,
				   uint8_t *next_dst, const uint8_t *next_src,
				   size_t next_size)
{
	size_t i;

	(void)next_dst;
	(void)next_src;
	(void)next_size;
	move_line(dst, src);
	for (i = until_line(dst); i + CACHE_LINE <= n; i += CACHE_LINE)
		move_line(dst + i, src + i);
	move_line(dst + n - CACHE_LINE, src + n - CACHE_LINE);
}

/* Fetches the later part of this piece during its beginning, then the first
 * part of the next piece. */
TARGET_AVX2 static void ahead_avx2(uint8_t *dst, const uint8_t *src, size_t n,
				   uint8_t *next_dst, const uint8_t *next_src,
				   size_t next_size)
{
	size_t own = n > AHEAD ? n - AHEAD : 0;
	size_t i = until_line(dst), j;

	move_line(dst, src);
	for (; i < own; i += CACHE_LINE) {
		fetch(src + i + AHEAD, dst + i + AHEAD);
		move_line(dst + i, src + i);
	}
	for (j = 0; j < next_size && i + CACHE_LINE <= n; j += CACHE_LINE) {
		fetch(next_src + j, next_dst + j);
		move_line(dst + i, src + i);
		i += CACHE_LINE;
	}
	for (; i + CACHE_LINE <= n; i += CACHE_LINE)
		move_line(dst + i, src + i);
	move_line(dst + n - CACHE_LINE, src + n - CACHE_LINE);
}

/* Streams whole lines only: storing a part of a line would fetch it. Every
 * x86-64 has these instructions; wider ones were not faster. */
static void stream_sse2(uint8_t *dst, const uint8_t *src, size_t n,
			uint8_t *next_dst, const uint8_t *next_src,
			size_t next_size)
{
	size_t i = MIN(until_line(dst), n), own = n > AHEAD ? n - AHEAD : 0;
	size_t j = 0;

	(void)next_dst;
	copy_small(dst, src, i);
	for (; i + CACHE_LINE <= n; i += CACHE_LINE) {
		__m128i v[CACHE_LINE / 16];

		if (i < own) {
			__builtin_prefetch(src + i + AHEAD);
		} else if (j < next_size) {
			__builtin_prefetch(next_src + j);
			j += CACHE_LINE;
		}
		for (unsigned k = 0; k < ARRAY_SIZE(v); k++)
			v[k] = _mm_loadu_si128(
				(const void *)(src + i + 16 * k));
		for (unsigned k = 0; k < ARRAY_SIZE(v); k++)
			_mm_stream_si128((void *)(dst + i + 16 * k), v[k]);
	}
	copy_small(dst + i, src + i, n - i);
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

void copy_stream_fence(void)
{
	_mm_sfence();
}

#else

#define plain_avx2  plain_any
#define ahead_avx2  ahead_any
#define stream_sse2 plain_any

static bool has_avx2(void)
{
	return false;
}

void copy_stream_fence(void)
{
}

#endif

copy_large_fn *copy_large_get(enum copy_method method)
{
	switch (method) {
	case COPY_STREAM:
		return stream_sse2;
	case COPY_AHEAD:
		return has_avx2() ? ahead_avx2 : ahead_any;
	default:
		return has_avx2() ? plain_avx2 : plain_any;
	}
}

bool copy_large_has(enum copy_method method)
{
#if defined(__x86_64__)
	(void)method;
	return true;
#else
	return method != COPY_STREAM;
#endif
}
