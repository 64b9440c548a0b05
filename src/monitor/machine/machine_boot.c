/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine boots: a kernel, or firmware and the order in which it tries
 * devices; QEMU's -boot. See machine_conf.h. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bios.h"
#include "card.h"
#include "machine_conf.h"

#define OPT(k, member, t, ...)                                        \
	{                                                             \
		.key = k, .kind = t,                                  \
		.offset = offsetof(struct machine_boot_conf, member), \
		__VA_ARGS__                                           \
	}

static const struct opt_row boot_rows[] = {
	OPT("order", order, OPT_STRING),
	OPT("once", once, OPT_STRING),
	OPT("menu", has_menu, OPT_BOOL),
	OPT("strict", ignored, OPT_BOOL),
	{ NULL },
};

/* As typed, or nothing. */
static const char *order_of(const char *text)
{
	return text ? text : "";
}

/* Letters of QEMU: drives a to d, cards from n on. There are no drives for
 * floppies and CD-ROMs. */
static int check_letters(const char *key, const char *text, struct err *err)
{
	const char *order = order_of(text);

	for (const char *c = order; *c; c++)
		if (!strchr("acdnop", *c) || strchr(c + 1, *c))
			return err_set(err, -EINVAL,
				       "boot: %s=%.20s: must be letters, each "
				       "once: c for disks, n for the network",
				       key, order);
	return 0;
}

uint16_t machine_boot_order(const char *text)
{
	unsigned order = 0, at = 0;

	for (const char *c = order_of(text); *c && at < 12; c++, at += 4)
		order |= (*c == 'a'   ? 1u
			  : *c == 'c' ? 2u
			  : *c == 'd' ? 3u
				      : 4u)
			 << at;
	return (uint16_t)order;
}

static bool has_disk(const struct machine_conf *m)
{
	const struct machine_device *d = m->devices;

	while (d && d->type != &device_blk_type)
		d = d->next;
	return d;
}

/* Stores the bootindex and the id of the @i-th device that has one. Returns
 * false when there are no more. */
static bool bootindex_at(const struct machine_conf *m,
			 const struct config *config, unsigned i,
			 uint32_t *index, const char **id)
{
	for (unsigned k = 0; k < config->netdev_count; k++) {
		const struct netdev *n = config->netdev[k];
		const struct netcard_conf *c = n->conf;

		if (!machine_is_card(n->type) || !c->pci.has_bootindex || i--)
			continue;
		*index = c->pci.bootindex;
		*id = n->common.id;
		return true;
	}
	for (const struct machine_device *d = m->devices; d; d = d->next) {
		const struct device_conf *c = d->conf;

		if (!c->pci.has_bootindex || i--)
			continue;
		*index = c->pci.bootindex;
		*id = c->id;
		return true;
	}
	return false;
}

/* One bootindex for two devices would be no order. */
static int check_order(const struct machine_conf *m,
		       const struct config *config, struct err *err)
{
	uint32_t index, other;
	const char *id, *other_id;

	for (unsigned i = 0; bootindex_at(m, config, i, &index, &id); i++)
		for (unsigned k = 0;
		     k < i && bootindex_at(m, config, k, &other, &other_id);
		     k++)
			if (index == other)
				return err_set(
					err, -EEXIST,
					"device %s: bootindex=%u: device "
					"%s has it already",
					id, index, other_id);
	return 0;
}

/* Returns whether somebody asks for a boot over the network. */
static bool boots_by_network(const struct machine_conf *m,
			     const struct config *config)
{
	if (strchr(order_of(m->boot_conf.order), 'n') ||
	    strchr(order_of(m->boot_conf.once), 'n'))
		return true;
	for (unsigned i = 0; i < config->netdev_count; i++) {
		const struct netdev *n = config->netdev[i];
		const struct netcard_conf *c = n->conf;

		if (machine_is_card(n->type) &&
		    (c->pci.has_bootindex ||
		     (c->pci.romfile && *c->pci.romfile)))
			return true;
	}
	return false;
}

/* A kernel, or firmware for a disk or the network. */
static int check_boot(struct machine_conf *m, const struct config *config,
		      struct err *err)
{
	if (m->kernel)
		return m->bios ? err_set(err, -EINVAL,
					 "bios=%.80s: a kernel is entered "
					 "without firmware: leave out -bios or "
					 "-kernel",
					 m->bios)
			       : 0;
	if (m->initrd || m->append)
		return err_set(err, -EINVAL,
			       "%s: needs a kernel: without -kernel a disk's "
			       "boot loader chooses",
			       m->initrd ? "initrd" : "append");
	if (m->split_irqchip)
		return err_set(err, -EINVAL,
			       "machine: kernel-irqchip=split: firmware needs "
			       "the timer and interrupt chips of a PC: without "
			       "-kernel write kernel-irqchip=on");
	if (m->bios)
		return 0;
	if (!has_disk(m) && !boots_by_network(m, config))
		return err_set(err, -EINVAL,
			       "kernel: missing: -kernel FILE names what to "
			       "boot, or -drive file=FILE a disk with a boot "
			       "loader, or -boot n the network");
	m->bios = strdup(BIOS_DEFAULT);
	return m->bios ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int machine_boot_read(struct machine_conf *m, const struct config *config,
		      struct err *err)
{
	struct machine_boot_conf *b = &m->boot_conf;
	int rc = m->boot ? machine_read_line("boot", m->boot, "order",
					     boot_rows, b, err)
			 : 0;

	if (!rc)
		rc = check_letters("order", b->order, err);
	if (!rc)
		rc = check_letters("once", b->once, err);
	if (!rc)
		rc = check_boot(m, config, err);
	return rc ? rc : check_order(m, config, err);
}

void machine_boot_free(struct machine_conf *m)
{
	opt_free(boot_rows, &m->boot_conf);
}
