/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all emulated cards have, for nic/ and its folders only: the port with
 * its queues, the PCI function, the interrupt.
 *
 * Theory of operation. A vCPU that writes a register changes the card's state
 * under the function's lock (pci_lock()). A worker reads what the driver sends
 * and writes what it receives, straight from and to the guest's memory. The two
 * meet in three places:
 *
 *   - A register that says "there is more" (the tail of a ring) is an atomic
 *     store, and nic_kick() if the worker sleeps.
 *   - Registers that say where a ring is, and a reset, take the queue's lock:
 *     nic_lock_out() for what the driver sends, the lock of the txq for what it
 *     receives. The worker holds it for a burst, so no frame is read or written
 *     once a reset has returned.
 *   - A cause of an interrupt is set with nic_cause(), which wakes the control
 *     thread: it raises the line, not sooner than the card's throttle says. A
 *     message of MSI-X is sent at once, by whoever sets the cause; only one
 *     that comes too soon is left to the control thread.
 *
 * Locks, the outer ones first: pci_lock(), nic_lock_out(), the txq's, the lock
 * of the interrupt, the lock of its vectors.
 */
#ifndef RW_VMM_NIC_IMPL_H
#define RW_VMM_NIC_IMPL_H

#include "fd.h"
#include "loop.h"
#include "nic.h"

struct nic;

/* A model of a card. */
struct nic_model {
	const struct pci_id *id;
	/* Sets kind, size and handlers of nic->pci.bar[]. */
	void (*set_bars)(struct nic *n);
	/* Sets all registers to what they are at power-on. No vCPU runs, and no
	 * worker has the queues. */
	void (*power_on)(struct nic *n);
	/* The link went or came: nic->has_no_link. */
	void (*link_changed)(struct nic *n);
	/* Returns whether the driver has given frames to send. Any thread. */
	bool (*has_work)(struct nic *n);
	/* Adds capabilities to the function, which is on the bus. Returns 0, or
	 * -errno with @err. NULL: there are none. */
	int (*add_caps)(struct nic *n, struct err *err);
	size_t size;	      /* of the struct that begins with struct nic */
	unsigned tx_offloads; /* OFFLOAD_* that tx_burst takes */
	const char *rom;      /* file of iPXE's for it; NULL: none */
};

/* The shortest time between two interrupts. */
struct nic_throttle {
	uint64_t interval_ns; /* 0: none */
	uint64_t last_ns;     /* when the last one was */
};

#define NIC_VECTORS 5 /* most */

/* A message of MSI-X. */
struct nic_vector {
	uint32_t causes; /* of which it tells; 0: not in use */
	struct nic_throttle throttle;
};

/* The interrupt: a line, which is a message when it rises while the guest has
 * MSI enabled, or messages of their own while it has MSI-X. */
struct nic_irq {
	uint32_t cause; /* [any, atomic] */
	uint32_t mask;	/* [any, atomic] causes that interrupt */
	pthread_mutex_t lock;
	bool is_up;		  /* [lock] the line */
	struct nic_throttle line; /* [lock] */
	uint64_t wake_ns;	  /* [lock] when the timer ends; 0: never */
	struct spinlock vector_lock;
	struct nic_vector vector[NIC_VECTORS]; /* [vector_lock] */
	uint32_t told; /* [vector_lock] causes whose message was sent */
	/* [vector_lock] Causes that their message clears, and those that it
	 * masks. */
	uint32_t auto_clear, auto_mask;
	uint64_t raised;       /* [any, atomic] how often */
	int news_fd, timer_fd; /* [const] */
	struct loop_watch news, timer;
};

struct nic {
	struct port port;
	const struct nic_model *model; /* [const] */
	struct loop *loop;	       /* [const] */
	uint8_t mac[ETH_ALEN];	       /* [const] */
	bool has_no_link;	       /* [ctl -> any, atomic] */
	struct rxq out;		       /* what the driver sends */
	struct spinlock out_lock;
	bool is_asleep;	  /* [any, atomic] the worker waits for nic_kick() */
	struct txq in;	  /* what the driver receives */
	struct gmem *ram; /* [const while plugged] NULL: not plugged */
	struct pci_dev pci;
	struct nic_irq irq;
};

static inline struct nic *nic_of(struct port *p)
{
	return container_of(p, struct nic, port);
}

static inline void nic_lock_out(struct nic *n)
{
	spin_lock(&n->out_lock);
}

static inline void nic_unlock_out(struct nic *n)
{
	spin_unlock(&n->out_lock);
}

/* Wakes the worker if it sleeps, after a store that gives it work. */
static inline void nic_kick(struct nic *n)
{
	shm_fence();
	if (shm_load(&n->is_asleep) && shm_exchange(&n->is_asleep, false))
		fd_signal(n->out.event_fd);
}

/* --- nic.c: parts of a port type for each card. */
int nic_create(const struct port_env *env, const struct port_conf *common,
	       const void *conf, const struct port_type *type,
	       const struct nic_model *model, const struct port_ops *ops,
	       struct port **out, struct err *err);
void nic_destroy(struct port *p);
void nic_show(const struct port *p, struct show *s);
bool nic_rx_arm(struct rxq *q);
void nic_rx_disarm(struct rxq *q);
extern const struct opt_row nic_rows[];

extern const struct port_type port_e1000_type;
extern const struct port_type port_e1000e_type;
extern const struct port_type port_rtl8139_type;

/* --- nic_irq.c */
int nic_irq_init(struct nic_irq *q, struct nic *n);
void nic_irq_fini(struct nic_irq *q);
/* No cause, no mask, no throttle, no vector. */
void nic_irq_reset(struct nic *n);
/* Tells of causes that were not told of: sends messages, or lets the control
 * thread do what has to wait and what is the line's. Any thread. */
void nic_irq_tell(struct nic *n);

/* Sets bits of the cause. Returns whether the driver is told: it wants to know,
 * and has not been told yet. Any thread; a vCPU that wants the line to follow
 * at once calls nic_irq_update() after it. */
static inline bool nic_cause(struct nic *n, uint32_t bits)
{
	uint32_t old = bits ? shm_fetch_or(&n->irq.cause, bits) : bits;
	bool is_news = bits & ~old & shm_load(&n->irq.mask);

	if (is_news)
		nic_irq_tell(n);
	return is_news;
}

/* Lets line and messages follow cause and mask. vCPU and control thread. */
void nic_irq_update(struct nic *n);
/* The same after a change of the MSI registers: with MSI on, a line that is up
 * has its message again. */
void nic_irq_repeat(struct nic *n);
/* Returns the cause, and clears the bits @clear of it. vCPU thread. */
uint32_t nic_irq_take(struct nic *n, uint32_t clear);
/* Sets the mask to (mask & @keep) | @add. vCPU thread. A cause that is set is
 * told of again when it becomes unmasked. */
void nic_irq_set_mask(struct nic *n, uint32_t keep, uint32_t add);
/* Sets the throttle of the line, or of @vector. */
void nic_irq_set_interval(struct nic *n, uint64_t ns);
void nic_irq_set_vector_interval(struct nic *n, unsigned vector, uint64_t ns);
/* Message i tells of the causes @causes[i] from now on. A cause of several
 * vectors is the first one's. */
void nic_irq_set_vectors(struct nic *n, const uint32_t causes[NIC_VECTORS]);
void nic_irq_set_auto(struct nic *n, uint32_t clear, uint32_t mask);
/* Returns CLOCK_MONOTONIC. */
uint64_t nic_now_ns(void);

#endif
