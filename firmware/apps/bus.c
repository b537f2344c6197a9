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

const char *BusResult(int32_t result)
{
    switch (result) {
        case SOFTBUS_TIMOUT:
            return "time-out";
        case SOFTBUS_PERMISSION_DENIED:
            return "permission denied";
        case SOFTBUS_TRANS_HANDSHAKE_TIMEOUT:
            return "handshake time-out";
        case SOFTBUS_TRANS_PEER_SESSION_NOT_CREATED:
            return "no such session server";
        case SOFTBUS_NETWORK_NOT_FOUND:
            return "network not found";
        case SOFTBUS_AUTH_TIMEOUT:
            return "authentication time-out";
        default:
            return result >= 0 ? "done" : "failed";
    }
}

bool TextIs(const char *left, const char *right)
{
    while (*left == *right && *left != '\0') {
        ++left;
        ++right;
    }
    return *left == *right;
}

void TextCopy(char *to, uint32_t size, const void *from, uint32_t length)
{
    const char *text = from;
    uint32_t i = 0;
    for (; i + 1u < size && i < length; ++i) {
        to[i] = text[i];
    }
    to[i] = '\0';
}

uint32_t TextLength(const char *text)
{
    uint32_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}
