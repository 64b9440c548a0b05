/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and those that send one request and print the
 * reply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "frame.h"
#include "print.h"

#define M(member) .offset = offsetof(struct cli_args, member)

#define CONTROL_ROW                                                            \
	{                                                                      \
		.key = "control", .kind = OPT_PATH, M(control), .arg = "PATH", \
		.help = "the daemon's control socket"                          \
	}
#define JSON_ROW                                          \
	{                                                 \
		.key = "json", .kind = OPT_BOOL, M(json), \
		.help = "print the reply as JSON"         \
	}

static const struct opt_row client_rows[] = { CONTROL_ROW, JSON_ROW, { NULL } };

#define MAC_SCOPE_ROWS                                                     \
	{ .key = "net",                                                    \
	  .kind = OPT_STRING,                                              \
	  M(net),                                                          \
	  .arg = "NAME",                                                   \
	  .help = "only this network" },                                   \
	{                                                                  \
		.key = "port", .kind = OPT_STRING, M(port), .arg = "PORT", \
		.help = "only addresses behind this port"                  \
	}

static const struct opt_row mac_flush_rows[] = {
	MAC_SCOPE_ROWS,
	CONTROL_ROW,
	JSON_ROW,
	{ NULL },
};

static const struct opt_row mac_rows[] = {
	MAC_SCOPE_ROWS,
	{ .key = "limit",
	  .kind = OPT_UINT,
	  M(limit),
	  .max = 500000,
	  .def = "10000",
	  .arg = "N",
	  .help = "at most so many" },
	CONTROL_ROW,
	JSON_ROW,
	{ NULL },
};

static const struct opt_row qemu_args_rows[] = {
	{ .key = "memory",
	  .kind = OPT_SIZE,
	  M(memory),
	  .min = 1 << 20,
	  .max = 1ull << 50,
	  .arg = "SIZE",
	  .help = "the guest's memory, the same as its -m (default 1G)" },
	CONTROL_ROW,
	JSON_ROW,
	{ NULL },
};

static const struct opt_row stats_rows[] = {
	{ .key = "watch",
	  .kind = OPT_UINT,
	  M(watch),
	  .min = 1,
	  .max = 86400,
	  .arg = "SECONDS",
	  .help = "print rates every so many seconds until interrupted" },
	CONTROL_ROW,
	JSON_ROW,
	{ NULL },
};

static const struct opt_row capture_rows[] = {
	{ .key = "write",
	  .kind = OPT_PATH,
	  M(write),
	  .required = true,
	  .arg = "FILE",
	  .help = "where the pcap goes; - is standard output" },
	{ .key = "snaplen",
	  .kind = OPT_UINT,
	  M(snaplen),
	  .min = 1,
	  .max = FRAME_MAX,
	  .arg = "BYTES",
	  .help = "keep only so much of each frame" },
	{ .key = "count",
	  .kind = OPT_SIZE,
	  M(count),
	  .min = 1,
	  .max = INT64_MAX,
	  .arg = "N",
	  .help = "end after so many frames" },
	{ .key = "direction",
	  .kind = OPT_STRING,
	  M(direction),
	  .arg = "in|out|both",
	  .help = "which frames, seen from the switch (default both)" },
	CONTROL_ROW,
	JSON_ROW,
	{ NULL },
};

static const char *const capture_shorts[] = { "w", "write", "s", "snaplen",
					      "c", "count", NULL };

/* Sends the request (taking @params' reference) and prints its result. */
static int request(const struct cli_args *args, const char *method,
		   json_t *params, void (*print)(const json_t *result))
{
	json_t *result = NULL;
	struct client c;
	struct err err;
	int rc;

	rc = client_open(&c, args->control, &err);
	if (rc) {
		json_decref(params);
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	}
	rc = client_call(&c, method, params, &result, &err);
	client_close(&c);
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	if (args->json)
		print_json(result);
	else
		print(result);
	json_decref(result);
	return EXIT_DONE;
}

static int show_run(struct cli_args *args)
{
	return request(args, "show", NULL, print_show);
}

static int port_list_run(struct cli_args *args)
{
	return request(args, "port.list", NULL, print_port_list);
}

static int port_show_run(struct cli_args *args)
{
	return request(args, "port.show",
		       json_pack("{s:s}", "id", args->word[0]), print_port);
}

static int port_add_run(struct cli_args *args)
{
	if (help_print_netdev(args->word[0]))
		return EXIT_DONE;
	return request(args, "port.add",
		       json_pack("{s:s}", "netdev", args->word[0]),
		       print_nothing);
}

static int port_del_run(struct cli_args *args)
{
	return request(args, "port.del",
		       json_pack("{s:s}", "id", args->word[0]), print_nothing);
}

/* Adds "KEY=VALUE" to @params; a key that stands several times becomes an
 * array. */
