/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks, traces and survivable faults. */
#include "check.h"

#include <stdarg.h>

#include "format.h"
#include "mps2.h"

#define TRACE_SIZE 48u

FaultRecord g_fault;
void (*g_faultHook)(ExceptionFrame *frame);
ExceptionFrame *g_faultRescue;

static uint32_t g_passed;
static uint32_t g_failed;
static char g_trace[TRACE_SIZE];
static volatile uint32_t g_traceLength;

static void PutPolled(char c)
{
    if ((UART0->CTRL & UART_CTRL_TXEN) == 0) {
        UART0->BAUDDIV = 16; /* as fast as the block goes: the text is not under test */
        UART0->CTRL = UART_CTRL_TXEN;
    }
    while ((UART0->STATE & UART_STATE_TXFULL) != 0) {
    }
    UART0->DATA = (uint8_t)c;
}

void CheckPrint(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    FormatV(PutPolled, format, args);
    va_end(args);
}

void CheckEqual(const char *name, uint32_t got, uint32_t expected)
{
    if (got == expected) {
        ++g_passed;
        CheckPrint("ok %s\n", name);
    } else {
        ++g_failed;
        CheckPrint("FAIL %s: expected 0x%x got 0x%x\n", name, expected, got);
    }
}

void CheckTrue(const char *name, bool got)
{
    CheckEqual(name, got ? 1u : 0u, 1u);
}

void CheckRange(const char *name, uint32_t got, uint32_t low, uint32_t high)
{
    if (got >= low && got <= high) {
        ++g_passed;
        CheckPrint("ok %s\n", name);
    } else {
        ++g_failed;
        CheckPrint("FAIL %s: expected %u to %u got %u\n", name, low, high, got);
    }
}

void CheckSkip(const char *name, const char *why)
{
    CheckPrint("skip %s: %s\n", name, why);
}

uint32_t CheckPassed(void)
{
    return g_passed;
}

uint32_t CheckFailed(void)
{
    return g_failed;
}

void CheckResume(uint32_t passed, uint32_t failed)
{
    g_passed = passed;
    g_failed = failed;
}

void CheckDone(void)
{
    CheckPrint("DONE %u passed, %u failed\n", g_passed, g_failed);
    CpuIrqDisable();
    for (;;) {
        CpuWaitForInterrupt();
    }
}

void Trace(char c)
{
    if (g_traceLength < TRACE_SIZE - 1u) {
        g_trace[g_traceLength] = c;
        ++g_traceLength;
    }
}

void TraceClear(void)
{
    g_traceLength = 0;
}

void CheckTrace(const char *name, const char *expected)
{
    uint32_t i = 0;
    g_trace[g_traceLength] = '\0';
    while (expected[i] != '\0' && expected[i] == g_trace[i]) {
        ++i;
    }
    if (expected[i] == g_trace[i]) {
        ++g_passed;
        CheckPrint("ok %s\n", name);
    } else {
        ++g_failed;
        CheckPrint("FAIL %s: expected %s got %s\n", name, expected, g_trace);
    }
    TraceClear();
}

uint32_t g_trySp;

/* The way out of a faulting TryFault: Thread mode, privileged (the handler saw to it), MSP as it was. */
__attribute__((naked, used)) static void TryResume(void)
{
    __asm volatile(
        "movs r0, #0\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "ldr r3, =g_trySp\n\t"
        "ldr r3, [r3]\n\t"
        "mov sp, r3\n\t"
        "movs r0, #1\n\t"
        "pop {r4-r11, pc}\n\t"
        ".ltorg");
}

__attribute__((naked)) bool TryFault(__attribute__((unused)) void (*run)(void))
{
    __asm volatile(
        "push {r4-r11, lr}\n\t"
        "ldr r3, =g_trySp\n\t"
        "str sp, [r3]\n\t"
        "blx r0\n\t"
        "movs r0, #0\n\t"
        "pop {r4-r11, pc}\n\t"
        ".ltorg");
}

/* Called by the handlers below with the frame's address and EXC_RETURN. */
__attribute__((used)) uint32_t FaultTaken(ExceptionFrame *frame, uint32_t excReturn)
{
    uint32_t where = (uint32_t)(uintptr_t)frame;
    if (g_faultRescue != 0) {
        /* The frame was never written or cannot be read: return through this one. */
        frame = g_faultRescue;
        *frame = (ExceptionFrame){0};
        CPU_WRITE_SPECIAL(psp, (uint32_t)(uintptr_t)frame);
    }
    g_fault = (FaultRecord){
        .count = g_fault.count + 1u,
        .exception = CPU_READ_SPECIAL(ipsr),
        .excReturn = excReturn,
        .cfsr = CFSR,
        .hfsr = HFSR,
        .mmfar = MMFAR,
        .bfar = BFAR,
        .shcsr = SHCSR,
        .frameAddress = where,
        .frame = *frame,
    };
    if (g_faultHook) {
        g_faultHook(frame);
    }
    CFSR = 0xFFFFFFFFu;
    HFSR = 0xFFFFFFFFu;
    frame->pc = CODE_ADDRESS(TryResume);
    frame->xpsr = (frame->xpsr & 0x3FFu) | 1u << 24; /* keep the alignment bit, end any IT block */
    CPU_WRITE_SPECIAL(control, CPU_READ_SPECIAL(control) & ~1u);
    /* A return that failed its checks leaves the bad value in LR (B1.5.8). */
    bool good = excReturn == 0xFFFFFFF1u || excReturn == 0xFFFFFFF9u || excReturn == 0xFFFFFFFDu ||
        excReturn == 0xFFFFFFE1u || excReturn == 0xFFFFFFE9u || excReturn == 0xFFFFFFEDu;
    return good ? excReturn : 0xFFFFFFF9u;
}

#define FAULT_HANDLER(name)                  \
    __attribute__((naked)) void name(void)      \
    {                                        \
        __asm volatile(                      \
            "mov r1, lr\n\t"                 \
            "tst lr, #4\n\t"                 \
            "ite eq\n\t"                     \
            "mrseq r0, msp\n\t"              \
            "mrsne r0, psp\n\t"              \
            "push {r1, r2}\n\t"              \
            "bl FaultTaken\n\t"              \
            "pop {r1, r2}\n\t"               \
            "bx r0");                        \
    }
FAULT_HANDLER(HardFaultHandler)
FAULT_HANDLER(MemManageHandler)
FAULT_HANDLER(BusFaultHandler)
FAULT_HANDLER(UsageFaultHandler)
