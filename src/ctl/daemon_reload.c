/* SPDX-License-Identifier: Apache-2.0 */
/* See daemon_reload.h. Ports that go leave first, the newest ones before: what
 * comes may need their sockets and interfaces. */
#include "daemon_reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_show.h"
#include "log.h"
#include "object.h"
#include "opt_line.h"

enum reload_list { ADDED, REMOVED, CHANGED, REPLACED, LISTS };

static const char *const list_name[] = {
	[ADDED] = "added",
	[REMOVED] = "removed",
	[CHANGED] = "changed",
	[REPLACED] = "replaced",
};

/* What a reload did. */
struct reload {
	struct daemon *d;
	struct config read;
	struct config old; /* ports that were removed to be made anew */
	struct opt_list done[LISTS];
	struct opt_list restart;
	struct opt_list gone; /* lines of filters that were removed */
	struct opt_list failed, reasons; /* ids, and why */
};

static void note(struct reload *r, enum reload_list list, const char *id)
{
	log_info("reload: %s: %s", id, list_name[list]);
	opt_list_add(&r->done[list], id);
}

static void note_failure(struct reload *r, const char *id,
			 const struct err *err)
{
	log_err("reload: %s", err->msg);
	if (!opt_list_add(&r->failed, id) &&
	    opt_list_add(&r->reasons, err->msg))
		opt_list_remove(&r->failed, id);
}

static struct netdev *find_read(const struct reload *r, const char *id)
{
	for (unsigned i = 0; i < r->read.netdev_count; i++)
		if (!strcmp(r->read.netdev[i]->common.id, id))
			return r->read.netdev[i];
	return NULL;
}

/* Returns whether @p cannot become what the configuration says, *@n; or is not
 * in it any more: NULL. */
static bool has_to_go(const struct reload *r, const struct daemon_port *p,
		      const struct netdev **n)
{
	bool can_change;

	*n = find_read(r, p->netdev->common.id);
	if (!*n)
		return p->configured;
	return !netdev_equal(p->configured ? p->configured : p->netdev, *n,
			     &can_change) &&
	       !can_change;
}

/* Removes @p, which is to be made anew if @is_replaced. */
static void remove_one(struct reload *r, struct daemon_port *p,
		       bool is_replaced)
{
	struct netdev *old = netdev_copy(p->netdev);
	struct err err;
	char id[80];
	int rc = old ? config_add(&r->old, old, &err)
		     : err_set(&err, -ENOMEM, "out of memory");

	snprintf(id, sizeof(id), "%s", p->netdev->common.id);
	if (!rc)
		rc = daemon_del_port(r->d, id, &err);
	if (!rc && is_replaced)
		return;
	if (!rc) {
		note(r, REMOVED, id);
	} else {
		note_failure(r, id, &err);
		if (!is_replaced) { /* it stays, as one that was added */
			netdev_free(p->configured);
			p->configured = NULL;
		}
	}
	netdev_free(config_take(&r->old, id));
}

/* Removes the ports that the configuration had and has no more, and those that
 * are to be made anew, the newest first. Returns 0 or -ENOMEM, and all stay. */
static int remove_ports(struct reload *r)
{
	struct daemon_port **all;
	const struct netdev *n;
	unsigned count = 0;

	for (const struct daemon_port *p = r->d->ports; p; p = p->next)
		count++;
	all = calloc(count + 1, sizeof(struct daemon_port *));
	if (!all)
		return -ENOMEM;
	count = 0;
	for (struct daemon_port *p = r->d->ports; p; p = p->next)
		all[count++] = p;
	while (count--)
		if (has_to_go(r, all[count], &n))
			remove_one(r, all[count], n);
	free(all);
	return 0;
}

static bool add_port(struct reload *r, const struct netdev *n)
{
	struct netdev *copy = netdev_copy(n);
	struct err err;
	int rc = copy ? daemon_add_configured(r->d, copy, &err)
		      : err_set(&err, -ENOMEM, "out of memory");

	if (rc)
		note_failure(r, n->common.id, &err);
	return !rc;
}

