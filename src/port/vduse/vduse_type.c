/* SPDX-License-Identifier: Apache-2.0 */
/* The port type vduse: its options, the same in a build without VDUSE. Control
 * thread. */
#include "vduse_type.h"

#include <errno.h>
#include <string.h>

#define OPT(k, member, t, ...)                                             \
	{                                                                  \
		.key = k, .kind = t,                                       \
		.offset = offsetof(struct vduse_conf, member), __VA_ARGS__ \
	}

static const struct opt_row vduse_rows[] = {
	OPT("name", name, OPT_STRING, .min = 1, .max = VDUSE_NAME_SIZE - 1,
	    .required = true, .arg = "NAME",
	    .help = "name of the device, in /dev/vduse and on the vDPA bus"),
	OPT("mac", mac, OPT_PATH, .arg = "ADDRESS",
	    .help = "address of the device (default: its driver takes one)"),
	OPT("mtu", mtu, OPT_UINT, .min = 68, .max = 65535, .arg = "BYTES",
	    .help = "MTU that the driver is told (default: none)"),
	OPT("queue-size", queue_size, OPT_UINT, .min = 2,
	    .max = VDUSE_QUEUE_MAX, .def = "256", .arg = "N",
	    .help = "descriptors of each queue, a power of two"),
	{ NULL },
};

/* The name becomes one of a file in /dev/vduse and in /sys. */
static int check_name(const char *name, struct err *err)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	if (!name[strspn(name, legal)] && name[0] != '.' &&
	    strcmp(name, "control"))
		return 0;
	return err_set(err, -EINVAL,
		       "name=%s: must have letters, digits, '_', '-' and '.' "
		       "only, not begin with '.', and not be \"control\"",
		       name);
}

static int check(const struct vduse_conf *c, struct err *err)
{
	int rc = check_name(c->name, err);

	if (!rc && !is_power_of_two(c->queue_size))
		rc = err_set(err, -EINVAL,
			     "queue-size=%u: must be a power of two",
			     c->queue_size);
	return rc;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf, struct port **out, struct err *err)
{
	int rc = check(conf, err);

	return rc ? rc : vduse_open(env, common, conf, out, err);
}

const struct port_type port_vduse_type = {
	.name = "vduse",
	.help = "a vDPA device of this host, made by VDUSE",
	.rows = vduse_rows,
	.conf_size = sizeof(struct vduse_conf),
	.create = create,
};
