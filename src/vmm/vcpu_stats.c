/* SPDX-License-Identifier: Apache-2.0 */
/* KVM's counters of a vCPU ("The KVM binary statistics interface" in the
 * kernel's documentation). Control thread. */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vcpu.h"

/* Those that tell how often a guest left and why, in the order shown. */
static const char *const shown[] = {
	"exits",	  "io_exits",	"mmio_exits",	    "halt_exits",
	"irq_exits",	  "hypercalls", "irq_window_exits", "irq_injections",
	"insn_emulation",
};

static bool read_at(int fd, void *to, size_t size, uint64_t at)
{
	return pread(fd, to, size, (off_t)at) == (ssize_t)size;
}

/* Finds the counter @name and shows it. */
static void show_one(int fd, const struct kvm_stats_header *h, const char *name,
		     struct show *s)
{
	size_t size = sizeof(struct kvm_stats_desc) + h->name_size;
	struct kvm_stats_desc *d = calloc(1, size + 1);
	uint64_t value;

	for (uint32_t i = 0; d && i < h->num_desc; i++) {
		if (!read_at(fd, d, size, h->desc_offset + i * size))
			break;
		if (strcmp(d->name, name) != 0 || d->size != 1)
			continue;
		if (read_at(fd, &value, sizeof(value),
			    h->data_offset + d->offset))
			show_num(s, name, value);
		break;
	}
	free(d);
}

void vcpu_show_kvm(const struct vcpu *c, struct show *s)
{
	struct kvm_stats_header h;
	int fd = c->stats_fd;

	if (fd >= 0 && read_at(fd, &h, sizeof(h), 0) && h.name_size < 256)
		for (unsigned i = 0; i < ARRAY_SIZE(shown); i++)
			show_one(fd, &h, shown[i], s);
}
