/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CMSDK timer and dual timer (DDI 0479, 4.1 and 4.2). */
#include "check.h"
#include "mps2.h"

#define BOUND 2000000u
#define PID(base, n) REG32((base) + 0xFE0u + 4u * (n))

static volatile uint32_t g_count, g_dualCount;
static volatile uint32_t g_stamp[12], g_dualStamp[12]; /* the other timer's value at each interrupt */

void Timer0Handler(void)
{
    if (g_count < 12u) {
        g_stamp[g_count] = DUALTIMER2->VALUE;
    }
    TIMER0->INTSTATUS = 1;
    ++g_count;
}

void DualTimerHandler(void)
{
    if (g_dualCount < 12u) {
        g_dualStamp[g_dualCount] = TIMER1->VALUE;
    }
    DUALTIMER1->INTCLR = 1;
    DUALTIMER2->INTCLR = 1;
    ++g_dualCount;
}

static bool WaitCount(volatile uint32_t *count, uint32_t goal)
{
    for (uint32_t i = 0; i < BOUND; ++i) {
        if (*count >= goal) {
            return true;
        }
    }
    return false;
}

static bool WaitSet(volatile uint32_t *reg)
{
    for (uint32_t i = 0; i < BOUND; ++i) {
        if (*reg != 0) {
            return true;
        }
    }
    return false;
}

static void TestTimer(void)
{
    CheckEqual("timer: part number", PID(0x40000000u, 0) | (PID(0x40000000u, 1) & 0xFu) << 8, 0x822u);
    CheckEqual("timer: off after reset", TIMER0->CTRL, 0);
    TIMER0->RELOAD = 0x12345678u;
    CheckEqual("timer: reload reads back", TIMER0->RELOAD, 0x12345678u);
    TIMER0->VALUE = 1000000u;
    CheckEqual("timer: value reads back", TIMER0->VALUE, 1000000u);
    Delay(100);
    CheckEqual("timer: off it stands", TIMER0->VALUE, 1000000u);
    TIMER0->CTRL = TIMER_CTRL_EN;
    Delay(100);
    CheckRange("timer: on it counts down", TIMER0->VALUE, 990000u, 999999u);
    TIMER0->CTRL = 0;

    TIMER0->RELOAD = 0;
    TIMER0->VALUE = 500;
    TIMER0->INTSTATUS = 1;
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    CheckTrue("timer: intstatus comes at zero", WaitSet(&TIMER0->INTSTATUS));
    CheckTrue("timer: and its interrupt pends", NvicIsPending(IRQ_TIMER0));
    TIMER0->INTSTATUS = 1;
    CheckEqual("timer: intclear", TIMER0->INTSTATUS, 0);
    Delay(1000);
    CheckEqual("timer: reload 0 rests at 0", TIMER0->VALUE, 0);
    TIMER0->CTRL = 0;
    NvicUnpend(IRQ_TIMER0);

    TIMER0->VALUE = 500;
    TIMER0->CTRL = TIMER_CTRL_EN;
    Delay(2000);
    CheckEqual("timer: without irqen no status", TIMER0->INTSTATUS, 0);

    /* The dual timer counts the same clock: ten periods of RELOAD + 1. */
    TIMER0->CTRL = 0;
    TIMER0->RELOAD = 2499;
    TIMER0->VALUE = 2499;
    DUALTIMER2->LOAD = 0xFFFFFFFFu;
    DUALTIMER2->CONTROL = DUALTIMER_EN | DUALTIMER_32BIT;
    NvicEnable(IRQ_TIMER0);
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    CheckTrue("timer: interrupts repeat", WaitCount(&g_count, 12));
    CheckRange("timer: ten periods of reload + 1", g_stamp[1] - g_stamp[11], 24900, 25100);
    TIMER0->CTRL = 0;
    NvicDisable(IRQ_TIMER0);
}

static void TestDual(void)
{
    CheckEqual("dual: part number", PID(0x40002000u, 0) | (PID(0x40002000u, 1) & 0xFu) << 8, 0x823u);
    DUALTIMER1->CONTROL = 0;
    DUALTIMER1->LOAD = 5000;
    CheckEqual("dual: load reads back", DUALTIMER1->LOAD, 5000);
    CheckEqual("dual: load goes to value", DUALTIMER1->VALUE, 5000);
    CheckEqual("dual: bgload reads load", DUALTIMER1->BGLOAD, 5000);
    Delay(100);
    CheckEqual("dual: off it stands", DUALTIMER1->VALUE, 5000);

    DUALTIMER1->CONTROL = DUALTIMER_EN | DUALTIMER_32BIT | DUALTIMER_ONESHOT;
    CheckTrue("dual: one-shot ends", WaitSet(&DUALTIMER1->RIS));
    CheckEqual("dual: mis needs inten", DUALTIMER1->MIS, 0);
    Delay(1000);
    CheckEqual("dual: one-shot rests at 0", DUALTIMER1->VALUE, 0);
    DUALTIMER1->CONTROL |= DUALTIMER_INTEN;
    CheckEqual("dual: mis with inten", DUALTIMER1->MIS, 1);
    CpuBarrier();
    CheckTrue("dual: its interrupt pends", NvicIsPending(IRQ_DUALTIMER));
    DUALTIMER1->INTCLR = 1;
    CheckEqual("dual: intclr", DUALTIMER1->RIS, 0);
    DUALTIMER1->CONTROL = 0;
    NvicUnpend(IRQ_DUALTIMER);

    TIMER1->RELOAD = 0xFFFFFFFFu;
    TIMER1->VALUE = 0xFFFFFFFFu;
    TIMER1->CTRL = TIMER_CTRL_EN;
    NvicEnable(IRQ_DUALTIMER);
    g_dualCount = 0;
    DUALTIMER1->LOAD = 250;
    DUALTIMER1->CONTROL = DUALTIMER_EN | DUALTIMER_PERIODIC | DUALTIMER_INTEN | DUALTIMER_32BIT | DUALTIMER_DIV16;
    CheckTrue("dual: periodic repeats", WaitCount(&g_dualCount, 12));
    /* LOAD or LOAD + 1 ticks of 16 cycles, ten times: the manual does not say which. */
    CheckRange("dual: prescaled by 16", g_dualStamp[1] - g_dualStamp[11], 39900, 40300);
    DUALTIMER1->BGLOAD = 500;
    CheckEqual("dual: bgload changes load", DUALTIMER1->LOAD, 500);
    CheckTrue("dual: but not the running count", DUALTIMER1->VALUE <= 250u);
    DUALTIMER1->CONTROL = 0;
    NvicDisable(IRQ_DUALTIMER);

    DUALTIMER1->LOAD = 0x00010005u;
    DUALTIMER1->CONTROL = DUALTIMER_EN; /* 16 bits, free running */
    Delay(200);
    CheckRange("dual: 16-bit free running wraps at 0xFFFF", DUALTIMER1->VALUE & 0xFFFFu, 0xF000u, 0xFFFFu);
    DUALTIMER1->CONTROL = 0;
}

int main(void)
{
    TestTimer();
    TestDual();
    CheckDone();
}
