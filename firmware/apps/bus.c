/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bus.h"

#include <stdarg.h>

#include "cortexm.h"
#include "format.h"
#include "mps2.h"
#include "tick.h"
#include "uart.h"

/* mps2-an385-softbus, mps2-an386-softbus. */
#define ADAPTER ((SoftBusAdapter *)0x40030000)
#define IRQ_ADAPTER 31u
#define UDID_SIZE 65u

SoftBus g_bus;
static char g_udid[UDID_SIZE];

void Gpio0Pin7Handler(void)
{
    SoftBusIrq(&g_bus);
}

void BusStart(const SoftBusCallback *callback)
{
    UartInit();
    TickInit();
    if (SoftBusStart(&g_bus, ADAPTER, callback) != SOFTBUS_OK) {
        Print("no soft-bus adapter\n");
        for (;;) {
            CpuWaitForInterrupt();
        }
    }
    NvicEnable(IRQ_ADAPTER);
    if (GetLocalUdid(&g_bus, g_udid, sizeof g_udid) < 0) {
        TextCopy(g_udid, sizeof g_udid, "?", 1);
    }
    BusSay("up\n");
}

void BusSay(const char *format, ...)
{
    va_list args;
    Print("%s: ", g_udid);
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

void BusSleepUntil(uint32_t due)
{
    while (SoftBusPoll(&g_bus)) {
    }
    /* The check and WFI run masked: an interrupt between them still ends the WFI (B1.5.17). */
    CpuIrqDisable();
    while (!SoftBusHasEvent(&g_bus) && !UartHasLine() && !TickReached(TickNow(), due)) {
        CpuWaitForInterrupt();
        CpuIrqEnable();
        CpuBarrier();
        CpuIrqDisable();
    }
    CpuIrqEnable();
    while (SoftBusPoll(&g_bus)) {
    }
}
