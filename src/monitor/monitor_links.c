/* SPDX-License-Identifier: Apache-2.0 */
/* The links of the cards whose frames this process moves: each has that of its
 * -netdev. Control thread. */
#include <string.h>

#include "card.h"
#include "monitor_impl.h"
#include "nic.h"
#include "switch.h"

/* Returns whether a card on @to (NULL: it is gone) has a link. A hubport has
 * none itself, but the other ports of its hub. */
static bool is_up(const struct port *to)
{
	return to && (!to->txq_count || port_link_is_up(to));
}

static void set_link(struct port *card, bool is_on)
{
	if (nic_is(card->type))
		nic_set_link(card, is_on);
	else
		card_set_link(card, is_on);
}

/* Tells all cards of their links. The port called @gone (NULL: none) is about
 * to go. */
static void update(const struct monitor *m, const char *gone)
{
	for (struct daemon_port *p = m->daemon->ports; p; p = p->next) {
		const struct netcard_conf *c = p->netdev->conf;
		if (!machine_is_card(p->port->type))
			continue;
		set_link(p->port, !(gone && !strcmp(gone, c->netdev)) &&
					  is_up(switch_find_port(m->daemon->sw,
								 c->netdev)));
	}
}

static void on_event(struct observer *o, const struct event *e)
{
	update(container_of(o, struct monitor, links),
	       e->kind == EVENT_PORT_REMOVED ? e->port : NULL);
}

void monitor_links_watch(struct monitor *m)
{
	m->links = (struct observer){ .fn = on_event,
				      .kinds = 1u << EVENT_PORT_ADDED |
					       1u << EVENT_PORT_REMOVED |
					       1u << EVENT_LINK };
	observer_add(switch_observers(m->daemon->sw), &m->links);
	update(m, NULL);
}

void monitor_links_update(const struct monitor *m)
{
	update(m, NULL);
}

void monitor_links_leave(struct monitor *m)
{
	observer_remove(switch_observers(m->daemon->sw), &m->links);
}