static void change_port(struct reload *r, struct daemon_port *p,
			const struct netdev *n)
{
	struct netdev *live = netdev_copy(n), *read = netdev_copy(n);
	struct err err;
	int rc = live && read ? daemon_change_port(p, live, &err)
			      : err_set(&err, -ENOMEM, "out of memory");

	if (rc) {
		err_prefix(&err, rc, "netdev %s", n->common.id);
		note_failure(r, n->common.id, &err);
		netdev_free(live);
		netdev_free(read);
		return;
	}
	netdev_free(p->configured);
	p->configured = read;
	note(r, CHANGED, n->common.id);
}

/* Adds the port @n. One that was removed for it comes back if that fails. */
static void make_new(struct reload *r, const struct netdev *n)
{
	struct netdev *old = config_take(&r->old, n->common.id);

	if (add_port(r, n))
		note(r, old ? REPLACED : ADDED, n->common.id);
	else if (old)
		add_port(r, old);
	netdev_free(old);
}

/* Adds or changes the port @n, or leaves it alone. One that cannot change is
 * gone by now, or refused to go. */
static void make_port(struct reload *r, const struct netdev *n)
{
	struct daemon_port *p = daemon_find_port(r->d, n->common.id, NULL);
	bool can_change;

	if (!p)
		make_new(r, n);
	else if (!netdev_equal(p->configured ? p->configured : p->netdev, n,
			       &can_change)) {
		if (can_change)
			change_port(r, p, n);
	} else if (!p->configured)
		p->configured = netdev_copy(n);
}

