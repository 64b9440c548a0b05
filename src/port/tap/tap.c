/* SPDX-License-Identifier: Apache-2.0 */
/* A port on an interface of the kernel that gives us descriptors, whatever its
 * type: start and end, see tap.h. Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "tap.h"
#include "vnet_hdr.h"
#include "workers.h"

static void queue_destroy(struct tap_queue *q)
{
	if (!q)
		return;
	if (q->arena)
		munmap(q->arena, TAP_ARENA_SIZE + TAP_BOUNCE);
	free(q);
}

static struct tap_queue *queue_create(struct tap_port *t, unsigned idx)
{
	struct tap_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->rx = (struct rxq){ .port = &t->port,
			      .idx = (uint16_t)idx,
			      .can_hold = true };
	q->tx = (struct txq){ .port = &t->port, .idx = (uint16_t)idx };
	q->arena =
		mmap(NULL, TAP_ARENA_SIZE + TAP_BOUNCE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->arena == MAP_FAILED) {
		free(q);
		return NULL;
	}
	return q;
}

/* Creates the queues; they are not attached yet. */
static int create_queues(struct tap_port *t, unsigned count)
{
	for (; t->count < count; t->count++) {
		struct tap_queue *q = queue_create(t, t->count);

		if (!q)
			return -ENOMEM;
		t->q[t->count] = q;
		t->port.rxq[t->count] = &q->rx;
		t->port.txq[t->count] = &q->tx;
	}
	return 0;
}

/* The properties of each state. */
static const struct {
	const char *name;
	bool has_link;
	bool is_final;	  /* examine() does not leave the state */
	bool is_starting; /* the end of a child leaves the state */
} states[TAP_STATES] = {
	[TAP_HELPER] = { "helper running", false, true, true },
	[TAP_SCRIPT] = { "script running", false, true, true },
	[TAP_FAILED] = { "failed", false, true, false },
	[TAP_UP] = { "up", true, false, false },
	[TAP_NO_CARRIER] = { "no carrier", false, false, false },
	[TAP_DOWN] = { "down", false, false, false },
	[TAP_ELSEWHERE] = { "in another namespace", true, false, false },
	[TAP_GONE] = { "gone", false, true, false },
};

static int set_link(struct tap_port *t, bool is_up)
{
	return port_set_txqs(&t->port, t->port.txq, is_up ? t->count : 0,
			     is_up ? t->tap.offloads : 0);
}

/* The link is set also without a new state: setting it may have failed before.
 */
static void enter(struct tap_port *t, enum tap_state state)
{
	bool is_new = state != t->state;

	t->state = state;
	if (states[state].has_link != port_link_is_up(&t->port) &&
	    set_link(t, states[state].has_link))
		log_limited(&t->log, LOG_LEVEL_ERR,
			    "port=%s: out of memory: link down", t->port.name);
	if (is_new && state != TAP_FAILED)
		log_limited(&t->log, LOG_LEVEL_INFO,
			    "port=%s: interface %s: %s", t->port.name,
			    t->tap.name, states[state].name);
}

static void detach_queues(struct tap_port *t)
{
	rxq_detach_many(t->port.rxq, t->count);
}

void tap_fail(struct tap_port *t, const char *reason)
{
	snprintf(t->reason, sizeof(t->reason), "%s", reason);
	log_warn("port=%s: %s", t->port.name, reason);
	port_tell_fault(&t->port, 0, t->reason);
	detach_queues(t);
	enter(t, TAP_FAILED);
}

/* An interface that was moved to another namespace is looked at after every
 * event: those of its own are not reported here. */
static bool concerns(const struct link_follower *f, unsigned index)
{
	const struct tap_port *t =
		container_of(f, const struct tap_port, follower);

	return t->tap.ifindex == index || t->state == TAP_ELSEWHERE;
}

/* Asks the kernel for the interface's state and makes it the port's. */
static void examine(struct link_follower *f)
{
	struct tap_port *t = container_of(f, struct tap_port, follower);
	enum tap_state state;

	if (states[t->state].is_final)
		return;
	state = tap_if_look(&t->tap);
	if (state == TAP_GONE)
		detach_queues(t); /* their descriptors have no interface */
	enter(t, state);
}

int tap_start(struct tap_port *t)
{
	int rc = 0;

	for (unsigned i = 0; i < t->count && !rc; i++) {
		struct tap_queue *q = t->q[i];

		q->fd = q->rx.event_fd = t->tap.fd[i];
		q->is_shared = t->tap.is_passed;
		q->hdr_size = t->tap.has_vnet_hdr ? VNET_HDR_MAX : 0;
		rc = rxq_attach(&q->rx);
	}
	if (rc)
		return rc;
	t->state = tap_if_look(&t->tap);
	if (t->state == TAP_GONE)
		return -ENODEV;
	return set_link(t, states[t->state].has_link);
}

int tap_take(struct tap_port *t, int fd, const char *what, struct err *err)
{
	int rc = tap_if_adopt_fd(&t->tap, what, fd, err);

	if (rc)
		return rc;
	rc = tap_if_set_up(&t->tap, t->sndbuf, err);
	if (!rc) {
		rc = tap_start(t);
		if (rc)
			err_set(err, rc, "%s: %s", what, strerror(-rc));
	}
	if (rc) {
		detach_queues(t);
		tap_if_release(&t->tap);
	}
	return rc;
}

