/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses in options, see ether_text.h. Pure; any thread. */
#include "ether_text.h"

#include <errno.h>
#include <stdio.h>

int ether_from_text(const char *key, const char *text, uint8_t mac[6],
		    struct err *err)
{
	int end = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0],
		   &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) == 6 &&
	    !text[end] && !(mac[0] & 1) &&
	    (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]))
		return 0;
	return err_set(err, -EINVAL,
		       "%s=%s: must be an address of one interface, as "
		       "52:54:00:12:34:56",
		       key, text);
}
