/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lets the memory watch unit of an nRF52 watch a variable and a peripheral, touches them, and says what it told. */
#include "say.h"

static volatile uint32_t g_watched[3];
static volatile uint32_t g_nmis;

void NmiHandler(void);

void NmiHandler(void)
{
    g_nmis++;
    REG(MWU, MWU_EVENTS_REGION0_WA) = 0;
    (void)REG(MWU, MWU_EVENTS_REGION0_WA);
}

#define SCB_ICSR (*(volatile uint32_t *)0xE000ED04u)
#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)

static uintptr_t g_vectors[16] __attribute__((aligned(128)));
static uint32_t g_processStack[32] __attribute__((aligned(8)));

static void PendSvHandler(void)
{
}

/* An exception stacks on the process stack, which nothing else touches. */
static void TakeException(void)
{
    uint32_t control = 2;
    uint32_t before = 0;
    uint32_t pend = 1u << 28;
    __asm volatile("msr psp, %0\n"
                   "msr control, %1\n"
                   "isb\n"
                   "str %2, [%3]\n"
                   "dsb\n"
                   "isb\n"
                   "msr control, %4\n"
                   "isb\n"
                   :
                   : "r"(&g_processStack[32]), "r"(control), "r"(pend), "r"(&SCB_ICSR), "r"(before)
                   : "memory");
}

static void Tell(const char *what)
{
    Put(what);
    Put(" wrote ");
    PutHex(g_nmis);
    Put(" read ");
    PutHex(REG(MWU, MWU_EVENTS_REGION0_RA));
    Put(" register ");
    PutHex(REG(MWU, MWU_EVENTS_PREGION0_RA));
    Put(" of ");
    PutHex(REG(MWU, MWU_SUBSTATRA0));
    Put("\n");
}

int main(void)
{
    BeginToSay();
    REG(MWU, MWU_REGION0_START) = (uintptr_t)&g_watched[1];
    REG(MWU, MWU_REGION0_END) = (uintptr_t)&g_watched[1] + 3;
    REG(MWU, MWU_PREGION0_SUBS) = 1u << 8; /* TIMER0 */
    REG(MWU, MWU_NMIENSET) = 1u << 0;
    g_watched[1] = 1;
    Tell("off:");
    REG(MWU, MWU_REGIONEN) = 1u << 0 | 1u << 1 | 1u << 25;
    g_watched[0] = 1;
    (void)g_watched[2];
    REG(TIMER0, TIMER_PRESCALER) = 4;
    (void)REG(RTC0, RTC_COUNTER);
    Tell("beside it:");
    g_watched[1] = 2;
    Tell("written:");
    ((volatile uint8_t *)&g_watched[1])[3] = 2;
    Tell("its last byte:");
    (void)g_watched[1];
    Tell("read:");
    (void)REG(TIMER0, TIMER_PRESCALER);
    Tell("the timer:");
    REG(MWU, MWU_REGIONENCLR) = 1u << 0;
    g_watched[1] = 3;
    Tell("no more:");
    g_vectors[2] = (uintptr_t)NmiHandler;
    g_vectors[14] = (uintptr_t)PendSvHandler;
    SCB_VTOR = (uintptr_t)g_vectors;
    REG(MWU, MWU_REGION0_START) = (uintptr_t)g_processStack;
    REG(MWU, MWU_REGION0_END) = (uintptr_t)g_processStack + sizeof g_processStack - 1;
    REG(MWU, MWU_EVENTS_REGION0_RA) = 0;
    REG(MWU, MWU_REGIONEN) = 1u << 0 | 1u << 1;
    Tell("no exception:");
    TakeException();
    Tell("an exception:");
    for (;;) {
        __asm volatile("wfe" ::: "memory");
    }
}
