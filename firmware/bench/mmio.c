/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Register reads: 64 reads per step of a register that nothing happens behind (the FPGAIO LEDs). */
#include "bench.h"
#include "mps2.h"

const char g_benchName[] = "mmio";
const uint32_t g_benchFixedSteps = 200000;

void BenchSetUp(void)
{
    FPGAIO->LED0 = 3;
}

void BenchStep(void)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 16; ++i) {
        sum += FPGAIO->LED0;
        sum += FPGAIO->LED0;
        sum += FPGAIO->LED0;
        sum += FPGAIO->LED0;
    }
    g_benchSink += sum;
}
