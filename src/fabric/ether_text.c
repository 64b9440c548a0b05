/* SPDX-License-Identifier: Apache-2.0 */
/* Ethernet addresses in options, see ether_text.h. Pure; any thread. */
#include "ether_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Reads six bytes of one or two hexadecimal digits. Returns whether @text has
 * these, and nothing else. */
static bool read_bytes(const char *text, uint8_t mac[6])
{
	char *end;

	for (unsigned i = 0; i < 6; i++) {
		if (!isxdigit((unsigned char)*text))
			return false;
		mac[i] = (uint8_t)strtoul(text, &end, 16);
		if (end - text > 2 || *end != (i < 5 ? ':' : '\0'))
			return false;
		text = end + 1;
	}
	return true;
}

int ether_from_text(const char *key, const char *text, uint8_t mac[6],
		    struct err *err)
{
	if (read_bytes(text, mac) && !(mac[0] & 1) &&
	    (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]))
		return 0;
	return err_set(err, -EINVAL,
		       "%s=%s: must be an address of one interface, as "
		       "52:54:00:12:34:56",
		       key, text);
}
