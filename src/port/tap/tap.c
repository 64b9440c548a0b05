/* SPDX-License-Identifier: Apache-2.0 */
/* A port on a tap interface of the kernel: options, start and end, see tap.h.
 * Control thread. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "tap.h"
#include "types.h"
#include "vnet_hdr.h"
#include "workers.h"

struct tap_conf {
	char *ifname, *fd, *fds, *br, *script, *downscript;
	bool ifname_given, queues_given, vnet_hdr_given;
	bool vnet_hdr, gro;
	uint32_t queues;
	uint64_t sndbuf;
	/* QEMU's options about vhost-net, which have no effect here */
	bool vhost, vhostforce, has_poll_us;
	char *vhostfd, *vhostfds;
	uint32_t poll_us;
};

#define OPT(name, k, ...)                                              \
	{                                                              \
		.key = #name, .kind = k,                               \
		.offset = offsetof(struct tap_conf, name), __VA_ARGS__ \
	}

#define NO_VHOST                                                       \
	"taken from QEMU's command lines, without effect: the switch " \
	"moves the frames, not vhost-net"

static const struct opt_row tap_rows[] = {
	OPT(ifname, OPT_PATH, .arg = "NAME",
	    .set_offset = offsetof(struct tap_conf, ifname_given),
	    .def = "tap%d",
	    .help = "interface to create, or to attach to when it is there"),
	OPT(fd, OPT_PATH, .arg = "N", .help = "a tap that is open already"),
	OPT(fds, OPT_PATH, .arg = "N:N:...",
	    .help = "queues of a tap that are open already"),
	OPT(queues, OPT_UINT, .arg = "N", .min = 1, .max = TAP_MAX_QUEUES,
	    .set_offset = offsetof(struct tap_conf, queues_given), .def = "1",
	    .help = "number of queues"),
	OPT(vnet_hdr, OPT_BOOL, .def = "on",
	    .set_offset = offsetof(struct tap_conf, vnet_hdr_given),
	    .help = "large frames and missing checksums pass as they are"),
	OPT(gro, OPT_BOOL, .def = "on", .runtime = true,
	    .help = "small frames of a TCP or UDP flow go as large ones to "
		    "ports that take those"),
	OPT(sndbuf, OPT_SIZE, .arg = "SIZE", .max = UINT32_MAX, .def = "0",
	    .help = "bytes the kernel may hold of what was sent, 0: no bound"),
	OPT(br, OPT_PATH, .arg = "BRIDGE",
	    .help = "Linux bridge that the interface joins"),
	OPT(script, OPT_PATH, .arg = "FILE", .def = "no",
	    .help = "run with the interface's name when it is there, or no"),
	OPT(downscript, OPT_PATH, .arg = "FILE", .def = "no",
	    .help = "run with the interface's name before it goes, or no"),
	OPT(vhost, OPT_BOOL, .help = NO_VHOST),
	OPT(vhostforce, OPT_BOOL, .help = NO_VHOST),
	OPT(vhostfd, OPT_PATH, .arg = "N", .help = NO_VHOST),
	OPT(vhostfds, OPT_PATH, .arg = "N:N:...", .help = NO_VHOST),
	{ .key = "poll-us",
	  .kind = OPT_UINT,
	  .max = UINT32_MAX,
	  .offset = offsetof(struct tap_conf, poll_us),
	  .set_offset = offsetof(struct tap_conf, has_poll_us),
	  .arg = "N",
	  .help = NO_VHOST },
	{ NULL },
};

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
	q->fd = t->tap.fd[idx];
	q->hdr_size = t->tap.has_vnet_hdr ? VNET_HDR_MAX : 0;
	q->rx = (struct rxq){ .port = &t->port,
			      .idx = (uint16_t)idx,
			      .can_hold = true,
			      .event_fd = q->fd };
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
static int create_queues(struct tap_port *t, const struct port_env *env,
			 const struct port_conf *common,
			 const struct port_ops *ops)
{
	int rc = port_init(&t->port, env, &port_tap_type, ops, common,
			   t->tap.count);

	if (rc)
		return rc;
	for (; t->count < t->tap.count; t->count++) {
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
	bool is_final; /* tap_examine() does not leave the state */
} states[TAP_STATES] = {
	[TAP_SCRIPT] = { "script running", false, true },
	[TAP_FAILED] = { "failed", false, true },
	[TAP_UP] = { "up", true, false },
	[TAP_NO_CARRIER] = { "no carrier", false, false },
	[TAP_DOWN] = { "down", false, false },
	[TAP_ELSEWHERE] = { "in another namespace", true, false },
	[TAP_GONE] = { "gone", false, true },
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
	if (is_new)
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
	detach_queues(t);
	enter(t, TAP_FAILED);
}

void tap_examine(struct tap_port *t)
{
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

	for (unsigned i = 0; i < t->count && !rc; i++)
		rc = rxq_attach(&t->q[i]->rx);
	if (rc)
		return rc;
	t->state = tap_if_look(&t->tap);
	if (t->state == TAP_GONE)
		return -ENODEV;
	return set_link(t, states[t->state].has_link);
}

/* Undoes all that tap_create() has done, except opening the interface. */
static void release(struct tap_port *t)
{
	tap_link_leave(t);
	detach_queues(t);
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

static int tap_set(struct port *p, const void *conf_, struct err *err)
{
	const struct tap_conf *conf = conf_;

	(void)err;
	set_gro(container_of(p, struct tap_port, port), conf->gro);
	return 0;
}

static void tap_show(const struct port *p, struct show *s)
{
	const struct tap_port *t = container_of(p, struct tap_port, port);

	show_str(s, "interface", t->tap.name);
	show_str(s, "interface_state", states[t->state].name);
	if (*t->reason)
		show_str(s, "reason", t->reason);
	show_flag(s, "created", t->tap.is_created);
	show_flag(s, "vnet_hdr", t->tap.has_vnet_hdr);
	show_flag(s, "gro", t->count && t->q[0]->rx.wants_gro);
	if (t->tap.is_bridged)
		show_str(s, "bridge", t->tap.bridge);
}

static int tap_starting(const struct port *p, struct err *err)
{
	const struct tap_port *t = container_of(p, struct tap_port, port);

	if (*t->reason)
		return err_set(err, -EIO, "%s", t->reason);
	return t->state == TAP_SCRIPT;
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

/* Returns @path, or NULL for "no". */
static const char *script_path(const char *path)
{
	return strcmp(path, "no") ? path : NULL;
}

/* Refuses options that have no meaning for open descriptors. */
static int check_passed(const struct tap_conf *c, struct err *err)
{
	const char *key = c->fd ? "fd" : "fds";
	const struct {
		const char *key;
		bool given;
	} refused[] = {
		{ "fd", c->fd && c->fds },
		{ "ifname", c->ifname_given },
		{ "queues", c->queues_given },
		{ "vnet_hdr", c->vnet_hdr_given },
		{ "br", c->br != NULL },
		{ "script", script_path(c->script) },
		{ "downscript", script_path(c->downscript) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].given)
			return err_set(err, -EINVAL,
				       "%s: cannot stand together with %s=",
				       refused[i].key, i ? key : "fds");
	if (c->fd && strchr(c->fd, ':'))
		return err_set(err, -EINVAL,
			       "fd=%s: must be one descriptor; several go "
			       "into fds=",
			       c->fd);
	return 0;
}

/* Closes the interface; passed descriptors stay open for their owner. */
static void give_up_interface(struct tap_if *t)
{
	if (t->is_passed)
		tap_if_release(t);
	else
		tap_if_close(t);
}

/* Opens the interface and sets it up as the options say. */
static int open_interface(struct tap_if *t, const struct tap_conf *c,
			  struct err *err)
{
	int rc;

	if (c->fd || c->fds) {
		rc = check_passed(c, err);
		if (!rc)
			rc = tap_if_adopt(t, c->fd ? "fd" : "fds",
					  c->fd ? c->fd : c->fds, err);
	} else {
		rc = tap_if_open(t, c->ifname, c->queues, c->vnet_hdr, err);
	}
	if (rc)
		return rc;
	rc = tap_if_set_up(t, c->sndbuf, err);
	if (!rc && c->br)
		rc = tap_if_join_bridge(t, c->br, err);
	if (!rc)
		rc = tap_if_bring_up(t, err);
	if (rc)
		give_up_interface(t);
	return rc;
}

static void say_no_vhost(const struct tap_conf *c, const char *id)
{
	if (c->vhost || c->vhostforce || c->vhostfd || c->vhostfds ||
	    c->has_poll_us)
		log_info("port=%s: the options about vhost-net have no effect: "
			 "the switch moves the frames",
			 id);
}

static int create_scripts(struct tap_port *t, const struct tap_conf *c)
{
	const char *up = script_path(c->script);
	const char *down = script_path(c->downscript);

	if (!up && !down)
		return 0;
	t->scripts = tap_scripts_create(t->loop, t->port.name, up, down);
	return t->scripts ? 0 : -ENOMEM;
}

static int start(struct tap_port *t, struct err *err)
{
	int rc = tap_link_follow(t);

	if (!rc && tap_scripts_have_up(t->scripts)) {
		t->state = TAP_SCRIPT;
		return tap_scripts_begin(t->scripts, t, err);
	}
	if (!rc)
		rc = tap_start(t);
	return rc ? err_set(err, rc, "tap %s: %s", t->tap.name, strerror(-rc))
		  : 0;
}

static int tap_create(const struct port_env *env,
		      const struct port_conf *common, const void *conf_,
		      struct port **out, struct err *err)
{
	const struct tap_conf *conf = conf_;
	struct tap_port *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->loop = env->loop;
	say_no_vhost(conf, common->id);
	rc = open_interface(&t->tap, conf, err);
	if (rc) {
		free(t);
		return rc;
	}
	rc = create_queues(t, env, common, &tap_ops);
	if (!rc)
		rc = create_scripts(t, conf);
	if (rc) {
		err_set(err, rc, "tap %s: %s", t->tap.name, strerror(-rc));
	} else {
		set_gro(t, conf->gro);
		rc = start(t, err);
	}
	if (!rc) {
		*out = &t->port;
		return 0;
	}
	release(t);
	tap_scripts_destroy(t->scripts);
	give_up_interface(&t->tap);
	free(t);
	return rc;
}

const struct port_type port_tap_type = {
	.name = "tap",
	.help = "a tap interface of the kernel",
	.rows = tap_rows,
	.conf_size = sizeof(struct tap_conf),
	.create = tap_create,
};
