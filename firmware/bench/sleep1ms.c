/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sleeper with the usual kernel tick: SysTick every millisecond, WFI between. One step is one wake. */
#include "bench.h"
#include "cortexm.h"
#include "mps2.h"

const char g_benchName[] = "sleep1ms";
const uint32_t g_benchFixedSteps = 10000;

void SysTickHandler(void)
{
    ++g_benchSink;
}

void BenchSetUp(void)
{
    SYST_RVR = CPU_HZ / 1000u - 1u;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
}

void BenchStep(void)
{
    CpuWaitForInterrupt();
}
