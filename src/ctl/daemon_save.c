/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon is, as a configuration file, see daemon_reload.h. Control
 * thread. What a file cannot have is written as a comment, with the reason. */
#include "daemon_reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "opt_line.h"

/* One line while it is written. */
struct line {
	char *text; /* heap */
	size_t size;
	FILE *to;
};

static FILE *begin(struct line *l)
{
	*l = (struct line){ 0 };
	l->to = open_memstream(&l->text, &l->size);
	return l->to;
}

/* Writes the line to @f, and as a comment if there is a reason @why. Returns
 * whether it is no comment. */
static bool end(struct line *l, const char *why, FILE *f)
{
	bool is_read = l->to && !fclose(l->to) && l->size;

	if (!is_read) {
		free(l->text);
		return false;
	}
	if (l->text[l->size - 1] == '\n')
		l->text[l->size - 1] = '\0';
	if (!why && !config_can_hold(l->text))
		why = "a file cannot hold a line end, \" #\" or a blank at the "
		      "end";
	is_read = !why;
	if (why)
		fprintf(f, "# %s:\n# ", why);
	for (char *c = l->text; why && *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = '?';
	fprintf(f, "%s\n", l->text);
	free(l->text);
	return is_read;
}

static void write_options(const struct daemon_conf *now, FILE *f)
{
	for (const struct opt_row *row = daemon_conf_rows; row->key; row++) {
		const struct opt_row only[] = { *row, { NULL } };
		struct line l;

		if (begin(&l))
			opt_write_lines(only, now, l.to);
		end(&l, NULL, f);
	}
}

/* A descriptor that was passed is not there next time. */
static bool write_port(const struct netdev *n, FILE *f)
{
	char why[80];
	struct line l;
	int fd;
	bool has_fd = netdev_fds(n, &fd, 1);

	if (has_fd)
		snprintf(why, sizeof(why),
			 "descriptor %d was passed when this port was added",
			 fd);
	if (begin(&l))
		config_write_netdev(n, l.to);
	return end(&l, has_fd ? why : NULL, f);
}

struct filters {
	FILE *f;
	const char *why; /* they cannot be read */
};

/* The lines have the order of the chain, so each filter goes to the tail. */
static void write_filter(const struct filter *filter, void *arg)
{
	struct filter_spec spec = *filter->spec;
	const struct filters *fs = arg;
	char tail[] = "tail";
	struct line l;

	spec.common.position = tail;
	spec.common.insert = FILTER_BEHIND;
	if (begin(&l))
		config_write_object(&spec, l.to);
	end(&l, fs->why, fs->f);
}

/* Ports come first, then the filters, which name them. */
static void write_ports(const struct daemon *d, FILE *f)
{
	char *objects = NULL;
	size_t size;
	struct filters fs = { .f = open_memstream(&objects, &size) };

	for (const struct daemon_port *p = d->ports; p; p = p->next) {
		bool is_read = write_port(p->netdev, f);

		fs.why = is_read ? NULL : "its port is a comment";
		if (fs.f)
			filter_each(p->port, write_filter, &fs);
	}
	if (fs.f && !fclose(fs.f))
		fputs(objects, f);
	free(objects);
}

void daemon_write(const struct daemon *d, FILE *f)
{
	struct daemon_conf now = d->conf;
	struct line l;

	now.log_level = (int)shm_load(&log_level);
	write_options(&now, f);
	for (const struct device *dev = d->devices; dev; dev = dev->next) {
		if (begin(&l))
			fprintf(l.to, "chardev %s", dev->text);
		end(&l, NULL, f);
	}
	write_ports(d, f);
}
