/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame of a conformance image: checks that print a line each, and faults that a test survives. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "cortexm.h"

/* Prints "ok NAME", or "FAIL NAME: expected 0x.. got 0x..". */
void CheckEqual(const char *name, uint32_t got, uint32_t expected);
void CheckTrue(const char *name, bool got);

/* For what the manual leaves to the implementation: low <= got <= high. */
void CheckRange(const char *name, uint32_t got, uint32_t low, uint32_t high);

/* Prints "skip NAME: why"; counts as neither. */
void CheckSkip(const char *name, const char *why);

/* Prints "DONE n passed, m failed" and stands still in WFI with interrupts off. */
__attribute__((noreturn)) void CheckDone(void);

/* For images that go through a reset: the counts so far, and counts to start from. */
uint32_t CheckPassed(void);
uint32_t CheckFailed(void);
void CheckResume(uint32_t passed, uint32_t failed);

/* Polled output on UART0, small printf. */
void CheckPrint(const char *format, ...);

/* A record of what ran in which order: handlers add a letter each. */
void Trace(char c);
void TraceClear(void);
void CheckTrace(const char *name, const char *expected);

/* What the fault handlers saw. */
typedef struct {
    uint32_t count;
    uint32_t exception; /* IPSR in the handler: 3 HardFault .. 6 UsageFault */
    uint32_t excReturn;
    uint32_t cfsr, hfsr, mmfar, bfar, shcsr;
    uint32_t frameAddress;
    ExceptionFrame frame;
} FaultRecord;
extern FaultRecord g_fault;

/* Called in the fault handler, when set, before the status registers are cleared. */
extern void (*g_faultHook)(ExceptionFrame *frame);

/* For faults on a broken process stack: memory for the frame to return by; the real one is not touched. */
extern ExceptionFrame *g_faultRescue;

/*
 * Calls run(); when it faults, the handler records the fault, clears CFSR and HFSR, and execution goes on
 * after the call in privileged Thread mode on MSP. Returns true when it faulted.
 */
bool TryFault(void (*run)(void));

/* Address of a function's first instruction, without the Thumb bit. */
#define CODE_ADDRESS(function) ((uint32_t)(uintptr_t)(function) & ~1u)

/* Reads that the compiler neither drops nor merges. */
static inline uint32_t Load32(uint32_t address)
{
    uint32_t value;
    __asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static inline void Store32(uint32_t address, uint32_t value)
{
    __asm volatile("str %0, [%1]" ::"r"(value), "r"(address) : "memory");
}

static inline void Delay(uint32_t loops)
{
    __asm volatile("1: subs %0, #1\n\tbne 1b" : "+r"(loops)::"cc");
}

#endif
