/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory copy: multiple-register, word and byte copies of 4 KiB each, and a fill. */
#include "bench.h"
#include "mem.h"

#define SIZE 4096u

const char g_benchName[] = "copy";
const uint32_t g_benchFixedSteps = 16000;

static uint32_t g_from[SIZE / 4u];
static uint32_t g_to[SIZE / 4u];

void BenchSetUp(void)
{
    for (uint32_t i = 0; i < SIZE / 4u; ++i) {
        g_from[i] = i * 2654435761u;
    }
}

static void CopyBlocks(uint32_t *to, const uint32_t *from, uint32_t size)
{
    __asm volatile(
        "1:\n\t"
        "ldmia %1!, {r4-r11}\n\t"
        "stmia %0!, {r4-r11}\n\t"
        "subs %2, #32\n\t"
        "bne 1b"
        : "+r"(to), "+r"(from), "+r"(size)
        :
        : "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "cc", "memory");
}

static void CopyWords(volatile uint32_t *to, const uint32_t *from, uint32_t words)
{
    for (uint32_t i = 0; i < words; ++i) {
        to[i] = from[i];
    }
}

void BenchStep(void)
{
    CopyBlocks(g_to, g_from, SIZE);
    CopyWords(g_to, g_from, SIZE / 4u);
    memcpy(g_to, g_from, SIZE);
    memset(g_to, (int)g_benchSteps, SIZE / 4u);
    g_benchSink += g_to[g_benchSteps % (SIZE / 4u)];
}
