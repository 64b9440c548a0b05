/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio/: the two sides on two threads that sleep on eventfds when they are
 * idle. Shows that no wake-up is lost, that no data is read before it was
 * written, and that chains come once and in order. Buffers are accessed
 * plainly, so TSan reports a race if a pair vq:A or vq:U is missing.
 */
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "shm.h"
#include "vq_rig.h"

#define LISTS	    20000u /* buffer lists per run */
#define COUNT	    64u
#define BUFFER_SIZE 64
#define BURST	    16
#define PATIENCE                                                               \
	20 /* mean number of polls before a sleep: the sides must meet at each \
	    * point of it */
#define LOST_MS 10000 /* a longer wait means a lost wake-up */

struct pair {
	struct vq_rig rig;
	struct gmem *mem; /* maps the buffers at the driver's own address */
	struct rng drv_rng, dev_rng;
	bool is_in_order;
	unsigned kicks, calls, drv_arms, dev_arms;
	const char *failure; /* [any, atomic] cmocka works in one thread only */
};

/* Content of a chain: its number, to the device and back. */
struct note {
	uint32_t number;
	uint32_t padding[3];
};

static void give_up(struct pair *p, const char *why)
{
	shm_store(&p->failure, why);
	/* wakes the other side */
	fd_signal(p->rig.kick_fd);
	fd_signal(p->rig.call_fd);
}

static void sleep_on(struct pair *p, int fd, const char *lost)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	int rc;

	/* the timer of peer_event.c interrupts a thread that wrote recently */
	do
		rc = poll(&pfd, 1, LOST_MS);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		give_up(p, lost);
	fd_drain(fd);
}

/* Waits between the last look at the ring and the sleep, so the other side can
 * cause a lost wake-up. */
static void dawdle(struct rng *rng)
{
	for (uint32_t i = rng_below(rng, 200); i > 0; i--)
		cpu_relax();
}

static unsigned offer(struct pair *p, unsigned next, unsigned limit,
		      bool *is_out)
{
	struct vq_drv_buf bufs[BURST];
	struct iovec iov[BURST][2];
	unsigned n = 1 + rng_below(&p->drv_rng, BURST), pushed;

	n = MIN(n, limit);
	for (unsigned i = 0; i < n; i++) {
		unsigned place = (next + i) % COUNT;
		uint8_t *at = p->rig.base + place * 2 * BUFFER_SIZE;
		struct note note = { next + i };

		if (is_out[place]) {
			n = i;
			break;
		}
		memcpy(at, &note, sizeof(note));
		iov[i][0] = (struct iovec){ at, BUFFER_SIZE };
		iov[i][1] = (struct iovec){ at + BUFFER_SIZE, BUFFER_SIZE };
		bufs[i] = (struct vq_drv_buf){ iov[i], 1, (next + i) % 3 == 0,
					       &is_out[place], i & 1 };
	}
	pushed = vq_drv_push_burst(p->rig.drv, bufs, n);
	for (unsigned i = 0; i < pushed; i++)
		is_out[(next + i) % COUNT] = true;
	if (vq_drv_should_notify(p->rig.drv)) {
		vq_drv_notify(p->rig.drv);
		p->kicks++;
	}
	return pushed;
}

static unsigned reap(struct pair *p, bool *is_out)
{
	struct vq_drv_used used[BURST];
	unsigned n = vq_drv_pop_burst(p->rig.drv, used, BURST);

	for (unsigned i = 0; i < n; i++) {
		bool *out = used[i].cookie;
		uint8_t *at = p->rig.base + (out - is_out) * 2 * BUFFER_SIZE;
		struct note sent, back;

		memcpy(&sent, at, sizeof(sent));
		memcpy(&back, at + BUFFER_SIZE, sizeof(back));
		if (used[i].size != (sent.number % 3 ? 0 : sizeof(back)) ||
		    (used[i].size && back.number != ~sent.number))
			give_up(p, "answer and question differ");
		*out = false;
	}
	return n;
}

static void *driver(void *arg)
{
	struct pair *p = arg;
	static _Thread_local bool is_out[COUNT];
	unsigned pushed = 0, popped = 0, window = 1;

	memset(is_out, 0, sizeof(is_out));
	while (popped < LISTS && !shm_load(&p->failure)) {
		unsigned n = 0, back;

		/* in a small window no later chain can wake the other side and
		 * hide the fault */
		if (rng_below(&p->drv_rng, 100) == 0)
			window = rng_below(&p->drv_rng, 2) ? 1 : COUNT;
		if (pushed < LISTS && pushed - popped < window)
			n = offer(p, pushed, MIN(LISTS - pushed, window),
				  is_out);
		pushed += n;
		back = reap(p, is_out);
		popped += back;
		if (n || back || pushed == popped ||
		    rng_below(&p->drv_rng, PATIENCE))
			continue;
		dawdle(&p->drv_rng);
		p->drv_arms++;
		if (vq_drv_arm(p->rig.drv))
			sleep_on(p, p->rig.call_fd, "driver never woken");
		vq_drv_disarm(p->rig.drv);
	}
	return NULL;
}

