/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events to an untrusted peer. The peer shares the open file of the eventfd (or
 * pipe) and can clear its O_NONBLOCK at any time. A write then sleeps while the
 * counter is full.
 */
#ifndef RW_PEER_EVENT_H
#define RW_PEER_EVENT_H

/* A sleeping write is interrupted after PEER_EVENT_MS, twice that at most. */
#define PEER_EVENT_MS 100

/*
 * Adds one to @fd and returns 0, also when the counter is full and the
 * descriptor non-blocking (the peer has its event). Returns -EINTR when the
 * write slept until it was interrupted: the peer makes this thread wait on
 * purpose. Else returns -errno. Any thread; the first call in a thread creates
 * a timer, and while calls go on SIGALRM comes to that thread every
 * PEER_EVENT_MS, without SA_RESTART.
 */
int peer_event_signal(int fd);

#endif
