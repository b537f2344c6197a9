/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The soft-bus demo's start and sleep on the phone; apps/bus.c is the same for the small boards. */
#include "bus.h"

#include <stdarg.h>
#include <stddef.h>

#include "board.h"
#include "mps2.h"
#include "screen.h"
#include "tick.h"
#include "uart.h"

#define UDID_SIZE 65u

SoftBus g_bus;
static char g_udid[UDID_SIZE];

void AdapterHandler(void)
{
    SoftBusIrq(&g_bus);
}

void BusStart(const SoftBusCallback *callback)
{
    ScreenInit("Consort phone");
    BoardInit();
    if (SoftBusStart(&g_bus, (SoftBusAdapter *)(uint64_t)ADAPTER, callback) != SOFTBUS_OK) {
        Print("no soft-bus adapter\n");
        for (;;) {
            WaitForInterrupt();
        }
    }
    InterruptEnable(IRQ_ADAPTER);
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
    ScreenLamp(g_lamps.LED0);
    /* The check and WFI run masked: an interrupt between them still ends the WFI. */
    InterruptsOff();
    while (!SoftBusHasEvent(&g_bus) && !UartHasLine() && !TickReached(TickNow(), due)) {
        uint32_t left = due - TickNow();
        TimerAt(Counter() + (uint64_t)left * COUNTER_PER_MS);
        WaitForInterrupt();
        InterruptsOn();
        InterruptsOff();
    }
    InterruptsOn();
    while (SoftBusPoll(&g_bus)) {
    }
}