static void answer(struct pair *p, const struct vq_chain *c, uint32_t expected,
		   struct vq_done *done)
{
	struct note note;

	memcpy(&note, c->iov[0].iov_base, sizeof(note));
	if (note.number != expected)
		give_up(p, "chain lost or out of order");
	note.number = ~note.number;
	*done = (struct vq_done){ c->id, c->slot_count, 0 };
	if (c->writable_count) {
		memcpy(c->iov[1].iov_base, &note, sizeof(note));
		done->size = sizeof(note);
	}
}

/* Gives back @n chains; without IN_ORDER in two halves, the second one
 * first. */
static void give_back(struct pair *p, struct vq_done *done, unsigned n)
{
	unsigned half = p->is_in_order ? 0 : rng_below(&p->dev_rng, n + 1);

	vq_dev_push_burst(&p->rig.dev, done + half, n - half);
	vq_dev_push_burst(&p->rig.dev, done, half);
	if (vq_dev_should_notify(&p->rig.dev)) {
		vq_dev_notify(&p->rig.dev);
		p->calls++;
	}
}

static void *device(void *arg)
{
	struct pair *p = arg;
	uint32_t seen = 0;

	while (seen < LISTS && !shm_load(&p->failure)) {
		struct vq_chain chain[BURST];
		struct vq_done done[BURST];
		struct iovec iov[BURST * 2];
		unsigned n = 1 + rng_below(&p->dev_rng, BURST);

		n = vq_dev_pop_burst(&p->rig.dev, chain, n, iov, BURST * 2);
		for (unsigned i = 0; i < n; i++)
			answer(p, &chain[i], seen++, &done[i]);
		if (n) {
			give_back(p, done, n);
			continue;
		}
		if (rng_below(&p->dev_rng, PATIENCE))
			continue;
		if (p->rig.dev.fault)
			give_up(p, vq_fault_name(p->rig.dev.fault));
		dawdle(&p->dev_rng);
		p->dev_arms++;
		if (vq_dev_arm(&p->rig.dev))
			sleep_on(p, p->rig.kick_fd, "device never woken");
		vq_dev_disarm(&p->rig.dev);
	}
	return NULL;
}

/* Makes the device side see the buffers at the driver's addresses, so a
 * sanitizer sees races on them. */
static void share_addresses(struct pair *p)
{
	p->mem = calloc(1, sizeof(*p->mem) + sizeof(p->mem->region[0]));
	assert_non_null(p->mem);
	p->mem->ref_count = 1;
	p->mem->count = 1;
	p->mem->region[0] = (struct gmem_region){ .gpa = RIG_GPA,
						  .size = p->rig.size,
						  .host = p->rig.base };
	vq_dev_deactivate(&p->rig.dev);
	gmem_put(p->rig.mem);
	p->rig.mem = p->mem;
	vq_rig_activate(&p->rig, vq_rig_start());
}

static void run(uint64_t features, uint32_t count, struct rng *rng)
{
	struct vq_rig_config config = { features, count,
					COUNT * 2 * BUFFER_SIZE, 1, 2 };
	static struct pair p;
	pthread_t drv, dev;

	memset(&p, 0, sizeof(p));
	rng_next(rng);
	p.drv_rng = *rng;
	rng_next(rng);
	p.dev_rng = *rng;
	p.is_in_order = feat_has(features, VIRTIO_F_IN_ORDER);
	vq_rig_init(&p.rig, &config);
	share_addresses(&p);
	pthread_create(&drv, NULL, driver, &p);
	pthread_create(&dev, NULL, device, &p);
	pthread_join(drv, NULL);
	pthread_join(dev, NULL);
	if (p.failure)
		fail_msg("%s (features 0x%llx, size %u)", p.failure,
			 (unsigned long long)features, count);
	/* An event index asks for one notification per arm, with or without
	 * sleep; one more comes at the start and one for the last push. */
	if (feat_has(features, VIRTIO_F_EVENT_IDX)) {
		assert_true(p.kicks <= p.dev_arms + 2);
		assert_true(p.calls <= p.drv_arms + 2);
	}
	gmem_get(p.mem);
	vq_rig_fini(&p.rig);
	free(p.mem);
}

static void test_threads(void **state)
{
	struct rng rng = rng_start();

	(void)state;
	print_message("seed 0x%llx\n", (unsigned long long)rng.state);
	for (unsigned bits = 0; bits < 8; bits++) {
		uint64_t features =
			(bits & 1 ? feat_bit(VIRTIO_F_EVENT_IDX) : 0) |
			(bits & 2 ? feat_bit(VIRTIO_F_IN_ORDER) : 0) |
			(bits & 4 ? feat_bit(VIRTIO_F_INDIRECT_DESC) : 0);

		run(features, 32, &rng);
		run(features | feat_bit(VIRTIO_F_RING_PACKED), 27, &rng);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
