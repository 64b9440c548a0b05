/* SPDX-License-Identifier: Apache-2.0 */
/* See vcpu_cpuid.h. Leaves by Intel's manual, volume 2, CPUID, and AMD's,
 * volume 3, appendix E. */
#include "vcpu_cpuid.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define LEAVES_MAX	   256

#define ECX_TSC_DEADLINE   (1u << 24)
#define ECX_HYPERVISOR	   (1u << 31)
#define EDX_HTT		   (1u << 28)
#define ECX_CMP_LEGACY	   (1u << 1)
#define ECX_TOPOEXT	   (1u << 22)

#define MSR_MISC_ENABLE	   0x1a0
#define MISC_FAST_STRING   1u
#define MSR_MTRR_DEF_TYPE  0x2ff
#define MTRR_ON_WRITE_BACK 0x806u

static void set_basic(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	const struct cpu_topology *t = &c->vm->topology;

	e->ebx = (e->ebx & 0xffff) | 1u << cpu_topology_socket_shift(t) << 16 |
		 c->apic_id << 24;
	e->ecx |= ECX_HYPERVISOR;
	if (kvm_request(c->vm->kvm_fd, KVM_CHECK_EXTENSION,
			(void *)KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= ECX_TSC_DEADLINE;
	e->edx &= ~EDX_HTT;
	if (t->cores * t->threads > 1)
		e->edx |= EDX_HTT;
}

/* Leaves 0xb and 0x1f: level 0 is the thread, 1 the core. */
static void set_levels(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	const struct cpu_topology *t = &c->vm->topology;

	e->edx = c->apic_id;
	e->ecx = e->index & 0xff;
	e->eax = e->ebx = 0;
	if (e->index == 0) {
		e->eax = cpu_topology_core_shift(t);
		e->ebx = t->threads;
		e->ecx |= 1 << 8;
	} else if (e->index == 1) {
		e->eax = cpu_topology_socket_shift(t);
		e->ebx = t->cores * t->threads;
		e->ecx |= 2 << 8;
	}
}

/* Intel's leaf 4 and AMD's 0x8000001d: a core has its caches but for the third
 * level, which the socket has. */
static void set_cache(struct kvm_cpuid_entry2 *e, const struct cpu_topology *t)
{
	unsigned level = e->eax >> 5 & 7;
	unsigned shift = level == 3 ? cpu_topology_socket_shift(t)
				    : cpu_topology_core_shift(t);

	if (e->eax & 0x1f) /* there is such a cache */
		e->eax = (e->eax & ~(0xfffu << 14)) | ((1u << shift) - 1) << 14;
}

static void set_amd_leaf(struct kvm_cpuid_entry2 *e, const struct vcpu *c)
{
	const struct cpu_topology *t = &c->vm->topology;
	unsigned shift = cpu_topology_core_shift(t);

	switch (e->function) {
	case 0x80000001:
		e->ecx &= ~ECX_CMP_LEGACY;
		if (t->cores * t->threads > 1)
			e->ecx |= ECX_CMP_LEGACY;
		break;
	case 0x80000008: /* bits of the number in a socket, vCPUs of it */
		e->ecx = cpu_topology_socket_shift(t) << 12 |
			 (t->cores * t->threads - 1);
		break;
	case 0x8000001d:
		set_cache(e, t);
		break;
	case 0x8000001e: /* APIC id; threads and core; node */
		e->eax = c->apic_id;
		e->ebx = (t->threads - 1) << 8 |
			 (c->apic_id >> shift &
			  ((1u << (cpu_topology_socket_shift(t) - shift)) - 1));
		e->ecx = c->apic_id >> cpu_topology_socket_shift(t);
		break;
	default:
		break;
	}
}

static void set_leaf(struct kvm_cpuid_entry2 *e, const struct vcpu *c,
		     bool is_amd)
{
	const struct cpu_topology *t = &c->vm->topology;
	unsigned bits = cpu_topology_bits(t->cores);

	switch (e->function) {
	case 1:
		set_basic(e, c);
		break;
	case 4: /* Intel: also the cores of the socket */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3ffffff) | ((1u << bits) - 1)
								<< 26;
		set_cache(e, t);
		break;
	case 0xb:
	case 0x1f:
		set_levels(e, c);
		break;
	default:
		if (is_amd)
			set_amd_leaf(e, c);
		break;
	}
}

/* KVM offers leaves 0xb and 0x1f with their first level only: adds the second.
 */
static void add_levels(struct kvm_cpuid2 *t)
{
	static const uint32_t leaf[] = { 0xb, 0x1f };

	for (unsigned i = 0; i < ARRAY_SIZE(leaf); i++) {
		bool is_there = false, has_second = false;

		for (uint32_t k = 0; k < t->nent; k++) {
			const struct kvm_cpuid_entry2 *e = &t->entries[k];

			is_there |= e->function == leaf[i];
			has_second |= e->function == leaf[i] && e->index == 1;
		}
		if (is_there && !has_second && t->nent < LEAVES_MAX)
			t->entries[t->nent++] = (struct kvm_cpuid_entry2){
				.function = leaf[i],
				.index = 1,
				.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			};
	}
}

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *t,
						uint32_t function)
{
	for (uint32_t i = 0; i < t->nent; i++)
		if (t->entries[i].function == function)
			return &t->entries[i];
	return NULL;
}

/* "AuthenticAMD" and "HygonGenuine" */
static bool is_of_amd(const struct kvm_cpuid2 *t)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(t, 0);

	return e && (e->ebx == 0x68747541 || e->ebx == 0x6f677948);
}

/* AMD's processors tell of threads by TOPOEXT only. */
static void warn_of_threads(const struct kvm_cpuid2 *t, const struct vcpu *c)
{
	const struct kvm_cpuid_entry2 *e = find_leaf(t, 0x80000001);

	if (c->id == 0 && c->vm->topology.threads > 1 && is_of_amd(t) &&
	    !(e && e->ecx & ECX_TOPOEXT))
		log_warn("smp: threads=%u: this processor has no topology "
			 "extensions: the guest takes threads for cores",
			 c->vm->topology.threads);
}

void vcpu_fill_cpuid(struct kvm_cpuid2 *t, const struct vcpu *c)
{
	bool is_amd = is_of_amd(t);

	add_levels(t);
	for (uint32_t i = 0; i < t->nent; i++)
		set_leaf(&t->entries[i], c, is_amd);
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
		warn_of_threads(t, c);
		vcpu_fill_cpuid(t, c);
		rc = kvm_request(c->fd, KVM_SET_CPUID2, t);
	}
	free(t);
	return rc ? rc : set_msrs(c);
}
