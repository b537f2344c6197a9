/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop around every benchmark, and the end of a fixed run by semihosting. */
#include "bench.h"

#include <stdarg.h>

#include "cortexm.h"
#include "format.h"
#include "mps2.h"

#define SYS_EXIT 0x18u
#define ADP_STOPPED_APPLICATION_EXIT 0x20026u

volatile uint32_t g_benchSteps;
volatile uint32_t g_benchSink;

#ifdef BENCH_FIXED
static void PutPolled(char c)
{
    while ((UART0->STATE & UART_STATE_TXFULL) != 0) {
    }
    UART0->DATA = (uint8_t)c;
}

static void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    FormatV(PutPolled, format, args);
    va_end(args);
}

static void Exit(void)
{
    register uint32_t r0 __asm("r0") = SYS_EXIT;
    register uint32_t r1 __asm("r1") = ADP_STOPPED_APPLICATION_EXIT;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}
#endif

int main(void)
{
    /* TIMER0 runs freely at CPU_HZ: the time of a fixed run, in cycles of the board's clock. */
    TIMER0->RELOAD = 0xFFFFFFFFu;
    TIMER0->VALUE = 0xFFFFFFFFu;
    TIMER0->CTRL = TIMER_CTRL_EN;
    BenchSetUp();
#ifdef BENCH_FIXED
    UART0->BAUDDIV = 16;
    UART0->CTRL = UART_CTRL_TXEN;
    uint32_t start = TIMER0->VALUE;
    while (g_benchSteps != g_benchFixedSteps) {
        BenchStep();
        ++g_benchSteps;
    }
    uint32_t cycles = start - TIMER0->VALUE;
    Print("%s: %u steps, %u cycles, sink %08x\n", g_benchName, g_benchSteps, cycles, g_benchSink);
    Exit();
#endif
    for (;;) {
        BenchStep();
        ++g_benchSteps;
    }
}
