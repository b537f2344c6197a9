/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOUCH_H
#define TOUCH_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the touch panel, if there is one. */
void TouchInit(void);
void TouchHandler(void);
/* True while a finger has come down that nobody asked about yet. */
bool TouchHasTap(void);
/* Where the last one came down. */
void TouchTake(uint32_t *x, uint32_t *y);

#endif
