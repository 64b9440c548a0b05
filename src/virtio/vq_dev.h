/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a virtqueue, split and packed behind the same verbs; the
 * format is chosen once per burst.
 *
 * Threads: the control plane activates and deactivates while no worker has the
 * queue. The other functions run on the queue's holder: the worker that owns
 * the queue of frames into the switch, or the holder of the port's transmit
 * lock. Nothing here locks, allocates, logs or enters the kernel, except
 * activate and vq_dev_notify().
 */
#ifndef RW_VQ_DEV_H
#define RW_VQ_DEV_H

#include "gmem.h"
#include "vq.h"

/* Meaning of an address that the memory map does not hold. */
enum vq_on_miss {
	VQ_MISS_FAULTS, /* VQ_FAULT_ADDRESS: no other memory exists */
	VQ_MISS_ASKS,	/* behind an IOMMU: the owner asks for a translation and
			 * pops the chain again, see vq_dev_miss() */
};

enum { VQ_ACCESS_READ = 1, VQ_ACCESS_WRITE = 2 };

/* A range of guest addresses without a translation. */
struct vq_miss {
	uint64_t gpa;	/* first byte without a translation */
	uint64_t size;	/* bytes up to the end of the buffer or table */
	uint8_t access; /* the access needed, VQ_ACCESS_* */
};

/* The owner's own way to notify the driver, for rings without a descriptor of
 * the driver's. Embedded in the owner's struct. */
struct vq_notifier {
	/* Runs on the queue's holder: neither sleeps nor allocates. */
	void (*notify_driver)(struct vq_notifier *n);
};

/* State to save when a ring moves to another process: the position that
 * vq_dev_deactivate() returns and the config of vq_dev_activate(). */
struct vq_dev {
	/* The first 72 bytes are those that pop and push touch. */
	struct vq_areas area;		/* [const after activate] */
	struct gmem *mem;		/* [const until resume] one reference */
	const struct gmem_region *hot;	/* region of the last buffer */
	const struct gmem_region *warm; /* region before the hot one */
	uint16_t next_avail; /* next slot to pop; split: free-running */
	uint16_t avail_seen; /* split: avail idx of the last load */
	uint16_t next_used;  /* next used slot to write */
	uint16_t mask;	     /* split: count - 1 */
	uint16_t count;	     /* [const after activate] ring size; 32768 fits */
	uint16_t quiet_at;   /* split: next_avail of the last put_off */
	bool avail_wrap;     /* packed wrap counters */
	bool used_wrap;
	bool is_packed;	     /* [const after activate] */
	bool has_event_idx;  /* [const after activate] */
	bool has_in_order;   /* [const after activate] */
	bool has_indirect;   /* [const after activate] */
	bool is_armed;	     /* the driver was asked to kick */
	bool saw_writable;   /* a popped chain had a writable buffer */
	enum vq_fault fault; /* [worker -> ctl] sticky until deactivate; other
			      * threads use shm_load() */

	uint32_t unsignalled;  /* used slots since the last should_notify */
	uint32_t fault_detail; /* the offending index or length; written before
				* the fault */
	int call_fd; /* [any, atomic] eventfd to the driver, or -1; borrowed
		      * from the session */
	uint64_t features;    /* [const after activate] */
	uint64_t call_count;  /* notifications sent */
	uint64_t fault_addr;  /* VQ_FAULT_ADDRESS: guest address of the buffer;
			       * written before the fault */
	const int *report_fd; /* [const after activate] from the config */
	bool *is_mute;	      /* [const after activate] from the config */
	uint32_t idle_looks;  /* [worker -> ctl] arms before the driver made its
			       * first chain available */
	enum vq_on_miss on_miss; /* [const after activate] */
	struct vq_miss miss; /* [worker -> any] written before its atomic size;
			      * size 0: none */
	struct vq_notifier *notifier; /* [const after activate] */
};

