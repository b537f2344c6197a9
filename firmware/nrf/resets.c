/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Goes through every reset it can cause by itself, tells the reasons, and ends in System OFF, which the
 * level of pin 13 ends. */
#include "say.h"

#define BUTTON 13u

/* How long the page's erasure kept the CPU, in ticks of 1/32768 s. */
static uint32_t EraseTime(void)
{
    REG(CLOCK, LFCLKSRC) = 0;
    REG(CLOCK, TASKS_LFCLKSTART) = 1;
    while (REG(CLOCK, EVENTS_LFCLKSTARTED) == 0) {
    }
    REG(RTC0, TASKS_START) = 1;
    REG(NVMC, NVMC_CONFIG) = 2;
    uint32_t before = REG(RTC0, RTC_COUNTER);
    REG(NVMC, NVMC_ERASEPAGE) = 0x20000;
    uint32_t after = REG(RTC0, RTC_COUNTER);
    REG(NVMC, NVMC_CONFIG) = 0;
    return after - before;
}

int main(void)
{
    uint32_t reason = REG(POWER, RESETREAS);
    uint32_t step = REG(POWER, GPREGRET);
    REG(POWER, RESETREAS) = reason;
    BeginToSay();
    Put("reason ");
    PutHex(reason);
    Put(" step ");
    PutHex(step);
    Put("\n");

    if (reason == 0) {
        Put("erase ");
        PutHex(EraseTime());
        Put("\nsoft\n");
        REG(POWER, GPREGRET) = 1;
        SCB_AIRCR = 0x05FA0004;
    } else if (reason == 1u << 2) {
        Put("lock-up\n");
        REG(POWER, GPREGRET) = 2;
        /* A fault whose handler is no code: it cannot be taken. */
        __asm volatile("udf #0");
    } else if (reason == 1u << 3) {
        Put("watchdog\n");
        REG(WDT, WDT_CRV) = 3276;
        REG(WDT, TASKS_START) = 1;
    } else if (reason == 1u << 1) {
        Put("off\n");
        REG(GPIO, GPIO_PIN_CNF + 4 * BUTTON) = 3u << 2 | 3u << 16; /* pull-up, sense low */
        REG(POWER, SYSTEMOFF) = 1;
        Put("still on\n");
    } else {
        Put("done\n");
    }
    for (;;) {
        __asm volatile("wfe" ::: "memory");
    }
}
