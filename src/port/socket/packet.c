/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port on an interface of the host (a NIC, a veth) through AF_PACKET, see
 * packet(7): frames go out by it and come in from it beside the host's own
 * stack. Options on the control thread; the queues are datagram queues whose
 * header is the kernel's struct virtio_net_hdr (PACKET_VNET_HDR), so large
 * frames and missing checksums pass as they are.
 *
 * The sockets of an interface that was deleted are closed. When another one of
 * that name comes, the queues get new sockets.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dgram.h"
#include "fd.h"
#include "iface.h"
#include "le.h"
#include "types.h"
#include "vnet_hdr.h"
#include "workers.h"

#define MAX_QUEUES 16
#define TAG_SIZE   4
/* Kernels before 6.2 do not know UDP segmentation here. */
#define OFFLOADS (OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | OFFLOAD_ECN)

struct packet_conf {
	char *ifname;
	uint32_t queues;
	bool promisc, gro;
};

#define OPT(name, k, ...)                                                 \
	{                                                                 \
		.key = #name, .kind = k,                                  \
		.offset = offsetof(struct packet_conf, name), __VA_ARGS__ \
	}

static const struct opt_row packet_rows[] = {
	OPT(ifname, OPT_PATH, .required = true, .arg = "NAME",
	    .help = "interface of the host"),
	OPT(queues, OPT_UINT, .arg = "N", .min = 1, .max = MAX_QUEUES,
	    .def = "1", .help = "sockets that share the frames by flow"),
	OPT(promisc, OPT_BOOL, .def = "on",
	    .help = "the interface receives frames to all addresses"),
	OPT(gro, OPT_BOOL, .def = "on", .runtime = true,
	    .help = "small frames of a TCP or UDP flow go as large ones to "
		    "ports that take those"),
	{ NULL },
};

struct packet_port {
	struct port port;
	struct dgram_encap encap;	  /* [const] shared by all queues */
	struct iface iface;		  /* [ctl] */
	bool promisc;			  /* [const] */
	unsigned count;			  /* [const] queues */
	struct dgram_link *q[MAX_QUEUES]; /* [const] heap */
};

static void put_header(const struct dgram_encap *e, const struct frame *f,
		       unsigned ahead, uint8_t *to)
{
	struct vnet_hdr hdr = f->hdr;

	(void)ahead;
	/* The kernel refuses a header length beyond the frame's end. */
	hdr.hdr_len = (uint16_t)MIN(hdr.hdr_len, f->len);
	vnet_hdr_store(to, &hdr, vnet_raw_mask(VNET_HDR_F_NEEDS_CSUM), 0,
		       e->size);
}

/* Returns the tag that the kernel took out of the frame, or NULL. */
static const struct tpacket_auxdata *find_tag(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(c);

		if (c->cmsg_level == SOL_PACKET &&
		    c->cmsg_type == PACKET_AUXDATA &&
		    aux->tp_status & TP_STATUS_VLAN_VALID)
			return aux;
	}
	return NULL;
}

/* Puts a tag back behind the addresses of the frame at @frame, which moves
 * forward by four bytes. */
static void put_tag(uint8_t *frame, const struct tpacket_auxdata *aux,
		    struct vnet_hdr *hdr)
{
	uint16_t tpid = aux->tp_status & TP_STATUS_VLAN_TPID_VALID
				? aux->tp_vlan_tpid
				: ETH_P_8021Q;

	memmove(frame - TAG_SIZE, frame, 2 * ETH_ALEN);
	put_be16(frame + 2 * ETH_ALEN - TAG_SIZE, tpid);
	put_be16(frame + 2 * ETH_ALEN - TAG_SIZE + 2, aux->tp_vlan_tci);
	if (hdr->flags & VNET_HDR_F_NEEDS_CSUM)
		hdr->csum_start += TAG_SIZE;
}

static int check_header(const struct dgram_encap *e, struct msghdr *m,
			uint8_t *data, size_t len, struct vnet_hdr *hdr)
{
	const struct tpacket_auxdata *tag = find_tag(m);

	if (len < e->size + ETH_HLEN)
		return -DROP_RX_BAD_FRAME;
	*hdr = vnet_raw_decode(vnet_raw_load(data));
	hdr->flags &= VNET_HDR_F_NEEDS_CSUM | VNET_HDR_F_DATA_VALID;
	if (likely(!tag))
		return (int)e->size;
	put_tag(data + e->size, tag, hdr);
	return (int)e->size - TAG_SIZE;
}

