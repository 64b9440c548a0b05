/* SPDX-License-Identifier: Apache-2.0 */
/* Chardevs of type socket, see device.h. Control thread and command line; pure.
 */
#include "device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opt.h"

struct chardev_conf {
	char *id, *path, *host, *port;
	bool server, wait, wait_given;
	uint32_t reconnect, reconnect_ms;
};

#define AT(member) .offset = offsetof(struct chardev_conf, member)

/* Options of both forms, in front of which stand those of -chardev. */
static const struct opt_row rows[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  AT(id),
	  .min = 1,
	  .max = 63,
	  .arg = "NAME",
	  .help = "name, for indev= and outdev=" },
	{ .key = "path",
	  .kind = OPT_PATH,
	  AT(path),
	  .arg = "PATH",
	  .help = "path of a UNIX socket" },
	{ .key = "host",
	  .kind = OPT_STRING,
	  AT(host),
	  .arg = "ADDRESS",
	  .help = "address of the peer, or to listen on" },
	{ .key = "port",
	  .kind = OPT_PATH,
	  AT(port),
	  .arg = "N",
	  .help = "TCP port" },
#define SHORT_ROWS 4
	{ .key = "server",
	  .kind = OPT_BOOL,
	  AT(server),
	  .help = "listen for the peer; off: connect to it" },
	{ .key = "wait",
	  .kind = OPT_BOOL,
	  AT(wait),
	  .set_offset = offsetof(struct chardev_conf, wait_given),
	  .help = "with server=on: the machine begins when the peer is there; "
		  "for filters off is the only choice" },
	{ .key = "reconnect",
	  .kind = OPT_UINT,
	  AT(reconnect),
	  .max = 3600,
	  .arg = "SECONDS",
	  .help = "with server=off: first delay before the next try" },
	{ .key = "reconnect-ms",
	  .kind = OPT_UINT,
	  AT(reconnect_ms),
	  .max = 3600000,
	  .arg = "MS",
	  .help = "the same in milliseconds" },
	{ NULL },
};

/* Sets what both forms have. */
static int finish(const struct chardev_conf *c, struct device *d,
		  struct err *err)
{
	d->server = c->server;
	d->wait = !c->wait_given ? DEVICE_WAIT_DEFAULT
		  : c->wait	 ? DEVICE_WAIT_ON
				 : DEVICE_WAIT_OFF;
	d->reconnect_ms =
		c->reconnect_ms ? c->reconnect_ms : c->reconnect * 1000;
	if (d->server && d->reconnect_ms)
		return err_set(err, -EINVAL,
			       "reconnect: is for a peer that is connected to");
	return 0;
}

static int set_pairs(const struct opt_row *table, struct chardev_conf *c,
		     const struct opt_pair *pair, int count, struct err *err)
{
	int rc = 0;

	for (int i = 0; i < count && !rc; i++) {
		rc = opt_set(table, c, pair[i].key, pair[i].value, err);
		rc = rc == -ENOENT ? -EINVAL : rc;
	}
	return rc;
}

static int set_address(const struct chardev_conf *c, struct device *d,
		       struct err *err)
{
	if (!c->path == !c->port)
		return err_set(err, -EINVAL,
			       "needs path=PATH, or host=ADDRESS,port=N");
	if (c->path)
		return sock_addr_unix(&d->addr, "path", c->path, err);
	return sock_addr_inet(&d->addr, "host", c->host, "port", c->port, err);
}

int device_parse_chardev(const char *text, struct device **out, struct err *err)
{
	struct device *d = calloc(1, sizeof(*d));
	struct chardev_conf c = { 0 };
	struct opt_pair *pairs;
	char *type;
	int count = opt_split(text, &type, &pairs, err), rc = count;

	if (d)
		d->text = strdup(text);
	if ((!d || !d->text) && count >= 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc >= 0 && (!type || strcmp(type, "socket")))
		rc = err_set(err, -EINVAL,
			     "the type must be socket: write "
			     "socket,id=NAME,path=PATH");
	if (rc >= 0)
		rc = set_pairs(rows, &c, pairs, count, err);
	if (!rc && !c.id)
		rc = err_set(err, -EINVAL, "id=NAME is missing");
	if (!rc)
		rc = set_address(&c, d, err);
	if (!rc)
		rc = finish(&c, d, err);
	if (count >= 0)
		opt_pairs_free(type, pairs, count);
	if (rc) {
		err_prefix(err, rc, "chardev %.64s", c.id ? c.id : text);
		device_free_all(d);
	} else {
		d->id = c.id;
		c.id = NULL;
		*out = d;
	}
	opt_free(rows, &c);
	return rc;
}

void device_free_all(struct device *list)
{
	while (list) {
		struct device *next = list->next;

		free(list->id);
		free(list->text);
		free(list);
		list = next;
	}
}

static int check_wait(const struct device *d, struct err *err)
{
	if (d->wait != DEVICE_WAIT_ON)
		return 0;
	return err_set(err, -EINVAL,
		       "wait=on: a switch waits for nobody: write wait=off");
}

static int parse_short(const char *key, const char *text, struct device *d,
		       struct err *err)
{
	struct chardev_conf c = { 0 };
	struct opt_pair *pairs;
	char *where;
	int count = opt_split(text, &where, &pairs, err), rc;

	if (count < 0)
		return err_prefix(err, count, "%s=%.80s", key, text);
	if (where && !strncmp(where, "unix:", 5))
		rc = sock_addr_unix(&d->addr, key, where + 5, err);
	else if (where && !strncmp(where, "tcp:", 4))
		rc = sock_addr_host_port(&d->addr, key, where + 4, err);
	else
		rc = err_set(err, -EINVAL,
			     "%s=%.80s: must be the id of a chardev, or "
			     "unix:PATH, or tcp:HOST:PORT; further options "
			     "behind two commas, as in unix:PATH,,server=on",
			     key, text);
	if (!rc) {
		rc = set_pairs(rows + SHORT_ROWS, &c, pairs, count, err);
		if (!rc)
			rc = finish(&c, d, err);
		if (!rc)
			rc = check_wait(d, err);
		if (rc)
			err_prefix(err, rc, "%s=%.80s", key, text);
	}
	opt_pairs_free(where, pairs, count);
	return rc;
}

int device_take(struct device *list, const char *key, const char *text,
		const char *user, struct device *out, struct device **taken,
		struct err *err)
{
	*taken = NULL;
	while (list && strcmp(list->id, text))
		list = list->next;
	if (!list) {
		*out = (struct device){ 0 };
		return parse_short(key, text, out, err);
	}
	if (list->used_by)
		return err_set(err, -EBUSY,
			       "%s=%.64s: %.64s has this chardev: each needs "
			       "its own",
			       key, text, list->used_by);
	if (check_wait(list, err))
		return err_prefix(err, -EINVAL, "%s=%.64s", key, text);
	*out = *list;
	out->id = NULL;
	out->next = NULL;
	list->used_by = user;
	*taken = list;
	return 0;
}

void device_release(struct device *d)
{
	if (d)
		d->used_by = NULL;
}
