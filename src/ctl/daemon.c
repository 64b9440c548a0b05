/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and end of the daemon, its signals and its ports, see daemon.h. Control
 * thread.
 *
 * Signals are read from a descriptor. They are blocked before the first worker
 * starts, and every thread inherits the mask. The control socket's path is
 * checked before anything else is touched, which refuses a second daemon early.
 * The socket is bound after all ports have started: a client that can connect
 * finds all of them.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include "child.h"
#include "commands.h"
#include "daemon_capture.h"
#include "daemon_watch.h"
#include "fd.h"
#include "log.h"

static const int ending_signals[] = { SIGTERM, SIGINT, SIGHUP };

static void ending_set(sigset_t *set)
{
	sigemptyset(set);
	for (unsigned i = 0; i < ARRAY_SIZE(ending_signals); i++)
		sigaddset(set, ending_signals[i]);
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct daemon *d = container_of(w, struct daemon, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	log_info("%s: ending", strsignal((int)info.ssi_signo));
	loop_stop(d->loop);
}

static int watch_signals(struct daemon *d)
{
	sigset_t set;
	int rc;

	ending_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd < 0)
		return -errno;
	rc = loop_watch_add(d->loop, &d->signals, d->signal_fd, EPOLLIN,
			    on_signal);
	return rc;
}

static void on_log(struct loop_watch *w, uint32_t events)
{
	(void)w;
	(void)events;
	log_summarize();
}

static int watch_log(struct daemon *d)
{
	int fd = log_summary_fd();

	return fd < 0 ? fd
		      : loop_watch_add(d->loop, &d->log, fd, EPOLLIN, on_log);
}

static int create_switch(struct daemon *d, const struct daemon_conf *conf,
			 struct err *err)
{
	int cpu[CONFIG_MAX_CPUS], count = 0, rc;
	struct switch_config sc = {
		.workers = conf->workers,
		.mac_age_s = conf->mac_age,
		.rebalance = conf->rebalance == REBALANCE_AUTO,
	};

	rc = config_poll_us(conf->poll_us, &sc.poll_us, err);
	if (!rc && conf->cpus) {
		count = config_cpus(conf->cpus, cpu, err);
		rc = MIN(count, 0);
	}
	if (rc)
		return rc;
	sc.cpus = cpu;
	sc.cpu_count = (unsigned)count;
	d->workers = conf->workers;
	return switch_create(&sc, d->loop, &d->sw, err);
}

static int add_ports(struct daemon *d, struct config *c, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < c->netdev_count && !rc; i++) {
		struct netdev *n = c->netdev[i];

		c->netdev[i] = NULL;
		rc = daemon_add_port(d, n, err);
	}
	return rc;
}

static int add_filters(struct daemon *d, struct config *c, struct err *err)
{
	int rc = 0;

	d->devices = c->devices;
	c->devices = NULL;
	for (unsigned i = 0; i < c->object_count && !rc; i++) {
		struct filter_spec *s = c->object[i];

		c->object[i] = NULL;
		rc = daemon_add_filter(d, s, err);
	}
	return rc;
}

/* Returns 1 while a port is still starting, 0 when all have started, or -errno
 * with @err when one failed. */
static int ports_starting(struct daemon *d, struct err *err)
{
	int starting = 0;

	for (struct daemon_port *p = d->ports; p; p = p->next) {
		int rc = p->port->ops->starting
				 ? p->port->ops->starting(p->port, err)
				 : 0;

		if (rc < 0)
			return err_prefix(err, rc, "netdev %s",
					  p->netdev->common.id);
		starting |= rc;
	}
	return starting;
}

/* Runs the loop until all ports have started. Returns 0 or -errno with @err. */
static int await_ports(struct daemon *d, struct err *err)
{
	int rc;

	while ((rc = ports_starting(d, err)) > 0)
		if (!loop_step(d->loop))
			return err_set(err, -EINTR,
				       "ended while ports were starting");
	return rc;
}

