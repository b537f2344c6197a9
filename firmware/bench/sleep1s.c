/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The deep sleeper: one timer interrupt a second (SysTick's 24 bits do not reach), WFI between. */
#include "bench.h"
#include "cortexm.h"
#include "mps2.h"

const char g_benchName[] = "sleep1s";
const uint32_t g_benchFixedSteps = 100;

void Timer1Handler(void)
{
    TIMER1->INTSTATUS = 1;
    ++g_benchSink;
}

void BenchSetUp(void)
{
    TIMER1->RELOAD = CPU_HZ - 1u;
    TIMER1->VALUE = CPU_HZ - 1u;
    TIMER1->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    NvicEnable(IRQ_TIMER1);
}

void BenchStep(void)
{
    CpuWaitForInterrupt();
}
