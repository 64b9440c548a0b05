/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings of a vduse port: between the kernel, which describes them, and
 * vnet/, which serves them. Control thread but for inject(), which workers
 * call.
 *
 * Theory of operation. With DRIVER_OK the kernel has all rings; each ready one
 * is checked against the memory map and given to the data path. Memory may
 * appear later without a message (bounce buffers): a worker then meets an
 * address without a translation and reports a miss. Control takes the rings
 * back, reads the map again and lets them go on.
 *
 * Interrupts. The kernel takes them by an ioctl, which queues work and returns:
 * no dearer than the write to an eventfd elsewhere. So the worker does it
 * itself through vq_notifier. Rejected: an eventfd that control turns into the
 * ioctl; each interrupt would wake one more thread. The kernel refuses
 * interrupts until it has our answer to DRIVER_OK. A refused one is injected
 * again by control, as the driver may wait for it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fd.h"
#include "gmem.h"
#include "vduse.h"
#include "virtio.h"

#define IRQ_RETRY_MS   1
#define START_RETRY_MS 1000

static void inject(struct vq_notifier *n)
{
	struct vduse_queue *q = container_of(n, struct vduse_queue, notifier);

	if (ioctl(q->port->fd, VDUSE_VQ_INJECT_IRQ, &q->idx) < 0) {
		shm_store(&q->is_irq_lost, true);
		fd_signal(q->port->report_fd);
	}
}

static void inject_again(struct vduse_port *v);

static void on_irq_timer(struct loop_timer *t)
{
	inject_again(container_of(t, struct vduse_port, irq_timer));
}

static void inject_again(struct vduse_port *v)
{
	bool is_refused = false;

	for (unsigned i = 0; i < VDUSE_QUEUES; i++) {
		struct vduse_queue *q = &v->queue[i];

		if (!q->is_held || !shm_load(&q->is_irq_lost))
			continue;
		/* Before the ioctl: a worker may lose another one. */
		shm_store(&q->is_irq_lost, false);
		if (ioctl(v->fd, VDUSE_VQ_INJECT_IRQ, &q->idx) < 0) {
			shm_store(&q->is_irq_lost, true);
			is_refused = true;
		}
	}
	if (is_refused)
		loop_timer_arm(v->loop, &v->irq_timer, IRQ_RETRY_MS,
			       on_irq_timer);
}

static int translate(const struct vduse_port *v,
		     const struct vduse_vq_info *info, struct vq_areas *area)
{
	struct vq_area_sizes size;

	if (!vq_size_is_valid(v->features, info->num))
		return -EINVAL;
	size = vq_area_sizes(v->features, info->num);
	area->desc = gmem_translate(v->mem, info->desc_addr, size.desc);
	area->driver = gmem_translate(v->mem, info->driver_addr, size.driver);
	area->device = gmem_translate(v->mem, info->device_addr, size.device);
	return area->desc && area->driver && area->device ? 0 : -EFAULT;
}

static int give(struct vduse_port *v, struct vduse_queue *q, bool is_resumed)
{
	const struct vnet_ring ring = { .vq = &q->vq,
					.kick_fd = q->kick_fd,
					.enabled = true,
					.is_resumed = is_resumed };
	int rc = vnet_pairs_start(&v->pairs, q->idx, &ring);

	q->is_held = true;
	return rc;
}

/* A ring that never ran begins where the kernel says, also when others go on.
 */
static int start_queue(struct vduse_port *v, struct vduse_queue *q,
		       bool is_resumed)
{
	struct vduse_vq_eventfd kick = { .index = q->idx, .fd = q->kick_fd };
	struct vduse_vq_info info = { .index = q->idx };
	struct vq_dev_config c = { .features = v->features,
				   .mem = v->mem,
				   .call_fd = -1,
				   .notifier = &q->notifier,
				   .report_fd = &v->report_fd,
				   .on_miss = VQ_MISS_ASKS };
	int rc;

	if (ioctl(v->fd, VDUSE_VQ_GET_INFO, &info) < 0)
		return -errno;
	if (!info.ready)
		return 0;
	rc = translate(v, &info, &c.area);
	if (rc)
		return rc;
	c.count = info.num;
	is_resumed &= q->has_position;
	if (!is_resumed)
		q->position =
			vq_position_decode(v->features, info.split.avail_index);
	c.position = q->position;
	rc = vq_dev_activate(&q->vq, &c);
	if (rc)
		return rc;
	q->fault = VQ_FAULT_NONE;
	rc = give(v, q, is_resumed);
	/* Kicks of a receiveq only say that it has buffers again. */
	if (!rc && q->idx & 1 && ioctl(v->fd, VDUSE_VQ_SETUP_KICKFD, &kick) < 0)
		rc = -errno;
	return rc;
}

