/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BATTERY_H
#define BATTERY_H

#include <stdint.h>

/* The battery's charge in percent; -1 when no gauge answers. */
int32_t BatteryCharge(void);

#endif
