/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membench - measures the copy bandwidth of one core, the ceiling of a one-copy
 * switch. Copies chunks of 64, 256, 1500, 9000 and 65536 bytes by several
 * methods, with working sets of three sizes for each of source and destination:
 *   warm  256 KiB: stays in L2
 *   l3    32 MiB, random chunk order: misses L2, hits L3
 *   cold  512 MiB, random chunk order: misses L2 and mostly L3
 * Chunks of up to 1500 bytes lie in slots of 2048 bytes, like mbufs, larger
 * ones in slots of a multiple of 64 bytes.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <sched.h>
#include <sys/mman.h>
#include <immintrin.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}
static void m_libc(void *d, const void *s, size_t n)
{
	memcpy(d, s, n);
}
static void m_movsb(void *d, const void *s, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n)::"memory");
}
static __attribute__((target("avx512f,avx512bw"))) void m_avx512(void *dv,
								 const void *sv,
								 size_t n)
{
	char *d = dv;
	const char *s = sv;
	while (n >= 256) {
		__m512i a = _mm512_loadu_si512(s),
			b = _mm512_loadu_si512(s + 64),
			c = _mm512_loadu_si512(s + 128),
			e = _mm512_loadu_si512(s + 192);
		_mm512_storeu_si512(d, a);
		_mm512_storeu_si512(d + 64, b);
		_mm512_storeu_si512(d + 128, c);
		_mm512_storeu_si512(d + 192, e);
		s += 256;
		d += 256;
		n -= 256;
	}
	while (n >= 64) {
		_mm512_storeu_si512(d, _mm512_loadu_si512(s));
		s += 64;
		d += 64;
		n -= 64;
	}
	if (n) {
		__mmask64 k = (1ull << n) - 1;
		_mm512_mask_storeu_epi8(d, k, _mm512_maskz_loadu_epi8(k, s));
	}
}
static void m_nt(void *dv, const void *sv, size_t n)
{
	char *d = dv;
	const char *s = sv;
	for (; n >= 64; s += 64, d += 64, n -= 64)
		for (int i = 0; i < 64; i += 16)
			_mm_stream_si128(
				(void *)(d + i),
				_mm_loadu_si128((const void *)(s + i)));
	memcpy(d, s, n);
}
struct {
	const char *n;
	void (*f)(void *, const void *, size_t);
} M[] = { { "libc", m_libc },
	  { "movsb", m_movsb },
	  { "avx512", m_avx512 },
	  { "nt", m_nt } };

static void *big(size_t n, int huge)
{
	char *p = mmap(NULL, n + (2 << 20), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	p = (char *)(((uintptr_t)p + (2 << 20) - 1) &
		     ~(uintptr_t)((2 << 20) - 1));
	madvise(p, n, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(p, 1, n);
	return p;
}
int main(int argc, char **argv)
{
	int core = argc > 1 ? atoi(argv[1]) : 1,
	    only = argc > 2 ? atoi(argv[2]) : 0;
	cpu_set_t s;
	CPU_ZERO(&s);
	CPU_SET(core, &s);
	sched_setaffinity(0, sizeof s, &s);
	size_t ws[] = { 256 << 10, 32u << 20, 512u << 20 };
	const char *wn[] = { "warm", "l3", "cold" };
	int chunks[] = { 64, 256, 1500, 9000, 65536 };
	printf("pages,ws,chunk,method,Mchunk/s,GB/s(copied),Gbit/s\n");
	for (int huge = 1; huge >= 0; huge--) {
		char *a = big(512u << 20, huge), *b = big(512u << 20, huge);
		for (int w = 0; w < 3; w++)
			for (int c = 0; c < 5; c++) {
				if ((!huge && w != 2) ||
				    (only && chunks[c] != only))
					continue;
				size_t slot = (chunks[c] + 63) & ~63ul;
				if (chunks[c] <= 1500)
					slot = 2048; /* mbuf-like slots */
				size_t n = ws[w] / slot;
				if (n < 1)
					n = 1;
				uint32_t *ord = malloc(n * 4),
					 x = 12345; /* random visiting order */
				for (size_t i = 0; i < n; i++)
					ord[i] = i;
				if (w)
					for (size_t i = n - 1; i > 0; i--) {
						x = x * 1664525 + 1013904223;
						size_t j = ((uint64_t)x *
							    (i + 1)) >>
							   32;
						uint32_t t = ord[i];
						ord[i] = ord[j];
						ord[j] = t;
					}
				for (int m = 0; m < 4; m++) {
					if (M[m].f == m_avx512 &&
					    !__builtin_cpu_supports("avx512bw"))
						continue;
					double best[3];
					for (int r = 0; r < 3; r++) {
						uint64_t k = 0;
						double t0 = now(), t;
						size_t i1 = 0, i2 = n / 2;
						do {
							for (int q = 0; q < 64;
							     q++, k++) {
								M[m].f(b + ord[i2] * slot,
								       a + ord[i1] * slot,
								       chunks[c]);
								if (++i1 == n)
									i1 = 0;
								if (++i2 == n)
									i2 = 0;
							}
						} while ((t = now() - t0) <
							 0.12);
						best[r] = k / t;
					}
					for (int i = 0; i < 3; i++)
						for (int j = i + 1; j < 3; j++)
							if (best[j] < best[i]) {
								double t =
									best[i];
								best[i] =
									best[j];
								best[j] = t;
							}
					double v = best[1];
					printf("%s,%s,%d,%s,%.2f,%.2f,%.1f\n",
					       huge ? "2M" : "4K", wn[w],
					       chunks[c], M[m].n, v / 1e6,
					       v * chunks[c] / 1e9,
					       v * chunks[c] * 8 / 1e9);
					fflush(stdout);
				}
				free(ord);
			}
		munmap(a, 512u << 20);
		munmap(b, 512u << 20);
	}
	return 0;
}
