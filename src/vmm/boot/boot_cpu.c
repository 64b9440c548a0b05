/* SPDX-License-Identifier: Apache-2.0 */
/* Sets the first vCPU to the kernel's entry, see boot.h. Calls KVM. */
#include "boot_cpu.h"

#include <errno.h>
#include <sys/ioctl.h>

#include "layout.h"

/* Control registers */
enum { CR0_PE = 1, CR0_ET = 1 << 4, CR4_PAE = 1 << 5 };
#define CR0_PG	 (1u << 31)
#define EFER_LME (1u << 8)
#define EFER_LMA (1u << 10)
/* Types of segments; accessed, as the processor would have it */
enum { SEGMENT_DATA = 3, SEGMENT_CODE = 11, SEGMENT_TSS = 11 };
/* Selectors of the boot protocol, see write_gdt() in boot_info.c */
enum { SELECTOR_CODE = 0x10, SELECTOR_DATA = 0x18, GDT_LIMIT = 0x1f };

void boot_cpu_prepare(const struct boot_entry *entry, struct kvm_sregs *s,
		      struct kvm_regs *r)
{
	bool is_long = entry->mode == BOOT_LINUX64;
	struct kvm_segment flat = { .limit = UINT32_MAX,
				    .selector = SELECTOR_DATA,
				    .type = SEGMENT_DATA,
				    .present = 1,
				    .db = 1,
				    .s = 1,
				    .g = 1 };

	s->ds = s->es = s->fs = s->gs = s->ss = flat;
	flat.selector = SELECTOR_CODE;
	flat.type = SEGMENT_CODE;
	flat.db = !is_long;
	flat.l = is_long;
	s->cs = flat;
	s->tr = (struct kvm_segment){ .limit = 0x67,
				      .type = SEGMENT_TSS,
				      .present = 1 };
	s->ldt = (struct kvm_segment){ .unusable = 1 };
	s->gdt = (struct kvm_dtable){ 0 };
	s->idt = (struct kvm_dtable){ 0 };
	s->cr0 = CR0_PE | CR0_ET;
	s->cr3 = s->cr4 = s->efer = 0;
	*r = (struct kvm_regs){ .rip = entry->rip, .rflags = 2 };
	if (is_long) {
		s->gdt.base = BOOT_GDT;
		s->gdt.limit = GDT_LIMIT;
		s->cr0 |= CR0_PG;
		s->cr3 = BOOT_PAGES;
		s->cr4 = CR4_PAE;
		s->efer = EFER_LME | EFER_LMA;
		r->rsi = entry->info;
	} else {
		r->rbx = entry->info;
	}
}

int boot_set_cpu(int cpu_fd, const struct boot_entry *entry)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	/* The base of the APIC and others stay as they are. */
	if (ioctl(cpu_fd, KVM_GET_SREGS, &s) < 0)
		return -errno;
	boot_cpu_prepare(entry, &s, &r);
	if (ioctl(cpu_fd, KVM_SET_SREGS, &s) < 0 ||
	    ioctl(cpu_fd, KVM_SET_REGS, &r) < 0)
		return -errno;
	return 0;
}
