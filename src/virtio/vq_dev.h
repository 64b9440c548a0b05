/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device side of a virtqueue, split and packed behind the same verbs; the
 * format is chosen once per burst.
 *
 * Threads: activate and deactivate by the control plane while no worker has the
 * queue; the rest by whoever holds it: the worker that owns a receive-into-the-
 * switch queue, or the holder of the port's transmit lock. Nothing here locks,
 * allocates, logs or enters the kernel, except activate and vq_dev_notify().
 */
#ifndef RW_VQ_DEV_H
#define RW_VQ_DEV_H

#include "gmem.h"
#include "vq.h"

/* What an address that the memory map does not hold means. */
enum vq_on_miss {
	VQ_MISS_FAULTS, /* VQ_FAULT_ADDRESS: there is no other memory */
	VQ_MISS_ASKS,	/* behind an IOMMU: the owner asks for a translation
			 * and the chain is popped again, see vq_dev_miss() */
};

enum { VQ_ACCESS_READ = 1, VQ_ACCESS_WRITE = 2 };

/* What does not translate yet. */
struct vq_miss {
	uint64_t gpa;	/* first byte without a translation */
	uint64_t size;	/* so many, to the end of the buffer or table */
	uint8_t access; /* VQ_ACCESS_* that is needed */
};

/* To be saved when a ring moves to another process: the position that
 * vq_dev_deactivate() returns, and what vq_dev_activate() was given. */
struct vq_dev {
	/* hot: the first 72 bytes are what pop and push touch */
	struct vq_areas area;		/* [const after activate] */
	struct gmem *mem;		/* [const until resume] one reference */
	const struct gmem_region *hot;	/* region of the last buffer */
	const struct gmem_region *warm; /* the one before it */
	uint16_t next_avail; /* next slot to pop; split: free-running */
	uint16_t avail_seen; /* split: avail idx at the last look */
	uint16_t next_used;  /* next used slot to write */
	uint16_t mask;	     /* split: count - 1 */
	uint16_t count;	     /* [const after activate] ring size; 32768 fits */
	uint16_t quiet_at;   /* split: next_avail when kicks were put off */
	bool avail_wrap;     /* packed wrap counters */
	bool used_wrap;
	bool is_packed;	     /* [const after activate] */
	bool has_event_idx;  /* [const after activate] */
	bool has_in_order;   /* [const after activate] */
	bool has_indirect;   /* [const after activate] */
	bool is_armed;	     /* driver was asked to kick */
	bool saw_writable;   /* a popped chain had a writable buffer */
	enum vq_fault fault; /* [worker -> ctl] sticky until deactivate; other
			      * threads read it with shm_load() */

	uint32_t unsignalled;  /* used slots since the last should_notify */
	uint32_t fault_detail; /* the offending index or length; written before
				* the fault */
	int call_fd;	       /* [any, atomic] eventfd to the driver, or -1;
				* borrowed, the session owns it */
	uint64_t features;     /* [const after activate] */
	uint64_t call_count;   /* notifications sent */
	uint64_t fault_addr;   /* VQ_FAULT_ADDRESS: guest address of the buffer;
				* written before the fault */
	const int *report_fd;  /* [const after activate] from the config */
	uint32_t idle_looks;   /* [worker -> ctl] times it was armed before the
				* driver made a chain available */
	enum vq_on_miss on_miss; /* [const after activate] */
	struct vq_miss miss; /* [worker -> any] written before its size, which
			      * is atomic; size 0: none */
};

struct vq_dev_config {
	uint64_t features;    /* negotiated */
	uint32_t count;	      /* descriptors; checked */
	struct vq_areas area; /* checked for extent; alignment is checked */
	struct gmem *mem;     /* a reference is taken */
	struct vq_position position;
	int call_fd; /* or -1 */
	/* An eventfd of the owner's own, signalled when there is something to
	 * look at: a fault or a miss, when it is set, and idle_looks, when it
	 * is high and at each doubling. Borrowed until deactivate. NULL:
	 * nobody. */
	const int *report_fd;
	enum vq_on_miss on_miss;
};

/* From so many idle_looks on it is reported: armed once when the queue started,
 * and again after a kick. */
#define VQ_IDLE_LOOKS 2

/* 0, -EINVAL for a size, alignment or position the format does not allow.
 * Starts with the driver's kicks suppressed (disarmed). */
int vq_dev_activate(struct vq_dev *vq, const struct vq_dev_config *config);

/* Gives the memory reference back and returns where the ring stands. Push or
 * unpop every popped chain before: in the split format the position cannot say
 * that some are still out, they would be lost. */
struct vq_position vq_dev_deactivate(struct vq_dev *vq);

/*
 * Takes up to @n chains the driver made available. Their iovecs go to
 * @iov[0..iov_count). Returns the number of chains; 0 when there is none or
 * the queue has a fault (vq->fault) or a miss (vq_dev_miss()). Either of them
 * in the middle still returns the good chains before it; after a miss the next
 * pop begins with the chain that has it.
 */
unsigned vq_dev_pop_burst(struct vq_dev *vq, struct vq_chain *chains,
			  unsigned n, struct iovec *iov, unsigned iov_count);

/* Puts the last @n popped chains back, newest first: the next pop returns them
 * again. Only legal while none of them was pushed. */
void vq_dev_unpop(struct vq_dev *vq, const struct vq_chain *chains, unsigned n);

/*
 * Gives @n finished chains back and publishes them at once: one release for
 * all. With IN_ORDER negotiated they must come in the order they were popped.
 */
void vq_dev_push_burst(struct vq_dev *vq, const struct vq_done *done,
		       unsigned n);

/* Returns whether a chain waits for a translation, and which one in *@miss.
 * Any thread. Only with VQ_MISS_ASKS. */
bool vq_dev_miss(const struct vq_dev *vq, struct vq_miss *miss);

/* Lets the queue go on after its miss, with the map @mem (a reference is taken,
 * the old one given back). No popped chain may be out. Pop again, or have the
 * queue's worker do it: no event comes for chains that are there already. */
void vq_dev_resume(struct vq_dev *vq, struct gmem *mem);

/* Asks the driver for a kick at the next chain. True: armed and nothing is
 * pending, or nothing can be popped because of a fault or a miss. False: a
 * chain came meanwhile, pop again (the ring is left disarmed). Never loses a
 * wake-up. */
bool vq_dev_arm(struct vq_dev *vq);
void vq_dev_disarm(struct vq_dev *vq);

/* Does the driver want to hear about what was pushed since the last call? Call
 * once after the pushes of a burst, and notify when it says so. */
bool vq_dev_should_notify(struct vq_dev *vq);

/* Sends the notification (one write to call_fd, if there is one). Where the
 * driver's side makes that block, the queue has a fault afterwards. */
void vq_dev_notify(struct vq_dev *vq);

/* Is the ring as the driver finds it: was nothing ever made available? Reads
 * the ring only. Any thread. */
bool vq_dev_is_untouched(const struct vq_dev *vq);

/* Chains the driver has made available and that are not popped, at most
 * @limit. For diagnostics and tests; costs a look at the ring. */
unsigned vq_dev_pending(const struct vq_dev *vq, unsigned limit);

#endif