struct vq_dev_config {
	uint64_t features;    /* negotiated features */
	uint32_t count;	      /* descriptors; validity is checked here */
	struct vq_areas area; /* the caller checked the extent; alignment is
			       * checked here */
	struct gmem *mem;     /* the queue takes a reference */
	struct vq_position position;
	int call_fd;		      /* eventfd to the driver, or -1 */
	struct vq_notifier *notifier; /* used instead of @call_fd; NULL: none */
	/* The owner's eventfd, borrowed until deactivate; NULL: none. Signalled
	 * at a fault, at a miss, and when idle_looks reaches VQ_IDLE_LOOKS and
	 * at each doubling. */
	const int *report_fd;
	/* Shared by the rings of one owner, or NULL. Set [any, atomic] when a
	 * write to a call descriptor blocked: none of the rings is notified
	 * from then on. Otherwise a burst that is flooded to many of them would
	 * block its worker once for each. */
	bool *is_mute;
	enum vq_on_miss on_miss;
};

/* Least idle_looks that is reported: one arm at the start of the queue and one
 * after a kick. */
#define VQ_IDLE_LOOKS 2

/* Starts the queue with the driver's kicks suppressed (disarmed). Returns 0, or
 * -EINVAL for a size, alignment or position that the format does not allow. */
int vq_dev_activate(struct vq_dev *vq, const struct vq_dev_config *config);

/* Stops the queue: returns its position and puts the memory reference. Push or
 * unpop every popped chain before: chains that are still out are lost, because
 * a split position cannot tell of them. */
struct vq_position vq_dev_deactivate(struct vq_dev *vq);

/*
 * Takes up to @n available chains and returns their number. Their iovecs go to
 * @iov[0..iov_count). Returns 0 when no chain is available, or when the queue
 * has a fault (vq->fault) or a miss (vq_dev_miss()). A fault or miss within the
 * burst still returns the good chains before it; the pop after a miss begins
 * with the chain that missed.
 */
unsigned vq_dev_pop_burst(struct vq_dev *vq, struct vq_chain *chains,
			  unsigned n, struct iovec *iov, unsigned iov_count);

/* Puts the last @n popped chains back, newest first; the next pop returns them
 * again. Legal only while none of them was pushed. */
void vq_dev_unpop(struct vq_dev *vq, const struct vq_chain *chains, unsigned n);

/*
 * Returns @n finished chains to the driver with one publication (one release).
 * With IN_ORDER they must come in the order of their pop.
 */
void vq_dev_push_burst(struct vq_dev *vq, const struct vq_done *done,
		       unsigned n);

/* Returns whether a chain waits for a translation, with its range in *@miss.
 * Only with VQ_MISS_ASKS. Any thread. */
bool vq_dev_miss(const struct vq_dev *vq, struct vq_miss *miss);

/* Ends a miss: the queue goes on with the map @mem (takes a reference, puts the
 * old map). No popped chain may be out. The caller then pops again, or makes
 * the queue's worker do it: chains that are already available cause no
 * event. */
void vq_dev_resume(struct vq_dev *vq, struct gmem *mem);

/* Asks the driver for a kick at its next chain. Returns true when the queue is
 * armed and empty, or when a fault or a miss prevents pops. Returns false when
 * a chain arrived meanwhile: the ring is disarmed, pop again. Loses no
 * wake-up. */
bool vq_dev_arm(struct vq_dev *vq);
void vq_dev_disarm(struct vq_dev *vq);

/* Returns whether the driver wants a notification for the chains pushed since
 * the last call. Call it once after the pushes of a burst, then vq_dev_notify()
 * if true. */
bool vq_dev_should_notify(struct vq_dev *vq);

/* Sends the notification: calls the notifier, else writes to call_fd, if there
 * is one. If the peer made the descriptor block, the queue gets VQ_FAULT_CALL.
 */
void vq_dev_notify(struct vq_dev *vq);

/* Returns whether the driver has never made a chain available. Only reads the
 * ring. Any thread. */
bool vq_dev_is_untouched(const struct vq_dev *vq);

/* Returns how many chains are available and not popped, at most @limit. Only
 * reads the ring. */
unsigned vq_dev_pending(const struct vq_dev *vq, unsigned limit);

/* Returns whether @n chains of a split ring, or @n descriptors of a packed one,
 * are available (@n: 1 to the ring's size). Only reads the ring, and of a
 * packed one only the last of these descriptors: a driver that is making the
 * others available now keeps their lines. */
bool vq_dev_has(const struct vq_dev *vq, unsigned n);

#endif
