/* SPDX-License-Identifier: Apache-2.0 */
/* Internals of the vduse port, for vduse*.c only. */
#ifndef RW_PORT_VDUSE_H
#define RW_PORT_VDUSE_H

#include <linux/vduse.h>

#include "log.h"
#include "vduse_bus.h"
#include "vduse_reader.h"
#include "vduse_type.h"
#include "vnet_pair.h"

/* The kernel refuses a control queue in a VDUSE network device (the driver
 * would wait for its answers with rtnl_lock held), and without one a driver has
 * one queue pair. */
#define VDUSE_QUEUES 2

/*
 *   CLEARING   a killed daemon left a device of this name, which is being
 *              taken off the bus: ADDING or FAILED follows
 *   ADDING     the device is being put on the bus: READY follows, or FAILED
 *   READY      whoever has the bus may use it
 *   FAILED     the reason says why the port is of no use
 */
enum vduse_state {
	VDUSE_CLEARING,
	VDUSE_ADDING,
	VDUSE_READY,
	VDUSE_FAILED,
};

struct vduse_port;

struct vduse_queue {
	struct vq_notifier notifier;
	struct vduse_port *port;     /* [const] */
	uint32_t idx;		     /* [const] */
	int kick_fd;		     /* [const] eventfd */
	bool is_held;		     /* [ctl] the data path has the ring */
	bool has_position;	     /* [ctl] @position says where it goes on */
	bool is_irq_lost;	     /* [worker -> ctl, atomic] */
	enum vq_fault fault;	     /* [ctl] the fault that was told */
	struct vq_position position; /* [ctl] while not held */
	struct vq_dev vq;	     /* its own rules */
};

struct vduse_port {
	struct port port;
	struct loop *loop;
	struct log_limit log;
	char name[VDUSE_NAME_SIZE];
	uint8_t mac[6];
	bool has_mac;
	uint32_t mtu; /* 0: none is announced */
	uint32_t queue_size;
	enum vduse_state state;
	struct err reason; /* of the last failure, or why nobody uses it */
	int control_fd;	   /* /dev/vduse/control */
	int fd;		   /* [any, const while rings are held] the device */
	int report_fd;	   /* eventfd of the workers */
	struct vduse_bus bus;
	struct vduse_reader reader;
	struct loop_watch news_watch, report_watch, bus_watch;
	struct loop_timer irq_timer;  /* injects lost interrupts again */
	struct loop_timer mem_timer;  /* starts the rings again */
	struct loop_timer gone_timer; /* after a reset: is it off the bus? */
	uint8_t status;		      /* of the virtio device */
	uint64_t features;	      /* the driver's; with DRIVER_OK */
	struct gmem *mem;	      /* NULL: none */
	struct vduse_queue queue[VDUSE_QUEUES];
	struct vnet_pairs pairs;
	struct vnet_pair *pair; /* heap: cache lines */
};

/* vduse_device.c: the device in the kernel. _open() begins to make it and
 * returns 0, or -errno with @err; call _close() even then. _close() takes the
 * device off the bus and destroys it. It returns false if the kernel does not
 * end the request: then @v must stay in memory. */
int vduse_device_open(struct vduse_port *v, struct err *err);
bool vduse_device_close(struct vduse_port *v);

/* A machine under load answers a message within this time. A killed daemon
 * holds up those who wait for its device no longer. The kernel's default is 30
 * s. */
#define VDUSE_MSG_TIMEOUT_S "10"

/* What a person types to put a device on the bus; %s: its name. */
#define VDUSE_ADD_COMMAND "vdpa dev add name %s mgmtdev vduse"

/* vduse_kernel.c: /dev/vduse. _open() opens the control file. _create() makes
 * the device, opens it and describes its queues; -EEXIST: there is one of that
 * name. Both return 0, or -errno with @err or v->reason. _open_device() opens
 * one that is there; -EBUSY: somebody has it open. _destroy(): -EBUSY: it is
 * open or on the bus. Both return 0 or -errno. */
int vduse_kernel_open(struct vduse_port *v, struct err *err);
int vduse_kernel_create(struct vduse_port *v);
int vduse_kernel_open_device(struct vduse_port *v);
int vduse_kernel_destroy(const struct vduse_port *v);

/* vduse_message.c. _status() goes where the driver's status leads; returns 0,
 * or -errno with v->reason. _serve() does what @req asks for and answers it.
 * _serve_all() reads and serves all messages that wait, while no reader
 * runs. */
int vduse_message_status(struct vduse_port *v, uint8_t status);
void vduse_message_serve(struct vduse_port *v,
			 const struct vduse_dev_request *req);
void vduse_message_serve_all(struct vduse_port *v);
/* Does what @req asks for and makes the answer. */
void vduse_message_answer(struct vduse_port *v,
			  const struct vduse_dev_request *req,
			  struct vduse_dev_response *resp);

/* vduse_queue.c. _start() gives the ready rings to the data path and returns 0,
 * or -errno with v->reason; is_resumed: they go on where they stopped. _stop()
 * takes them back. _check() looks at what workers reported. */
int vduse_queues_start(struct vduse_port *v, bool is_resumed);
void vduse_queues_stop(struct vduse_port *v);
void vduse_queues_forget(struct vduse_port *v); /* positions of old rings */
void vduse_queues_check(struct vduse_port *v);
int vduse_queues_init(struct vduse_port *v);
void vduse_queues_fini(struct vduse_port *v);

/* vduse_mem.c: makes a map of all memory that the driver shows now. Returns 0
 * with the map in *@out, or -errno with @err. */
int vduse_mem_read(int fd, struct gmem **out, struct err *err);
/* Fills @d from an answer of the kernel. Returns whether the region can be
 * used: it is readable and writable. */
bool vduse_mem_describe(const struct vduse_iotlb_entry *e, int fd,
			struct gmem_desc *d);

/* vduse_show.c: port_ops.show. */
void vduse_show(const struct port *p, struct show *s);

#endif
