/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An emulated network card in a machine without KVM, and a switch with two
 * other ports: one keeps what the card's driver sends, from the other the test
 * sends to it. The test is the driver.
 */
#ifndef NIC_RIG_H
#define NIC_RIG_H

#include "fake_port.h"
#include "nic.h"
#include "vmm_rig.h"

#define NIC_RIG_SLOT 3
#define NIC_RIG_MAC  "\2\0\0\0\0\7"
#define NIC_RIG_KEPT 64u
#define BROADCAST    "\xff\xff\xff\xff\xff\xff"

/* A frame that the driver sent. */
struct kept {
	uint32_t len;
	struct vnet_hdr hdr;
	uint8_t data[2048]; /* its first bytes */
};

struct sink {
	struct port port;
	struct txq tx;
	struct kept frame[NIC_RIG_KEPT];
	unsigned count; /* [any, atomic] */
};

struct nic_rig {
	struct vmm_rig rig;
	struct world w;
	struct pci_bus *bus;
	struct port *card;
	struct sink *sink;
	struct fake_port *source;
};

/* Plugs a card of @type. */
void nic_rig_init(struct nic_rig *r, const struct port_type *type);
void nic_rig_fini(struct nic_rig *r);

/* Returns the guest's memory at @at. */
uint8_t *nic_rig_mem(struct nic_rig *r, uint32_t at);

/* Returns the level of the card's interrupt; _wait_line() once it is up, or
 * after two seconds. */
bool nic_rig_line(struct nic_rig *r);
bool nic_rig_wait_line(struct nic_rig *r);

void nic_rig_sleep_ms(unsigned ms);

/* Returns the @n-th frame that the driver sent (from 1), once it is the last.
 */
const struct kept *nic_rig_wait_kept(struct nic_rig *r, unsigned n);
/* Waits until the card has dropped @n frames that its driver does not want. */
void nic_rig_wait_unwanted(struct nic_rig *r, unsigned n);

/* Sends a frame of @len bytes to the address @dst. */
void nic_rig_send(struct nic_rig *r, const char *dst, unsigned len);
/* Sends one with a tag of VLAN @vid. */
void nic_rig_send_tagged(struct nic_rig *r, const char *dst, unsigned vid);

/* Makes a frame of @len bytes from the card to the sink at the guest's address
 * @at: IPv4, and TCP or UDP, without checksums. */
uint8_t *nic_rig_make(struct nic_rig *r, uint32_t at, uint32_t len,
		      bool is_tcp);
/* Asserts that both checksums of @k are right. */
void nic_rig_check_sums(const struct kept *k);

#endif
