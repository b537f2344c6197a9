/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID and the DWT cycle counter (ARM DDI 0403, B3.2.3, C1.8). QEMU 7.2 has no DWT: it reads as zero there. */
#include "check.h"
#include "mps2.h"

int main(void)
{
    CheckEqual("cpuid: Arm, ARMv7-M, Cortex-M3", CPUID & 0xFF0FFFF0u, 0x410FC230u);
    DEMCR = 0;
    CheckEqual("demcr starts clear", DEMCR & DEMCR_TRCENA, 0);
    DEMCR = DEMCR_TRCENA;
    CheckEqual("trcena reads back", DEMCR & DEMCR_TRCENA, DEMCR_TRCENA);
    CheckEqual("four comparators", DWT_CTRL >> 28, 4);
    CheckEqual("there is a cycle counter", DWT_CTRL & DWT_CTRL_NOCYCCNT, 0);
    DWT_CYCCNT = 0;
    uint32_t first = DWT_CYCCNT;
    Delay(100);
    CheckEqual("off: it stands", DWT_CYCCNT, first);
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    CheckEqual("cyccntena reads back", DWT_CTRL & DWT_CTRL_CYCCNTENA, DWT_CTRL_CYCCNTENA);
    first = DWT_CYCCNT;
    Delay(100);
    uint32_t second = DWT_CYCCNT;
    CheckRange("on: 100 loops of 2 to 4 cycles", second - first, 200, 440);

    TIMER0->RELOAD = 0xFFFFFFFFu;
    TIMER0->VALUE = 0xFFFFFFFFu;
    TIMER0->CTRL = TIMER_CTRL_EN;
    uint32_t timer = TIMER0->VALUE;
    first = DWT_CYCCNT;
    Delay(10000);
    second = DWT_CYCCNT;
    timer -= TIMER0->VALUE;
    CheckRange("it runs with the timers' clock", second - first, timer - 50u, timer + 50u);
    DWT_CYCCNT = 0xFFFFFFF0u;
    Delay(100);
    CheckTrue("it wraps", DWT_CYCCNT < 1000u && DWT_CYCCNT != 0);
    CheckDone();
}
