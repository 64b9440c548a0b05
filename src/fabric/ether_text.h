/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses in options. */
#ifndef RW_ETHER_TEXT_H
#define RW_ETHER_TEXT_H

#include <stdint.h>

#include "err.h"

/* Reads the value @text of option @key, the address of one interface. Returns
 * 0, or -EINVAL with @err. */
int ether_from_text(const char *key, const char *text, uint8_t mac[6],
		    struct err *err);

#endif
