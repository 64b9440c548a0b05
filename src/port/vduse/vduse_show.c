/* SPDX-License-Identifier: Apache-2.0 */
/* What `port show` says of a vduse port. Control thread. */
#include "vduse.h"
#include "virtio.h"

static const char *state_name(const struct vduse_port *v, const char *driver)
{
	switch (v->state) {
	case VDUSE_CLEARING:
		return "removing an old device";
	case VDUSE_ADDING:
		return "joining the vDPA bus";
	case VDUSE_FAILED:
		return "failed";
	case VDUSE_READY:
		break;
	}
	if (v->status & VIRTIO_STATUS_DRIVER_OK)
		return "in use";
	if (!vduse_bus_has(v->name))
		return "not on the vDPA bus";
	return driver[0] ? "waits for its driver" : "no driver";
}

/* Shows why nobody uses the device. */
static void show_reason(const struct vduse_port *v, const char *driver,
			struct show *s)
{
	struct err why;

	if (v->reason.msg[0]) {
		show_str(s, "reason", v->reason.msg);
		return;
	}
	if (v->state != VDUSE_READY || driver[0])
		return;
	if (vduse_bus_has(v->name))
		err_set(&why, 0,
			"no driver took the device: modprobe virtio_vdpa (an "
			"interface of this host) or vhost_vdpa (a guest)");
	else
		err_set(&why, 0,
			"the device was taken off the vDPA "
			"bus: " VDUSE_ADD_COMMAND,
			v->name);
	show_str(s, "reason", why.msg);
}

void vduse_show(const struct port *p, struct show *s)
{
	const struct vduse_port *v = container_of(p, struct vduse_port, port);
	char driver[64], ifname[64];

	vduse_bus_driver(v->name, driver, sizeof(driver));
	vduse_bus_ifname(v->name, ifname, sizeof(ifname));
	show_str(s, "name", v->name);
	show_str(s, "state", state_name(v, driver));
	show_reason(v, driver, s);
	if (driver[0])
		show_str(s, "driver", driver);
	if (ifname[0])
		show_str(s, "ifname", ifname);
	if (v->has_mac)
		show_mac(s, "mac", v->mac);
	if (v->mtu)
		show_num(s, "mtu", v->mtu);
	show_num(s, "queue_size", v->queue_size);
}
