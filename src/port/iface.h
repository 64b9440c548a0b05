/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of the host that a port uses, followed by its name: its link
 * goes up and down, it may be deleted, and another one of that name may come.
 * Control thread.
 */
#ifndef RW_IFACE_H
#define RW_IFACE_H

#include <net/if.h>

#include "link_events.h"
#include "log.h"
#include "port.h"

enum iface_state {
	IFACE_UP,
	IFACE_NO_CARRIER,
	IFACE_DOWN,    /* set down by the host */
	IFACE_GONE,    /* waits for an interface of that name */
	IFACE_REFUSED, /* it is there, and could not be opened; tried again when
			* an interface changes */
	IFACE_STATES,
};

struct iface;

struct iface_ops {
	/* Opens the interface @i->index, which came again, and returns 0, or
	 * -errno with @err and nothing left behind. */
	int (*open)(struct iface *i, struct err *err);
	/* Closes what was open of an interface that is gone. */
	void (*close)(struct iface *i);
	/* The link or the MTU is another one. Returns 0 or -errno. */
	int (*changed)(struct iface *i, bool is_up);
};

/* Embedded in the port. */
struct iface {
	const struct iface_ops *ops;
	const struct port *port; /* for log lines */
	char name[IFNAMSIZ];
	unsigned index; /* 0: it is gone, or could not be opened */
	uint32_t mtu;
	enum iface_state state;
	struct err reason; /* IFACE_REFUSED: why */
	struct link_follower follower;
	struct log_limit log;
};

/* Finds the interface @name and fills @i. Returns 0, or -errno with @err. */
int iface_find(struct iface *i, const char *name, struct err *err);

/* Sets the link of the port, and follows the interface from now on. Returns 0
 * or -errno, and the interface is not followed. */
int iface_follow(struct iface *i, const struct iface_ops *ops,
		 const struct port *p);
/* Ends the following, if there is any. */
void iface_leave(struct iface *i);

/* Prints its name, state and reason. */
void iface_show(const struct iface *i, struct show *out);

#endif
