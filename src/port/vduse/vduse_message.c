/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the kernel to a VDUSE device. Control thread; never waits.
 *
 * Somebody in the kernel sleeps until each message is answered, which may
 * hold locks (vduse_reader.h). After msg_timeout without an answer the
 * kernel calls the device broken, for ever.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "gmem.h"
#include "vduse.h"
#include "virtio.h"

int vduse_message_status(struct vduse_port *v, uint8_t status)
{
	bool was_ok = v->status & VIRTIO_STATUS_DRIVER_OK;
	bool is_ok = status & VIRTIO_STATUS_DRIVER_OK;
	int rc = 0;

	v->status = status;
	if (was_ok && !is_ok)
		vduse_queues_stop(v);
	if (!status)
		vduse_queues_forget(v);
	if (!was_ok && is_ok)
		rc = vduse_queues_start(v, false);
	return rc;
}

/* The memory has changed. The answer lets the kernel free what is not shown any
 * more. */
static int update_memory(struct vduse_port *v)
{
	vduse_queues_stop(v);
	gmem_put(v->mem);
	v->mem = NULL;
	if (!(v->status & VIRTIO_STATUS_DRIVER_OK))
		return 0;
	return vduse_queues_start(v, true);
}

static int get_position(const struct vduse_port *v, struct vduse_vq_state *s)
{
	const struct vduse_queue *q;

	if (s->index >= VDUSE_QUEUES)
		return -EINVAL;
	q = &v->queue[s->index];
	s->split.avail_index =
		q->is_held ? shm_load(&q->vq.next_avail) : q->position.avail;
	return 0;
}

void vduse_message_answer(struct vduse_port *v,
			  const struct vduse_dev_request *req,
			  struct vduse_dev_response *resp)
{
	int rc = -EINVAL;

	*resp = (struct vduse_dev_response){ .request_id = req->request_id };
	switch (req->type) {
	case VDUSE_GET_VQ_STATE:
		resp->vq_state.index = req->vq_state.index;
		rc = get_position(v, &resp->vq_state);
		break;
	case VDUSE_SET_STATUS:
		rc = vduse_message_status(v, req->s.status);
		break;
	case VDUSE_UPDATE_IOTLB:
		rc = update_memory(v);
		break;
	}
	resp->result = rc ? VDUSE_REQ_RESULT_FAILED : VDUSE_REQ_RESULT_OK;
}

void vduse_message_serve(struct vduse_port *v,
			 const struct vduse_dev_request *req)
{
	struct vduse_dev_response resp;

	vduse_message_answer(v, req, &resp);
	if (write(v->fd, &resp, sizeof(resp)) < 0)
		log_limited(&v->log, LOG_LEVEL_WARN,
			    "port=%s: the kernel refuses the answer to message "
			    "%u: %s",
			    v->port.name, req->type, strerror(errno));
}

void vduse_message_serve_all(struct vduse_port *v)
{
	struct vduse_dev_request req;

	while (read(v->fd, &req, sizeof(req)) == sizeof(req))
		vduse_message_serve(v, &req);
}
