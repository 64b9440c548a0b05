/* SPDX-License-Identifier: Apache-2.0 */
/* What libslirp does not say or does not get right, found in the frames that
 * pass: pure functions on one frame each, of any size and contents. */
#ifndef RW_USER_EDGE_H
#define RW_USER_EDGE_H

#include "user_conf.h"

/* Is it a guest's question for an address (DHCPDISCOVER)? Then @mac is whose.
 */
bool user_is_discover(const uint8_t *frame, uint32_t size, uint8_t mac[6]);
/* Is it an answer of the DHCP server? */
bool user_is_dhcp_answer(const uint8_t *frame, uint32_t size);

/*
 * A datagram for a guest that says it comes from 127.0.0.1 or ::1 gets the
 * gateway's address in place of that, and its checksums with it: the library
 * forgets to do so for a UDP forward whose last client came by another address.
 * No guest takes it otherwise, and what it answers to the gateway goes back to
 * where the datagram came from.
 */
void user_fix_source(uint8_t *frame, uint32_t size, const struct user_net *n);

#endif
