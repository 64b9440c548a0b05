/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to a peer that is not trusted. The peer shares the eventfd (or pipe)
 * and with it O_NONBLOCK, which it can clear at any time; a write then sleeps
 * while the counter is full.
 */
#ifndef RW_PEER_EVENT_H
#define RW_PEER_EVENT_H

/* A write that sleeps is broken off after so long, twice that at most. */
#define PEER_EVENT_MS 100

/*
 * Adds one to @fd. Returns 0 also when the counter is full and the descriptor
 * non-blocking (the peer has its event), -EINTR when the write slept until it
 * was broken off: the peer makes this thread wait on purpose. Or -errno. Any
 * thread; the first call in a thread makes a timer, and while calls go on
 * SIGALRM comes to that thread every PEER_EVENT_MS, without SA_RESTART.
 */
int peer_event_signal(int fd);

#endif
