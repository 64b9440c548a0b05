/* SPDX-License-Identifier: Apache-2.0 */
/* Replies as text, see print.h. Summaries shorten numbers; stats and port show
 * print them exactly. */
#include "print_impl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_uptime(uint64_t s)
{
	if (s < 120)
		printf("%" PRIu64 " s", s);
	else if (s < 7200)
		printf("%" PRIu64 " min", s / 60);
	else if (s < 48 * 3600)
		printf("%" PRIu64 " h", s / 3600);
	else
		printf("%" PRIu64 " days", s / 86400);
}

static bool has_word(const json_t *array, const char *word)
{
	const json_t *w;
	size_t i;

	json_array_foreach(array, i, w)
		if (!strcmp(json_string_value(w), word))
			return true;
	return false;
}

/* Adds a cell such as "csum tso uso": tso4 and tso6 together are "tso". */
static void add_offloads(struct table *t, const json_t *offloads)
{
	static const char *const name[][3] = {
		{ "csum", "csum", "csum" }, { "tso4", "tso6", "tso" },
		{ "ecn", "ecn", "ecn" },    { "uso4", "uso6", "uso" },
		{ "ufo", "ufo", "ufo" },
	};
	char text[80] = "";

	for (unsigned i = 0; i < ARRAY_SIZE(name); i++) {
		bool four = has_word(offloads, name[i][0]);
		bool six = has_word(offloads, name[i][1]);

		if (four || six)
			text_append(text, sizeof(text), " ", "%s",
				    name[i][four && six ? 2 : six]);
	}
	table_add(t, "%s", *text ? text : "-");
}

/* Adds a cell with the port's peer, from the back-end's state. */
static void add_peer(struct table *t, const json_t *state)
{
	const json_t *connected = json_object_get(state, "connected");
	uint64_t pid = num(state, "peer_pid");

	if (json_is_false(connected) && *str(state, "path_is"))
		table_add(t, "socket %s", str(state, "path_is"));
	else if (json_is_false(connected))
		table_add(t, "%s", "not connected");
	else if (json_is_true(connected) && pid)
		table_add(t, "pid %" PRIu64, pid);
	else if (connected)
		table_add(t, "connected");
	else if (*str(state, "interface"))
		table_add(t, "%s", str(state, "interface"));
	else if (*str(state, "net"))
		table_add(t, "%s", str(state, "net"));
	else if (*str(state, "netdev"))
		table_add(t, "port %s", str(state, "netdev"));
	else
		table_add(t, "-");
}

/* Adds a cell such as "vlan 10" or "trunk 10,20-30 native 10"; an empty cell
 * for a port without VLANs. */
static void add_vlans(struct table *t, const json_t *p)
{
	static const char *const keys[] = { "vlan", "trunk", "native" };
	const char *dot1ad = str(p, "dot1ad");
	char text[400] = "";

	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		if (num(p, keys[i]))
			text_append(text, sizeof(text), " ", "%s %" PRIu64,
				    keys[i], num(p, keys[i]));
		else if (*str(p, keys[i]))
			text_append(text, sizeof(text), " ", "%s %s", keys[i],
				    str(p, keys[i]));
	}
	if (json_is_true(json_object_get(p, "dot1ad")) ||
	    (*dot1ad && strcmp(dot1ad, "off")))
		text_append(text, sizeof(text), " ", "dot1ad");
	table_add(t, "%s", text);
}

static void add_queues(struct table *t, const json_t *p)
{
	uint64_t rx = num(p, "rx_queues"), tx = num(p, "tx_queues");

	if (rx == tx)
		table_add(t, "%" PRIu64, rx);
	else
		table_add(t, "%" PRIu64 "+%" PRIu64, rx, tx);
}

static void print_ports(const json_t *ports, bool with_net, unsigned indent)
{
	static const char *const head[] = {
		"PORT",	  "TYPE",    "NET",	 "?VLANS",     "LINK",
		"PEER",	  ">QUEUES", "OFFLOADS", ">FRAMES IN", ">OUT",
		">DROPS", ">MACS",   "",	 NULL,
	};
	struct table *t = table_create(head);
	const json_t *p;
	size_t i;

	json_array_foreach(ports, i, p) {
		uint64_t drops = num(p, "rx_drops") + num(p, "tx_drops");

		table_row(t);
		table_add(t, "%s", str(p, "id"));
		table_add(t, "%s", str(p, "type"));
		table_add(t, "%s", with_net ? str(p, "net") : "");
		add_vlans(t, p);
		table_add(t, "%s",
			  json_is_true(json_object_get(p, "link")) ? "up"
								   : "down");
		add_peer(t, json_object_get(p, "state"));
		add_queues(t, p);
		add_offloads(t, json_object_get(p, "offloads"));
		table_add_short(t, num(p, "rx_frames"));
		table_add_short(t, num(p, "tx_frames"));
		table_add_short(t, drops);
		table_add_short(t, num(p, "macs"));
		table_add(t, "%s",
			  json_is_true(json_object_get(p, "captured"))
				  ? "captured"
				  : "");
	}
	table_print(t, indent);
}