int daemon_create(struct config *c, const char *control, struct daemon **out,
		  struct err *err)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	d->signal_fd = -1;
	d->control.fd = -1;
	d->started_ms = loop_now_ms();
	d->loop = loop_create();
	if (!d->loop) {
		rc = err_set(err, -errno, "cannot make the event loop: %s",
			     strerror(errno));
		goto err_destroy;
	}
	rc = watch_signals(d);
	if (!rc)
		rc = watch_log(d);
	if (rc) {
		err_set(err, rc, "cannot watch signals and the log: %s",
			strerror(-rc));
		goto err_destroy;
	}
	rc = unix_check("control", control, err);
	if (!rc)
		rc = create_switch(d, &c->daemon, err);
	if (!rc)
		rc = add_ports(d, c, err);
	if (!rc)
		rc = await_ports(d, err);
	if (!rc)
		rc = add_filters(d, c, err);
	if (!rc)
		rc = unix_listen(&d->control, "control", control, 0600, err);
	if (rc)
		goto err_destroy;
	d->rpc = rpc_server_create(d->loop, commands, d);
	rc = d->rpc ? rpc_server_listen(d->rpc, d->control.fd) : -ENOMEM;
	if (rc) {
		err_set(err, rc, "control=%s: %s", control, strerror(-rc));
		goto err_destroy;
	}
	*out = d;
	return 0;
err_destroy:
	daemon_destroy(d);
	return rc;
}

void daemon_run(struct daemon *d)
{
	loop_run(d->loop);
}

/* Returns the newest port: daemon_destroy() removes ports in reverse order. */
static struct daemon_port *last_port(struct daemon *d)
{
	struct daemon_port *p = d->ports;

	while (p->next)
		p = p->next;
	return p;
}

void daemon_destroy(struct daemon *d)
{
	sigset_t set;

	/* After this a second signal kills the process at once. */
	ending_set(&set);
	loop_watch_remove(&d->signals);
	fd_close(&d->signal_fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	while (d->ports)
		daemon_remove_port(d, last_port(d));
	child_finish_all(); /* scripts of starting and of removed ports */
	daemon_capture_free_all(d);
	daemon_watch_end_all(d);
	device_free_all(d->devices);
	if (d->sw)
		switch_destroy(d->sw);
	unix_unlisten(&d->control);
	rpc_server_destroy(d->rpc);
	loop_destroy(d->loop);
	free(d);
}

static int refuse_taken_id(struct daemon *d, const char *id, struct err *err)
{
	if (d->machine && d->machine->refuse_port(d->machine_arg, id, NULL))
		return err_set(err, -EEXIST,
			       "id=%s is taken, by the machine: choose another",
			       id);
	if (!switch_find_port(d->sw, id))
		return 0;
	return err_set(err, -EEXIST,
		       "id=%s is taken: choose another, or `port del %s` first",
		       id, id);
}

int daemon_add_port(struct daemon *d, struct netdev *n, struct err *err)
{
	const struct port_env env = switch_port_env(d->sw);
	struct daemon_port *p = calloc(1, sizeof(*p)), **last;
	int rc;

	if (!p) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto err_free;
	}
	rc = refuse_taken_id(d, n->common.id, err);
	if (rc)
		goto err_free;
	rc = n->type->create(&env, &n->common, n->conf, &p->port, err);
	if (rc)
		goto err_free;
	rc = switch_add_port(d->sw, p->port, n->common.net, err);
	if (rc)
		goto err_destroy;
	p->netdev = n;
	for (last = &d->ports; *last; last = &(*last)->next)
		;
	*last = p;
	return 0;
err_destroy:
	p->port->ops->destroy(p->port);
err_free:
	err_prefix(err, rc, "netdev %s", n->common.id);
	free(p);
	netdev_free(n);
	return rc;
}

/* A list of names for an error text. */
struct names {
	char list[300];
	size_t size;
};

static void names_add(struct names *n, const char *name)
{
	n->size +=
		(size_t)snprintf(n->list + n->size, sizeof(n->list) - n->size,
				 "%s%s", n->size ? ", " : "", name);
	n->size = MIN(n->size, sizeof(n->list) - 1);
}

