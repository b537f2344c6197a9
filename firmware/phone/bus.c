/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The soft-bus demo's start and sleep on the phone; apps/bus.c is the same for the small boards. */
#include "bus.h"

#include <stdarg.h>
#include <stddef.h>

#include "battery.h"
#include "board.h"
#include "mps2.h"
#include "screen.h"
#include "tick.h"
#include "touch.h"
#include "uart.h"

#define UDID_SIZE 65u
#define BATTERY_MS 5000u

SoftBus g_bus;
static char g_udid[UDID_SIZE];
static bool g_isDark;
static uint32_t g_batteryDue;

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
    BusSay("up, battery %d percent\n", BatteryCharge());
}

void BusSay(const char *format, ...)
{
    va_list args;
    Print("%s: ", g_udid);
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

static void Light(bool on)
{
    g_isDark = !on;
    ScreenLight(on);
    BusSay("screen %s\n", on ? "on" : "off");
}

/* What the user does: the power button, or a tap, wakes the screen; the button sends it to sleep. */
static void Serve(void)
{
    uint32_t keys = KeysPressed();
    KeysTake(keys);
    if ((keys & KEY_POWER) != 0) {
        Light(g_isDark);
    }
    if ((keys & (KEY_VOLUME_UP | KEY_VOLUME_DOWN)) != 0) {
        BusSay("volume %s\n", (keys & KEY_VOLUME_UP) != 0 ? "up" : "down");
    }
    if (TouchHasTap()) {
        uint32_t x;
        uint32_t y;
        TouchTake(&x, &y);
        if (g_isDark) {
            Light(true);
        } else {
            ScreenMark(x, y);
            BusSay("touched at %u, %u\n", x, y);
        }
    }
    if (TickReached(TickNow(), g_batteryDue)) {
        g_batteryDue = TickNow() + BATTERY_MS;
        ScreenBattery(BatteryCharge());
    }
}

void BusSleepUntil(uint32_t due)
{
    Serve();
    while (SoftBusPoll(&g_bus)) {
    }
    ScreenLamp(g_lamps.LED0);
    /* The check and WFI run masked: an interrupt between them still ends the WFI. */
    InterruptsOff();
    while (!SoftBusHasEvent(&g_bus) && !UartHasLine() && !TouchHasTap() && KeysPressed() == 0 &&
        !TickReached(TickNow(), due)) {
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
