/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of virtio over PCI. Private to pci/.
 *
 * Theory of operation. Registers that only remember a value are read and
 * written on vCPU threads, under the function's lock. What changes the state of
 * the device (status, enable, reset, the interrupt of a running ring) is done
 * on the control thread, which the vCPU waits for without the lock: one after
 * another, and free to call the model, which may call back. A ring's addresses
 * and size stay as they are from its enable to its reset.
 *
 * Legacy registers (virtio_pci_legacy.c) are another way to the same state. A
 * driver that uses them skips FEATURES_OK, and may use its rings before
 * DRIVER_OK; the device takes its features when it starts (is_live).
 *
 * Locks: the function's lock, inside of it isr_lock, inside of that the lock of
 * the interrupt lines.
 */
#ifndef RW_VMM_VIRTIO_PCI_IMPL_H
#define RW_VMM_VIRTIO_PCI_IMPL_H

#include "log.h"
#include "pci_impl.h"
#include "virtio_pci.h"

#define VPCI_NO_VECTOR 0xffff

/* BARs, as QEMU numbers them, and what is where in that of the modern
 * registers: a page each, so that a monitor in the guest can pass notifications
 * on without the rest. */
enum { VPCI_BAR_LEGACY = 0, VPCI_BAR_MSIX = 1, VPCI_BAR_REGS = 4 };
#define VPCI_COMMON	 0x0000u
#define VPCI_ISR	 0x1000u
#define VPCI_DEVICE	 0x2000u
#define VPCI_NOTIFY	 0x3000u
#define VPCI_PART	 0x1000u
#define VPCI_BAR_SIZE	 0x4000u
#define VPCI_NOTIFY_SIZE 4u /* bytes a ring; the multiplier */
#define VPCI_COMMON_SIZE 60u

/* Legacy registers: the device's own configuration is behind them. */
#define VPCI_LEGACY_NOTIFY 16u
#define VPCI_LEGACY_SIZE   24u /* with those of MSI-X */
#define VPCI_CONFIG_MAX	   (256u - VPCI_LEGACY_SIZE)

/* The ways of a notification. */
enum vpci_way { VPCI_WAY_MODERN, VPCI_WAY_LEGACY, VPCI_WAYS };

struct vpci_ring {
	struct virtio_pci *v;
	unsigned idx;
	uint16_t size;	 /* of the driver, at most the device's */
	uint16_t vector; /* [lock -> any, atomic] or VPCI_NO_VECTOR */
	uint64_t desc, driver, device;
	bool is_enabled;
	bool is_running;	  /* the model has it; written under the lock */
	bool is_wired[VPCI_WAYS]; /* KVM has kick_fd for the notify address */
	int kick_fd;		  /* -1 until the ring runs first; then kept */
	struct virtio_ring given; /* what the model has; [ctl] */
};

struct virtio_pci {
	struct pci_dev pci;
	struct vm *vm;
	struct virtio_dev *dev;
	struct log_limit log;	   /* any thread, as log_limited() allows */
	enum virtio_pci_kind kind; /* [const] */
	unsigned window; /* capability: window into the BAR; 0: none */
	bool is_live;	 /* the driver began to use the rings; [ctl], written
			  * under the lock */
	/* Registers, under the function's lock */
	uint32_t device_select, driver_select;
	uint64_t driver_features;
	bool wants_more; /* the driver accepts features from 64 on */
	uint16_t queue_select;
	/* The device's own, as the generation was read last */
	uint8_t config_seen[VPCI_CONFIG_MAX];
	/* [lock -> any, atomic] */
	uint16_t config_vector;
	uint8_t status;
	uint8_t generation;
	/* INTx */
	pthread_mutex_t isr_lock;
	uint8_t isr;
	int intx_fd; /* call_fd of rings without MSI-X */
	struct loop_watch intx_watch;
	bool msix_seen; /* msix_is_on() as the running rings know it; under the
			 * lock */
	struct vpci_ring *ring; /* heap array */
};

