/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an application does with a fault: say where and why on the UART, then stand still. */
#include "cortexm.h"
#include "uart.h"

__attribute__((used)) void FaultReport(const ExceptionFrame *frame)
{
    static const char *const names[] = {"", "", "", "HardFault", "MemManage", "BusFault", "UsageFault"};
    uint32_t exception = CPU_READ_SPECIAL(ipsr) & 0x1FFu;
    PrintUrgent("fault: %s pc=%08x lr=%08x cfsr=%08x hfsr=%08x\n", names[exception % 7u], frame->pc, frame->lr, CFSR,
        HFSR);
    for (;;) {
        CpuWaitForInterrupt();
    }
}

/* EXC_RETURN bit 2 tells which stack holds the frame (B1.5.8). */
__attribute__((naked)) void HardFaultHandler(void)
{
    __asm volatile(
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "b FaultReport");
}
__attribute__((alias("HardFaultHandler"))) void MemManageHandler(void);
__attribute__((alias("HardFaultHandler"))) void BusFaultHandler(void);
__attribute__((alias("HardFaultHandler"))) void UsageFaultHandler(void);
