/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers of the switch: ports, links, addresses, faults, queues that move.
 * Control thread.
 *
 * An observer is called at once and must not wait. It may remove itself, but
 * may not add or remove ports. Without observers an event costs one test.
 */
#ifndef RW_OBSERVER_H
#define RW_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	EVENT_PORT_ADDED,
	EVENT_PORT_REMOVED,
	EVENT_LINK,	      /* the link went up or down */
	EVENT_MAC,	      /* an address was learned here, or moved here */
	EVENT_FAULT,	      /* something stopped: .text says what */
	EVENT_QUEUE_MOVE,     /* a queue changed its worker */
	EVENT_DEVICE_ADDED,   /* to a machine that runs; .port is its id */
	EVENT_DEVICE_REMOVED, /* from it, and from the host */
	EVENT_COUNT,
};
#define EVENT_ALL ((1u << EVENT_COUNT) - 1)
/* The events' names, such as "port-added". */
extern const char *const event_names[]; /* ends with NULL */

/* An event. All pointers are valid during the call only. */
struct event {
	enum event_kind kind;
	const char *port;
	const char *net; /* NULL: not in a network */
	union {
		bool is_up; /* EVENT_LINK */
		struct {
			uint8_t mac[6];
			uint16_t vlan;	  /* 0: none */
			const char *from; /* port before the move; NULL: new */
			uint64_t lost;	  /* events before this one that came
					   * too fast to be told */
		} mac;
		struct {
			unsigned queue;
			const char *text;
		} fault;
		struct {
			unsigned queue, from, to; /* from, to: workers */
			unsigned percent;	  /* percent of a worker's time
						   */
		} move;
	};
};

struct observer {
	void (*fn)(struct observer *o, const struct event *e);
	unsigned kinds; /* bit 1 << kind: wanted kinds */
	struct observer *next;
};

/* The list of observers; zeroed: empty. */
struct observers {
	struct observer *first;
	unsigned kinds; /* [ctl -> any, atomic] union of the wanted kinds */
};

/* Add @o to the list, or remove it. The caller owns @o and keeps it in place
 * until it is removed. */
void observer_add(struct observers *os, struct observer *o);
void observer_remove(struct observers *os, struct observer *o);

/* Calls the observers that want this kind. */
void observers_tell(const struct observers *os, const struct event *e);

#endif