void text_append(char *text, size_t size, const char *separator,
		 const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	n += (size_t)snprintf(text + n, size - n, "%s", n ? separator : "");
	if (n >= size)
		return;
	va_start(ap, fmt);
	vsnprintf(text + n, size - n, fmt, ap);
	va_end(ap);
}

void table_add_value(struct table *t, const json_t *v)
{
	char text[400] = "";
	const char *key;
	json_t *part;
	size_t i;

	if (json_is_string(v)) {
		table_add(t, "%s", json_string_value(v));
		return;
	}
	if (json_is_integer(v)) {
		table_add_num(t, (uint64_t)json_integer_value(v), false);
		return;
	}
	if (json_is_boolean(v)) {
		table_add(t, "%s", json_is_true(v) ? "yes" : "no");
		return;
	}
	json_array_foreach(v, i, part)
		text_append(text, sizeof(text), " ", "%s",
			    json_is_string(part) ? json_string_value(part)
						 : "?");
	json_object_foreach((json_t *)v, key, part)
		text_append(text, sizeof(text), ", ",
			    "%" JSON_INTEGER_FORMAT " %s",
			    json_integer_value(part), key);
	table_add(t, "%s", text);
}

#define MAX_COLUMNS 40

/* Collects a column for each member that any of @rows has. */
static void collect_columns(const json_t *rows, const char **head,
			    unsigned *count)
{
	const char *key;
	json_t *row, *v;
	size_t i;

	json_array_foreach(rows, i, row) {
		json_object_foreach(row, key, v) {
			unsigned c = 0;

			while (c < *count && strcmp(head[c] + 1, key))
				c++;
			if (c < *count || *count >= MAX_COLUMNS)
				continue;
			/* The first byte is the alignment. */
			if (asprintf((char **)&head[c], "%c%s",
				     json_is_integer(v) ? '>' : '<', key) < 0)
				return;
			(*count)++;
		}
	}
}

static void print_table(const json_t *rows, unsigned indent)
{
	const char *key[MAX_COLUMNS + 1] = { NULL };
	const char *head[MAX_COLUMNS + 1] = { NULL };
	unsigned count = 0;
	struct table *t;
	const json_t *row;
	size_t i;

	collect_columns(rows, key, &count);
	for (unsigned c = 0; c < count; c++)
		head[c] = key[c][0] == '>' ? key[c] : key[c] + 1;
	t = table_create(head);
	json_array_foreach(rows, i, row) {
		table_row(t);
		for (unsigned c = 0; c < count; c++)
			table_add_value(t, json_object_get(row, key[c] + 1));
	}
	table_print(t, indent);
	for (unsigned c = 0; c < count; c++)
		free((char *)key[c]);
}

static bool is_container(const json_t *v)
{
	return json_is_object(v) ||
	       (json_is_array(v) && json_is_object(json_array_get(v, 0)));
}

static void print_values(const json_t *o, unsigned indent)
{
	const char *key;
	size_t width = 0;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
		if (!is_container(v))
			width = MAX(width, strlen(key));
	json_object_foreach((json_t *)o, key, v) {
		const json_t *item;
		size_t i;

		if (is_container(v))
			continue;
		printf("%*s%-*s ", (int)indent, "", (int)width + 1, key);
		if (json_is_string(v))
			printf("%s", json_string_value(v));
		else if (json_is_integer(v))
			printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
		else if (json_is_boolean(v))
			printf("%s", json_is_true(v) ? "yes" : "no");
		else if (!json_array_size(v))
			printf("-");
		json_array_foreach(v, i, item)
			printf("%s%s", i ? " " : "", json_string_value(item));
		putchar('\n');
	}
}

static void print_tree(const json_t *value, unsigned indent)
{
	const char *key;
	json_t *v;

	print_values(value, indent);
	json_object_foreach((json_t *)value, key, v) {
		if (!is_container(v) ||
		    (json_is_object(v) && !json_object_size(v)))
			continue;
		printf("%*s%s:\n", (int)indent, "", key);
		if (json_is_object(v))
			print_tree(v, indent + 2);
		else
			print_table(v, indent + 2);
	}
}