static void refuse_unknown(const struct names *n, const char *what,
			   const char *id, struct err *err)
{
	err_set(err, -ENOENT, "no %s '%.64s': there are %s", what, id,
		n->size ? n->list : "none");
}

struct daemon_port *daemon_find_port(struct daemon *d, const char *id,
				     struct err *err)
{
	struct names names = { 0 };

	for (struct daemon_port *p = d->ports; p; p = p->next) {
		const char *name = p->netdev->common.id;

		if (!strcmp(name, id))
			return p;
		names_add(&names, name);
	}
	if (!d->machine || !d->machine->refuse_port(d->machine_arg, id, err))
		refuse_unknown(&names, "port", id, err);
	return NULL;
}

static void add_filter_name(const struct filter *f, void *arg)
{
	names_add(arg, f->spec->common.id);
}

struct filter *daemon_find_filter(struct daemon *d, const char *id,
				  struct err *err)
{
	struct names names = { 0 };

	for (struct daemon_port *p = d->ports; p; p = p->next) {
		struct filter *f = filter_find(p->port, id);

		if (f)
			return f;
		filter_each(p->port, add_filter_name, &names);
	}
	refuse_unknown(&names, "filter", id, err);
	return NULL;
}

int daemon_add_filter(struct daemon *d, struct filter_spec *spec,
		      struct err *err)
{
	const struct filter_env env = { switch_port_env(d->sw), d->devices };
	const char *id = spec->common.id;
	struct daemon_port *p = daemon_find_port(d, spec->common.netdev, err);
	int rc;

	if (!p) {
		rc = err_prefix(err, -ENOENT, "object %.64s: netdev=%.64s", id,
				spec->common.netdev);
		goto err_free;
	}
	if (daemon_find_filter(d, id, NULL)) {
		rc = err_set(err, -EEXIST,
			     "object %.64s: id=%.64s is taken: choose another, "
			     "or `filter del %.64s` first",
			     id, id, id);
		goto err_free;
	}
	return filter_add(&env, p->port, spec, err);
err_free:
	filter_spec_free(spec);
	return rc;
}

void daemon_remove_port(struct daemon *d, struct daemon_port *p)
{
	struct daemon_port **at;

	daemon_capture_end(p, "the port was removed");
	for (at = &d->ports; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	filter_remove_all(p->port);
	switch_remove_port(d->sw, p->port);
	p->port->ops->destroy(p->port);
	netdev_free(p->netdev);
	free(p);
}

/* A machine has its cards until it lets go of them. */
static bool is_of_machine(const struct port *p)
{
	return p->type->option && !strcmp(p->type->option, "device");
}

int daemon_del_port(struct daemon *d, const char *id, struct err *err)
{
	struct daemon_port *p = daemon_find_port(d, id, err);
	const struct port *by;

	if (!p)
		return -ENOENT;
	by = p->port->brought_by;
	if (by)
		return err_set(err, -EBUSY,
			       "port %s is in network %s because of port %s: "
			       "`port del %s` first",
			       id, switch_net_name(p->port), by->name,
			       by->name);
	if (is_of_machine(p->port))
		return err_set(err, -EBUSY,
			       "port %s is a card of the machine: `vm device "
			       "del %s` takes it away",
			       id, id);
	daemon_remove_port(d, p);
	return 0;
}

int daemon_change_port(struct daemon_port *p, struct netdev *changed,
		       struct err *err)
{
	struct port *port = p->port;
	int rc = port_conf_check(&changed->common, err);

	if (!rc && port->ops->set)
		rc = port->ops->set(port, changed->conf, err);
	if (rc)
		return rc;
	/* The last one, since it needs nothing but memory from here on: frames
	 * are in no VLAN that is refused a moment later. */
	rc = switch_set_vlan(port, &changed->common.vlan, err);
	if (rc) {
		if (port->ops->set)
			port->ops->set(port, p->netdev->conf, NULL);
		return rc;
	}
	port_set_common(port, &changed->common);
	netdev_free(p->netdev);
	p->netdev = changed;
	return 0;
}
