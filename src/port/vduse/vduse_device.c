/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a VDUSE device in the kernel. Control thread; calls the kernel.
 *
 * Theory of operation. A device is made through /dev/vduse/control, opened, put
 * on the vDPA bus, where a driver binds to it; and the same backwards at the
 * end. Putting it on the bus and taking it off makes the kernel send messages
 * to the device and wait for the answers, so these two steps run in a thread
 * (vduse_bus.h), and another one reads the messages (vduse_reader.h).
 *
 * At the end control itself waits for the thread, answering meanwhile: the
 * kernel unregisters a network interface, as it does in the request by which a
 * tap or macvtap goes. Rejected: leaving this to a thread that outlives the
 * port; the name would be taken for a while, and nobody could be told of a
 * failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fd.h"
#include "le.h"
#include "vduse.h"
#include "virtio.h"

/* Time for the kernel to take the device off the bus at the port's end. */
#define LEAVE_MS 5000
/* After a reset without a new driver the device may be off the bus. */
#define GONE_MS 500

static int fail(struct vduse_port *v, int rc)
{
	v->state = VDUSE_FAILED;
	log_err("port=%s: %s", v->port.name, v->reason.msg);
	return rc;
}

static void on_gone(struct loop_timer *t)
{
	struct vduse_port *v = container_of(t, struct vduse_port, gone_timer);

	if (v->state == VDUSE_READY && !v->status && !vduse_bus_has(v->name))
		log_warn("port=%s: link down: the device was taken off the "
			 "vDPA bus: " VDUSE_ADD_COMMAND,
			 v->port.name, v->name);
}

/* The kernel gave up the device: an answer took too long. */
static void on_broken(struct vduse_port *v)
{
	vduse_queues_stop(v);
	/* A device that is only to be cleared away may well be broken. */
	if (v->state == VDUSE_CLEARING)
		return;
	err_set(&v->reason, 0,
		"the kernel gave up the device, because an answer took longer "
		"than " VDUSE_MSG_TIMEOUT_S
		" s: delete the port and add it again");
	fail(v, 0);
}

static void take_news(struct vduse_port *v)
{
	struct vduse_news news;

	vduse_reader_take(&v->reader, &news);
	if (news.has_status)
		vduse_message_status(v, news.status);
	if (news.has_request)
		vduse_message_serve(v, &news.request);
	if (news.is_broken)
		on_broken(v);
}

static void on_news(struct loop_watch *w, uint32_t events)
{
	struct vduse_port *v = container_of(w, struct vduse_port, news_watch);
	uint8_t before = v->status;

	(void)events;
	take_news(v);
	if (before && !v->status)
		loop_timer_arm(v->loop, &v->gone_timer, GONE_MS, on_gone);
}

static int add_to_bus(struct vduse_port *v)
{
	v->state = VDUSE_ADDING;
	return vduse_bus_start(&v->bus, VDUSE_BUS_ADD, v->name);
}

/* Makes the device, which does not exist, and begins to put it on the bus. */
static int make(struct vduse_port *v)
{
	int rc = vduse_kernel_create(v);

	if (rc)
		return rc;
	rc = vduse_reader_start(&v->reader, v->fd);
	if (!rc)
		rc = add_to_bus(v);
	if (rc)
		return err_set(&v->reason, rc,
			       "name=%s: /dev/vduse/%s cannot be used: %s",
			       v->name, v->name, strerror(-rc));
	return 0;
}

/* A device of that name exists and may be on the bus. Begins to clear it away
 * if nobody has it open. */
static int clear_stale(struct vduse_port *v)
{
	int rc = vduse_kernel_open_device(v);

	if (rc == -EBUSY)
		return err_set(&v->reason, rc,
			       "name=%s: another program has this VDUSE device "
			       "open: choose another name",
			       v->name);
	if (!rc)
		rc = vduse_reader_start(&v->reader, v->fd);
	v->state = VDUSE_CLEARING;
	if (!rc)
		rc = vduse_bus_start(&v->bus, VDUSE_BUS_DEL, v->name);
	if (rc)
		return err_set(&v->reason, rc,
			       "name=%s: a VDUSE device of this name is there "
			       "and cannot be removed: %s",
			       v->name, strerror(-rc));
	log_info("port=%s: removing the VDUSE device %s that an ended program "
		 "left",
		 v->port.name, v->name);
	return 0;
}

/* The device of an ended program is off the bus, or not. */
static int on_cleared(struct vduse_port *v, int rc)
{
	vduse_reader_stop(&v->reader);
	vduse_queues_stop(v);
	fd_close(&v->fd);
	v->status = 0;
	if (rc == -EBUSY)
		return err_set(
			&v->reason, rc,
			"name=%s: the VDUSE device that an ended program "
			"left is in use: end the guest that has its "
			"/dev/vhost-vdpa-N open",
			v->name);
	rc = vduse_kernel_destroy(v);
	if (rc)
		return err_set(&v->reason, rc,
			       "name=%s: a VDUSE device of this name cannot be "
			       "removed (%s): vdpa dev del %s",
			       v->name, strerror(-rc), v->name);
	return make(v);
}

