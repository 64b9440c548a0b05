/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of a vDPA device, see vdpa.h. Control thread. */
#include "vdpa.h"

#include <assert.h>
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAX_PAIRS_AT offsetof(struct virtio_net_config, max_virtqueue_pairs)

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

int vdpa_ask(const struct vdpa *d, unsigned long request, const void *arg)
{
	int rc = d->request ? d->request(d->fd, request, arg)
			    : ioctl(d->fd, request, arg);

	return rc < 0 ? -errno : 0;
}

/* struct vhost_vdpa_config with room for the data. */
struct config {
	uint32_t off, len;
	uint8_t data[VDPA_CONFIG_MAX];
};
static_assert(offsetof(struct config, data) ==
		      offsetof(struct vhost_vdpa_config, buf),
	      "the kernel's layout");

int vdpa_config_read(const struct vdpa *d, unsigned off, unsigned size,
		     void *to)
{
	struct config c = { .off = off, .len = size };
	int rc = size <= sizeof(c.data) ? vdpa_ask(d, VHOST_VDPA_GET_CONFIG, &c)
					: -EINVAL;

	if (!rc)
		memcpy(to, c.data, size);
	return rc;
}

int vdpa_config_write(const struct vdpa *d, unsigned off, unsigned size,
		      const void *from)
{
	struct config c = { .off = off, .len = size };

	if (size > sizeof(c.data))
		return -EINVAL;
	memcpy(c.data, from, size);
	return vdpa_ask(d, VHOST_VDPA_SET_CONFIG, &c);
}

/* Without a control queue nobody could switch a second pair on. */
static int read_pairs(const struct vdpa *d, struct vdpa_facts *out)
{
	uint8_t le[2];
	int rc;

	out->has_control = has(out->features, VIRTIO_NET_F_CTRL_VQ);
	out->pairs = 1;
	if (!out->has_control || !(has(out->features, VIRTIO_NET_F_MQ) ||
				   has(out->features, VIRTIO_NET_F_RSS)))
		return 0;
	rc = vdpa_config_read(d, MAX_PAIRS_AT, sizeof(le), le);
	if (!rc)
		out->pairs = le[0] | (unsigned)le[1] << 8;
	return rc ? rc : out->pairs ? 0 : -EPROTO;
}

/* An older kernel does not know the range: all addresses. */
static void read_range(const struct vdpa *d, struct vdpa_facts *out)
{
	struct vhost_vdpa_iova_range r = { .first = 0, .last = UINT64_MAX };

	if (vdpa_ask(d, VHOST_VDPA_GET_IOVA_RANGE, &r))
		r.last = UINT64_MAX;
	out->iova_first = r.first;
	out->iova_last = r.last;
}

int vdpa_probe(const struct vdpa *d, struct vdpa_facts *out, struct err *err)
{
	uint32_t id = 0;
	int rc = vdpa_ask(d, VHOST_VDPA_GET_DEVICE_ID, &id);

	*out = (struct vdpa_facts){ 0 };
	if (rc == -ENOTTY || rc == -EINVAL)
		return err_set(err, -EINVAL,
			       "%s: is no device of vhost-vdpa: it must be a "
			       "/dev/vhost-vdpa-N",
			       d->name);
	if (!rc && id != VIRTIO_ID_NET)
		return err_set(err, -EINVAL,
			       "%s: is no network device: its virtio type is "
			       "%u",
			       d->name, id);
	if (!rc)
		rc = vdpa_ask(d, VHOST_GET_FEATURES, &out->features);
	if (!rc)
		rc = vdpa_ask(d, VHOST_VDPA_GET_CONFIG_SIZE, &out->config_size);
	if (!rc)
		rc = vdpa_ask(d, VHOST_VDPA_GET_VRING_NUM, &out->ring_max);
	if (!rc)
		rc = read_pairs(d, out);
	if (rc)
		return err_set(err, rc, "%s: %s", d->name, strerror(-rc));
	read_range(d, out);
	return 0;
}

int vdpa_set_config_call(const struct vdpa *d, int fd)
{
	return vdpa_ask(d, VHOST_VDPA_SET_CONFIG_CALL, &fd);
}

bool vdpa_needs_reset(const struct vdpa *d)
{
	uint8_t status = 0;

	return !vdpa_ask(d, VHOST_VDPA_GET_STATUS, &status) &&
	       status & VIRTIO_CONFIG_S_NEEDS_RESET;
}
