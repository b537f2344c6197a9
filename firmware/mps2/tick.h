/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TICK_H
#define TICK_H

#include <stdbool.h>
#include <stdint.h>

/* Starts the SysTick millisecond tick. */
void TickInit(void);

/* Milliseconds since TickInit; wraps after 49 days. */
uint32_t TickNow(void);

/* True when `now` is at or past `due`, across the wrap. */
static inline bool TickReached(uint32_t now, uint32_t due)
{
    return (int32_t)(now - due) >= 0;
}

#endif
