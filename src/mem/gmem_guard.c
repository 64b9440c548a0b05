/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard against a front-end that shrinks the file behind its memory.
 *
 * Threads: the thread that makes maps (control) adds and removes mappings. The
 * handler runs on any thread that copies; it calls mmap(), write() and atomics
 * only.
 *
 * Theory of operation. The handler walks a list of all mappings without a lock.
 * It replaces everything from the page that raised the signal to the end of the
 * mapping by private zero pages at once: a file is cut at its end, so the pages
 * behind are lost too, and the kernel joins the pieces of repeated cuts into
 * one. Replacing page by page would reach the limit of mappings per process and
 * end us. The copy then goes on. The pages are charged to us, so the session
 * checks gmem_is_lost() and ends.
 *
 * Removal against the handler: gmem_guard_remove() takes the mapping out of the
 * list and waits until no handler is inside. A later handler does not find it.
 * A handler runs for one system call, so the wait is short. No handler can need
 * the mapping afterwards: its last reference is gone.
 */
#include "gmem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/mman.h>

#include "fd.h"
#include "gmem_mapping.h"
#include "shm.h"

static struct gmem_mapping *guard_list; /* [ctl -> handler, atomic] */
static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER; /* writers */
static unsigned guard_inside;	  /* [any, atomic] handlers that run now */
static uint64_t guard_lost_pages; /* [any, atomic] pages replaced so far */
static int guard_report_fd = -1;  /* [ctl -> handler, atomic] borrowed */
static struct sigaction guard_previous; /* [const after install] */

void gmem_guard_add(struct gmem_mapping *m)
{
	pthread_mutex_lock(&guard_lock);
	m->next = guard_list;
	/* guard:A  release: the mapping's members before its place in the list.
	 * Pairs with the acquire in find_mapping(). */
	shm_store_release(&guard_list, m);
	pthread_mutex_unlock(&guard_lock);
}

/* Waits until no handler uses what the caller unpublished. */
static void wait_for_handlers(void)
{
	/* guard:B  the caller's store before the load of guard_inside. Pairs
	 * with the increment in on_sigbus(): either this thread sees the
	 * handler, or the handler sees the store. Without the fence both could
	 * miss. */
	shm_fence();
	while (shm_load_acquire(&guard_inside))
		sched_yield();
}

void gmem_guard_remove(struct gmem_mapping *m)
{
	struct gmem_mapping **at;

	pthread_mutex_lock(&guard_lock);
	for (at = &guard_list; *at != m; at = &(*at)->next)
		;
	shm_store_release(at, m->next);
	pthread_mutex_unlock(&guard_lock);
	wait_for_handlers();
}

void gmem_guard_report_to(int fd)
{
	shm_store_release(&guard_report_fd, fd);
	wait_for_handlers();
}

static struct gmem_mapping *find_mapping(const uint8_t *addr)
{
	struct gmem_mapping *m;

	/* guard:A */
	for (m = shm_load_acquire(&guard_list); m;
	     m = shm_load_acquire(&m->next))
		if ((uintptr_t)addr - (uintptr_t)m->base < m->length)
			return m;
	return NULL;
}

/* Maps zero pages from the page of @addr to the mapping's end. */
static bool replace_pages(struct gmem_mapping *m, const uint8_t *addr)
{
	uint64_t off = (uint64_t)(addr - m->base) & ~(m->granule - 1);
	uint64_t before = shm_load(&m->lost_from);

	if (mmap(m->base + off, m->length - off, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) == MAP_FAILED)
		return false;
	/* Several threads may arrive at once: each lost page counts once. */
	while (off < before)
		if (shm_compare_exchange(&m->lost_from, &before, off)) {
			shm_fetch_add(&guard_lost_pages,
				      (before - off) / m->granule);
			break;
		}
	if (shm_load_acquire(&guard_report_fd) >= 0)
		fd_signal(shm_load(&guard_report_fd));
	return true;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	struct gmem_mapping *m;
	bool done = false;

	(void)context;
	shm_fetch_add(&guard_inside, 1);
	shm_fence(); /* guard:B */
	/* A code <= 0 means that a process sent the signal, not an access. */
	if (info->si_code > 0) {
		m = find_mapping(info->si_addr);
		done = m && replace_pages(m, info->si_addr);
	}
	shm_fetch_sub(&guard_inside, 1);
	if (!done) {
		/* Restores the previous action and lets the access fault
		 * again. */
		sigaction(sig, &guard_previous, NULL);
		if (info->si_code <= 0)
			raise(sig);
	}
	errno = saved_errno;
}

int gmem_guard_install(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_RESTART,
	};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, &guard_previous) < 0 ? -errno : 0;
}

uint64_t gmem_lost_pages(void)
{
	return shm_load(&guard_lost_pages);
}
