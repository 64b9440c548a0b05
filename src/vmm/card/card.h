/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio network card whose device is in this process: a port of the switch,
 * whose queues are the rings of the guest's driver, and a virtio_dev, which is
 * plugged into a machine. The port outlives machines: after a reset of the
 * guest the card is plugged into the next one. Control thread.
 */
#ifndef RW_VMM_CARD_H
#define RW_VMM_CARD_H

#include "netcard_conf.h"
#include "port.h"
#include "virtio_dev.h"

#define CARD_RING_MAX 4096

/* Options of -device virtio-net-pci, named as QEMU's. */
struct card_conf {
	struct netcard_conf common;
	bool mq;
	uint32_t queues;
	bool has_queues;
	uint32_t rx_queue_size, tx_queue_size;
	bool packed, in_order, indirect_desc, event_idx, mrg_rxbuf;
	bool csum, guest_csum, gso, guest_gso, ctrl_vq, ctrl_guest_offloads;
	bool guest_announce;
	bool rss, hash;
	uint32_t host_mtu; /* 0: none is announced */
	uint32_t speed;	   /* Mbit/s; 0: unknown */
};

/* Rows of card_conf. Not in the table of port types: only a machine has one. */
extern const struct port_type port_card_type;

/* Returns 0, or -EINVAL with @err for options that contradict each other. */
int card_check(const struct card_conf *conf, struct err *err);

/* Returns the device of the port @p, which is of port_card_type. */
struct virtio_dev *card_device(struct port *p);

/* Tells the driver of the card whether it has a link; initially it has. One
 * that comes back makes it announce its addresses. */
void card_set_link(struct port *p, bool is_up);

#endif
