/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a port that all back-ends share, see port.h. Control thread. */
#include "port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "rcu.h"

static const char *const full_choices[] = {
	[PORT_FULL_WAIT] = "wait", [PORT_FULL_DROP] = "drop", NULL
};

const struct opt_row port_conf_rows[] = {
	{ .key = "id",
	  .kind = OPT_STRING,
	  .required = true,
	  .arg = "NAME",
	  .offset = offsetof(struct port_conf, id),
	  .help = "name of the port, unique in this switch" },
	{ .key = "net",
	  .kind = OPT_STRING,
	  .def = "default",
	  .arg = "NAME",
	  .offset = offsetof(struct port_conf, net),
	  .help = "network the port belongs to; made when it is new" },
	{ .key = "max-macs",
	  .kind = OPT_UINT,
	  .def = "16384",
	  .arg = "N",
	  .min = 1,
	  .max = 4000000,
	  .runtime = true,
	  .offset = offsetof(struct port_conf, max_macs),
	  .help = "MAC addresses that may be learned behind the port" },
	{ .key = "full",
	  .kind = OPT_ENUM,
	  .def = "wait",
	  .choices = full_choices,
	  .runtime = true,
	  .offset = offsetof(struct port_conf, full),
	  .help = "a receiver without buffers: the sender waits, or drops" },
	{ .key = "full-us",
	  .kind = OPT_UINT,
	  /* longer than the scheduler usually delays a receiver. Two guests on
	   * busy cores, UDP: 6 to 20 percent dropped with 1 ms, none with 10 */
	  .def = "10000",
	  .min = 1,
	  .max = 1000000,
	  .arg = "MICROSECONDS",
	  .runtime = true,
	  .offset = offsetof(struct port_conf, full_us),
	  .help = "with full=wait: at most so long, then drop" },
	{ .key = "vlan",
	  .kind = OPT_STRING,
	  .arg = "N",
	  .runtime = true,
	  .offset = offsetof(struct port_conf, vlan.vlan),
	  .help = "access port: its untagged frames are in this VLAN" },
	{ .key = "trunk",
	  .kind = OPT_STRING,
	  .arg = "N:N-N:...",
	  .runtime = true,
	  .offset = offsetof(struct port_conf, vlan.trunk),
	  .help = "trunk port: these VLANs pass, tagged" },
	{ .key = "native",
	  .kind = OPT_STRING,
	  .arg = "N",
	  .runtime = true,
	  .offset = offsetof(struct port_conf, vlan.native),
	  .help = "VLAN of the trunk whose frames are untagged" },
	{ .key = "dot1ad",
	  .kind = OPT_BOOL,
	  .def = "off",
	  .runtime = true,
	  .offset = offsetof(struct port_conf, vlan.dot1ad),
	  .help = "tags are 802.1ad (0x88a8) instead of 802.1Q (0x8100)" },
	{ .key = NULL },
};

int port_conf_check(const struct port_conf *common, struct err *err)
{
	struct port_vlan *vlan;
	int rc = port_vlan_parse(&common->vlan, &vlan, err);

	free(vlan);
	return rc;
}

static const char *const drop_names[DROP_COUNT] = {
	[DROP_TX_FULL] = "tx-full",
	[DROP_TX_DOWN] = "tx-down",
	[DROP_TX_TOO_BIG] = "tx-too-big",
	[DROP_TX_ERROR] = "tx-error",
	[DROP_TX_UNWANTED] = "tx-unwanted",
	[DROP_TX_NOT_MINE] = "tx-not-mine",
	[DROP_RX_BAD_FRAME] = "rx-bad-frame",
	[DROP_RX_BAD_OFFLOAD] = "rx-bad-offload",
	[DROP_RX_DISABLED] = "rx-disabled",
	[DROP_RX_ALONE] = "rx-no-receiver",
	[DROP_RX_HAIRPIN] = "rx-hairpin",
	[DROP_RX_VLAN] = "rx-vlan",
	[DROP_TX_VLAN] = "tx-vlan",
	[DROP_RX_TUNNEL] = "rx-bad-header",
	[DROP_RX_SESSION] = "rx-unknown-session",
	[DROP_RX_COOKIE] = "rx-bad-cookie",
	[DROP_RX_OPTION] = "rx-unknown-option",
	[DROP_RX_CSUM] = "rx-bad-checksum",
	[DROP_RX_CONGESTED] = "rx-congested",
};

const char *drop_reason_name(enum drop_reason r)
{
	return drop_names[r];
}

void port_set_common(struct port *p, const struct port_conf *common)
{
	uint64_t full_ns =
		common->full == PORT_FULL_WAIT ? common->full_us * 1000ull : 0;

	shm_store(&p->max_macs, common->max_macs);
	shm_store(&p->full_ns, full_ns);
}

