/* SPDX-License-Identifier: Apache-2.0 */
/* Corrections of libslirp's frames, and events that it does not report. Each
 * function is pure and takes one frame of any size and contents. */
#ifndef RW_USER_EDGE_H
#define RW_USER_EDGE_H

#include "user_conf.h"

/* Returns whether the frame is a DHCPDISCOVER; @mac gets the client's address.
 */
bool user_is_discover(const uint8_t *frame, uint32_t size, uint8_t mac[6]);
/* Returns whether the frame is an answer of the DHCP server. */
bool user_is_dhcp_answer(const uint8_t *frame, uint32_t size);
/* Returns whether the library may open a socket for the frame of a guest: one
 * that begins a TCP connection, a datagram of UDP, an echo request, or a
 * fragment, which may complete any of these. */
bool user_may_open_socket(const uint8_t *frame, uint32_t size);

/*
 * Replaces the source address 127.0.0.1 or ::1 of a datagram for a guest by the
 * gateway's address and adjusts the checksums. The library forgets this for a
 * UDP forward whose last client came by another address. No guest accepts a
 * loopback source, and answers to the gateway go back to the client.
 */
void user_fix_source(uint8_t *frame, uint32_t size, const struct user_net *n);

#endif
