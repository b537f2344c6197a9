/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset, the vector table and the weak handlers behind every vector. */
#include "cortexm.h"

extern uint32_t g_stackTop[];
extern uint32_t g_dataLoad[], g_dataStart[], g_dataEnd[];
extern uint32_t g_bssStart[], g_bssEnd[];

int main(void);
void ResetHandler(void);

/* An exception nobody claimed. The loop keeps the machine still so that a debugger finds it here. */
void UnclaimedHandler(void)
{
    for (;;) {
        CpuWaitForInterrupt();
    }
}

#define WEAK_HANDLER(name) __attribute__((weak, alias("UnclaimedHandler"))) void name(void)
WEAK_HANDLER(NmiHandler);
WEAK_HANDLER(HardFaultHandler);
WEAK_HANDLER(MemManageHandler);
WEAK_HANDLER(BusFaultHandler);
WEAK_HANDLER(UsageFaultHandler);
WEAK_HANDLER(SvcHandler);
WEAK_HANDLER(DebugMonitorHandler);
WEAK_HANDLER(PendSvHandler);
WEAK_HANDLER(SysTickHandler);
WEAK_HANDLER(Uart0RxHandler);
WEAK_HANDLER(Uart0TxHandler);
WEAK_HANDLER(Uart1RxHandler);
WEAK_HANDLER(Uart1TxHandler);
WEAK_HANDLER(Uart2RxHandler);
WEAK_HANDLER(Uart2TxHandler);
WEAK_HANDLER(Gpio0Handler);
WEAK_HANDLER(Gpio1Handler);
WEAK_HANDLER(Timer0Handler);
WEAK_HANDLER(Timer1Handler);
WEAK_HANDLER(DualTimerHandler);
WEAK_HANDLER(SpiHandler);
WEAK_HANDLER(UartOverflowHandler);
WEAK_HANDLER(EthernetHandler);
WEAK_HANDLER(AudioHandler);
WEAK_HANDLER(TouchHandler);
WEAK_HANDLER(Gpio2Handler);
WEAK_HANDLER(Gpio3Handler);
WEAK_HANDLER(Uart3RxHandler);
WEAK_HANDLER(Uart3TxHandler);
WEAK_HANDLER(Uart4RxHandler);
WEAK_HANDLER(Uart4TxHandler);
WEAK_HANDLER(AdcSpiHandler);
WEAK_HANDLER(ShieldSpiHandler);
WEAK_HANDLER(Gpio0Pin0Handler);
WEAK_HANDLER(Gpio0Pin1Handler);
WEAK_HANDLER(Gpio0Pin2Handler);
WEAK_HANDLER(Gpio0Pin3Handler);
WEAK_HANDLER(Gpio0Pin4Handler);
WEAK_HANDLER(Gpio0Pin5Handler);
WEAK_HANDLER(Gpio0Pin6Handler);
WEAK_HANDLER(Gpio0Pin7Handler);

typedef union {
    void (*handler)(void);
    const void *stack;
} Vector;

/* 16 system vectors, then the 32 interrupts of AN385 table 4-2 in their order. */
__attribute__((section(".vectors"), used)) const Vector g_vectors[16 + 32] = {
    {.stack = g_stackTop},
    {ResetHandler},
    {NmiHandler},
    {HardFaultHandler},
    {MemManageHandler},
    {BusFaultHandler},
    {UsageFaultHandler},
    {0},
    {0},
    {0},
    {0},
    {SvcHandler},
    {DebugMonitorHandler},
    {0},
    {PendSvHandler},
    {SysTickHandler},
    {Uart0RxHandler},
    {Uart0TxHandler},
    {Uart1RxHandler},
    {Uart1TxHandler},
    {Uart2RxHandler},
    {Uart2TxHandler},
    {Gpio0Handler},
    {Gpio1Handler},
    {Timer0Handler},
    {Timer1Handler},
    {DualTimerHandler},
    {SpiHandler},
    {UartOverflowHandler},
    {EthernetHandler},
    {AudioHandler},
    {TouchHandler},
    {Gpio2Handler},
    {Gpio3Handler},
    {Uart3RxHandler},
    {Uart3TxHandler},
    {Uart4RxHandler},
    {Uart4TxHandler},
    {AdcSpiHandler},
    {ShieldSpiHandler},
    {Gpio0Pin0Handler},
    {Gpio0Pin1Handler},
    {Gpio0Pin2Handler},
    {Gpio0Pin3Handler},
    {Gpio0Pin4Handler},
    {Gpio0Pin5Handler},
    {Gpio0Pin6Handler},
    {Gpio0Pin7Handler},
};

void ResetHandler(void)
{
    const uint32_t *from = g_dataLoad;
    for (uint32_t *to = g_dataStart; to < g_dataEnd;) {
        *to++ = *from++;
    }
    for (uint32_t *to = g_bssStart; to < g_bssEnd;) {
        *to++ = 0;
    }
#ifdef __ARM_FP
    CPACR |= 0xFu << 20; /* full access to CP10 and CP11: the FPU is off after reset (B3.2.20) */
    CpuBarrier();
#endif
    (void)main();
    for (;;) {
        CpuWaitForInterrupt();
    }
}
