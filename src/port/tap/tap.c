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
			     is_up ? t->use.tap.offloads : 0);
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
			    t->use.tap.name, states[state].name);
}

static void detach_queues(struct tap_port *t)
{
	rxq_detach_many(t->port.rxq, t->count);
}

/* The port fails for good, with the link down and a reason. */
static void fail(struct tap_use *u)
{
	struct tap_port *t = container_of(u, struct tap_port, use);
	const char *reason = u->reason.msg;

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

	return t->use.tap.ifindex == index || t->state == TAP_ELSEWHERE;
}

/* Asks the kernel for the interface's state and makes it the port's. */
static void examine(struct link_follower *f)
{
	struct tap_port *t = container_of(f, struct tap_port, follower);
	enum tap_state state;

	if (states[t->state].is_final)
		return;
	state = tap_if_look(&t->use.tap);
	if (state == TAP_GONE)
		detach_queues(t); /* their descriptors have no interface */
	enter(t, state);
}

/* Attaches the queues and sets the link by the interface's state. Returns 0,
 * -ENODEV if the interface is gone, or another -errno. */
static int begin(struct tap_port *t)
{
	int rc = 0;

	for (unsigned i = 0; i < t->count && !rc; i++) {
		struct tap_queue *q = t->q[i];

		q->fd = q->rx.event_fd = t->use.tap.fd[i];
		q->is_shared = t->use.tap.is_passed;
		q->hdr_size = t->use.tap.has_vnet_hdr ? VNET_HDR_MAX : 0;
		rc = rxq_attach(&q->rx);
	}
	if (rc)
		return rc;
	t->state = tap_if_look(&t->use.tap);
	if (t->state == TAP_GONE)
		return -ENODEV;
	return set_link(t, states[t->state].has_link);
}

static int on_ready(struct tap_use *u)
{
	struct tap_port *t = container_of(u, struct tap_port, use);
	int rc = begin(t);

	if (rc)
		detach_queues(t);
	return rc;
}

/* Undoes all that tap_port_create() has done, except that it took the
 * interface. */
static void release(struct tap_port *t)
{
	tap_helper_leave(&t->use);
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
	tap_use_end(&t->use);
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

	if (*t->use.tap.name)
		show_str(s, "interface", t->use.tap.name);
	show_str(s, "interface_state", states[t->state].name);
	if (*t->reason)
		show_str(s, "reason", t->reason);
	show_flag(s, "created", t->use.tap.is_created);
	show_flag(s, "vnet_hdr", t->use.tap.has_vnet_hdr);
	show_flag(s, "gro", t->count && t->q[0]->rx.wants_gro);
	if (*t->use.tap.bridge)
		show_str(s, "bridge", t->use.tap.bridge);
	if (tap_if_mtu(&t->use.tap))
		show_num(s, "mtu", tap_if_mtu(&t->use.tap));
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
	t->use.loop = t->loop;
	t->use.name = t->port.name;
	t->use.ready = on_ready;
	t->use.failed = fail;
	t->state = setup->plan.helper ? TAP_HELPER : TAP_SCRIPT;
	return tap_use_begin(&t->use, &setup->plan, err);
}

int tap_port_create(const struct port_env *env, const struct port_conf *common,
		    const struct tap_setup *setup, struct port **out,
		    struct err *err)
{
	struct tap_port *t = calloc(1, sizeof(*t));
	unsigned count = setup->plan.helper ? 1 : setup->tap->count;
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->loop = env->loop;
	if (!setup->plan.helper)
		tap_if_move(&t->use.tap, setup->tap);
	rc = port_init(&t->port, env, setup->type, &tap_ops, common, count);
	if (!rc)
		rc = create_queues(t, count);
	if (rc)
		err_set(err, rc, "%s", strerror(-rc));
	if (!rc) {
		set_gro(t, setup->gro);
		rc = start(t, setup, err);
	}
	if (!rc) {
		*out = &t->port;
		return 0;
	}
	release(t);
	tap_use_undo(&t->use);
	if (!setup->plan.helper)
		tap_if_move(setup->tap, &t->use.tap);
	free(t);
	return rc;
}
