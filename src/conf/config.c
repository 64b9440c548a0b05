/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's options and the configuration file, see config.h. Runs before
 * the daemon exists; pure apart from reading the file. */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "object.h"
#include "opt_line.h"
#include "unix_sock.h"

#define POLL_US_MAX 1000000

const char *const log_level_names[] = {
	[LOG_LEVEL_ERR] = "error",
	[LOG_LEVEL_WARN] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	NULL,
};

static const char *const rebalance_choices[] = {
	[REBALANCE_AUTO] = "auto", [REBALANCE_OFF] = "off", NULL
};

const struct opt_row daemon_conf_rows[] = {
	{ .key = "control",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct daemon_conf, control),
	  .min = 1,
	  .max = UNIX_PATH_MAX_LEN,
	  .arg = "PATH",
	  .help = "control socket (default: in the user's runtime directory "
		  "ringway/control.sock, of a machine ringway/vm-NAME.sock)" },
	{ .key = "workers",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct daemon_conf, workers),
	  .min = 1,
	  .max = WORKERS_MAX,
	  .def = "1",
	  .arg = "N",
	  .help = "threads that forward frames" },
	{ .key = "cpus",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct daemon_conf, cpus),
	  .arg = "LIST",
	  .help = "CPUs for the workers, as 0,2-3: worker i gets the i-th" },
	{ .key = "poll-us",
	  .kind = OPT_STRING,
	  .offset = offsetof(struct daemon_conf, poll_us),
	  .def = "auto",
	  .arg = "N|auto",
	  .help = "microseconds to poll without work before sleeping" },
	{ .key = "rebalance",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct daemon_conf, rebalance),
	  .choices = rebalance_choices,
	  .def = "auto",
	  .arg = "auto|off",
	  .help = "move queues away from a worker that is overloaded" },
	{ .key = "mac-age",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct daemon_conf, mac_age),
	  .min = 1,
	  .max = 1000000,
	  .def = "300",
	  .arg = "SECONDS",
	  .help = "silence after which a MAC address is forgotten" },
	{ .key = "log",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct daemon_conf, log),
	  .arg = "FILE",
	  .help = "append the log to a file (default: standard error; in the "
		  "background the control socket's path with .log)" },
	{ .key = "log-level",
	  .kind = OPT_ENUM,
	  .offset = offsetof(struct daemon_conf, log_level),
	  .choices = log_level_names,
	  .def = "info",
	  .arg = "LEVEL",
	  .help = "how much is logged: error, warning, info or debug" },
	{ NULL },
};

int config_init(struct config *c, struct err *err)
{
	*c = (struct config){ 0 };
	return opt_defaults(daemon_conf_rows, &c->daemon, err);
}

void config_fini(struct config *c)
{
	for (unsigned i = 0; i < c->netdev_count; i++)
		netdev_free(c->netdev[i]);
	free(c->netdev);
	for (unsigned i = 0; i < c->object_count; i++)
		filter_spec_free(c->object[i]);
	free(c->object);
	device_free_all(c->devices);
	opt_free(daemon_conf_rows, &c->daemon);
	*c = (struct config){ 0 };
}

int config_add(struct config *c, struct netdev *n, struct err *err)
{
	struct netdev **grown;
	int rc;

	for (unsigned i = 0; i < c->netdev_count; i++)
		if (!strcmp(c->netdev[i]->common.id, n->common.id)) {
			rc = err_set(err, -EEXIST,
				     "netdev %s: id=%s is used twice: each "
				     "port needs its own",
				     n->common.id, n->common.id);
			goto err_free;
		}
	grown = reallocarray(c->netdev, c->netdev_count + 1, sizeof(*grown));
	if (!grown) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	c->netdev = grown;
	grown[c->netdev_count++] = n;
	return 0;
err_free:
	netdev_free(n);
	return rc;
}

