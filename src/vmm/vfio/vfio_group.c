/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups and containers of VFIO (type 1). A group is what the IOMMU cannot tell
 * apart: its cards go to one machine together. A container is what cards of
 * several groups may read and write: all of the guest's memory, at the
 * addresses that it has for the guest. Control thread. Calls the kernel.
 *
 * A group joins the first container that takes it. KVM is told of each group:
 * from then on it keeps the guest's caching of memory, and may post interrupts
 * to vCPUs that run.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fd.h"
#include "vfio_impl.h"

struct container {
	int fd;
	unsigned groups;
	unsigned maps; /* regions of memory that it has */
	struct container *next;
};

struct vfio_group {
	struct vfio_host *host;
	struct container *container;
	int fd;
	int number;
	unsigned cards;
	struct vfio_group *next;
};

struct vfio_host {
	struct vm *vm;
	int kvm_fd; /* KVM's VFIO device; -1: none */
	struct container *containers;
	struct vfio_group *groups;
};

int vfio_host_create(struct vm *vm, struct vfio_host **out, struct err *err)
{
	struct kvm_create_device c = { .type = KVM_DEV_TYPE_VFIO };
	struct vfio_host *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->vm = vm;
	h->kvm_fd =
		kvm_request(vm->fd, KVM_CREATE_DEVICE, &c) < 0 ? -1 : (int)c.fd;
	*out = h;
	return 0;
}

void vfio_host_destroy(struct vfio_host *h)
{
	if (!h)
		return;
	fd_close(&h->kvm_fd);
	free(h);
}

struct vm *vfio_host_vm(const struct vfio_host *h)
{
	return h->vm;
}

/* --- Containers */

static int check_api(int fd, struct err *err)
{
	if (kvm_request(fd, VFIO_GET_API_VERSION, NULL) == VFIO_API_VERSION &&
	    kvm_request(fd, VFIO_CHECK_EXTENSION,
			(void *)(long)VFIO_TYPE1v2_IOMMU) > 0)
		return 0;
	return err_set(err, -ENOTSUP,
		       "/dev/vfio/vfio: no IOMMU of type 1 version 2: "
		       "`modprobe vfio_iommu_type1`");
}

static int map_memory(struct container *c, const struct gmem *ram,
		      struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < ram->count && !rc; i++) {
		const struct gmem_region *r = &ram->region[i];
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ |
				 VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)r->host,
			.iova = r->gpa,
			.size = r->size,
		};

		rc = kvm_request(c->fd, VFIO_IOMMU_MAP_DMA, &map);
		if (!rc)
			c->maps++;
	}
	if (rc == -ENOMEM)
		return err_set(err, rc,
			       "the guest's memory cannot be locked for the "
			       "card: all of it has to be in RAM; raise "
			       "`ulimit -l` (LimitMEMLOCK= of a unit), or give "
			       "the guest less");
	return rc ? err_set(err, rc,
			    "the IOMMU does not map the guest's memory: %s",
			    strerror(-rc))
		  : 0;
}

static void put_container(struct vfio_host *h, struct container *c)
{
	struct container **at = &h->containers;

	if (c->groups)
		return;
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	fd_close(&c->fd); /* the kernel unmaps all */
	free(c);
}

/* Returns a container without groups, or NULL with @err and -errno in *@rc. */
static struct container *add_container(struct vfio_host *h, int *rc,
				       struct err *err)
{
	struct container *c = calloc(1, sizeof(*c));

	if (!c) {
		*rc = err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	c->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		*rc = -errno;
		free(c);
		err_set(err, *rc, "/dev/vfio/vfio: %s%s", strerror(-*rc),
			*rc == -ENOENT ? ": `modprobe vfio-pci`" : "");
		return NULL;
	}
	c->next = h->containers;
	h->containers = c;
	*rc = check_api(c->fd, err);
	if (!*rc)
		return c;
	put_container(h, c);
	return NULL;
}

/* Makes a container for @g, which no other takes. As add_container(). */
static struct container *new_container(struct vfio_group *g, int *rc,
				       struct err *err)
{
	struct container *c = add_container(g->host, rc, err);

	if (!c)
		return NULL;
	*rc = kvm_request(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd);
	if (!*rc)
		*rc = kvm_request(c->fd, VFIO_SET_IOMMU,
				  (void *)(long)VFIO_TYPE1v2_IOMMU);
	if (*rc == -EPERM)
		err_set(err, *rc,
			"IOMMU group %d: this host cannot keep interrupts of "
			"the card apart (no interrupt remapping): its firmware "
			"or its IOMMU has none",
			g->number);
	else if (*rc)
		err_set(err, *rc,
			"IOMMU group %d: the IOMMU does not take it: "
			"%s",
			g->number, strerror(-*rc));
	else
		*rc = map_memory(c, g->host->vm->ram, err);
	if (!*rc)
		return c;
	put_container(g->host, c);
	return NULL;
}