int port_init(struct port *p, const struct port_env *env,
	      const struct port_type *type, const struct port_ops *ops,
	      const struct port_conf *common, unsigned queues)
{
	p->type = type;
	p->ops = ops;
	p->workers = env->workers;
	p->sw = env->sw;
	p->loop = env->loop;
	p->observers = env->observers;
	port_set_common(p, common);
	p->name = strdup(common->id);
	p->rxq = calloc(MAX(queues, 1u), sizeof(struct rxq *));
	p->txq = calloc(MAX(queues, 1u), sizeof(struct txq *));
	p->rxq_count = p->txq_count = queues;
	if (queues > 1)
		p->flows = calloc(1, sizeof(*p->flows));
	if (p->name && p->rxq && p->txq && (queues < 2 || p->flows) &&
	    !port_vlan_parse(&common->vlan, &p->vlan, NULL))
		return 0;
	port_fini(p);
	return -ENOMEM;
}

void port_fini(struct port *p)
{
	port_set_txqs(p, NULL, 0, 0);
	loop_timer_disarm(&p->link_timer);
	free(p->name);
	free(p->rxq);
	free(p->txq);
	free(p->flows);
	free(p->vlan);
	p->vlan = NULL;
	p->name = NULL;
	p->rxq = NULL;
	p->txq = NULL;
	p->flows = NULL;
}

static struct txq_set *txq_set_create(struct port *p, struct txq *const *txqs,
				      unsigned count, const struct rss *rss)
{
	struct txq_set *set =
		malloc(sizeof(*set) + count * sizeof(struct txq *));

	if (!set)
		return NULL;
	set->count = rss ? 0 : count;
	set->port = p;
	set->rss = rss;
	memcpy(set->txq, txqs, count * sizeof(struct txq *));
	return set;
}

void rxq_update_snap(struct rxq *q)
{
	uint32_t snap = MAX(q->port->snap, (uint32_t)FRAME_SNAP);

	shm_store(&q->snap, q->wants_gro ? FRAME_HEAD : snap);
}

void rxq_set_gro(struct rxq *q, bool on)
{
	/* Merging needs all headers in the heads. A burst between the two
	 * stores merges less, nothing worse. */
	shm_store(&q->wants_gro, on);
	rxq_update_snap(q);
}

void port_set_snap(struct port *p, uint32_t snap)
{
	p->snap = snap;
	for (unsigned i = 0; i < p->rxq_count; i++)
		if (p->rxq[i])
			rxq_update_snap(p->rxq[i]);
}

/* A link that goes down is told when it has been down for so long. A session
 * that exchanges its memory is back before, and a peer that toggles its link
 * tells no more than twenty changes a second. */
#define LINK_DOWN_MS 50

static void tell_link(struct port *p, bool is_up)
{
	p->told_up = is_up;
	/* A port outside the switch has no observers. */
	if (p->net)
		observers_tell(p->observers,
			       &(struct event){ .kind = EVENT_LINK,
						.port = p->name,
						.net = p->net_name,
						.is_up = is_up });
}

static void on_down(struct loop_timer *t)
{
	tell_link(container_of(t, struct port, link_timer), false);
}

static void link_changed(struct port *p, bool is_up)
{
	p->down_ms = is_up ? 0 : loop_now_ms();
	loop_timer_disarm(&p->link_timer);
	if (is_up && !p->told_up)
		tell_link(p, true);
	else if (!is_up && p->told_up)
		loop_timer_arm(p->loop, &p->link_timer, LINK_DOWN_MS, on_down);
}

void port_tell_fault(const struct port *p, unsigned queue, const char *text)
{
	observers_tell(p->observers,
		       &(struct event){ .kind = EVENT_FAULT,
					.port = p->name,
					.net = p->net_name,
					.fault = { queue, text } });
}

int port_set_txqs(struct port *p, struct txq *const *txqs, unsigned count,
		  unsigned offloads)
{
	return port_set_steered_txqs(p, txqs, count, offloads, NULL);
}

int port_set_steered_txqs(struct port *p, struct txq *const *txqs,
			  unsigned count, unsigned offloads,
			  const struct rss *rss)
{
	struct txq_set *old = p->txqs, *set = NULL;
	bool same_offloads = offloads == p->tx_offloads;

	if (!old && !count)
		return 0;
	if (count) {
		set = txq_set_create(p, txqs, count, rss);
		if (!set)
			return -ENOMEM;
	}
	/* A worker that picked a queue of the old set reads the offloads before
	 * or after that. So they change only while there is no set. */
	if (old) {
		rcu_publish(p->txqs, same_offloads ? set : NULL);
		/* Workers in forward_frames() may still use the old set, until
		 * the end of their burst. Control itself is here. */
		rcu_wait_workers();
		free(old);
	}
	if (!old || !same_offloads) {
		shm_store(&p->tx_offloads, offloads);
		rcu_publish(p->txqs, set);
	}
	if (!old != !set)
		link_changed(p, set);
	return 0;
}
