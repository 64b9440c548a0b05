/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's vhost-net and vhost-vsock as transports of a vhost client, see
 * vu_transport.h: a verb is one ioctl of linux/vhost.h or one for each
 * descriptor, answered at once. Control thread; calls the kernel.
 *
 * A descriptor serves one pair of queues, with a kernel thread of its own. They
 * differ in what makes queues run: one of vhost-net does while it has a
 * back-end, which is the tap of its pair (VHOST_NET_SET_BACKEND); those of
 * vhost-vsock run together (VHOST_VSOCK_SET_RUNNING), so both have to be set
 * up.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fd.h"
#include "vu_client.h"
#include "vu_transport.h"

/* New in Linux 6.17; older headers lack them. An array of 64 bits each. */
struct features_array {
	uint64_t count;
	uint64_t word[2];
};
#ifndef VHOST_GET_FEATURES_ARRAY
#define VHOST_GET_FEATURES_ARRAY _IOR(VHOST_VIRTIO, 0x83, uint64_t)
#define VHOST_SET_FEATURES_ARRAY _IOW(VHOST_VIRTIO, 0x83, uint64_t)
#endif

/* How many regions of memory the kernel takes. */
#define MAX_REGIONS "/sys/module/vhost/parameters/max_mem_regions"

struct vu_kernel {
	struct vu_transport transport;
	const char *name;
	bool is_vsock;
	unsigned vsock_on; /* bit for each queue that shall run */
	unsigned pairs;
	bool has_array; /* the kernel knows features above 63 */
	uint32_t poll_us;
	int err_fd;
	int (*request)(int fd, unsigned long request, const void *arg);
	struct {
		int vhost, tap;
	} fd[]; /* by pair */
};

static struct vu_kernel *to_kernel(struct vu_transport *t)
{
	return container_of(t, struct vu_kernel, transport);
}

/* Makes the ioctl @request on all descriptors. Returns 0 or -errno. */
static int ask_all(const struct vu_kernel *k, unsigned long request,
		   const void *arg)
{
	for (unsigned i = 0; i < k->pairs; i++)
		if (k->request(k->fd[i].vhost, request, arg) < 0)
			return -errno;
	return 0;
}

/* Reads what descriptor @fd knows. A kernel without arrays takes the request
 * for one about a ring, and fails in one way or another. */
static int read_features(struct vu_kernel *k, int fd, uint64_t word[2])
{
	struct features_array a = { .count = ARRAY_SIZE(a.word) };

	if (k->has_array && k->request(fd, VHOST_GET_FEATURES_ARRAY, &a) >= 0) {
		memcpy(word, a.word, sizeof(a.word));
		return 0;
	}
	k->has_array = false;
	word[1] = 0;
	return k->request(fd, VHOST_GET_FEATURES, &word[0]) < 0 ? -errno : 0;
}

static int get_features(struct vu_kernel *k, struct vu_call *call)
{
	uint64_t one[2] = { 0, 0 };
	int rc = 0;

	call->value = call->value_high = UINT64_MAX;
	k->has_array = true;
	for (unsigned i = 0; i < k->pairs && !rc; i++) {
		rc = read_features(k, k->fd[i].vhost, one);
		call->value &= one[0];
		call->value_high &= one[1];
	}
	return rc;
}

static int set_features(const struct vu_kernel *k, const struct vu_call *call)
{
	const struct features_array a = { ARRAY_SIZE(a.word),
					  { call->u64, call->u64_high } };

	if (k->has_array)
		return ask_all(k, VHOST_SET_FEATURES_ARRAY, &a);
	return ask_all(k, VHOST_SET_FEATURES, &call->u64);
}

/* Becomes the owner, and sets what stays the same for all drivers. */
static int set_owner(const struct vu_kernel *k)
{
	int rc = ask_all(k, VHOST_SET_OWNER, NULL);

	/* A descriptor that was passed may have served a machine before. If
	 * the owner is another process, the next request is refused. */
	if (rc == -EBUSY && k->is_vsock)
		rc = 0;
	for (unsigned q = 0; q < 2 && !rc; q++) {
		struct vhost_vring_file file = { q, k->err_fd };
		struct vhost_vring_state poll = { q, k->poll_us };

		rc = ask_all(k, VHOST_SET_VRING_ERR, &file);
		if (!rc && k->poll_us)
			rc = ask_all(k, VHOST_SET_VRING_BUSYLOOP_TIMEOUT,
				     &poll);
	}
	return rc;
}