/* --- virtio_pci_regs.c: the registers in the BAR. vCPU threads. */
/* Without wait; under the function's lock. */
uint64_t vpci_read_locked(struct virtio_pci *v, uint64_t off, unsigned size);
/* Without the lock; may wait for the control thread. */
void vpci_write(struct virtio_pci *v, uint64_t off, unsigned size,
		uint64_t value);
/* Sets what a reset sets; under the lock. */
void vpci_regs_reset(struct virtio_pci *v);
void vpci_ring_regs_reset(struct vpci_ring *r);
/* Returns the ring that the driver selected, or NULL. */
struct vpci_ring *vpci_selected(struct virtio_pci *v);

/* --- virtio_pci_state.c */
enum vpci_verb {
	VPCI_NOTHING,
	VPCI_SET_STATUS,    /* to value */
	VPCI_ENABLE_RING,   /* idx */
	VPCI_RESET_RING,    /* idx */
	VPCI_UPDATE_CALLS,  /* of all running rings */
	VPCI_SWITCH_CALLS,  /* the same, when MSI-X was switched on or off */
	VPCI_LEGACY_STATUS, /* to value, by a driver without FEATURES_OK */
	VPCI_LEGACY_START,  /* it uses rings before DRIVER_OK */
	VPCI_LEGACY_REMOVE, /* idx */
};

struct vpci_change {
	enum vpci_verb verb;
	unsigned idx;
	uint8_t value;
};

/* These write a register that both kinds of drivers have, under the lock. */
void vpci_write_config_vector(struct virtio_pci *v, uint32_t value);
/* Of the selected ring. Returns what is left to do. */
struct vpci_change vpci_write_ring_vector(struct virtio_pci *v, uint32_t value);
/* The device's own configuration, @off from its begin, which may be outside of
 * it. */
uint64_t vpci_read_config(struct virtio_pci *v, unsigned off, unsigned size);
void vpci_write_config(struct virtio_pci *v, unsigned off, unsigned size,
		       uint64_t value);

/* Makes the change on the control thread and waits. vCPU thread. */
void vpci_change(struct virtio_pci *v, const struct vpci_change *c);
/* Resets the device. [ctl] */
void vpci_reset(struct virtio_pci *v);

/* --- virtio_pci_ring.c */
/* Starts an enabled ring. Returns 0 or -errno. [ctl] */
int vpci_ring_start(struct vpci_ring *r);
void vpci_ring_stop(struct vpci_ring *r);
/* Gives the running ring the interrupt that its vector says now. [ctl] */
void vpci_ring_update_call(struct vpci_ring *r);
/* An interrupt that the running ring may owe: makes it. [ctl] */
void vpci_ring_call(struct vpci_ring *r);
/* Gives KVM the notify addresses of rings with a kick_fd (the legacy one: of
 * those that run) while their BAR is mapped, and takes them away else. Under
 * the lock. */
void vpci_rings_wire(struct virtio_pci *v);
/* The driver's notification reached us and not KVM. Under the lock. */
void vpci_ring_kick(struct vpci_ring *r);

/* --- virtio_pci_legacy.c: the legacy registers. vCPU threads. */
/* Returns the features that a legacy driver is offered. */
uint64_t vpci_legacy_features(const struct virtio_pci *v);
/* Sets the BAR up, before pci_add(). */
void vpci_legacy_init(struct virtio_pci *v);

/* --- virtio_pci_irq.c */
int vpci_irq_init(struct virtio_pci *v);
void vpci_irq_fini(struct virtio_pci *v);
/* Forgets interrupts that wait. [ctl] */
void vpci_irq_reset(struct virtio_pci *v);
/* Reads the ISR status, which clears it. */
uint8_t vpci_read_isr(struct virtio_pci *v);
extern const struct virtio_transport_ops vpci_transport;
void vpci_needs_reset(struct virtio_pci *v, const char *why);

#endif
