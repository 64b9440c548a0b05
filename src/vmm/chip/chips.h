/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small chips that a PC kernel expects: real-time clock with CMOS RAM, the
 * keyboard controller as far as it resets the machine, ACPI's power management
 * registers and those of hot plug, and an I/O APIC where KVM's is not used.
 */
#ifndef RW_VMM_CHIPS_H
#define RW_VMM_CHIPS_H

#include "vm.h"

struct rtc;
struct i8042;
struct pm;
struct ioapic;

int rtc_create(struct vm *vm, struct rtc **out, struct err *err);
void rtc_destroy(struct rtc *r);
/* Leaves firmware the order in which it tries kinds of devices: four bits for
 * each of three places. Before the vCPUs run. */
void rtc_set_boot_order(struct rtc *r, uint16_t order);

int i8042_create(struct vm *vm, struct i8042 **out, struct err *err);
void i8042_destroy(struct i8042 *k);

int pm_create(struct vm *vm, struct pm **out, struct err *err);
void pm_destroy(struct pm *p);
/* Presses the power button: the guest gets an SCI. [ctl] */
void pm_press_button(struct pm *p);
/* Raises the general-purpose event @n, 0 to 7: the guest gets an SCI as soon as
 * it enables the event. Any thread. */
void pm_raise_event(struct pm *p, unsigned n);
/* Returns whether the guest has ever enabled event @n: it disables one for the
 * time that it deals with it. Any thread. */
bool pm_event_is_known(struct pm *p, unsigned n);

/*
 * The registers by which the guest's ACPI methods (boot/dsdt_plug.c) learn
 * which slots of the PCI bus have something new, or should be let go, and by
 * which they let go. @eject is called on the control thread, for any of the 32
 * slots, with a device in it or not.
 */
struct hotplug;
int hotplug_create(struct vm *vm, struct pm *pm,
		   void (*eject)(void *arg, unsigned slot), void *arg,
		   struct hotplug **out, struct err *err);
void hotplug_destroy(struct hotplug *h);
/* Tell the guest that @slot is to be looked at, since something came, which it
 * has not been asked to let go of; and that it should let go of what is there.
 * [ctl] */
void hotplug_look(struct hotplug *h, unsigned slot);
void hotplug_ask(struct hotplug *h, unsigned slot);

/* For a machine whose vm_conf has split_irqchip: takes its lines, before other
 * chips set one. Destroy it after those. */
int ioapic_create(struct vm *vm, struct ioapic **out, struct err *err);
void ioapic_destroy(struct ioapic *a); /* NULL is fine */

#endif