static char *filter_line(const struct filter_spec *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	config_write_object(s, f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void clear(struct opt_list *l)
{
	for (unsigned i = 0; i < l->count; i++)
		free(l->value[i]);
	free(l->value);
	*l = (struct opt_list){ 0 };
}

void daemon_forget_filters(struct daemon *d)
{
	clear(&d->filter_lines);
}

int daemon_note_filters(struct daemon *d, const struct config *c)
{
	int rc = 0;

	clear(&d->filter_lines);
	for (unsigned i = 0; i < c->object_count && !rc; i++) {
		char *line = filter_line(c->object[i]);

		rc = line ? opt_list_add(&d->filter_lines, line) : -ENOMEM;
		free(line);
	}
	return rc;
}

static bool has_line(const struct reload *r, const char *line)
{
	bool found = false;

	for (unsigned i = 0; i < r->read.object_count && !found; i++) {
		char *other = filter_line(r->read.object[i]);

		found = !other || !strcmp(line, other);
		free(other);
	}
	return found;
}

/* Removes the filters that the configuration had and has no more, or has
 * otherwise now. */
static void remove_filters(struct reload *r)
{
	for (unsigned i = 0; i < r->d->filter_lines.count; i++) {
		const char *line = r->d->filter_lines.value[i];
		struct filter_spec *s = NULL;
		struct filter *f = NULL;
		struct err err;

		if (!object_parse(line + strlen("object "), &s, &err))
			f = daemon_find_filter(r->d, s->common.id, NULL);
		if (f && !has_line(r, line)) {
			filter_remove(f);
			note(r, REMOVED, s->common.id);
			opt_list_add(&r->gone, line);
		}
		filter_spec_free(s);
	}
}

/* Adds the filter @id as it was before this reload. */
static void restore_filter(struct reload *r, const char *id)
{
	for (unsigned i = 0; i < r->gone.count; i++) {
		const char *line = r->gone.value[i];
		struct filter_spec *s = NULL;
		struct err err;

		if (object_parse(line + strlen("object "), &s, &err))
			continue;
		if (strcmp(s->common.id, id) != 0)
			filter_spec_free(s);
		else if (daemon_add_filter(r->d, s, &err))
			note_failure(r, id, &err);
	}
}

/* Adds the filters that are not there. One that fails is as it was. */
static void add_filters(struct reload *r)
{
	for (unsigned i = 0; i < r->read.object_count; i++) {
		struct filter_spec *s = r->read.object[i];
		struct err err;
		char id[64];

		if (daemon_find_filter(r->d, s->common.id, NULL))
			continue;
		r->read.object[i] = NULL;
		snprintf(id, sizeof(id), "%s", s->common.id);
		if (!daemon_add_filter(r->d, s, &err)) {
			note(r, ADDED, id);
			continue;
		}
		note_failure(r, id, &err);
		restore_filter(r, id);
	}
}

/* Takes the chardevs that are new: one that is there stays as it is. */
static void take_devices(struct reload *r)
{
	struct device **at = &r->read.devices;

	while (*at) {
		struct device *dev = *at, *o = r->d->devices;

		while (o && strcmp(o->id, dev->id) != 0)
			o = o->next;
		if (!o) {
			*at = dev->next;
			dev->next = r->d->devices;
			r->d->devices = dev;
			continue;
		}
		if (strcmp(o->text, dev->text) != 0)
			opt_list_add(&r->restart, dev->id);
		at = &dev->next;
	}
}

/* Takes the options of the daemon that need no new start. */
static void take_options(struct reload *r)
{
	const struct daemon_conf *now = &r->read.daemon, *old = &r->d->conf;

	for (const struct opt_row *row = daemon_conf_rows; row->key; row++) {
		const struct opt_row only[] = { *row, { NULL } };

		if (!opt_equal(only, now, old, NULL) &&
		    strcmp(row->key, "log-level") != 0)
			opt_list_add(&r->restart, row->key);
	}
	if (now->log_level != old->log_level)
		shm_store(&log_level, (enum log_level)now->log_level);
	r->d->conf.log_level = now->log_level;
}

static void show_list(struct show *s, const char *key, struct opt_list *l)
{
	show_array(s, key);
	for (unsigned i = 0; i < l->count; i++)
		show_str(s, NULL, l->value[i]);
	show_end(s);
	clear(l);
}

/* Shows what was done, and frees it. */
static void finish(struct reload *r, struct show *s)
{
	for (unsigned i = 0; i < LISTS; i++)
		show_list(s, list_name[i], &r->done[i]);
	show_list(s, "restart", &r->restart);
	clear(&r->gone);
	show_array(s, "failed");
	for (unsigned i = 0; i < r->reasons.count; i++) {
		show_object(s, NULL);
		show_str(s, "id", r->failed.value[i]);
		show_str(s, "reason", r->reasons.value[i]);
		show_end(s);
	}
	show_end(s);
	clear(&r->failed);
	clear(&r->reasons);
}

int daemon_reload(struct daemon *d, struct show *s, struct err *err)
{
	struct reload r = { .d = d };
	int rc;

	if (!d->source)
		return err_set(
			err, -EOPNOTSUPP,
			"this daemon has no configuration to read again");
	rc = d->source->open_log(d->source->arg, err);
	if (!rc)
		rc = d->source->read(d->source->arg, &r.read, err);
	if (rc) {
		config_fini(&r.read);
		return rc;
	}
	take_options(&r);
	take_devices(&r);
	remove_filters(&r);
	daemon_note_filters(d, &r.read);
	if (remove_ports(&r))
		log_err("reload: out of memory: ports that go stay");
	for (unsigned i = 0; i < r.read.netdev_count; i++)
		make_port(&r, r.read.netdev[i]);
	add_filters(&r);
	finish(&r, s);
	config_fini(&r.read);
	config_fini(&r.old);
	return 0;
}

void daemon_reload_and_log(struct daemon *d)
{
	json_t *result = json_object();
	struct json_show j;
	struct err err;

	json_show_init(&j, result);
	if (daemon_reload(d, &j.show, &err))
		log_err("reload: %s; nothing is changed", err.msg);
	else
		log_info("reload: done");
	json_decref(result);
}
