/* SPDX-License-Identifier: Apache-2.0 */
/* Shared lists of ports, see topology.h. Control thread; workers read what is
 * published of them. */
#include "topology.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

static struct topology **list_of(struct topologies *all,
				 const struct topology *t)
{
	return &all->list[(t->sum >> 32) % ARRAY_SIZE(all->list)];
}

static void add(struct topologies *all, struct topology *t)
{
	struct topology **list = list_of(all, t);

	t->chain = *list;
	*list = t;
}

struct topology *topology_create(struct topologies *all)
{
	struct topology *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->users = 1;
	add(all, t);
	return t;
}

void topology_free(struct topologies *all, struct topology *t)
{
	struct topology **at = list_of(all, t);

	while (*at && *at != t)
		at = &(*at)->chain;
	if (*at)
		*at = t->chain;
	free(t);
}

void topology_put(struct topologies *all, struct topology *t)
{
	if (t && !--t->users)
		topology_free(all, t);
}

/* Returns a known one with the same ports, or NULL. */
static struct topology *find_like(struct topologies *all,
				  const struct topology *t)
{
	struct topology *k = *list_of(all, t);

	while (k && (k->sum != t->sum || k->count != t->count ||
		     memcmp(k->port, t->port, t->count * sizeof(t->port[0]))))
		k = k->chain;
	return k;
}

struct topology *topology_toggle(struct topologies *all,
				 const struct topology *t, unsigned slot,
				 struct port *p, bool *is_new)
{
	unsigned count = MAX(t->count, slot + 1);
	struct topology *new, *known;

	new = calloc(1, sizeof(*new) + count * sizeof(struct port *));
	if (!new)
		return NULL;
	memcpy(new->port, t->port, t->count * sizeof(struct port *));
	new->port[slot] = new->port[slot] ? NULL : p;
	/* A set of ports has one form and one sum. */
	while (count && !new->port[count - 1])
		count--;
	new->count = count;
	new->sum = t->sum ^ ((uintptr_t)p ^ (uint64_t)slot << 48) *
				    0x9e3779b97f4a7c15ull;
	known = find_like(all, new);
	*is_new = !known;
	if (known) {
		free(new);
		return known;
	}
	add(all, new);
	return new;
}
