/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ring of byte messages between threads, see mring.h. Any thread. Memory is
 * allocated at creation only; nothing else is called.
 *
 * Theory of operation. Positions are free-running byte counts; masked, they
 * point into the buffer. Each message has a header in front, at a multiple of
 * the header's size, so a header never wraps. A message that would wrap starts
 * at the beginning of the buffer, and a SKIP header fills the end. Therefore a
 * message of up to half the ring always fits an empty ring.
 */
#include "mring.h"

#include <stdlib.h>

#include "shm.h"
#include "util.h"

#define RING_MIN 256
#define SKIP	 UINT32_MAX /* size in a header that skips to the end */

struct header {
	uint32_t size; /* size of the message behind it, or SKIP */
	uint32_t pad;
};

struct mring {
	uint8_t *buf; /* [const] */
	size_t size;  /* [const] a power of two */

	/* [holder of lock] */
	struct spinlock lock __cacheline;
	size_t next;	  /* position behind the reserved message */
	size_t tail_seen; /* value of tail at its last load */

	/* [writers -> reader, atomic] end of the published messages */
	size_t head __cacheline;
	bool armed; /* [any, atomic] the reader sleeps and wants a signal */

	/* [reader] */
	size_t peeked __cacheline; /* position of the next message to peek */
	size_t head_seen;	   /* value of head at its last load */

	/* [reader -> writers, atomic] end of the released messages */
	size_t tail __cacheline;
};

struct mring *mring_create(size_t size)
{
	struct mring *r = aligned_alloc(CACHE_LINE, sizeof(*r));
	size_t rounded = RING_MIN;

	if (!r)
		return NULL;
	while (rounded < size)
		rounded *= 2;
	*r = (struct mring){ .size = rounded };
	r->buf = aligned_alloc(CACHE_LINE, rounded);
	if (!r->buf) {
		free(r);
		return NULL;
	}
	return r;
}

void mring_destroy(struct mring *r)
{
	if (!r)
		return;
	free(r->buf);
	free(r);
}

static struct header *header_at(struct mring *r, size_t pos)
{
	return (struct header *)(r->buf + (pos & (r->size - 1)));
}

/* Returns whether @need bytes fit behind the published messages. */
static bool has_room(struct mring *r, size_t need)
{
	size_t head = shm_load(&r->head);

	if (need <= r->size - (head - r->tail_seen))
		return true;
	/* mring:B  acquire: the reader's last loads from released messages
	 * come before our stores over them. Pairs in mring_release(). */
	r->tail_seen = shm_load_acquire(&r->tail);
	return need <= r->size - (head - r->tail_seen);
}

void *mring_reserve(struct mring *r, uint32_t size)
{
	size_t need = align_up(sizeof(struct header) + (uint64_t)size,
			       sizeof(struct header));
	size_t pos, to_end;

	if (need > r->size)
		return NULL;
	spin_lock(&r->lock);
	pos = shm_load(&r->head);
	to_end = r->size - (pos & (r->size - 1));
	if (!has_room(r, need > to_end ? need + to_end : need)) {
		spin_unlock(&r->lock);
		return NULL;
	}
	if (need > to_end) {
		header_at(r, pos)->size = SKIP;
		pos += to_end;
	}
	header_at(r, pos)->size = size;
	r->next = pos + need;
	return header_at(r, pos) + 1;
}

bool mring_commit(struct mring *r)
{
	bool must_signal;

	/* mring:A  release: the message is visible before the position that
	 * covers it. Pairs in mring_peek(). */
	shm_store_release(&r->head, r->next);
	/* mring:C  store head, then load armed. Pairs in mring_arm(), which
	 * stores armed, then loads head: either the writer sees armed or the
	 * reader sees the message. */
	shm_fence();
	must_signal = shm_load(&r->armed) && shm_exchange(&r->armed, false);
	spin_unlock(&r->lock);
	return must_signal;
}

bool mring_is_empty(const struct mring *r)
{
	/* The tail first: it never overtakes the head that is read after it. */
	size_t tail = shm_load_acquire(&r->tail);

	return shm_load_acquire(&r->head) == tail;
}

void *mring_peek(struct mring *r, uint32_t *size)
{
	struct header *h;

	if (r->peeked == r->head_seen) {
		/* mring:A  acquire: see mring_commit(). */
		r->head_seen = shm_load_acquire(&r->head);
		if (r->peeked == r->head_seen)
			return NULL;
	}
	h = header_at(r, r->peeked);
	if (h->size == SKIP) {
		r->peeked += r->size - (r->peeked & (r->size - 1));
		h = header_at(r, r->peeked);
	}
	*size = h->size;
	r->peeked += align_up(sizeof(*h) + (uint64_t)h->size, sizeof(*h));
	return h + 1;
}

void mring_unpeek(struct mring *r, const void *message)
{
	size_t at = (size_t)((const uint8_t *)message - r->buf) -
		    sizeof(struct header);
	size_t back = (r->peeked - at) & (r->size - 1);

	/* A peeked message begins at least a header back; distance 0 means the
	 * whole ring. */
	r->peeked -= back ? back : r->size;
}

void mring_release(struct mring *r)
{
	/* mring:B  release: see has_room(). */
	shm_store_release(&r->tail, r->peeked);
}

bool mring_arm(struct mring *r)
{
	shm_store(&r->armed, true);
	/* mring:C  store armed, then load head: see mring_commit(). */
	shm_fence();
	if (shm_load(&r->head) == r->peeked)
		return true;
	shm_store(&r->armed, false);
	return false;
}

void mring_disarm(struct mring *r)
{
	shm_store(&r->armed, false);
}