static int add_netdev(struct config *c, const char *text, struct err *err)
{
	struct netdev *n;
	int rc = netdev_parse(text, &n, err);

	return rc ? rc : config_add(c, n, err);
}

static int add_object(struct config *c, const char *text, struct err *err)
{
	struct filter_spec *s, **grown;
	int rc = object_parse(text, &s, err);

	if (rc)
		return rc;
	for (unsigned i = 0; i < c->object_count && !rc; i++)
		if (!strcmp(c->object[i]->common.id, s->common.id))
			rc = err_set(err, -EEXIST,
				     "object %s: id=%s is used twice: each "
				     "filter needs its own",
				     s->common.id, s->common.id);
	grown = rc ? NULL
		   : reallocarray(c->object, c->object_count + 1,
				  sizeof(*grown));
	if (!grown) {
		filter_spec_free(s);
		return rc ? rc : err_set(err, -ENOMEM, "out of memory");
	}
	c->object = grown;
	grown[c->object_count++] = s;
	return 0;
}

struct netdev *config_take(struct config *c, const char *id)
{
	for (unsigned i = 0; i < c->netdev_count; i++) {
		struct netdev *n = c->netdev[i];

		if (strcmp(n->common.id, id) != 0)
			continue;
		c->netdev_count--;
		memmove(&c->netdev[i], &c->netdev[i + 1],
			(c->netdev_count - i) * sizeof(struct netdev *));
		return n;
	}
	return NULL;
}

static int add_chardev(struct config *c, const char *text, struct err *err)
{
	struct device *d;
	int rc = device_parse_chardev(text, &d, err);

	if (rc)
		return rc;
	for (const struct device *o = c->devices; o; o = o->next)
		if (!strcmp(o->id, d->id)) {
			rc = err_set(err, -EEXIST,
				     "chardev %s: id=%s is used twice", d->id,
				     d->id);
			device_free_all(d);
			return rc;
		}
	d->next = c->devices;
	c->devices = d;
	return 0;
}

/* The options that add something. */
static const struct {
	const char *key;
	int (*add)(struct config *c, const char *text, struct err *err);
	const char *form;
} adders[] = {
	{ "netdev", add_netdev, "TYPE,id=NAME,..." },
	{ "object", add_object, "filter-...,id=NAME,netdev=PORT,..." },
	{ "chardev", add_chardev, "socket,id=NAME,path=PATH" },
};

int config_set(struct config *c, const char *key, const char *value,
	       struct err *err)
{
	static const struct opt_row adder_rows[] = { { .key = "netdev" },
						     { .key = "object" },
						     { .key = "chardev" },
						     { NULL } };
	const struct opt_row *tables[] = { adder_rows, daemon_conf_rows, NULL };
	int cpu[CONFIG_MAX_CPUS], poll_us, rc;

	for (unsigned i = 0; i < ARRAY_SIZE(adders); i++) {
		if (strcmp(key, adders[i].key))
			continue;
		if (value)
			return adders[i].add(c, value, err);
		return err_set(err, -EINVAL, "%s: needs a value: %s", key,
			       adders[i].form);
	}
	if (value && !strcmp(key, "cpus")) {
		rc = config_cpus(value, cpu, err);
		if (rc < 0)
			return rc;
	}
	if (value && !strcmp(key, "poll-us")) {
		rc = config_poll_us(value, &poll_us, err);
		if (rc < 0)
			return rc;
	}
	rc = opt_set(daemon_conf_rows, &c->daemon, key, value, err);
	if (rc == -ENOENT) {
		opt_unknown(tables, key, err);
		rc = -EINVAL;
	}
	return rc;
}

static const char white[] = " \t\r\n";

/* Ends the line at its comment and strips white space at both ends. */
static char *strip(char *line)
{
	char *end;

	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || strchr(white, c[-1]))) {
			*c = '\0';
			break;
		}
	line += strspn(line, white);
	for (end = line + strlen(line); end > line && strchr(white, end[-1]);)
		*--end = '\0';
	return line;
}

