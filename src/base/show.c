/* SPDX-License-Identifier: Apache-2.0 */
/* Values that are shown as text, see show.h. Any thread. */
#include "show.h"

#include <stdio.h>

void show_mac(struct show *s, const char *key, const uint8_t mac[6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
	show_str(s, key, text);
}