static struct packet_port *to_packet(const struct port *p)
{
	return container_of(p, struct packet_port, port);
}

static struct packet_port *of_iface(struct iface *i)
{
	return container_of(i, struct packet_port, iface);
}

static void close_sockets(struct iface *i)
{
	struct packet_port *k = of_iface(i);

	rxq_detach_many(k->port.rxq, k->count);
	for (unsigned n = 0; n < k->count; n++) {
		fd_close(&k->q[n]->fd);
		k->q[n]->out_fd = k->q[n]->rx.event_fd = -1;
	}
}

static void release(struct packet_port *k)
{
	iface_leave(&k->iface);
	port_set_txqs(&k->port, NULL, 0, 0);
	close_sockets(&k->iface);
	port_fini(&k->port);
	for (unsigned i = 0; i < k->count; i++) {
		dgram_link_fini(k->q[i]);
		free(k->q[i]);
	}
	free(k);
}

static void packet_destroy(struct port *p)
{
	release(to_packet(p));
}

static void set_gro(struct packet_port *k, bool on)
{
	for (unsigned i = 0; i < k->count; i++)
		rxq_set_gro(&k->q[i]->rx, on);
}

static int packet_set(struct port *p, const void *conf_, struct err *err)
{
	const struct packet_conf *conf = conf_;

	(void)err;
	set_gro(to_packet(p), conf->gro);
	return 0;
}

static void packet_show(const struct port *p, struct show *out)
{
	const struct packet_port *k = to_packet(p);

	uint64_t drops = 0;

	iface_show(&k->iface, out);
	for (unsigned i = 0; i < k->count; i++)
		drops += k->q[i]->fd >= 0 ? sock_drops(k->q[i]->fd) : 0;
	show_num(out, "socket_drops", drops);
	show_flag(out, "gro", k->count && k->q[0]->rx.wants_gro);
}

static const struct port_ops packet_ops = {
	.rx_burst = dgram_rx_burst,
	.rx_done = dgram_rx_done,
	.rx_arm = dgram_rx_arm,
	.rx_disarm = dgram_rx_disarm,
	.tx_burst = dgram_tx_burst,
	.destroy = packet_destroy,
	.set = packet_set,
	.show = packet_show,
};

static int set_option(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) < 0
		       ? -errno
		       : 0;
}

/* Sets up a socket that nothing arrives at yet. Returns 0 or -errno. */
static int set_up(int fd, unsigned index, bool promisc)
{
	struct packet_mreq member = { .mr_ifindex = (int)index,
				      .mr_type = PACKET_MR_PROMISC };
	int rc;

	sock_set_buffers(fd);
	rc = set_option(fd, PACKET_AUXDATA, 1);
	if (!rc)
		rc = set_option(fd, PACKET_VNET_HDR, 1);
	/* Without it, the frames that we send would come back. */
	if (!rc)
		rc = set_option(fd, PACKET_IGNORE_OUTGOING, 1);
	if (!rc && promisc &&
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &member,
		       sizeof(member)) < 0)
		rc = -errno;
	return rc;
}

#define NO_GROUP (-1) /* 0 is a number that the kernel gives */

/* Throws away what came before @fd joined its group: another socket has it,
 * too. More cannot have come than there was room for. */
static void drain(int fd)
{
	char head[VNET_HDR_MAX]; /* with less, the kernel says EINVAL */

	for (unsigned i = 0; i < SOCK_BUFFER / ETH_HLEN; i++)
		if (recv(fd, head, sizeof(head), MSG_DONTWAIT) < 0 &&
		    errno == EAGAIN)
			break;
}

/* Joins the sockets of a port, which share the frames by flow. *@group is
 * NO_GROUP for the first, which makes the group. Returns 0 or -errno. */
static int join_group(int fd, int *group)
{
	int how = PACKET_FANOUT_HASH << 16, rc;
	socklen_t size = sizeof(*group);

	if (*group != NO_GROUP)
		how |= *group;
	else
		how |= PACKET_FANOUT_FLAG_UNIQUEID << 16;
	rc = set_option(fd, PACKET_FANOUT, how);
	if (!rc && *group == NO_GROUP) {
		if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, group, &size) < 0)
			return -errno;
		*group &= UINT16_MAX;
	}
	drain(fd);
	return rc;
}

