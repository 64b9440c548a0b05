/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that the control thread forwards itself, see switch.h. */
#include "key.h"
#include "switch_impl.h"

/* The most bursts of switch_drain(): a queue that is filled meanwhile ends,
 * too. */
#define DRAIN_BURSTS 8192

void switch_drain(struct vswitch *sw, struct rxq *q)
{
	unsigned i = 0;

	q->want = BURST_MAX;
	while (i++ < DRAIN_BURSTS && forward_poll(sw->forward, q).frames)
		;
}

void switch_inject(struct port *p, const void *data, uint32_t len)
{
	struct forward *fw = p->sw->forward;
	struct frame *f = &fw->burst.frame[0];
	struct iovec iov = { (void *)(uintptr_t)data, len };

	if (len < ETH_HLEN || len > FRAME_MAX || !p->rxq_count || !p->rxq[0])
		return;
	f->hdr = (struct vnet_hdr){ 0 };
	frame_from_iov(f, &iov, 1, len, FRAME_HEAD);
	/* The counters of the port's queue belong to its worker, so injected
	 * frames are counted only where they leave. */
	forward_frames(fw, p, f, 1, false, &(struct queue_stats){ 0 });
}
