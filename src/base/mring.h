/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded ring of byte messages between threads: several writers (under the
 * ring's own lock), one reader. Messages lie in one contiguous buffer, so the
 * reader borrows them in place. For back-ends that have a thread of their own
 * (user NAT), and for captures.
 */
#ifndef RW_MRING_H
#define RW_MRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mring;

/* @size bytes of room (rounded up to a power of two). NULL: no memory. */
struct mring *mring_create(size_t size);
void mring_destroy(struct mring *r);

/* Room for a message of @size bytes, contiguous, with the ring locked; NULL
 * when there is none (not locked then). Fill it, then mring_commit(). Messages
 * of up to half the ring are certain to fit an empty one. */
void *mring_reserve(struct mring *r, uint32_t size);
/* Publishes what was reserved and unlocks. True: the reader was asleep
 * (mring_arm()) and must be signalled. */
bool mring_commit(struct mring *r);

/* Reader: the next message after those peeked already, or NULL. Stays valid
 * until mring_release(). */
void *mring_peek(struct mring *r, uint32_t *size);
/* Reader: @message, which was peeked and not released, and all that were peeked
 * after it will be peeked again. */
void mring_unpeek(struct mring *r, const void *message);
/* Reader: gives back everything peeked so far. */
void mring_release(struct mring *r);

/* Reader: asks to be signalled at the next commit. True: armed, the ring is
 * empty. False: there is a message. */
bool mring_arm(struct mring *r);
void mring_disarm(struct mring *r);

#endif
