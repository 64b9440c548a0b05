/* SPDX-License-Identifier: Apache-2.0 */
/* Inside switch/: the switch object. */
#ifndef RW_SWITCH_IMPL_H
#define RW_SWITCH_IMPL_H

#include "forward.h"
#include "net.h"
#include "switch.h"

struct vswitch {
	struct loop *loop;
	struct cds_list_head nets; /* list of struct net */
	struct port **port;	   /* in the order they were added; heap */
	unsigned port_count, port_room;
	struct observers observers;
	struct observer links;	      /* sees ports whose link goes down */
	struct loop_timer dead_timer; /* due when such a port may be dead */
	struct mac_news mac_news;
	struct workers *workers;
	struct forward *path;	 /* one for each worker, then control's; heap */
	struct forward *forward; /* control's, for injected frames */
	unsigned mac_age_s;
	unsigned tick_s; /* seconds of one tick of MAC ageing */
	struct loop_timer age_timer;
	struct loop_watch grow_watch;
	int grow_fd;
	bool grow_wanted; /* [worker -> ctl, atomic] a MAC table is full */
};

#endif
