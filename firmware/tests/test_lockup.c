/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock-up: a fault at HardFault's priority stops the core; NMI still gets through, and so does the watchdog's
 * reset (ARM DDI 0403, B1.5.15). Boots twice. QEMU 7.2 gives up here.
 */
#include "check.h"
#include "mps2.h"

#define MAGIC 0x50EED002u

/* Lies in RAM that no loader writes and start-up does not clear. */
typedef struct {
    uint32_t magic;
    uint32_t nmis;
    uint32_t hardFaults;
    uint32_t afterUdf;
    uint32_t nmiPc;
} Carried;
#define CARRIED ((volatile Carried *)0x20300100u)

__attribute__((used)) void NmiTaken(const ExceptionFrame *frame)
{
    ++CARRIED->nmis;
    CARRIED->nmiPc = frame->pc;
    for (;;) { /* unanswered, the watchdog resets at its next zero */
    }
}

__attribute__((naked)) void NmiHandler(void)
{
    __asm volatile("mov r0, sp\n\tb NmiTaken");
}

static void Fault(ExceptionFrame *frame)
{
    (void)frame;
    ++CARRIED->hardFaults;
    __asm volatile("udf #2");
    ++CARRIED->afterUdf;
}

int main(void)
{
    if (CARRIED->magic != MAGIC) {
        *CARRIED = (Carried){.magic = MAGIC};
        CheckPrint("now lock-up\n");
        WATCHDOG_LOCK = WATCHDOG_UNLOCK;
        WATCHDOG->LOAD = 50000;
        WATCHDOG->CONTROL = WATCHDOG_INTEN | WATCHDOG_RESEN;
        g_faultHook = Fault;
        __asm volatile("udf #1");
    }
    CARRIED->magic = 0;
    CheckEqual("one hardfault", CARRIED->hardFaults, 1);
    CheckEqual("the core stopped at the second fault", CARRIED->afterUdf, 0);
    CheckEqual("nmi came through the lock-up", CARRIED->nmis, 1);
    CheckEqual("its stacked pc is the lock-up address", CARRIED->nmiPc, 0xFFFFFFFEu);
    CheckDone();
}
