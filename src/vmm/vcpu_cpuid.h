/* SPDX-License-Identifier: Apache-2.0 */
/* What CPUID and the model-specific registers of a vCPU say. */
#ifndef RW_VMM_VCPU_CPUID_H
#define RW_VMM_VCPU_CPUID_H

#include "vcpu.h"

struct kvm_cpuid2;

/* Gives @c the features that KVM offers, with the number of its local APIC and
 * the machine's topology. Returns 0 or -errno. */
int vcpu_set_cpuid(struct vcpu *c);

/* Makes @t, what KVM offers, the leaves of @c. It has room for two entries
 * more. */
void vcpu_fill_cpuid(struct kvm_cpuid2 *t, const struct vcpu *c);

#endif