/* Undoes all that tap_port_create() has done, except that it took the
 * interface. */
static void release(struct tap_port *t)
{
	tap_helper_leave(t);
	detach_queues(t); /* first: their workers call link_events_wake() */
	link_events_leave(&t->follower);
	if (t->port.name)
		port_fini(&t->port);
	for (unsigned i = 0; i < t->count; i++)
		queue_destroy(t->q[i]);
	log_limit_fini(&t->log);
}

static void tap_destroy(struct port *p)
{
	struct tap_port *t = container_of(p, struct tap_port, port);

	release(t);
	if (t->scripts)
		tap_scripts_end(t->scripts, &t->tap);
	else
		tap_if_close(&t->tap);
	free(t);
}

static void set_gro(struct tap_port *t, bool on)
{
	for (unsigned i = 0; i < t->count; i++)
		rxq_set_gro(&t->q[i]->rx, on);
}

/* The only option that may change. */
static int tap_set(struct port *p, const void *conf, struct err *err)
{
	const struct opt_row *row = opt_find(p->type->rows, "gro");

	(void)err;
	set_gro(container_of(p, struct tap_port, port),
		*(const bool *)((const char *)conf + row->offset));
	return 0;
}

static void tap_show(const struct port *p, struct show *s)
{
	const struct tap_port *t = container_of(p, struct tap_port, port);

	if (*t->tap.name)
		show_str(s, "interface", t->tap.name);
	show_str(s, "interface_state", states[t->state].name);
	if (*t->reason)
		show_str(s, "reason", t->reason);
	show_flag(s, "created", t->tap.is_created);
	show_flag(s, "vnet_hdr", t->tap.has_vnet_hdr);
	show_flag(s, "gro", t->count && t->q[0]->rx.wants_gro);
	if (*t->tap.bridge)
		show_str(s, "bridge", t->tap.bridge);
	if (tap_if_mtu(&t->tap))
		show_num(s, "mtu", tap_if_mtu(&t->tap));
}

static int tap_starting(const struct port *p, struct err *err)
{
	const struct tap_port *t = container_of(p, struct tap_port, port);

	if (*t->reason)
		return err_set(err, -EIO, "%s", t->reason);
	return states[t->state].is_starting;
}

static const struct port_ops tap_ops = {
	.starting = tap_starting,
	.rx_burst = tap_rx_burst,
	.rx_done = tap_rx_done,
	.rx_arm = tap_rx_arm,
	.tx_burst = tap_tx_burst,
	.destroy = tap_destroy,
	.set = tap_set,
	.show = tap_show,
};

static int create_scripts(struct tap_port *t, const struct tap_setup *setup,
			  struct err *err)
{
	const struct {
		const char *key, *path;
	} script[] = { { "script", setup->script },
		       { "downscript", setup->downscript } };

	if (!setup->script && !setup->downscript)
		return 0;
	/* When the second one is due there is nobody to tell. */
	for (unsigned i = 0; i < ARRAY_SIZE(script); i++)
		if (script[i].path && access(script[i].path, X_OK) < 0)
			return err_set(err, -errno, "%s=%s: cannot run it: %s",
				       script[i].key, script[i].path,
				       strerror(errno));
	t->scripts = tap_scripts_create(t->loop, t->port.name, setup->script,
					setup->downscript);
	return t->scripts ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Starts what the interface waits for, or else the port. */
static int start(struct tap_port *t, const struct tap_setup *setup,
		 struct err *err)
{
	int rc;

	t->follower.concerns = concerns;
	t->follower.look = examine;
	rc = link_events_follow(&t->follower, t->loop);
	if (rc)
		return err_set(err, rc, "cannot follow interfaces: %s",
			       strerror(-rc));
	if (setup->helper) {
		t->state = TAP_HELPER;
		return tap_helper_begin(t, setup->helper, setup->bridge, err);
	}
	if (tap_scripts_have_up(t->scripts)) {
		t->state = TAP_SCRIPT;
		return tap_scripts_begin(t->scripts, t, err);
	}
	rc = tap_start(t);
	return rc ? err_set(err, rc, "interface %s: %s", t->tap.name,
			    strerror(-rc))
		  : 0;
}

int tap_port_create(const struct port_env *env, const struct port_conf *common,
		    const struct tap_setup *setup, struct port **out,
		    struct err *err)
{
	struct tap_port *t = calloc(1, sizeof(*t));
	unsigned count = setup->helper ? 1 : setup->tap->count;
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->loop = env->loop;
	t->sndbuf = setup->sndbuf;
	if (!setup->helper)
		tap_if_move(&t->tap, setup->tap);
	rc = port_init(&t->port, env, setup->type, &tap_ops, common, count);
	if (!rc)
		rc = create_queues(t, count);
	if (rc)
		err_set(err, rc, "%s", strerror(-rc));
	else
		rc = create_scripts(t, setup, err);
	if (!rc) {
		set_gro(t, setup->gro);
		rc = start(t, setup, err);
	}
	if (!rc) {
		*out = &t->port;
		return 0;
	}
	release(t);
	tap_scripts_destroy(t->scripts);
	if (!setup->helper)
		tap_if_move(setup->tap, &t->tap);
	free(t);
	return rc;
}
