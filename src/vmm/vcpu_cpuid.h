/* SPDX-License-Identifier: Apache-2.0 */
/* What CPUID and the model-specific registers of a vCPU say. */
#ifndef RW_VMM_VCPU_CPUID_H
#define RW_VMM_VCPU_CPUID_H

#include "vcpu.h"

/* Gives @c the features that KVM offers, with the number of its local APIC and
 * a topology of one socket with a core for each vCPU. Returns 0 or -errno. */
int vcpu_set_cpuid(struct vcpu *c);

#endif
