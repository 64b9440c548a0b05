/* SPDX-License-Identifier: Apache-2.0 */
/* Cards and their virtual functions as tables, see print.h. */
#include <inttypes.h>
#include <stdio.h>

#include "print_impl.h"

static void add_text(struct table *t, const json_t *vf, const char *key)
{
	table_add(t, "%s", *str(vf, key) ? str(vf, key) : "-");
}

static void add_flag(struct table *t, const json_t *vf, const char *key)
{
	const json_t *v = json_object_get(vf, key);

	table_add(t, "%s", v ? json_is_true(v) ? "on" : "off" : "-");
}

/* Adds a cell such as "10", or "10 qos 3". */
static void add_vlan(struct table *t, const json_t *vf)
{
	if (num(vf, "qos"))
		table_add(t, "%" PRIu64 " qos %" PRIu64, num(vf, "vlan"),
			  num(vf, "qos"));
	else
		table_add_num(t, num(vf, "vlan"), true);
}

static void add_rate(struct table *t, const json_t *vf)
{
	if (num(vf, "min_rate"))
		table_add(t, "%" PRIu64 "-%" PRIu64 " Mbit/s",
			  num(vf, "min_rate"), num(vf, "rate"));
	else if (num(vf, "rate"))
		table_add(t, "%" PRIu64 " Mbit/s", num(vf, "rate"));
	else
		table_add(t, "-");
}

static void add_user(struct table *t, const json_t *vf)
{
	if (num(vf, "guest_pid"))
		table_add(t, "guest of process %" PRIu64, num(vf, "guest_pid"));
	else if (*str(vf, "interface"))
		table_add(t, "%s", str(vf, "interface"));
	else
		table_add(t, "-");
}

static void print_card(const json_t *card)
{
	static const char *const head[] = { ">vf",	"address",  "driver",
					    "used as",	"group",    "mac",
					    "vlan",	"spoofchk", "trust",
					    "max rate", "link",	    NULL };
	const json_t *vfs = json_object_get(card, "virtual_functions"), *vf;
	struct table *t;
	size_t i;

	printf("%s%s%s, driver %s%s: %zu of %" PRIu64 " virtual functions\n",
	       str(card, "card"), *str(card, "card") ? ", " : "",
	       str(card, "address"),
	       *str(card, "driver") ? str(card, "driver") : "none",
	       json_is_false(json_object_get(card, "up")) ? ", down" : "",
	       json_array_size(vfs), num(card, "max"));
	if (!json_array_size(vfs))
		return;
	t = table_create(head);
	json_array_foreach(vfs, i, vf) {
		table_row(t);
		table_add_num(t, num(vf, "index"), false);
		add_text(t, vf, "address");
		add_text(t, vf, "driver");
		add_user(t, vf);
		table_add_num(t, num(vf, "group"), true);
		add_text(t, vf, "mac");
		add_vlan(t, vf);
		add_flag(t, vf, "spoofchk");
		add_flag(t, vf, "trust");
		add_rate(t, vf);
		add_text(t, vf, "link");
	}
	table_print(t, 2);
}

void print_vfs(const json_t *result)
{
	const json_t *cards = json_object_get(result, "cards"), *card;
	size_t i;

	json_array_foreach(cards, i, card)
		print_card(card);
	if (!json_array_size(cards))
		printf("no card of this host can have virtual functions\n");
}
