/* SPDX-License-Identifier: GPL-2.0-or-later */
/* WFI, WFE, SEV, SLEEPONEXIT: what wakes and what runs (ARM DDI 0403, B1.5.17-19). */
#include "check.h"
#include "mps2.h"

static volatile uint32_t g_early, g_late;
static volatile bool g_endSleepOnExit;

void Timer0Handler(void)
{
    TIMER0->INTSTATUS = 1;
    ++g_early;
    if (g_endSleepOnExit && g_early == 3u) {
        SCR &= ~SCR_SLEEPONEXIT;
    }
}

void Timer1Handler(void)
{
    TIMER1->CTRL = 0;
    TIMER1->INTSTATUS = 1;
    ++g_late;
}

static void Start(CmsdkTimer *timer, uint32_t cycles, bool once)
{
    timer->CTRL = 0;
    timer->INTSTATUS = 1;
    timer->RELOAD = once ? 0 : cycles;
    timer->VALUE = cycles;
    timer->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
}

static void Quiet(void)
{
    TIMER0->CTRL = 0;
    TIMER1->CTRL = 0;
    TIMER0->INTSTATUS = 1;
    TIMER1->INTSTATUS = 1;
    NVIC_ICER(0) = 0xFFFFFFFFu;
    NVIC_ICPR(0) = 0xFFFFFFFFu;
    CpuBarrier();
    NVIC_IPR(IRQ_TIMER0) = 0x80;
    NVIC_IPR(IRQ_TIMER1) = 0x20;
    SCR = 0;
    g_early = 0;
    g_late = 0;
    g_endSleepOnExit = false;
}

static void TestWfi(void)
{
    Quiet();
    NvicEnable(IRQ_TIMER0);
    Start(TIMER0, 5000, true);
    CpuWaitForInterrupt();
    CheckEqual("wfi: the interrupt that woke us has run", g_early, 1);

    Quiet();
    NvicEnable(IRQ_TIMER0);
    CpuIrqDisable();
    Start(TIMER0, 5000, true);
    CpuWaitForInterrupt();
    CheckEqual("wfi under primask: woken but not run", g_early, 0);
    CheckTrue("wfi under primask: pending", NvicIsPending(IRQ_TIMER0));
    CpuWaitForInterrupt();
    CheckEqual("wfi with one pending does not sleep", g_early, 0);
    CpuIrqEnable();
    CpuBarrier();
    CheckEqual("it runs once unmasked", g_early, 1);

    Quiet();
    NvicEnable(IRQ_TIMER1);
    Start(TIMER0, 2000, true); /* not enabled in the NVIC */
    Start(TIMER1, 50000, true);
    CpuWaitForInterrupt();
    CheckEqual("wfi: a disabled interrupt does not wake", g_late, 1);

    Quiet();
    NvicEnable(IRQ_TIMER0);
    NvicEnable(IRQ_TIMER1);
    CPU_WRITE_SPECIAL(basepri, 0x40);
    Start(TIMER0, 2000, true);
    Start(TIMER1, 50000, true);
    CpuWaitForInterrupt();
    /* QEMU 7.2 wakes for it. */
    CheckEqual("wfi: one held by basepri does not wake", g_late, 1);
    CheckEqual("wfi: it is still held", g_early, 0);
    CPU_WRITE_SPECIAL(basepri, 0);
    CpuBarrier();
    CheckEqual("wfi: until basepri opens", g_early, 1);
}

/* Goes to sleep only when the event register is clear. */
static void DrainEvent(void)
{
    CpuSendEvent();
    CpuWaitForEvent();
}

static void TestWfe(void)
{
    Quiet();
    DrainEvent();
    CheckTrue("wfe after sev goes on", true);

    Quiet();
    NvicEnable(IRQ_TIMER0);
    CpuBarrier();
    DrainEvent();
    Start(TIMER0, 20000, true);
    CpuWaitForEvent();
    /* QEMU 7.2 takes WFE for a YIELD and comes back at once. */
    CheckEqual("wfe sleeps until the interrupt", g_early, 1);

    /* The exception return above set the event register (B1.5.18): the next WFE does not sleep. */
    Quiet();
    NvicEnable(IRQ_TIMER0);
    NvicPend(IRQ_TIMER0);
    CpuBarrier();
    NvicDisable(IRQ_TIMER0);
    NvicEnable(IRQ_TIMER1);
    Start(TIMER1, 50000, true);
    CpuWaitForEvent();
    CheckEqual("an exception is an event", g_late, 0);
    while (g_late == 0) {
        CpuWaitForInterrupt();
    }

    /* SEVONPEND: a disabled interrupt that becomes pending is an event too. */
    Quiet();
    SCR = SCR_SEVONPEND;
    NvicEnable(IRQ_TIMER1);
    DrainEvent();
    Start(TIMER0, 5000, true);
    Start(TIMER1, 100000, true);
    CpuWaitForEvent();
    CheckTrue("sevonpend: woken by a disabled interrupt", NvicIsPending(IRQ_TIMER0) && g_late == 0);

    Quiet();
    NvicEnable(IRQ_TIMER1);
    DrainEvent();
    Start(TIMER0, 5000, true);
    Start(TIMER1, 100000, true);
    CpuWaitForEvent();
    CheckTrue("without it the disabled one does not wake", g_late == 1);
    Quiet();
}

static void TestSleepOnExit(void)
{
    Quiet();
    NvicEnable(IRQ_TIMER0);
    g_endSleepOnExit = true;
    Start(TIMER0, 5000, false);
    SCR = SCR_SLEEPONEXIT;
    CpuWaitForInterrupt();
    /* Thread mode comes back only after the handler has cleared the bit. QEMU 7.2 does not know SLEEPONEXIT. */
    CheckEqual("sleeponexit: thread mode waits for the third", g_early, 3);
    Quiet();

    SCR = SCR_SLEEPDEEP;
    NvicEnable(IRQ_TIMER0);
    Start(TIMER0, 5000, true);
    CpuWaitForInterrupt();
    CheckEqual("sleepdeep wakes as well", g_early, 1);
    Quiet();
}

int main(void)
{
    TestWfi();
    TestWfe();
    TestSleepOnExit();
    CheckDone();
}
