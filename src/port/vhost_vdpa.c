/* SPDX-License-Identifier: Apache-2.0 */
/* The options of -netdev vhost-vdpa, see vdpa_target.h. Control thread. */
#include "vdpa_target.h"

#include <errno.h>

#include "types.h"

#define PAIRS_MAX 64

struct vdpa_conf {
	char *vhostdev, *vhostfd;
	uint32_t queues;
};

static const struct opt_row vdpa_rows[] = {
	{ .key = "vhostdev",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct vdpa_conf, vhostdev),
	  .arg = "PATH",
	  .help = "the device: /dev/vhost-vdpa-N" },
	{ .key = "vhostfd",
	  .kind = OPT_PATH,
	  .offset = offsetof(struct vdpa_conf, vhostfd),
	  .names_fds = true,
	  .arg = "N",
	  .help = "an open descriptor of it, in the place of vhostdev" },
	{ .key = "queues",
	  .kind = OPT_UINT,
	  .offset = offsetof(struct vdpa_conf, queues),
	  .min = 1,
	  .max = PAIRS_MAX,
	  .def = "1",
	  .arg = "N",
	  .help = "queue pairs; the device must have as many" },
	{ NULL },
};

struct vdpa_target vdpa_conf_target(const void *conf)
{
	const struct vdpa_conf *c = conf;

	return (struct vdpa_target){ .path = c->vhostdev,
				     .fd = c->vhostfd,
				     .pairs = c->queues };
}

int vdpa_conf_check(const void *conf, struct err *err)
{
	const struct vdpa_conf *c = conf;

	if (!c->vhostdev && !c->vhostfd)
		return err_set(err, -EINVAL,
			       "vhostdev: missing: names the device, "
			       "/dev/vhost-vdpa-N");
	if (c->vhostdev && c->vhostfd)
		return err_set(err, -EINVAL,
			       "vhostfd=%s: cannot stand together with "
			       "vhostdev=",
			       c->vhostfd);
	return 0;
}

static int vdpa_create(const struct port_env *env,
		       const struct port_conf *common, const void *conf,
		       struct port **out, struct err *err)
{
	int rc = vdpa_conf_check(conf, err);

	(void)env;
	(void)common;
	(void)out;
	return rc ? rc
		  : err_set(err, -EINVAL,
			    "vhost-vdpa: the device serves the rings of a "
			    "guest: it needs `ringway vm -device "
			    "virtio-net-pci,netdev=ID`, alone in its network; "
			    "vduse makes such a device of a port");
}

const struct port_type port_vhost_vdpa_type = {
	.name = "vhost-vdpa",
	.help = "of `ringway vm`: a vDPA device, which serves a card's rings",
	.rows = vdpa_rows,
	.conf_size = sizeof(struct vdpa_conf),
	.create = vdpa_create,
};
