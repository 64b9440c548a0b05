/* SPDX-License-Identifier: Apache-2.0 */
/* Events of `watch` as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "print_impl.h"

/* Prints the part of the line that only events of this kind have. */
static void print_details(const json_t *e, const char *kind)
{
	if (!strcmp(kind, "link")) {
		printf(" %s",
		       json_is_true(json_object_get(e, "up")) ? "up" : "down");
	} else if (!strcmp(kind, "mac")) {
		printf(" %s", str(e, "mac"));
		if (num(e, "vlan"))
			printf(" vlan %" PRIu64, num(e, "vlan"));
		if (*str(e, "from"))
			printf(" from %s", str(e, "from"));
	} else if (!strcmp(kind, "fault")) {
		printf(" queue %" PRIu64 ": %s", num(e, "queue"),
		       str(e, "text"));
	} else if (!strcmp(kind, "queue-move")) {
		printf(" queue %" PRIu64 ": worker %" PRIu64 " to %" PRIu64
		       " (%" PRIu64 " %%)",
		       num(e, "queue"), num(e, "from"), num(e, "to"),
		       num(e, "percent"));
	}
}

void print_event(const json_t *e)
{
	const char *kind = str(e, "event");

	if (num(e, "lost"))
		printf("%s  lost %" PRIu64 " events\n", str(e, "time"),
		       num(e, "lost"));
	printf("%s  %-12s %s", str(e, "time"), kind,
	       *str(e, "device") ? str(e, "device") : str(e, "port"));
	if (*str(e, "net"))
		printf(" (%s)", str(e, "net"));
	print_details(e, kind);
	putchar('\n');
}
