/* SPDX-License-Identifier: Apache-2.0 */
/* Makes, opens and destroys a VDUSE device, see vduse.h. Control thread; calls
 * the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fd.h"
#include "le.h"
#include "vduse.h"
#include "virtio.h"

#define CONTROL	      "/dev/vduse/control"
#define VIRTIO_ID_NET 1

static const uint8_t offered[] = {
	VIRTIO_NET_F_CSUM,	  VIRTIO_NET_F_GUEST_CSUM,
	VIRTIO_NET_F_GUEST_TSO4,  VIRTIO_NET_F_GUEST_TSO6,
	VIRTIO_NET_F_GUEST_ECN,	  VIRTIO_NET_F_GUEST_USO4,
	VIRTIO_NET_F_GUEST_USO6,  VIRTIO_NET_F_HOST_TSO4,
	VIRTIO_NET_F_HOST_TSO6,	  VIRTIO_NET_F_HOST_ECN,
	VIRTIO_NET_F_HOST_USO,	  VIRTIO_NET_F_MRG_RXBUF,
	VIRTIO_NET_F_STATUS,	  VIRTIO_F_INDIRECT_DESC,
	VIRTIO_F_EVENT_IDX,	  VIRTIO_F_VERSION_1,
	VIRTIO_F_ACCESS_PLATFORM,
};

/* The configuration space, virtio 1.2 clause 5.1.4. */
struct net_config {
	uint8_t mac[6];
	le16 status;
	le16 max_pairs;
	le16 mtu;
};
#define NET_LINK_UP 1

static int explain_control(int error, struct err *err)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_set(err, -error,
			       CONTROL " is missing: modprobe vduse");
	case EACCES:
	case EPERM:
		return err_set(err, -error,
			       "no right to use " CONTROL
			       ": run as root, or with CAP_NET_ADMIN and "
			       "access to that file");
	default:
		return err_set(err, -error, CONTROL ": %s", strerror(error));
	}
}

int vduse_kernel_open(struct vduse_port *v, struct err *err)
{
	uint64_t version = VDUSE_API_VERSION;

	v->control_fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (v->control_fd < 0 ||
	    ioctl(v->control_fd, VDUSE_SET_API_VERSION, &version) < 0)
		return explain_control(errno, err);
	return 0;
}

/* Opens the device of that name. Returns 0 or -errno. */
int vduse_kernel_open_device(struct vduse_port *v)
{
	char path[sizeof("/dev/vduse/") + VDUSE_NAME_SIZE];

	snprintf(path, sizeof(path), "/dev/vduse/%s", v->name);
	v->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return v->fd < 0 ? -errno : 0;
}

int vduse_kernel_destroy(const struct vduse_port *v)
{
	char name[VDUSE_NAME_MAX] = "";

	memcpy(name, v->name, sizeof(v->name));
	return ioctl(v->control_fd, VDUSE_DESTROY_DEV, name) < 0 ? -errno : 0;
}

/* Makes the device in the kernel. Returns 0 or -errno. */
static int create_device(struct vduse_port *v)
{
	struct net_config config = { .status = cpu_to_le16(NET_LINK_UP),
				     .max_pairs = cpu_to_le16(1),
				     .mtu = cpu_to_le16((uint16_t)v->mtu) };
	struct vduse_dev_config *c = calloc(1, sizeof(*c) + sizeof(config));
	int rc;

	if (!c)
		return -ENOMEM;
	memcpy(config.mac, v->mac, sizeof(config.mac));
	memcpy(c->name, v->name, sizeof(v->name));
	c->device_id = VIRTIO_ID_NET;
	c->vq_num = VDUSE_QUEUES;
	c->vq_align = (uint32_t)sysconf(_SC_PAGESIZE);
	c->config_size = sizeof(config);
	memcpy(c->config, &config, sizeof(config));
	for (unsigned i = 0; i < ARRAY_SIZE(offered); i++)
		c->features |= feat_bit(offered[i]);
	if (v->has_mac)
		c->features |= feat_bit(VIRTIO_NET_F_MAC);
	if (v->mtu)
		c->features |= feat_bit(VIRTIO_NET_F_MTU);
	rc = ioctl(v->control_fd, VDUSE_CREATE_DEV, c) < 0 ? -errno : 0;
	free(c);
	return rc;
}

static void set_timeout(const struct vduse_port *v)
{
	char path[sizeof("/sys/class/vduse//msg_timeout") + VDUSE_NAME_SIZE];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/vduse/%s/msg_timeout",
		 v->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel without it has its own limit */
	if (write(fd, VDUSE_MSG_TIMEOUT_S, strlen(VDUSE_MSG_TIMEOUT_S)) < 0)
		log_info("port=%s: %s: %s", v->port.name, path,
			 strerror(errno));
	close(fd);
}

static int setup_queues(struct vduse_port *v)
{
	for (uint32_t i = 0; i < VDUSE_QUEUES; i++) {
		struct vduse_vq_config c = { .index = i,
					     .max_size =
						     (uint16_t)v->queue_size };

		if (ioctl(v->fd, VDUSE_VQ_SETUP, &c) < 0)
			return -errno;
	}
	return 0;
}

int vduse_kernel_create(struct vduse_port *v)
{
	int rc = create_device(v);

	if (rc == -EPERM)
		return explain_control(EPERM, &v->reason);
	if (rc)
		return err_set(&v->reason, rc,
			       "name=%s: the kernel makes no such device: %s",
			       v->name, strerror(-rc));
	set_timeout(v);
	rc = vduse_kernel_open_device(v);
	if (!rc)
		rc = setup_queues(v);
	if (!rc)
		return 0;
	fd_close(&v->fd);
	vduse_kernel_destroy(v);
	return err_set(&v->reason, rc,
		       "name=%s: /dev/vduse/%s cannot be used: %s", v->name,
		       v->name, strerror(-rc));
}
