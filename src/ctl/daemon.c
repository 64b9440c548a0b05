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
#include "daemon_reload.h"
#include "daemon_watch.h"
#include "fd.h"
#include "log.h"

/* nohup(1) and others ignore SIGHUP for their children: then it is not ours. */
static bool hangup_is_ignored(void)
{
	struct sigaction sa;

	return !sigaction(SIGHUP, NULL, &sa) && sa.sa_handler == SIG_IGN;
}

static void our_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	if (!hangup_is_ignored())
		sigaddset(set, SIGHUP);
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct daemon *d = container_of(w, struct daemon, signals);
	struct signalfd_siginfo info;
	bool is_hangup;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	is_hangup = info.ssi_signo == SIGHUP;
	/* The kernel sends it when the terminal goes away, others with
	 * kill(2). */
	if (is_hangup && d->source && info.ssi_code != SI_KERNEL) {
		daemon_reload_and_log(d);
		return;
	}
	log_info("%s: ending", strsignal((int)info.ssi_signo));
	loop_stop(d->loop);
}

static int watch_signals(struct daemon *d)
{
	sigset_t set;
	int rc;

	our_signals(&set);
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
		rc = daemon_add_configured(d, n, err);
	}
	return rc;
}

static int add_filters(struct daemon *d, struct config *c, struct err *err)
{
	int rc = 0;

	d->devices = c->devices;
	c->devices = NULL;
	if (daemon_note_filters(d, c))
		return err_set(err, -ENOMEM, "out of memory");
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
	if (!rc &&
	    opt_copy(daemon_conf_rows, &d->conf, &c->daemon, sizeof(d->conf)))
		rc = err_set(err, -ENOMEM, "out of memory");
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
	our_signals(&set);
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
	opt_free(daemon_conf_rows, &d->conf);
	daemon_forget_filters(d);
	free(d);
}
