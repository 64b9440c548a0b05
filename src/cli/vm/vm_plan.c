/* SPDX-License-Identifier: Apache-2.0 */
/* What `ringway vm` would set up, see vm_plan.h. */
#include "vm_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "card.h"
#include "table.h"

/* A file, and why it cannot be read if that is so. */
static void print_file(const char *what, const char *path)
{
	bool is_there = !access(path, R_OK);

	printf("  %-8s %s%s%s\n", what, path, is_there ? "" : ": ",
	       is_there ? "" : strerror(errno));
}

static void print_machine(const struct machine_conf *m, const char *control)
{
	printf("machine %s: %u vCPU%s, %" PRIu64 " MiB of memory", m->name,
	       m->cpus, m->cpus == 1 ? "" : "s", m->memory_size >> 20);
	if (m->page_size)
		printf(" in pages of %" PRIu64 " MiB", m->page_size >> 20);
	puts("");
	if (m->topology.sockets > 1 || m->topology.threads > 1)
		printf("  vCPUs    %u sockets of %u cores of %u threads\n",
		       m->topology.sockets, m->topology.cores,
		       m->topology.threads);
	if (m->split_irqchip)
		puts("  irqchip  split: KVM's local APICs, an I/O APIC here");
	if (m->kernel)
		print_file("kernel", m->kernel);
	else
		print_file("bios", m->bios);
	if (m->initrd)
		print_file("initrd", m->initrd);
	if (m->append)
		printf("  append   %s\n", m->append);
	printf("  serial   %s\n  control  %s\n  reset    %s\n", m->serial,
	       control, m->no_reboot ? "ends the command" : "boots again");
	if (m->is_held)
		puts("  start    vCPUs wait for `ringway vm cont`");
}

/* Adds the number of the slot that the device @id gets. */
static void add_slot(struct table *t, const char *const *slot, const char *id)
{
	unsigned i = 1;

	while (i < MACHINE_SLOTS && (!slot[i] || strcmp(slot[i], id) != 0))
		i++;
	table_add_num(t, i % MACHINE_SLOTS, true);
}

static void add_card(struct table *t, const struct netdev *n,
		     const char *const *slot, const char *backend,
		     const char *net, const char *mover)
{
	const struct netcard_conf *c = n->conf;
	const struct card_conf *v = n->type == &port_card_type ? n->conf : NULL;

	table_row(t);
	table_add(t, "%s", n->common.id);
	add_slot(t, slot, n->common.id);
	if (!c->has_mac && !strcmp(backend, "vhost-vdpa"))
		table_add(t, "as the back-end");
	else
		table_add(t, "%s", c->mac);
	table_add(t, "%s", c->netdev);
	table_add(t, "%s", backend);
	table_add(t, "%s", net);
	if (v && v->mq && !v->has_queues && !*net)
		table_add(t, "as the back-end");
	else
		table_add_num(t, v ? v->queues : 1, false);
	table_add(t, "%s", mover);
}

static const char *type_of(const struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->netdev_count; i++)
		if (!strcmp(c->netdev[i]->common.id, id))
			return c->netdev[i]->type->name;
	return "";
}

static const char *mover_of(const char *type)
{
	return !strcmp(type, "tap")	     ? "the kernel's vhost-net"
	       : !strcmp(type, "vhost-vdpa") ? "a vDPA device"
					     : "a vhost-user back-end";
}

static void print_cards(const struct machine_conf *m, const struct config *c,
			const char *const *slot)
{
	static const char *const head[] = {
		"CARD",	  ">SLOT",	     "MAC", "NETDEV", "TYPE", "NETWORK",
		">PAIRS", "FRAMES MOVED BY", NULL
	};
	struct table *t = table_create(head);

	for (unsigned i = 0; i < c->netdev_count; i++) {
		const struct netdev *n = c->netdev[i];

		if (machine_is_card(n->type))
			add_card(t, n, slot,
				 type_of(c,
					 ((const struct netcard_conf *)n->conf)
						 ->netdev),
				 n->common.net, "workers of this process");
	}
	for (const struct machine_card *k = m->cards; k; k = k->next)
		if (k->card)
			add_card(t, k->card, slot, k->backend->type->name, "",
				 mover_of(k->backend->type->name));
	puts("");
	table_print(t, 0);
}

static void print_devices(const struct machine_conf *m, const char *const *slot)
{
	static const char *const head[] = { "DEVICE", ">SLOT", "TYPE", "NOW",
					    NULL };
	struct table *t = table_create(head);
	struct err err;

	for (const struct machine_device *d = m->devices; d; d = d->next) {
		const struct device_conf *c = d->conf;

		table_row(t);
		table_add(t, "%s", c->id);
		add_slot(t, slot, c->id);
		table_add(t, "%s", d->type->name);
		if (d->type->try && d->type->try(d->conf, &err))
			table_add(t, "%s", err.msg);
		else
			table_add(t, "ready");
	}
	puts("");
	table_print(t, 0);
}

int vm_print_plan(const struct machine_conf *m, const struct config *c,
		  const char *control, struct err *err)
{
	const char *slot[MACHINE_SLOTS];
	int rc = machine_slots(m, c, slot, err);

	if (rc)
		return rc;
	print_machine(m, control);
	print_cards(m, c, slot);
	if (m->devices)
		print_devices(m, slot);
	return 0;
}
