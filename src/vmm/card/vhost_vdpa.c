/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A card whose rings a vDPA device serves, see vhost_impl.h: opening the
 * device, its configuration space, and its end. Control thread; calls the
 * kernel.
 *
 * The device has the control queue, too: only it can do what the commands say,
 * and answers them itself. So it is the device that says which MAC address, MTU
 * and link state the driver sees, and that asks it to announce its addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "vhost_impl.h"
#include "virtio.h"

/* Bits of the status, virtio 1.2, clause 5.1.4 */
#define LINK_UP	 1
#define ANNOUNCE 2

static int take_passed(struct vhost_card *v, const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);
	int fd = -1;

	if (end != text && !*end && number >= 0 && number <= INT32_MAX)
		fd = fd_find_named((int)number);
	if (fd < 0)
		return err_set(&v->reason, -EBADF,
			       "vhostfd=%s: must be the number of an open "
			       "descriptor of a /dev/vhost-vdpa-N",
			       text);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fd_use_named(fd);
	return fd;
}

/* Returns what to do about the error @rc of opening the device. */
static const char *advice(int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		return " (`vdpa dev add` makes one, `modprobe vhost_vdpa` "
		       "gives it this file)";
	case -EACCES:
	case -EPERM:
		return ": it needs the right to it, or vhostfd=N of somebody "
		       "who has it";
	case -EBUSY:
		return ": another process has it open";
	case -EIO:
		return ": it does not answer (if it is one of VDUSE, its "
		       "process has ended)";
	default:
		return "";
	}
}

