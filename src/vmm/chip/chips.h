/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small chips that a PC kernel expects: real-time clock with CMOS RAM, the
 * keyboard controller as far as it resets the machine, and ACPI's power
 * management registers.
 */
#ifndef RW_VMM_CHIPS_H
#define RW_VMM_CHIPS_H

#include "vm.h"

struct rtc;
struct i8042;
struct pm;

int rtc_create(struct vm *vm, struct rtc **out, struct err *err);
void rtc_destroy(struct rtc *r);

int i8042_create(struct vm *vm, struct i8042 **out, struct err *err);
void i8042_destroy(struct i8042 *k);

int pm_create(struct vm *vm, struct pm **out, struct err *err);
void pm_destroy(struct pm *p);
/* Presses the power button: the guest gets an SCI. [ctl] */
void pm_press_button(struct pm *p);

#endif