static int add_change(json_t *params, const char *text)
{
	const char *eq = strchr(text, '=');
	char key[64];
	json_t *old, *value;

	if (!eq || eq == text || (size_t)(eq - text) >= sizeof(key))
		return cli_fail(EXIT_USAGE,
				"port set: '%s' is not KEY=VALUE, KEY+=VALUE "
				"or KEY-=VALUE",
				text);
	memcpy(key, text, (size_t)(eq - text));
	key[eq - text] = '\0';
	value = json_string(eq + 1);
	old = json_object_get(params, key);
	if (json_is_array(old))
		json_array_append_new(old, value);
	else if (old)
		json_object_set_new(params, key,
				    json_pack("[O,o]", old, value));
	else
		json_object_set_new(params, key, value);
	return EXIT_DONE;
}

static int port_set_run(struct cli_args *args)
{
	json_t *params = json_pack("{s:s}", "id", args->word[0]);

	for (unsigned i = 1; i < args->words; i++) {
		int code = add_change(params, args->word[i]);

		if (code) {
			json_decref(params);
			return code;
		}
	}
	return request(args, "port.set", params, print_nothing);
}

static json_t *mac_params(const struct cli_args *args)
{
	return json_pack("{s:s*, s:s*}", "net", args->net, "id", args->port);
}

static int mac_run(struct cli_args *args)
{
	json_t *params = mac_params(args);

	json_object_set_new(params, "limit", json_integer(args->limit));
	return request(args, "mac.list", params, print_macs);
}

static int mac_flush_run(struct cli_args *args)
{
	return request(args, "mac.flush", mac_params(args), print_flushed);
}

static int rebalance_run(struct cli_args *args)
{
	return request(args, "rebalance", NULL, print_moves);
}

static json_t *stats_params(const struct cli_args *args)
{
	return json_pack("{s:s*}", "id", args->words ? args->word[0] : NULL);
}

static int watch_stats(const struct cli_args *args, struct client *c,
		       struct err *err)
{
	json_t *before = NULL, *now = NULL;
	int rc;

	while (!(rc = client_call(c, "stats", stats_params(args), &now, err))) {
		if (before) {
			print_rates(before, now, args->watch);
			printf("\n");
			fflush(stdout);
		}
		json_decref(before);
		before = now;
		sleep(args->watch);
	}
	json_decref(before);
	return rc;
}

int stats_run(struct cli_args *args)
{
	struct client c;
	struct err err;
	int rc;

	if (!args->watch)
		return request(args, "stats", stats_params(args), print_stats);
	rc = client_open(&c, args->control, &err);
	if (!rc) {
		rc = watch_stats(args, &c, &err);
		client_close(&c);
	}
	return cli_fail(cli_exit_code(rc), "%s", err.msg);
}

static const char *qemu_args_port;

/* On one line, for $(...): the shell cuts it at blanks. */
static void print_qemu_args(const json_t *result)
{
	const json_t *word;
	size_t i;

	json_array_foreach(json_object_get(result, "args"), i, word) {
		const char *s = json_string_value(word);

		if (s[strcspn(s, " \t\n*?[")])
			exit(cli_fail(EXIT_REFUSED,
				      "qemu-args %s: a shell would take '%s' "
				      "apart: use --json, or a path without "
				      "blanks and wildcards",
				      qemu_args_port, s));
		printf("%s%s", i ? " " : "", s);
	}
	putchar('\n');
}

static int qemu_args_run(struct cli_args *args)
{
	json_t *params = json_pack("{s:s}", "id", args->word[0]);

	if (args->memory)
		json_object_set_new(params, "memory",
				    json_integer((json_int_t)args->memory));
	qemu_args_port = args->word[0];
	return request(args, "qemu_args", params, print_qemu_args);
}

static int log_level_run(struct cli_args *args)
{
	return request(args, "log.level",
		       json_pack("{s:s*}", "level",
				 args->words ? args->word[0] : NULL),
		       print_log_level);
}

/* The daemon closes the connection when all of it is gone. */
static int down_run(struct cli_args *args)
{
	json_t *result = NULL;
	struct client c;
	struct err err;
	int rc = client_open(&c, args->control, &err);

	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	rc = client_call(&c, "down", NULL, &result, &err);
	if (!rc)
		json_decref(client_receive(&c, NULL));
	client_close(&c);
	if (rc)
		return cli_fail(cli_exit_code(rc), "%s", err.msg);
	if (args->json)
		print_json(result);
	json_decref(result);
	return EXIT_DONE;
}

static int version_run(struct cli_args *args)
{
	if (args->json)
		printf("{\"name\": \"ringway\", \"version\": \"%s\"}\n",
		       RINGWAY_VERSION);
	else
		printf("ringway %s\n", RINGWAY_VERSION);
	return EXIT_DONE;
}