static int load_line(config_set_fn *set, void *arg, char *line, struct err *err)
{
	char *value, *key = strip(line);

	while (*key == '-')
		key++;
	if (!*key)
		return 0;
	value = strpbrk(key, " \t");
	if (value) {
		*value++ = '\0';
		value += strspn(value, " \t");
	}
	if (!value && strchr(key, '='))
		return err_set(err, -EINVAL,
			       "'%.60s': write KEY VALUE, with a blank between "
			       "them",
			       key);
	return set(arg, key, value, err);
}

static int set_here(void *arg, const char *key, const char *value,
		    struct err *err)
{
	return config_set(arg, key, value, err);
}

int config_load(struct config *c, const char *path, struct err *err)
{
	return config_load_with(path, set_here, c, err);
}

int config_load_with(const char *path, config_set_fn *set, void *arg,
		     struct err *err)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	unsigned n = 0;
	ssize_t len;
	int rc = 0;

	if (!f)
		return err_set(err, -errno, "config=%s: %s", path,
			       strerror(errno));
	while (!rc && (len = getline(&line, &size, f)) >= 0) {
		n++;
		if (strlen(line) != (size_t)len)
			rc = err_set(err, -EINVAL, "a zero byte in the line");
		else
			rc = load_line(set, arg, line, err);
		if (rc)
			err_prefix(err, rc, "%s:%u", path, n);
	}
	if (!rc && ferror(f))
		rc = err_set(err, -EIO, "config=%s: %s", path, strerror(errno));
	free(line);
	fclose(f);
	return rc;
}

bool config_can_hold(const char *line)
{
	const char *c = line;

	for (; *c; c++)
		if (*c == '\n' ||
		    (*c == '#' && (c == line || strchr(white, c[-1]))))
			return false;
	return c == line || (!strchr(white, *line) && !strchr(white, c[-1]));
}

void config_write_netdev(const struct netdev *n, FILE *f)
{
	fprintf(f, "netdev %s", n->type->name);
	opt_write(port_conf_rows, &n->common, f);
	opt_write(n->type->rows, n->conf, f);
	fputc('\n', f);
}

void config_write_object(const struct filter_spec *s, FILE *f)
{
	fprintf(f, "object %s", s->type->name);
	opt_write(filter_conf_rows, &s->common, f);
	opt_write(s->type->rows, s->conf, f);
	fputc('\n', f);
}

/* Reads a CPU number at *@at and moves *@at behind it. Returns false when there
 * is none or it is not below CPU_SETSIZE. */
static bool read_cpu(const char **at, unsigned long *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	*out = strtoul(*at, &end, 10);
	*at = end;
	return *out < CPU_SETSIZE;
}

int config_cpus(const char *list, int cpu[CONFIG_MAX_CPUS], struct err *err)
{
	const char *at = list;
	unsigned long first, last;
	int n = 0;

	for (;; at++) {
		if (!read_cpu(&at, &first))
			break;
		last = first;
		if (*at == '-') {
			at++;
			if (!read_cpu(&at, &last) || last < first)
				break;
		}
		if (last - first >= (unsigned long)(CONFIG_MAX_CPUS - n))
			break;
		for (; first <= last; first++)
			cpu[n++] = (int)first;
		if (!*at)
			return n;
		if (*at != ',')
			break;
	}
	return err_set(err, -EINVAL,
		       "cpus=%s: must be CPU numbers and ranges, as 0,2-3, at "
		       "most %d",
		       list, CONFIG_MAX_CPUS);
}

int config_poll_us(const char *text, int *out, struct err *err)
{
	unsigned long us;
	char *end;

	if (!strcmp(text, "auto")) {
		*out = -1;
		return 0;
	}
	us = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || us > POLL_US_MAX)
		return err_set(err, -EINVAL,
			       "poll-us=%s: must be auto or a number from 0 "
			       "to %d",
			       text, POLL_US_MAX);
	*out = (int)us;
	return 0;
}
