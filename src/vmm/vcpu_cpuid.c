/* SPDX-License-Identifier: Apache-2.0 */
/* See vcpu_cpuid.h. Leaves by Intel's manual, volume 2, CPUID, and AMD's,
 * volume 3, appendix E. */
#include "vcpu_cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX	   256

#define ECX_TSC_DEADLINE   (1u << 24)
#define ECX_HYPERVISOR	   (1u << 31)
#define EDX_HTT		   (1u << 28)

#define MSR_MISC_ENABLE	   0x1a0
#define MISC_FAST_STRING   1u
#define MSR_MTRR_DEF_TYPE  0x2ff
#define MTRR_ON_WRITE_BACK 0x806u

/* Bits of an APIC id that number the cores. */
static unsigned core_bits(unsigned cpus)
{
	unsigned bits = 0;

	while (1u << bits < cpus)
		bits++;
	return bits;
}

static void set_basic(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	unsigned cpus = c->vm->cpu_count;

	e->ebx = (e->ebx & 0xffff) | 1u << core_bits(cpus) << 16 | c->id << 24;
	e->ecx |= ECX_HYPERVISOR;
	if (kvm_request(c->vm->kvm_fd, KVM_CHECK_EXTENSION,
			(void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= ECX_TSC_DEADLINE;
	e->edx &= ~EDX_HTT;
	if (cpus > 1)
		e->edx |= EDX_HTT;
}

/* Leaves 0xb and 0x1f: level 0 is the thread, 1 the core. */
static void set_topology(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	unsigned cpus = c->vm->cpu_count;

	e->edx = c->id;
	e->ecx = e->index & 0xff;
	e->eax = e->ebx = 0;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= 1 << 8;
	} else if (e->index == 1) {
		e->eax = core_bits(cpus);
		e->ebx = cpus;
		e->ecx |= 2 << 8;
	}
}

static void set_leaf(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	unsigned cpus = c->vm->cpu_count;

	switch (e->function) {
	case 1:
		set_basic(e, c);
		break;
	case 4: /* Intel: cores that share a cache, and cores of the socket */
		e->eax &= 0x3fff;
		if ((e->eax >> 5 & 7) == 3)
			e->eax |= ((1u << core_bits(cpus)) - 1) << 14;
		e->eax |= ((1u << core_bits(cpus)) - 1) << 26;
		break;
	case 0xb:
	case 0x1f:
		set_topology(e, c);
		break;
	case 0x80000008: /* AMD: cores of the socket */
		e->ecx = core_bits(cpus) << 12 | (cpus - 1);
		break;
	case 0x8000001e: /* AMD: APIC id, core, node */
		e->eax = c->id;
		e->ebx = c->id;
		e->ecx = 0;
		break;
	default:
		break;
	}
}

/* As firmware leaves them. KVM of another maker has not all of them. */
static int set_msrs(const struct vcpu *c)
{
	static const struct kvm_msr_entry entry[] = {
		{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ON_WRITE_BACK },
		{ .index = MSR_MISC_ENABLE, .data = MISC_FAST_STRING },
	};
	struct kvm_msrs *m = calloc(1, sizeof(*m) + sizeof(entry));

	if (!m)
		return -ENOMEM;
	m->nmsrs = ARRAY_SIZE(entry);
	memcpy(m->entries, entry, sizeof(entry));
	kvm_request(c->fd, KVM_SET_MSRS, m);
	free(m);
	return 0;
}

int vcpu_set_cpuid(struct vcpu *c)
{
	struct kvm_cpuid2 *t = calloc(
		1, sizeof(*t) + LEAVES_MAX * sizeof(struct kvm_cpuid_entry2));
	int rc;

	if (!t)
		return -ENOMEM;
	t->nent = LEAVES_MAX;
	rc = kvm_request(c->vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, t);
	if (!rc) {
		for (uint32_t i = 0; i < t->nent; i++)
			set_leaf(&t->entries[i], c);
		rc = kvm_request(c->fd, KVM_SET_CPUID2, t);
	}
	free(t);
	return rc ? rc : set_msrs(c);
}
