/* SPDX-License-Identifier: Apache-2.0 */
/* Where devices come on the PCI bus: as the monitor plugs them, in the order of
 * the command line. Pure. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "card.h"
#include "machine_conf.h"
#include "pci.h"

static_assert(MACHINE_SLOTS == PCI_SLOTS, "of the bus");

/* Finds the device that is number @order. Returns its id, or NULL. */
static const char *find(const struct machine_conf *m, const struct config *c,
			unsigned order, const struct pci_conf **pci)
{
	const struct netdev *card = NULL;

	for (const struct machine_device *d = m->devices; d; d = d->next) {
		const struct device_conf *conf = d->conf;

		*pci = &conf->pci;
		if (conf->order == order)
			return conf->id;
	}
	for (const struct machine_card *k = m->cards; k; k = k->next)
		if (k->card &&
		    ((const struct netcard_conf *)k->card->conf)->order ==
			    order)
			card = k->card;
	for (unsigned i = 0; i < c->netdev_count; i++)
		if (machine_is_card(c->netdev[i]->type) &&
		    ((const struct netcard_conf *)c->netdev[i]->conf)->order ==
			    order)
			card = c->netdev[i];
	if (!card)
		return NULL;
	*pci = &((const struct netcard_conf *)card->conf)->pci;
	return card->common.id;
}

static int choose(const char *const *taken, const struct pci_conf *pci,
		  struct err *err)
{
	int slot, rc = pci_conf_check(pci, &slot, err);

	if (rc)
		return rc;
	if (slot >= 0 && taken[slot])
		return err_set(err, -EEXIST, "addr=%s: %s has this slot",
			       pci->addr, taken[slot]);
	if (slot >= 0)
		return slot;
	slot = 1;
	while (slot < MACHINE_SLOTS && taken[slot])
		slot++;
	return slot < MACHINE_SLOTS
		       ? slot
		       : err_set(err, -ENOSPC,
				 "no PCI slot is free: there are %d",
				 MACHINE_SLOTS - 1);
}

static int check_id(const char *const *slot, const char *id, struct err *err)
{
	for (unsigned i = 0; i < MACHINE_SLOTS; i++)
		if (slot[i] && !strcmp(slot[i], id))
			return err_set(err, -EEXIST,
				       "id=%s is used twice: each device needs "
				       "its own",
				       id);
	return 0;
}

int machine_slots(const struct machine_conf *m, const struct config *c,
		  const char *slot[MACHINE_SLOTS], struct err *err)
{
	memset(slot, 0, MACHINE_SLOTS * sizeof(*slot));
	slot[0] = "the host bridge";
	for (unsigned i = 0; i < m->device_count; i++) {
		const struct pci_conf *pci;
		const char *id = find(m, c, i, &pci);
		int at = id ? check_id(slot, id, err) : 0;

		if (id && !at)
			at = choose(slot, pci, err);
		if (at < 0)
			return err_prefix(err, at, "device %s", id);
		if (id)
			slot[at] = id;
	}
	return 0;
}
