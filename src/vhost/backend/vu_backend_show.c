/* SPDX-License-Identifier: Apache-2.0 */
/* The report of a back-end session about itself. Control thread. */
#include "shm.h"
#include "vu_backend_impl.h"
#include "vu_show.h"

static void show_queue(const struct vu_backend *b, const struct vu_queue *q,
		       unsigned idx, struct show *s)
{
	enum vq_fault fault = shm_load(&q->vq.fault);

	show_object(s, NULL);
	show_num(s, "queue", idx);
	show_str(s, "state", vu_state_name(q));
	show_num(s, "size", q->num);
	show_flag(s, "kick", q->kick_fd >= 0);
	show_flag(s, "call", q->call_fd >= 0);
	if (vu_state_is_held(q->state) && fault != VQ_FAULT_NONE)
		show_str(s, "fault", vq_fault_name(fault));
	if (vu_queue_seems_private(b, q))
		show_str(s, "hint",
			 "kicked, and empty at position 0: memory not shared "
			 "(share=on)?");
	show_end(s);
}

void vu_backend_show(const struct vu_backend *b, struct show *s)
{
	vu_show_features(s, "features", b->features);
	vu_show_protocol_features(s, "protocol_features", b->protocol_features);
	show_num(s, "status", b->status);
	show_array(s, "memory");
	for (unsigned i = 0; b->mem && i < b->mem->count; i++) {
		show_object(s, NULL);
		show_num(s, "address", b->mem->region[i].gpa);
		show_num(s, "size", b->mem->region[i].size);
		show_end(s);
	}
	show_end(s);
	show_array(s, "queues");
	for (unsigned i = 0; i < b->queue_count; i++)
		if (b->queue[i].num || b->queue[i].call_fd >= 0)
			show_queue(b, &b->queue[i], i, s);
	show_end(s);
}
