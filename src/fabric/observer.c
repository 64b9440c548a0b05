/* SPDX-License-Identifier: Apache-2.0 */
/* The list of observers, see observer.h. Control thread. */
#include "observer.h"

#include <stddef.h>

#include "shm.h"

const char *const event_names[] = {
	[EVENT_PORT_ADDED] = "port-added",
	[EVENT_PORT_REMOVED] = "port-removed",
	[EVENT_LINK] = "link",
	[EVENT_MAC] = "mac",
	[EVENT_FAULT] = "fault",
	[EVENT_QUEUE_MOVE] = "queue-move",
	[EVENT_DEVICE_ADDED] = "device-added",
	[EVENT_DEVICE_REMOVED] = "device-removed",
	[EVENT_COUNT] = NULL,
};

static void update_kinds(struct observers *os)
{
	unsigned kinds = 0;

	for (const struct observer *o = os->first; o; o = o->next)
		kinds |= o->kinds;
	shm_store(&os->kinds, kinds);
}

void observer_add(struct observers *os, struct observer *o)
{
	o->next = os->first;
	os->first = o;
	update_kinds(os);
}

void observer_remove(struct observers *os, struct observer *o)
{
	struct observer **at = &os->first;

	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
	update_kinds(os);
}

void observers_tell(const struct observers *os, const struct event *e)
{
	struct observer *o, *next;

	if (!(os->kinds >> e->kind & 1))
		return;
	for (o = os->first; o; o = next) {
		next = o->next;
		if (o->kinds >> e->kind & 1)
			o->fn(o, e);
	}
}
