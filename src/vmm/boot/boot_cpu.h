/* SPDX-License-Identifier: Apache-2.0 */
/* The registers at the kernel's entry. Pure. */
#ifndef RW_VMM_BOOT_CPU_H
#define RW_VMM_BOOT_CPU_H

#include <linux/kvm.h>

#include "boot.h"

/* Changes @s, as KVM gave it, and sets all of @r for @entry. */
void boot_cpu_prepare(const struct boot_entry *entry, struct kvm_sregs *s,
		      struct kvm_regs *r);

#endif