static int join_container(struct vfio_group *g, struct err *err)
{
	struct container *c = g->host->containers;
	int rc = 0;

	while (c && kvm_request(g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd))
		c = c->next;
	if (!c)
		c = new_container(g, &rc, err);
	if (!c)
		return rc;
	g->container = c;
	c->groups++;
	return 0;
}

/* --- Groups */

static void tell_kvm(const struct vfio_group *g, unsigned what)
{
	struct kvm_device_attr a = { .group = KVM_DEV_VFIO_GROUP,
				     .attr = what,
				     .addr = (uintptr_t)&g->fd };

	if (g->host->kvm_fd >= 0)
		kvm_request(g->host->kvm_fd, KVM_SET_DEVICE_ATTR, &a);
}

static int open_number(struct vfio_group *g, struct err *err)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[40];
	int rc;

	snprintf(path, sizeof(path), "/dev/vfio/%d", g->number);
	g->fd = open(path, O_RDWR | O_CLOEXEC);
	rc = g->fd < 0 ? -errno : 0;
	if (rc == -EBUSY)
		return err_set(err, rc,
			       "%s: another process has this IOMMU group",
			       path);
	if (rc)
		return err_set(err, rc, "%s: %s%s", path, strerror(-rc),
			       rc == -EACCES ? ": give this user the right to "
					       "it (chown)"
					     : "");
	rc = kvm_request(g->fd, VFIO_GROUP_GET_STATUS, &status);
	if (!rc && !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		rc = -EPERM;
	return rc ? err_set(err, rc,
			    "IOMMU group %d cannot be used: something else in "
			    "it has a driver of the host",
			    g->number)
		  : 0;
}

static struct vfio_group *find(struct vfio_host *h, int number)
{
	struct vfio_group *g = h->groups;

	while (g && g->number != number)
		g = g->next;
	return g;
}

static int add_group(struct vfio_host *h, int number, struct vfio_group **out,
		     struct err *err)
{
	struct vfio_group *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(err, -ENOMEM, "out of memory");
	*g = (struct vfio_group){ .host = h, .fd = -1, .number = number };
	g->next = h->groups;
	h->groups = g;
	rc = open_number(g, err);
	if (!rc)
		rc = join_container(g, err);
	if (rc) {
		vfio_group_put(g);
		return rc;
	}
	tell_kvm(g, KVM_DEV_VFIO_GROUP_ADD);
	*out = g;
	return 0;
}

int vfio_group_open(struct vfio_host *h, const char *address,
		    struct vfio_group **out, struct err *err)
{
	struct vfio_group *g = NULL;
	struct host_pci pci;
	int fd, rc = host_pci_find(&pci, address, err);

	if (!rc)
		rc = host_pci_check_group(&pci, err);
	if (rc)
		return rc;
	g = find(h, pci.group);
	if (!g)
		rc = add_group(h, pci.group, &g, err);
	if (rc)
		return rc;
	fd = kvm_request(g->fd, VFIO_GROUP_GET_DEVICE_FD, (void *)address);
	g->cards++;
	if (fd < 0) {
		vfio_group_put(g);
		return err_set(err, fd, "%s cannot be opened: %s", address,
			       strerror(-fd));
	}
	*out = g;
	return fd;
}

void vfio_group_put(struct vfio_group *g)
{
	struct vfio_group **at;

	if (!g)
		return;
	if (g->cards && --g->cards)
		return;
	for (at = &g->host->groups; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	if (g->container) {
		tell_kvm(g, KVM_DEV_VFIO_GROUP_DEL);
		kvm_request(g->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	}
	fd_close(&g->fd);
	if (g->container) {
		g->container->groups--;
		put_container(g->host, g->container);
	}
	free(g);
}

int vfio_group_number(const struct vfio_group *g)
{
	return g->number;
}

int vfio_group_fd(const struct vfio_group *g)
{
	return g->fd;
}

unsigned vfio_group_cards(const struct vfio_group *g)
{
	return g->cards;
}

void vfio_group_show(const struct vfio_group *g, struct show *s)
{
	const struct gmem *ram = g->host->vm->ram;
	char text[64];

	show_num(s, "iommu_group", (uint64_t)g->number);
	show_array(s, "iommu_maps");
	for (unsigned i = 0; i < g->container->maps; i++) {
		snprintf(text, sizeof(text), "0x%" PRIx64 "+0x%" PRIx64,
			 ram->region[i].gpa, ram->region[i].size);
		show_str(s, NULL, text);
	}
	show_end(s);
}