/* Our device is on the bus, or not: then a person may add it. */
static void on_added(struct vduse_port *v, int rc)
{
	v->state = VDUSE_READY;
	if (!rc)
		return;
	err_set(&v->reason, rc,
		"the device could not be added to the vDPA bus "
		"(%s%s): " VDUSE_ADD_COMMAND,
		strerror(-rc),
		rc == -ENOENT ? "; only the first network namespace has it"
			      : "",
		v->name);
	log_warn("port=%s: %s", v->port.name, v->reason.msg);
}

static void on_bus(struct loop_watch *w, uint32_t events)
{
	struct vduse_port *v = container_of(w, struct vduse_port, bus_watch);
	int rc = vduse_bus_finish(&v->bus);

	(void)events;
	if (v->state == VDUSE_ADDING)
		on_added(v, rc);
	else if (v->state == VDUSE_CLEARING && on_cleared(v, rc))
		fail(v, rc);
}

static void on_report(struct loop_watch *w, uint32_t events)
{
	struct vduse_port *v = container_of(w, struct vduse_port, report_watch);

	(void)events;
	fd_drain(v->report_fd);
	vduse_queues_check(v);
}

static int open_events(struct vduse_port *v)
{
	int rc = vduse_reader_init(&v->reader);

	if (!rc)
		rc = vduse_bus_init(&v->bus);
	if (rc)
		return rc;
	v->report_fd = fd_eventfd();
	if (v->report_fd < 0)
		return v->report_fd;
	rc = loop_watch_add(v->loop, &v->report_watch, v->report_fd, EPOLLIN,
			    on_report);
	if (!rc)
		rc = loop_watch_add(v->loop, &v->bus_watch, v->bus.done_fd,
				    EPOLLIN, on_bus);
	if (!rc)
		rc = loop_watch_add(v->loop, &v->news_watch, v->reader.news_fd,
				    EPOLLIN, on_news);
	return rc ? rc : vduse_queues_init(v);
}

int vduse_device_open(struct vduse_port *v, struct err *err)
{
	int rc = open_events(v);

	if (rc)
		return err_set(err, rc, "%s", strerror(-rc));
	rc = vduse_kernel_open(v, err);
	if (rc)
		return rc;
	rc = make(v);
	if (rc == -EEXIST && v->fd < 0)
		rc = vduse_kernel_destroy(v) ? clear_stale(v) : make(v);
	return rc ? err_set(err, rc, "%s", v->reason.msg) : 0;
}

/* Waits until the running request ends, answering the kernel's messages.
 * Returns false if it does not end in time. */
static bool wait_for_bus(struct vduse_port *v)
{
	uint64_t end = loop_now_ms() + LEAVE_MS;
	struct pollfd p[2] = { { .fd = v->bus.done_fd, .events = POLLIN },
			       { .fd = v->fd, .events = POLLIN } };

	for (uint64_t now = loop_now_ms(); now < end; now = loop_now_ms()) {
		poll(p, ARRAY_SIZE(p), (int)(end - now));
		if (p[0].revents & POLLIN)
			return true;
		if (p[1].revents & POLLIN)
			vduse_message_serve_all(v);
		if (p[1].revents & POLLERR)
			p[1].fd = -1; /* broken: there are no messages */
	}
	return false;
}

/* Takes the device off the bus. Returns whether no request runs any more. */
static bool leave_bus(struct vduse_port *v)
{
	int rc;

	if (v->bus.is_running) {
		if (!wait_for_bus(v))
			return false;
		vduse_bus_finish(&v->bus);
	}
	if (v->fd < 0 || !vduse_bus_has(v->name))
		return true;
	rc = vduse_bus_start(&v->bus, VDUSE_BUS_DEL, v->name);
	if (!rc) {
		if (!wait_for_bus(v))
			return false;
		rc = vduse_bus_finish(&v->bus);
	}
	if (rc)
		log_warn("port=%s: the device stays on the vDPA bus (%s): vdpa "
			 "dev del %s",
			 v->port.name,
			 rc == -EBUSY ? "a program has its /dev/vhost-vdpa-N "
					"open"
				      : strerror(-rc),
			 v->name);
	return true;
}

bool vduse_device_close(struct vduse_port *v)
{
	bool is_over;
	int rc;

	loop_watch_remove(&v->bus_watch);
	loop_watch_remove(&v->news_watch);
	loop_timer_disarm(&v->gone_timer);
	/* From here on control reads the messages. */
	vduse_reader_stop(&v->reader);
	take_news(v);
	is_over = leave_bus(v);
	if (!is_over)
		log_err("port=%s: the kernel does not let the device %s go; it "
			"stays",
			v->port.name, v->name);
	vduse_queues_stop(v);
	loop_watch_remove(&v->report_watch);
	if (v->fd >= 0) {
		fd_close(&v->fd);
		rc = vduse_kernel_destroy(v);
		if (rc && is_over)
			log_warn("port=%s: the device %s stays: %s",
				 v->port.name, v->name, strerror(-rc));
	}
	fd_close(&v->control_fd);
	fd_close(&v->report_fd);
	vduse_queues_fini(v);
	vduse_reader_fini(&v->reader);
	if (is_over)
		vduse_bus_fini(&v->bus);
	return is_over;
}