const struct command commands[] = {
	{ .name = "up",
	  .usage = "",
	  .help = "start a switch and keep it running",
	  .more = "Makes every port, says that it is ready, and forwards "
		  "frames until SIGTERM, SIGINT or `ringway down`. A port is "
		  "written as QEMU writes a -netdev; \"-netdev help\" lists "
		  "the types, \"-netdev TYPE,help\" the options of one.",
	  .options = up_rows,
	  .shorts = up_shorts,
	  .run_raw = up_run },
	{ .name = "show",
	  .usage = "",
	  .help = "networks, ports and workers at a glance",
	  .options = client_rows,
	  .run = show_run },
	{ .name = "port list",
	  .usage = "",
	  .help = "the ports",
	  .options = client_rows,
	  .run = port_list_run },
	{ .name = "port add",
	  .usage = "NETDEV",
	  .help = "add a port, written as behind -netdev",
	  .more = "Relative paths are taken from the directory that the "
		  "daemon was started in.",
	  .options = client_rows,
	  .min_words = 1,
	  .max_words = 1,
	  .run = port_add_run },
	{ .name = "port del",
	  .usage = "PORT",
	  .help = "remove a port",
	  .options = client_rows,
	  .min_words = 1,
	  .max_words = 1,
	  .run = port_del_run },
	{ .name = "port set",
	  .usage = "PORT KEY=VALUE...",
	  .help = "change options of a live port",
	  .more = "A list takes KEY+=VALUE to add and KEY-=VALUE to remove a "
		  "value. Only options that \"-netdev TYPE,help\" marks as "
		  "changeable can be set. All changes are made, or none.",
	  .options = client_rows,
	  .min_words = 2,
	  .max_words = CLI_MAX_WORDS - 1,
	  .run = port_set_run },
	{ .name = "port show",
	  .usage = "PORT",
	  .help = "everything about a port",
	  .options = client_rows,
	  .min_words = 1,
	  .max_words = 1,
	  .run = port_show_run },
	{ .name = "mac",
	  .usage = "",
	  .help = "learned MAC addresses",
	  .options = mac_rows,
	  .run = mac_run },
	{ .name = "mac flush",
	  .usage = "",
	  .help = "forget learned MAC addresses",
	  .options = mac_flush_rows,
	  .run = mac_flush_run },
	{ .name = "stats",
	  .usage = "[PORT]",
	  .help = "counters of ports, queues and workers",
	  .more = "Of each worker: the share of its time in rounds that moved "
		  "frames (working), that found none (polling) and asleep, and "
		  "the cycles of working time a frame. One burst in 61 is "
		  "measured by stage, in cycles a frame: ring-read "
		  "(descriptors of both rings), header (snapshot and checks), "
		  "lookup (MAC table, grouping by receiver), offload "
		  "(checksums and segments made in software), copy (into the "
		  "receiver's buffers), publish (used rings), notify (looking "
		  "whether the peer wants an event, and its system call), "
		  "syscall (a tap's reads and writes), other (counters, "
		  "capture). Cycles are the processor's constant-rate counter "
		  "(TSC); the JSON has their number a microsecond.",
	  .options = stats_rows,
	  .max_words = 1,
	  .run = stats_run },
	{ .name = "rebalance",
	  .usage = "",
	  .help = "spread the queues over the workers by their load",
	  .more = "Prints the moves it made. The load is that since the last "
		  "look, which the daemon takes four times a second while a "
		  "worker is busy, unless it runs with --rebalance off.",
	  .options = client_rows,
	  .run = rebalance_run },
	{ .name = "capture",
	  .usage = "PORT",
	  .help = "write a port's frames to a pcap file or pipe",
	  .more = "Runs until interrupted, until the reader of the pipe goes "
		  "away, or until --count frames were written, then says how "
		  "many frames it wrote. To watch in Wireshark: ringway "
		  "capture PORT -w - | wireshark -k -i -",
	  .options = capture_rows,
	  .shorts = capture_shorts,
	  .min_words = 1,
	  .max_words = 1,
	  .run = capture_run },
	{ .name = "qemu-args",
	  .usage = "PORT",
	  .help = "what QEMU needs to plug a guest into a port",
	  .more = "As in: qemu-system-x86_64 $(ringway qemu-args vm1) -m 1G "
		  "disk.qcow2",
	  .options = qemu_args_rows,
	  .min_words = 1,
	  .max_words = 1,
	  .run = qemu_args_run },
	{ .name = "log-level",
	  .usage = "[LEVEL]",
	  .help = "tell or change how much the daemon logs",
	  .options = client_rows,
	  .max_words = 1,
	  .run = log_level_run },
	{ .name = "down",
	  .usage = "",
	  .help = "end the switch; returns when all of it is gone",
	  .options = client_rows,
	  .run = down_run },
	{ .name = "version",
	  .usage = "",
	  .help = "the version of this program",
	  .options = client_rows,
	  .run = version_run },
	{ .name = "help",
	  .usage = "[COMMAND]",
	  .help = "how to use a command",
	  .options = (const struct opt_row[]){ { NULL } },
	  .run_raw = help_run },
	{ NULL },
};
