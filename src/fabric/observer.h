/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in the switch, told to whoever asked: ports, links, addresses,
 * faults, queues that move. Control thread.
 *
 * An observer is called at once and must not wait; it may remove itself, and
 * may not add or remove ports. Who has nobody to tell pays one test of a
 * pointer.
 */
#ifndef RW_OBSERVER_H
#define RW_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
	EVENT_PORT_ADDED,
	EVENT_PORT_REMOVED,
	EVENT_LINK,	  /* went up or down */
	EVENT_MAC,	  /* was learned, or moved here */
	EVENT_FAULT,	  /* something stopped: .text says what */
	EVENT_QUEUE_MOVE, /* a queue changed its worker */
	EVENT_COUNT,
};
#define EVENT_ALL ((1u << EVENT_COUNT) - 1)
/* "port-added" and so on. */
extern const char *const event_names[]; /* ends with NULL */

/* All pointers are valid during the call only. */
struct event {
	enum event_kind kind;
	const char *port;
	const char *net; /* NULL: not in a network */
	union {
		bool is_up; /* EVENT_LINK */
		struct {
			uint8_t mac[6];
			uint16_t vlan;	  /* 0: none */
			const char *from; /* it moved from there; NULL: new */
			uint64_t lost;	  /* before this one, for they came
					   * faster than they are told */
		} mac;
		struct {
			unsigned queue;
			const char *text;
		} fault;
		struct {
			unsigned queue, from, to; /* from, to: workers */
			unsigned percent;	  /* of a worker's time */
		} move;
	};
};

struct observer {
	void (*fn)(struct observer *o, const struct event *e);
	unsigned kinds; /* bit 1 << kind: wanted */
	struct observer *next;
};

/* Those who asked; zeroed is none. */
struct observers {
	struct observer *first;
	unsigned kinds; /* [ctl -> any, atomic] union of what they want */
};

/* @o is the caller's and stays where it is until it was removed. */
void observer_add(struct observers *os, struct observer *o);
void observer_remove(struct observers *os, struct observer *o);

/* Tells everybody who wants this kind. */
void observers_tell(const struct observers *os, const struct event *e);

#endif