/* Returns the descriptor, or -errno with v->reason. */
static int open_device(struct vhost_card *v)
{
	const char *path = v->vdpa.target.path;
	int fd;

	if (!path)
		return take_passed(v, v->vdpa.target.fd);
	/* Opening resets the device, and the kernel would wait for a process
	 * that is not there. */
	if (v->vdpa.is_deserted) {
		v->reason = v->told;
		return -ENODEV;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	/* That it has gone was said. */
	if (fd == -ENOENT && v->connections)
		v->reason = v->told;
	else
		err_set(&v->reason, fd, "%s: %s%s", path, strerror(-fd),
			advice(fd));
	return fd;
}

/* Rings of a driver may be as long as the card said at its start. */
static int check_rings(struct vhost_card *v)
{
	uint16_t most = v->vdpa.facts.ring_max;

	while (most & (most - 1)) /* the largest power of two in it */
		most &= (uint16_t)(most - 1);
	if (!v->connections) {
		v->face.rx_size = MIN(v->face.rx_size, most);
		v->face.tx_size = MIN(v->face.tx_size, most);
		v->face.dev.ring_size = MAX(v->face.rx_size, v->face.tx_size);
	}
	if (most && most >= v->face.dev.ring_size)
		return 0;
	return err_set(&v->reason, -EPROTO,
		       "%s: has rings of %u descriptors, %u are needed",
		       v->vdpa.dev.name, most, v->face.dev.ring_size);
}

struct vu_transport *vhost_vdpa_connect(struct vhost_card *v)
{
	struct vhost_vdpa *p = &v->vdpa;
	int rc;

	p->dev.fd = open_device(v);
	if (p->dev.fd < 0)
		return NULL;
	rc = vdpa_probe(&p->dev, &p->facts, &v->reason);
	if (!rc)
		rc = check_rings(v);
	if (rc) {
		fd_close(&p->dev.fd);
		return NULL;
	}
	err_set(&v->reason, -ENOMEM, "out of memory");
	return vu_vdpa_create(&(struct vu_vdpa_conf){
		.dev = p->dev, .facts = p->facts, .pairs = v->face.pairs });
}

uint64_t vhost_vdpa_own_features(void)
{
	static const uint8_t bits[] = {
		VIRTIO_F_ACCESS_PLATFORM, /* it reaches what is mapped */
		VIRTIO_NET_F_MAC,	  VIRTIO_NET_F_MTU,
		VIRTIO_NET_F_STATUS,	  VIRTIO_NET_F_SPEED_DUPLEX,
	};
	uint64_t f = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		f |= feat_bit(bits[i]);
	return f;
}

/* Returns what the device has that a card offers without an option. */
uint64_t vhost_vdpa_offers(const struct vhost_card *v)
{
	return v->vdpa.facts.features & (feat_bit(VIRTIO_NET_F_MTU) |
					 feat_bit(VIRTIO_NET_F_SPEED_DUPLEX));
}

static bool device_has(const struct vhost_card *v, unsigned bit)
{
	return feat_has(v->vdpa.facts.features, bit);
}

static int read_config(const struct vhost_card *v, struct card_config *c)
{
	memset(c, 0, sizeof(*c));
	return vdpa_config_read(&v->vdpa.dev, 0,
				MIN(v->vdpa.facts.config_size, sizeof(*c)), c);
}

/* Returns whether the device has an address of its own. */
static bool has_mac(const struct vhost_card *v, const struct card_config *c)
{
	static const uint8_t none[6];

	return device_has(v, VIRTIO_NET_F_MAC) &&
	       memcmp(c->mac, none, sizeof(none)) != 0;
}

/* Gives the device the address of mac=, which it may refuse: it only knows how
 * to reach its own. Returns 0 or -errno with v->reason. */
static int give_mac(struct vhost_card *v, struct card_config *c)
{
	const uint8_t *want = v->face.config.mac;
	const uint8_t *has = c->mac;

	if (!v->conf->common.has_mac || !device_has(v, VIRTIO_NET_F_MAC) ||
	    !memcmp(c->mac, want, 6))
		return 0;
	vdpa_config_write(&v->vdpa.dev, 0, 6, want);
	if (!read_config(v, c) && !memcmp(c->mac, want, 6))
		return 0;
	return err_set(&v->reason, -EINVAL,
		       "mac=%s: %s has the address "
		       "%02x:%02x:%02x:%02x:%02x:%02x and keeps it: leave mac "
		       "away, or make the device with another one",
		       v->conf->common.mac, v->vdpa.dev.name, has[0], has[1],
		       has[2], has[3], has[4], has[5]);
}

/* Returns 0, or -EINVAL with v->reason for an option that asks for more than
 * the device has. */
static int check_options(struct vhost_card *v, const struct card_config *c)
{
	const struct card_conf *conf = v->conf;

	if ((conf->rss && !device_has(v, VIRTIO_NET_F_RSS)) ||
	    (conf->hash && !device_has(v, VIRTIO_NET_F_HASH_REPORT)))
		return err_set(&v->reason, -EINVAL,
			       "%s=on: %s has no such feature: leave it off",
			       conf->rss ? "rss" : "hash", v->vdpa.dev.name);
	if (device_has(v, VIRTIO_NET_F_MTU) &&
	    conf->host_mtu > le16_to_cpu(c->mtu))
		return err_set(&v->reason, -EINVAL,
			       "host_mtu=%u: %s has an MTU of %u at most",
			       conf->host_mtu, v->vdpa.dev.name,
			       le16_to_cpu(c->mtu));
	return 0;
}

/* Shows the driver what the device says in @c. */
static void show_config(struct vhost_card *v, const struct card_config *c)
{
	struct card_config *to = &v->face.config;
	const struct card_config old = *to;
	unsigned status = le16_to_cpu(c->status);
	bool has_link = !device_has(v, VIRTIO_NET_F_STATUS) || status & LINK_UP;

	if (has_mac(v, c))
		memcpy(to->mac, c->mac, sizeof(to->mac));
	if (device_has(v, VIRTIO_NET_F_MTU) && !v->conf->host_mtu)
		to->mtu = c->mtu;
	if (device_has(v, VIRTIO_NET_F_SPEED_DUPLEX) && !v->conf->speed) {
		to->speed = c->speed;
		to->duplex = c->duplex;
	}
	to->rss_key_max = c->rss_key_max;
	to->rss_table_max = c->rss_table_max;
	to->hash_types = c->hash_types;
	card_face_set_link(&v->face, has_link);
	v->face.control->announces =
		device_has(v, VIRTIO_NET_F_GUEST_ANNOUNCE) && status & ANNOUNCE;
	card_face_update(&v->face);
	if (memcmp(&old, to, sizeof(old)) != 0 && v->face.dev.transport)
		v->face.dev.transport->config_changed(&v->face.dev);
}

void vhost_vdpa_refresh(struct vhost_card *v)
{
	struct card_config c;

	if (vhost_is_up(v) && !read_config(v, &c))
		show_config(v, &c);
}

static void on_config(struct loop_watch *w, uint32_t events)
{
	struct vhost_card *v =
		container_of(w, struct vhost_card, vdpa.config_watch);

	(void)events;
	fd_drain(w->fd);
	if (!vhost_is_up(v))
		return;
	if (v->is_live && vdpa_needs_reset(&v->vdpa.dev))
		v->face.dev.transport->needs_reset(&v->face.dev,
						   "the vDPA device failed");
	vhost_vdpa_refresh(v);
}

static int watch(struct vhost_card *v)
{
	struct vhost_vdpa *p = &v->vdpa;
	int rc = vhost_vdpa_watch(v);

	if (!rc) {
		p->config_fd = fd_eventfd();
		rc = MIN(p->config_fd, 0);
	}
	if (!rc)
		rc = loop_watch_add(v->loop, &p->config_watch, p->config_fd,
				    EPOLLIN, on_config);
	return rc ? rc : vdpa_set_config_call(&p->dev, p->config_fd);
}

int vhost_vdpa_begin(struct vhost_card *v)
{
	struct card_config c;
	int rc = read_config(v, &c);

	if (!rc)
		rc = watch(v);
	if (rc)
		return err_set(&v->reason, rc, "%s: %s", v->vdpa.dev.name,
			       strerror(-rc));
	rc = give_mac(v, &c);
	if (!rc)
		rc = check_options(v, &c);
	if (!rc)
		show_config(v, &c);
	return rc;
}

void vhost_vdpa_end(struct vhost_card *v)
{
	struct vhost_vdpa *p = &v->vdpa;

	loop_watch_remove(&p->config_watch);
	fd_close(&p->config_fd);
	if (!p->is_deserted) /* else they tell when a process is there again */
		vhost_vdpa_unwatch(v);
	p->dev.fd = -1; /* the client's transport has closed it */
}

void vhost_vdpa_init(struct vhost_card *v, const struct vdpa_target *t)
{
	v->vdpa.target = *t;
	v->vdpa.dev = (struct vdpa){ .fd = -1,
				     .name = t->path ? t->path : "vhostfd" };
	v->vdpa.config_fd = v->vdpa.node_fd = v->vdpa.process_wd = -1;
}

void vhost_vdpa_show(const struct vhost_card *v, struct show *s)
{
	const struct gmem *ram = v->face.dev.ram;
	bool is_mapped = vhost_is_up(v) && v->is_live && ram;
	uint64_t size = 0;
	char name[64];

	show_str(s, "vdpa", v->vdpa.dev.name);
	if (vhost_is_up(v) && vhost_vdpa_name(v, name, sizeof(name)))
		show_str(s, "vdpa_device", name);
	show_flag(s, "link", v->face.has_link);
	for (unsigned i = 0; is_mapped && i < ram->count; i++)
		size += ram->region[i].size;
	show_num(s, "mapped_regions", is_mapped ? ram->count : 0);
	show_num(s, "mapped_mib", size >> 20);
}
