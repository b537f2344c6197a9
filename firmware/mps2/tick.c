/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The millisecond tick (SysTick, ARMv7-M ARM B3.3). */
#include "tick.h"

#include "cortexm.h"
#include "mps2.h"

static volatile uint32_t g_now;

void SysTickHandler(void)
{
    ++g_now;
}

void TickInit(void)
{
    SYST_RVR = CPU_HZ / 1000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
}

uint32_t TickNow(void)
{
    return g_now;
}