void print_json(FILE *to, const json_t *value)
{
	json_dumpf(value, to, JSON_INDENT(2));
	fputc('\n', to);
}

void print_json_line(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
}

void print_show(const json_t *r)
{
	const json_t *nets = json_object_get(r, "networks"), *net;
	size_t i;

	printf("ringway %s, pid %" PRIu64 ", up ", str(r, "version"),
	       num(r, "pid"));
	print_uptime(num(r, "uptime_s"));
	printf(", control %s\n", str(r, "control"));
	if (!json_array_size(nets))
		printf("\nno ports: add one with `ringway port add "
		       "TYPE,id=NAME,...`\n");
	json_array_foreach(nets, i, net) {
		const json_t *ports = json_object_get(net, "ports");
		size_t n = json_array_size(ports);
		uint64_t macs = num(net, "macs");

		printf("\nnetwork %s: %zu port%s, ", str(net, "name"), n,
		       n == 1 ? "" : "s");
		if (!strcmp(str(net, "kind"), "hub"))
			printf("a hub\n");
		else
			printf("%" PRIu64 " MAC address%s\n", macs,
			       macs == 1 ? "" : "es");
		print_ports(ports, false, 2);
	}
	printf("\nworkers\n");
	print_table(json_object_get(r, "workers"), 2);
}

void print_port_list(const json_t *r)
{
	print_ports(json_object_get(r, "ports"), true, 0);
}

void print_result(const json_t *r)
{
	print_tree(r, 0);
}

void print_macs(const json_t *r)
{
	static const char *const head[] = { "MAC",  "NET",  "?>VLAN",
					    "PORT", ">AGE", NULL };
	struct table *t = table_create(head);
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(r, "macs"), i, m) {
		table_row(t);
		table_add(t, "%s", str(m, "mac"));
		table_add(t, "%s", str(m, "net"));
		table_add_num(t, num(m, "vlan"), true);
		table_add(t, "%s", str(m, "port"));
		table_add(t, "%" PRIu64 " s", num(m, "age_s"));
	}
	table_print(t, 0);
	if (i < num(r, "total"))
		printf("and %" PRIu64 " more\n", num(r, "total") - i);
}

void print_flushed(const json_t *r)
{
	printf("%" PRIu64 " forgotten\n", num(r, "flushed"));
}

void print_moves(const json_t *r)
{
	static const char *const head[] = { "PORT", ">QUEUE", ">FROM",
					    ">TO",  ">LOAD",  NULL };
	const json_t *moves = json_object_get(r, "moves"), *m;
	struct table *t;
	size_t i;

	if (!json_array_size(moves)) {
		printf("nothing to move\n");
		return;
	}
	t = table_create(head);
	json_array_foreach(moves, i, m) {
		table_row(t);
		table_add(t, "%s", str(m, "port"));
		table_add(t, "%" PRIu64, num(m, "queue"));
		table_add(t, "%" PRIu64, num(m, "from"));
		table_add(t, "%" PRIu64, num(m, "to"));
		table_add(t, "%" PRIu64 " %%", num(m, "percent"));
	}
	table_print(t, 0);
}

void print_version(const json_t *r)
{
	printf("running: ringway %s, pid %" PRIu64 ", up ", str(r, "version"),
	       num(r, "pid"));
	print_uptime(num(r, "uptime_s"));
	printf(", control %s\n", str(r, "control"));
}

void print_log_level(const json_t *r)
{
	printf("%s\n", str(r, "level"));
}

void print_text(const json_t *r)
{
	fputs(str(r, "text"), stdout);
}

void print_reload(const json_t *r)
{
	static const char *const key[] = { "removed", "changed", "replaced",
					   "added" };
	const json_t *item;
	bool is_same = true;
	size_t i;

	for (unsigned k = 0; k < ARRAY_SIZE(key); k++)
		json_array_foreach(json_object_get(r, key[k]), i, item) {
			printf("%s %s\n", key[k], json_string_value(item));
			is_same = false;
		}
	json_array_foreach(json_object_get(r, "failed"), i, item) {
		printf("failed %s: %s\n", str(item, "id"), str(item, "reason"));
		is_same = false;
	}
	json_array_foreach(json_object_get(r, "restart"), i, item)
		printf("at the next start: %s\n", json_string_value(item));
	if (is_same)
		puts("no port changed");
}

void print_nothing(const json_t *r)
{
	(void)r;
}