static int start_all(struct vduse_port *v, bool is_resumed)
{
	int rc = 0;

	if (ioctl(v->fd, VDUSE_DEV_GET_FEATURES, &v->features) < 0)
		return err_set(&v->reason, -errno,
			       "the kernel does not tell the features: %s",
			       strerror(errno));
	rc = vduse_mem_read(v->fd, &v->mem, &v->reason);
	if (rc)
		return rc;
	for (unsigned i = 0; i < VDUSE_QUEUES && !rc; i++) {
		rc = start_queue(v, &v->queue[i], is_resumed);
		if (rc)
			err_set(&v->reason, rc, "queue %u cannot start: %s", i,
				rc == -EFAULT ? "its memory is not mapped"
					      : strerror(-rc));
	}
	if (!rc)
		rc = vnet_pairs_publish(&v->pairs);
	return rc;
}

static void on_mem_timer(struct loop_timer *t)
{
	struct vduse_port *v = container_of(t, struct vduse_port, mem_timer);

	vduse_queues_start(v, true);
}

int vduse_queues_start(struct vduse_port *v, bool is_resumed)
{
	int rc;

	v->reason.msg[0] = '\0';
	rc = start_all(v, is_resumed);
	if (!rc)
		return 0;
	log_limited(&v->log, LOG_LEVEL_ERR, "port=%s: %s", v->port.name,
		    v->reason.msg);
	vduse_queues_stop(v);
	/* No event tells when there is memory or a descriptor again. */
	if (rc != -EMFILE && rc != -ENFILE && rc != -ENOMEM)
		return rc;
	loop_timer_arm(v->loop, &v->mem_timer, START_RETRY_MS, on_mem_timer);
	return 0; /* the kernel shall not take it for a failure */
}

void vduse_queues_stop(struct vduse_port *v)
{
	unsigned idx[VDUSE_QUEUES], n = 0;

	loop_timer_disarm(&v->irq_timer);
	loop_timer_disarm(&v->mem_timer);
	for (unsigned i = 0; i < VDUSE_QUEUES; i++)
		if (v->queue[i].is_held)
			idx[n++] = i;
	if (n)
		vnet_pairs_stop(&v->pairs, idx, n);
	for (unsigned i = 0; i < n; i++) {
		struct vduse_queue *q = &v->queue[idx[i]];

		q->position = vq_dev_deactivate(&q->vq);
		q->has_position = true;
		q->is_held = false;
	}
	gmem_put(v->mem);
	v->mem = NULL;
}

void vduse_queues_forget(struct vduse_port *v)
{
	for (unsigned i = 0; i < VDUSE_QUEUES; i++) {
		v->queue[i].has_position = false;
		v->queue[i].position = (struct vq_position){ 0 };
		v->queue[i].is_irq_lost = false;
	}
}

static void tell_fault(struct vduse_port *v, struct vduse_queue *q,
		       const char *why)
{
	err_set(&v->reason, 0, "queue %u stopped: %s", q->idx, why);
	log_limited(&v->log, LOG_LEVEL_ERR, "port=%s: %s", v->port.name,
		    v->reason.msg);
	port_tell_fault(&v->port, q->idx, v->reason.msg);
}

/* Reads the map again, because ring @q needs memory that was not in it. If it
 * is not there now either, the driver gave a wrong address. */
static void find_memory(struct vduse_port *v, struct vduse_queue *q,
			const struct vq_miss *miss)
{
	struct vduse_iotlb_entry e = { .start = miss->gpa, .last = miss->gpa };
	int fd = ioctl(v->fd, VDUSE_IOTLB_GET_FD, &e);
	/* Other errors than EINVAL say nothing about the address. */
	bool is_there = fd >= 0 ? e.perm == VDUSE_ACCESS_RW : errno != EINVAL;

	fd_close(&fd);
	if (!is_there) {
		if (!q->fault)
			tell_fault(v, q, vq_fault_name(VQ_FAULT_ADDRESS));
		q->fault = VQ_FAULT_ADDRESS;
		return;
	}
	vduse_queues_stop(v);
	vduse_queues_start(v, true);
}

void vduse_queues_check(struct vduse_port *v)
{
	for (unsigned i = 0; i < VDUSE_QUEUES; i++) {
		struct vduse_queue *q = &v->queue[i];
		struct vq_miss miss;
		enum vq_fault fault;

		if (!q->is_held)
			continue;
		fault = shm_load_acquire(&q->vq.fault);
		if (fault && !q->fault) {
			q->fault = fault;
			tell_fault(v, q, vq_fault_name(fault));
		}
		if (vq_dev_miss(&q->vq, &miss))
			find_memory(v, q, &miss);
	}
	inject_again(v);
}

int vduse_queues_init(struct vduse_port *v)
{
	for (unsigned i = 0; i < VDUSE_QUEUES; i++)
		v->queue[i] =
			(struct vduse_queue){ .notifier.notify_driver = inject,
					      .port = v,
					      .idx = i,
					      .kick_fd = -1 };
	for (unsigned i = 0; i < VDUSE_QUEUES; i++) {
		v->queue[i].kick_fd = fd_eventfd();
		if (v->queue[i].kick_fd < 0)
			return v->queue[i].kick_fd;
	}
	return 0;
}

void vduse_queues_fini(struct vduse_port *v)
{
	for (unsigned i = 0; i < VDUSE_QUEUES; i++)
		fd_close(&v->queue[i].kick_fd);
}