static int set_memory(const struct vu_kernel *k, const struct vu_call *call)
{
	struct vhost_memory *m =
		calloc(1, sizeof(*m) + call->mem.count * sizeof(m->regions[0]));
	int rc;

	if (!m)
		return -ENOMEM;
	m->nregions = call->mem.count;
	for (unsigned i = 0; i < call->mem.count; i++)
		m->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = call->mem.region[i].gpa,
			.memory_size = call->mem.region[i].size,
			.userspace_addr = call->mem.region[i].uva,
		};
	rc = ask_all(k, VHOST_SET_MEM_TABLE, m);
	free(m);
	return rc;
}

static int set_running(struct vu_kernel *k, unsigned idx, bool on)
{
	unsigned want =
		on ? k->vsock_on | 1u << idx : k->vsock_on & ~(1u << idx);
	int is_running = want == 3;

	if (is_running != (k->vsock_on == 3) &&
	    k->request(k->fd[0].vhost, VHOST_VSOCK_SET_RUNNING, &is_running) <
		    0)
		return -errno;
	k->vsock_on = want;
	return 0;
}

static int set_backend(const struct vu_kernel *k, unsigned idx, bool on)
{
	struct vhost_vring_file file = { idx & 1,
					 on ? k->fd[idx / 2].tap : -1 };

	return k->request(k->fd[idx / 2].vhost, VHOST_NET_SET_BACKEND, &file) <
			       0
		       ? -errno
		       : 0;
}

/* Starts or stops queue @idx. */
static int run(struct vu_kernel *k, unsigned idx, bool on)
{
	return k->is_vsock ? set_running(k, idx, on) : set_backend(k, idx, on);
}

static int set_file(const struct vu_kernel *k, unsigned long request,
		    const struct vu_call *call)
{
	struct vhost_vring_file file = { call->idx & 1, call->fd };

	return k->request(k->fd[call->idx / 2].vhost, request, &file) < 0
		       ? -errno
		       : 0;
}

static int set_state(const struct vu_kernel *k, unsigned long request,
		     const struct vu_call *call)
{
	struct vhost_vring_state state = { call->idx & 1, (unsigned)call->u64 };

	return k->request(k->fd[call->idx / 2].vhost, request, &state) < 0
		       ? -errno
		       : 0;
}

static int set_addr(const struct vu_kernel *k, const struct vu_call *call)
{
	struct vhost_vring_addr addr = {
		.index = call->idx & 1,
		.flags = call->addr.flags & VU_VRING_LOG
				 ? 1u << VHOST_VRING_F_LOG
				 : 0,
		.desc_user_addr = call->addr.desc,
		.used_user_addr = call->addr.used,
		.avail_user_addr = call->addr.avail,
		.log_guest_addr = call->addr.log,
	};

	return k->request(k->fd[call->idx / 2].vhost, VHOST_SET_VRING_ADDR,
			  &addr) < 0
		       ? -errno
		       : 0;
}

/* Without bits nothing is asked: the feature goes, and with it the log. */
static int set_log(const struct vu_kernel *k, const struct vu_call *call)
{
	const uint64_t base = (uintptr_t)call->log->bits;
	int rc;

	if (!call->log->size)
		return 0;
	rc = ask_all(k, VHOST_SET_LOG_BASE, &base);
	if (!rc && call->log->event_fd >= 0)
		rc = ask_all(k, VHOST_SET_LOG_FD, &call->log->event_fd);
	return rc;
}

static int get_base(struct vu_kernel *k, struct vu_call *call)
{
	struct vhost_vring_state state = { .index = call->idx & 1 };
	int rc = run(k, call->idx, false);

	if (!rc && k->request(k->fd[call->idx / 2].vhost, VHOST_GET_VRING_BASE,
			      &state) < 0)
		rc = -errno;
	call->value = state.num;
	return rc;
}

