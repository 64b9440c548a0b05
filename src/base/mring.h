/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded ring of byte messages between threads: several writers (under the
 * ring's own lock), one reader. Each message is contiguous, so the reader
 * borrows it in place. Used by captures and by back-ends with a thread of their
 * own (user port).
 */
#ifndef RW_MRING_H
#define RW_MRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct mring;

/* Returns a ring of @size bytes, rounded up to a power of two, or NULL without
 * memory. */
struct mring *mring_create(size_t size);
void mring_destroy(struct mring *r);

/* Returns room for a message of @size bytes and leaves the ring locked; the
 * caller fills the room and calls mring_commit(). Returns NULL, not locked,
 * without room. A message of up to half the ring always fits an empty ring. */
void *mring_reserve(struct mring *r, uint32_t size);
/* Publishes the reserved message and unlocks. Returns whether the caller must
 * signal the reader, which sleeps (mring_arm()). */
bool mring_commit(struct mring *r);

/* Returns whether the reader has released every message. Any thread. */
bool mring_is_empty(const struct mring *r);

/* Reader: returns the next message that was not peeked yet, or NULL. The
 * message is valid until mring_release(). */
void *mring_peek(struct mring *r, uint32_t *size);
/* Reader: takes back the peeks from @message on. @message was peeked and is not
 * released yet; the next mring_peek() returns it again. */
void mring_unpeek(struct mring *r, const void *message);
/* Reader: releases all peeked messages. */
void mring_release(struct mring *r);

/* Reader: asks for a signal at the next commit. Returns true if the ring is
 * empty and now armed, false if there is a message. */
bool mring_arm(struct mring *r);
void mring_disarm(struct mring *r);

#endif
