/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's configuration: its own options and its ports, from the command
 * line and from files. Parsing opens and changes nothing. */
#ifndef RW_CONFIG_H
#define RW_CONFIG_H

#include <stdio.h>

#include "device.h"
#include "filter.h"
#include "netdev.h"
#include "switch.h"

#define CONFIG_MAX_CPUS 256

struct daemon_conf {
	char *control; /* path of the control socket; NULL: default */
	uint32_t workers;
	char *cpus;	  /* list as typed, for config_cpus() */
	char *poll_us;	  /* as typed, for config_poll_us() */
	uint32_t mac_age; /* seconds */
	char *log;	  /* path; NULL: stderr, or beside the control socket */
	int log_level;	  /* enum log_level */
	int rebalance;	  /* enum config_rebalance */
};
enum config_rebalance { REBALANCE_AUTO, REBALANCE_OFF };
extern const struct opt_row daemon_conf_rows[];
extern const char *const log_level_names[]; /* by enum log_level */

struct config {
	struct daemon_conf daemon;
	struct netdev **netdev; /* in the order given */
	unsigned netdev_count;
	struct filter_spec **object; /* filters, in the order given */
	unsigned object_count;
	struct device *devices; /* chardevs; filters name them */
};

/* Sets every default. Returns 0 or -errno with @err. */
int config_init(struct config *c, struct err *err);
void config_fini(struct config *c);

/* Sets one option: "netdev" adds a port, "object" a filter, "chardev" a
 * stream that filters use, any other @key is
 * one of daemon_conf_rows. Returns 0, -EINVAL (bad key or value), -EEXIST (a
 * second port or filter of the same id) or -ENOMEM, with @err. */
int config_set(struct config *c, const char *key, const char *value,
	       struct err *err);

/* Adds the port @n, which @c owns from then on; frees it on error. Returns 0,
 * -EEXIST or -ENOMEM with @err. */
int config_add(struct config *c, struct netdev *n, struct err *err);

/* Takes the port @id out of @c; the caller frees it. Returns NULL if there is
 * none. */
struct netdev *config_take(struct config *c, const char *id);

/*
 * Reads a file: one option a line, "KEY VALUE"; dashes before the key, empty
 * lines and comments (from # at the start of a word) are ignored. Returns 0 or
 * -errno with @err, which names file and line.
 */
int config_load(struct config *c, const char *path, struct err *err);
/* The same for a command with options of its own: calls @set for each line. */
typedef int config_set_fn(void *arg, const char *key, const char *value,
			  struct err *err);
int config_load_with(const char *path, config_set_fn *set, void *arg,
		     struct err *err);

/* Returns whether such a file gives back @line, which has no end, as it is: no
 * comment begins in it, and nothing is stripped. */
bool config_can_hold(const char *line);

/* Writes a port and a filter as a line of such a file. */
void config_write_netdev(const struct netdev *n, FILE *f);
void config_write_object(const struct filter_spec *s, FILE *f);

/* Reads a list such as "0,2-4" into @cpu. Returns the number of CPUs, or
 * -EINVAL with @err. */
int config_cpus(const char *list, int cpu[CONFIG_MAX_CPUS], struct err *err);

/* Reads microseconds or "auto", which becomes -1. Returns 0 or -EINVAL with
 * @err. */
int config_poll_us(const char *text, int *out, struct err *err);

#endif