static int ask(struct vu_kernel *k, struct vu_call *call)
{
	switch (call->verb) {
	case VU_VERB_GET_FEATURES:
		return get_features(k, call);
	case VU_VERB_PROTOCOL:
		call->value = k->pairs;
		return 0;
	case VU_VERB_SET_OWNER:
		return set_owner(k);
	case VU_VERB_SET_FEATURES:
		return set_features(k, call);
	case VU_VERB_SET_MEMORY:
		return set_memory(k, call);
	case VU_VERB_SET_NUM:
		return set_state(k, VHOST_SET_VRING_NUM, call);
	case VU_VERB_SET_BASE:
		return set_state(k, VHOST_SET_VRING_BASE, call);
	case VU_VERB_SET_ADDR:
		return set_addr(k, call);
	case VU_VERB_SET_CALL:
		return set_file(k, VHOST_SET_VRING_CALL, call);
	case VU_VERB_SET_KICK:
		return set_file(k, VHOST_SET_VRING_KICK, call);
	case VU_VERB_SET_ENABLE:
		return run(k, call->idx, call->u64);
	case VU_VERB_SET_LOG:
		return set_log(k, call);
	case VU_VERB_GET_BASE:
		return get_base(k, call);
	case VU_VERB_DRIVER_OK:
		return 0; /* each runs from its SET_ENABLE on */
	default:
		return -EOPNOTSUPP;
	}
}

/* Returns how many regions of memory the kernel takes; 0: it does not say. */
static unsigned long read_max_regions(void)
{
	FILE *f = fopen(MAX_REGIONS, "re");
	char text[32];
	bool is_read = f && fgets(text, sizeof(text), f);

	if (f)
		fclose(f);
	return is_read ? strtoul(text, NULL, 10) : 0;
}

static int kernel_step(struct vu_transport *t, struct vu_call *call,
		       struct err *err)
{
	int rc = ask(to_kernel(t), call);

	if (!rc)
		return VU_STEP_DONE;
	if (rc == -E2BIG && call->verb == VU_VERB_SET_MEMORY)
		err_set(err, rc,
			"%s: %u regions, the kernel takes %lu: raise "
			"max_mem_regions of the module vhost",
			to_kernel(t)->name, call->mem.count,
			read_max_regions());
	else
		err_set(err, rc, "%s: %s", to_kernel(t)->name, strerror(-rc));
	return VU_STEP_REFUSED;
}

static int kernel_idle(struct vu_transport *t, struct err *err)
{
	(void)t;
	(void)err;
	return 0;
}

static void kernel_destroy(struct vu_transport *t)
{
	struct vu_kernel *k = to_kernel(t);

	for (unsigned i = 0; i < k->pairs; i++)
		fd_close(&k->fd[i].vhost);
	free(k);
}

static const struct vu_transport_ops kernel_ops = {
	.step = kernel_step,
	.idle = kernel_idle,
	.destroy = kernel_destroy,
};

static int real_request(int fd, unsigned long request, const void *arg)
{
	return ioctl(fd, request, arg);
}

struct vu_transport *vu_kernel_create(const struct vu_kernel_conf *conf)
{
	struct vu_kernel *k =
		calloc(1, sizeof(*k) + conf->pairs * sizeof(k->fd[0]));

	for (unsigned i = 0; i < conf->pairs; i++) {
		int fd = conf->vhost_fd[i];

		if (!k)
			fd_close(&fd);
		else
			k->fd[i].vhost = fd;
		if (k)
			k->fd[i].tap = conf->tap_fd ? conf->tap_fd[i] : -1;
	}
	if (!k)
		return NULL;
	k->transport.ops = &kernel_ops;
	k->is_vsock = !conf->tap_fd;
	k->name = k->is_vsock ? "vhost-vsock" : "vhost-net";
	k->pairs = conf->pairs;
	k->poll_us = conf->poll_us;
	k->err_fd = conf->err_fd;
	k->request = conf->request ? conf->request : real_request;
	return &k->transport;
}
