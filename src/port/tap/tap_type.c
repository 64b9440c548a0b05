/* SPDX-License-Identifier: Apache-2.0 */
/* The port type `tap`: its options, and how they open an interface. Control
 * thread. */
#include <errno.h>
#include <string.h>

#include "fd.h"
#include "log.h"
#include "tap.h"
#include "types.h"

struct tap_conf {
	char *ifname, *fd, *fds, *br, *helper, *script, *downscript;
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

#define NO_VHOST                                                      \
	"of `ringway vm`, where the kernel's vhost-net can move the " \
	"frames; without effect for a switch, which moves them itself"

static const struct opt_row tap_rows[] = {
	OPT(ifname, OPT_PATH, .arg = "NAME",
	    .set_offset = offsetof(struct tap_conf, ifname_given),
	    .def = "tap%d",
	    .help = "interface to create, or to attach to when it is there"),
	OPT(fd, OPT_PATH, .names_fds = true, .arg = "N",
	    .help = "a tap that is open already"),
	OPT(fds, OPT_PATH, .names_fds = true, .arg = "N:N:...",
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
	    .help = "Linux bridge that the interface joins; with "
		    "helper: " TAP_DEFAULT_BRIDGE " unless given"),
	OPT(helper, OPT_PATH, .arg = "COMMAND",
	    .help = "program that makes the interface and joins it to a "
		    "bridge, as qemu-bridge-helper"),
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

/* Returns @path, or NULL for "no". */
static const char *script_path(const char *path)
{
	return strcmp(path, "no") ? path : NULL;
}

/* Refuses options that have no meaning for an interface that another process
 * makes: that of fd=, fds= or helper=. */
static int check_foreign(const struct tap_conf *c, struct err *err)
{
	const char *key = c->fd ? "fd" : c->fds ? "fds" : "helper";
	const struct {
		const char *key;
		bool given;
	} refused[] = {
		{ "fds", c->fd && c->fds },
		{ "helper", c->helper && (c->fd || c->fds) },
		{ "ifname", c->ifname_given },
		{ "queues", c->queues_given },
		{ "vnet_hdr", c->vnet_hdr_given },
		{ "br", c->br && !c->helper },
		{ "script", script_path(c->script) },
		{ "downscript", script_path(c->downscript) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].given)
			return err_set(err, -EINVAL,
				       "%s: cannot stand together with %s=",
				       refused[i].key, key);
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

/* @t has an owner now, and with it passed descriptors. */
static void keep_passed(const struct tap_if *t)
{
	for (unsigned i = 0; i < t->count && t->is_passed; i++)
		fd_use_named(t->fd[i]);
}

/* Opens the interface and sets it up as the options say. */
static int open_interface(struct tap_if *t, const struct tap_conf *c,
			  struct err *err)
{
	int rc;

	if (c->fd || c->fds) {
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

static struct tap_plan plan_of(const struct tap_conf *c)
{
	return (struct tap_plan){
		.script = script_path(c->script),
		.downscript = script_path(c->downscript),
		.helper = c->helper,
		.bridge = c->br ? c->br : TAP_DEFAULT_BRIDGE,
		.sndbuf = c->sndbuf,
	};
}

/* Returns how many queues the interface has, or is given. */
static unsigned count_queues(const struct tap_conf *c)
{
	unsigned n = 1;

	for (const char *at = c->fds; at && (at = strchr(at, ':')); at++)
		n++;
	return c->fd || c->fds || c->helper ? n : c->queues;
}

struct tap_vhost tap_conf_vhost(const void *conf)
{
	const struct tap_conf *c = conf;
	const struct tap_plan plan = plan_of(c);

	return (struct tap_vhost){
		.is_wanted =
			c->vhost || c->vhostforce || c->vhostfd || c->vhostfds,
		.is_forced = c->vhostforce || c->vhostfd || c->vhostfds,
		.fds = c->vhostfds ? c->vhostfds : c->vhostfd,
		.poll_us = c->poll_us,
		.has_program = plan.script || plan.helper,
		.pairs = count_queues(c),
	};
}

/* Opens the interface, which with a helper comes later. */
static int open_or_check(struct tap_if *t, const struct tap_conf *c,
			 struct err *err)
{
	int rc = 0;

	*t = (struct tap_if){ 0 };
	if (c->fd || c->fds || c->helper)
		rc = check_foreign(c, err);
	if (rc)
		return rc;
	return c->helper ? tap_if_check_name("br", plan_of(c).bridge, err)
			 : open_interface(t, c, err);
}

int tap_conf_begin(const void *conf, struct tap_use *u, struct err *err)
{
	const struct tap_plan plan = plan_of(conf);
	int rc = open_or_check(&u->tap, conf, err);

	if (rc)
		return rc;
	rc = tap_use_begin(u, &plan, err);
	if (!rc) {
		keep_passed(&u->tap);
		return 0;
	}
	tap_use_undo(u);
	if (!plan.helper)
		give_up_interface(&u->tap);
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

static int tap_create(const struct port_env *env,
		      const struct port_conf *common, const void *conf_,
		      struct port **out, struct err *err)
{
	const struct tap_conf *c = conf_;
	struct tap_if tap;
	const struct tap_setup setup = { .type = &port_tap_type,
					 .tap = &tap,
					 .plan = plan_of(c),
					 .gro = c->gro };
	int rc = open_or_check(&tap, c, err);

	if (rc)
		return rc;
	say_no_vhost(c, common->id);
	rc = tap_port_create(env, common, &setup, out, err);
	if (!rc)
		keep_passed(
			&container_of(*out, struct tap_port, port)->use.tap);
	else if (!c->helper)
		give_up_interface(&tap);
	return rc;
}

const struct port_type port_tap_type = {
	.name = "tap",
	.help = "a tap interface of the kernel",
	.rows = tap_rows,
	.conf_size = sizeof(struct tap_conf),
	.create = tap_create,
};
