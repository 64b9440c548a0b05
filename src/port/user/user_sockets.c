/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bound on the sockets of all user ports, see user.h. Runs with the
 * library's lock.
 *
 * libslirp opens a socket for each flow of a guest, without a bound of its own.
 * It reports each one as it opens it, and before it closes it. The descriptors
 * that it polls would be too few: it leaves out connections whose guest takes
 * no data. Sockets that listen for forwarded ports are reported only when they
 * are closed; so each open socket has a bit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "user.h"
#include "user_edge.h"

static uint64_t total; /* sockets of all ports */

void user_sockets_init(struct user_slirp *s)
{
	struct rlimit rl = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_NOFILE, &rl);
	s->sockets.max = MIN((uint64_t)rl.rlim_cur / 2, USER_SOCKETS_MAX);
}

/* Makes room for the bit of @fd. */
static bool reserve(struct user_sockets *s, unsigned fd)
{
	unsigned words = MAX(s->words * 2, fd / 64 + 1);
	uint64_t *p;

	if (fd / 64 < s->words)
		return true;
	p = reallocarray(s->open_bits, words, sizeof(*p));
	if (!p)
		return false;
	memset(p + s->words, 0, (words - s->words) * sizeof(*p));
	s->open_bits = p;
	s->words = words;
	return true;
}

void user_sockets_opened(int fd, void *slirp)
{
	struct user_sockets *s = &((struct user_slirp *)slirp)->sockets;
	uint64_t bit = 1ull << (fd & 63);

	/* A socket that could not be opened is reported as -1. */
	if (fd < 0 || !reserve(s, (unsigned)fd) ||
	    (s->open_bits[fd / 64] & bit))
		return;
	s->open_bits[fd / 64] |= bit;
	stat_inc(&s->count);
	total++;
}

void user_sockets_closed(int fd, void *slirp)
{
	struct user_sockets *s = &((struct user_slirp *)slirp)->sockets;
	uint64_t bit = 1ull << (fd & 63);

	if (fd < 0 || (unsigned)fd / 64 >= s->words ||
	    !(s->open_bits[fd / 64] & bit))
		return;
	s->open_bits[fd / 64] &= ~bit;
	stat_add(&s->count, -1ull);
	total--;
}

bool user_sockets_admit(struct user_slirp *s, const uint8_t *frame,
			uint32_t size)
{
	if (!user_may_open_socket(frame, size) || total < s->sockets.max)
		return true;
	stat_inc(&s->sockets.refused);
	log_limited(&s->log, LOG_LEVEL_WARN,
		    "port=%s: its guest cannot begin connections: all user "
		    "ports together have %" PRIu64 " sockets, the most they "
		    "may have",
		    s->name, s->sockets.max);
	return false;
}

void user_sockets_fini(struct user_slirp *s)
{
	total -= s->sockets.count;
	free(s->sockets.open_bits);
	s->sockets = (struct user_sockets){ 0 };
}