static int open_socket(const struct packet_port *k, int *group, int *out)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htobe16(ETH_P_ALL),
				  .sll_ifindex = (int)k->iface.index };
	/* Protocol 0: nothing arrives before bind(). */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : set_up(fd, k->iface.index, k->promisc);

	if (!rc && bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		rc = -errno;
	if (!rc && k->count > 1)
		rc = join_group(fd, group);
	if (rc)
		fd_close(&fd);
	*out = fd;
	return rc;
}

static const char *why(const struct packet_port *k, int rc)
{
	if (rc == -EPERM)
		return "packet sockets need CAP_NET_RAW: run as root";
	if (rc == -EINVAL && k->count > 1)
		return "with queues=N this kernel wants the interface up: "
		       "`ip link set` it up, or leave queues= away";
	return strerror(-rc);
}

static int open_sockets(struct iface *i, struct err *err)
{
	struct packet_port *k = of_iface(i);
	int group = NO_GROUP, rc = 0;

	for (unsigned n = 0; n < k->count && !rc; n++) {
		struct dgram_link *l = k->q[n];

		int fd;

		rc = open_socket(k, &group, &fd);
		/* What the sockets before it left is not for now. */
		dgram_link_reset(l, fd);
	}
	for (unsigned n = 0; n < k->count && !rc; n++)
		rc = rxq_attach(&k->q[n]->rx);
	if (!rc)
		return 0;
	close_sockets(i);
	return err_set(err, rc, "ifname=%s: %s", i->name, why(k, rc));
}

static int set_link(struct iface *i, bool is_up)
{
	struct packet_port *k = of_iface(i);

	if (is_up == port_link_is_up(&k->port))
		return 0;
	return port_set_txqs(&k->port, k->port.txq, is_up ? k->count : 0,
			     is_up ? OFFLOADS : 0);
}

static const struct iface_ops iface_ops = {
	.open = open_sockets,
	.close = close_sockets,
	.changed = set_link,
};

static int add_queue(struct packet_port *k)
{
	struct dgram_link *l = calloc(1, sizeof(*l));
	unsigned i = k->count;
	int rc;

	if (!l)
		return -ENOMEM;
	l->fd = l->out_fd = -1;
	l->has_remote = true;
	l->encap = &k->encap;
	rc = dgram_link_init(l, &k->port);
	if (rc) {
		free(l);
		return rc;
	}
	l->rx.idx = l->tx.idx = (uint16_t)i;
	k->q[i] = l;
	k->port.rxq[i] = &l->rx;
	k->port.txq[i] = &l->tx;
	k->count++;
	return 0;
}

/* Allocates the port. Returns NULL without memory. */
static struct packet_port *allocate(const struct port_env *env,
				    const struct port_conf *common,
				    const struct packet_conf *c)
{
	struct packet_port *k = calloc(1, sizeof(*k));

	if (!k || port_init(&k->port, env, &port_packet_type, &packet_ops,
			    common, c->queues)) {
		free(k);
		return NULL;
	}
	k->promisc = c->promisc;
	k->encap = (struct dgram_encap){
		.size = VNET_HDR_LEGACY,
		.wants_control = true,
		.put = put_header,
		.check = check_header,
	};
	while (k->count < c->queues)
		if (add_queue(k)) {
			release(k);
			return NULL;
		}
	set_gro(k, c->gro);
	return k;
}

static int create(const struct port_env *env, const struct port_conf *common,
		  const void *conf_, struct port **out, struct err *err)
{
	const struct packet_conf *c = conf_;
	struct packet_port *k = allocate(env, common, c);
	int rc;

	if (!k)
		return err_set(err, -ENOMEM, "out of memory");
	rc = iface_find(&k->iface, c->ifname, err);
	if (!rc)
		rc = open_sockets(&k->iface, err);
	if (rc) {
		release(k);
		return rc;
	}
	rc = iface_follow(&k->iface, &iface_ops, &k->port);
	if (rc) {
		release(k);
		return err_set(err, rc, "ifname=%s: %s", c->ifname,
			       strerror(-rc));
	}
	*out = &k->port;
	return 0;
}

const struct port_type port_packet_type = {
	.name = "packet",
	.help = "an interface of the host, such as a NIC or a veth (AF_PACKET)",
	.rows = packet_rows,
	.conf_size = sizeof(struct packet_conf),
	.create = create,
};
