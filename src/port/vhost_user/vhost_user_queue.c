/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callbacks of a session: events of rings go on to the port's queue pairs,
 * events of the guest go on to the switch. Control thread. The data path is in
 * vnet/.
 */
#include <string.h>

#include "key.h"
#include "log.h"
#include "switch.h"
#include "vhost_user.h"
#include "workers.h"

void vhost_user_queue_start(void *ctx, unsigned idx, const struct vu_ring *r)
{
	const struct vnet_ring ring = { .vq = r->vq,
					.kick_fd = r->kick_fd,
					.enabled = r->enabled,
					.is_resumed = r->is_resumed };
	struct vhost_user_port *v = ctx;
	int rc = vnet_pairs_start(&v->pairs, idx, &ring);

	if (rc)
		log_err("port=%s: queue %u: no worker takes it: %s",
			v->port.name, idx, strerror(-rc));
}

static void say_down(const struct vhost_user_port *v, int rc)
{
	if (rc)
		log_err("port=%s: link down: %s", v->port.name, strerror(-rc));
}

void vhost_user_queues_stop(void *ctx, const unsigned *idx, unsigned n)
{
	struct vhost_user_port *v = ctx;

	say_down(v, vnet_pairs_stop(&v->pairs, idx, n));
}

void vhost_user_queue_enable(void *ctx, unsigned idx, bool enabled)
{
	struct vhost_user_port *v = ctx;

	vnet_pairs_enable(&v->pairs, idx, enabled);
}

uint64_t vhost_user_queue_kicks(void *ctx, unsigned idx)
{
	struct vhost_user_port *v = ctx;

	return idx & 1 ? stat_read(&v->port.rxq[idx / 2]->stats.kicks) : 0;
}

void vhost_user_fault(void *ctx, unsigned idx, const char *text)
{
	struct vhost_user_port *v = ctx;

	port_tell_fault(&v->port, idx, text);
}

void vhost_user_queues_changed(void *ctx)
{
	struct vhost_user_port *v = ctx;

	say_down(v, vnet_pairs_publish(&v->pairs));
}

/* Sends a RARP request for the guest's own address (RFC 903), by which
 * hypervisors announce a guest. */
void vhost_user_rarp(void *ctx, const uint8_t mac[6])
{
	static const uint8_t fixed[] = {
		ETHERTYPE_RARP >> 8,
		ETHERTYPE_RARP & 0xff,
		0,
		1, /* Ethernet */
		8,
		0, /* IPv4 */
		ETH_ALEN,
		4,
		0,
		3, /* reverse request */
	};
	struct vhost_user_port *v = ctx;
	uint8_t f[60] = { 0 };

	memset(f, 0xff, ETH_ALEN);
	memcpy(f + 6, mac, ETH_ALEN);
	memcpy(f + 12, fixed, sizeof(fixed));
	memcpy(f + 22, mac, ETH_ALEN); /* sender, its IPv4 address unknown */
	memcpy(f + 32, mac, ETH_ALEN); /* target */
	switch_inject(&v->port, f, sizeof(f));
}
