/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends a packet of 16 bytes once a second and sleeps in between, for the micro:bit V1 and everything later. */
#include "nrf.h"

#define SECOND 32768u
#define DEVICEID REG(0x10000060u, 0)

static uint8_t g_packet[17];

static void Send(void)
{
    REG(CLOCK, EVENTS_HFCLKSTARTED) = 0;
    REG(CLOCK, TASKS_HFCLKSTART) = 1;
    while (REG(CLOCK, EVENTS_HFCLKSTARTED) == 0) {
        __asm volatile("wfe" ::: "memory");
    }
    NVIC_ICPR = 1u << 0;
    REG(RADIO, RADIO_TXEN) = 1;
    SleepUntil(RADIO, RADIO_EVENTS_DISABLED, RADIO_IRQ);
    REG(CLOCK, TASKS_HFCLKSTOP) = 1;
}

int main(void)
{
    SCB_SCR = 1u << 4; /* SEVONPEND */
    REG(CLOCK, INTENSET) = 1u << 0;
    REG(CLOCK, LFCLKSRC) = 0;
    REG(CLOCK, TASKS_LFCLKSTART) = 1;
    while (REG(CLOCK, EVENTS_LFCLKSTARTED) == 0) {
    }
    REG(RADIO, RADIO_MODE) = 0; /* 1 Mbit/s, proprietary */
    REG(RADIO, RADIO_FREQUENCY) = 7;
    REG(RADIO, RADIO_BASE0) = 0x75626974u;
    REG(RADIO, RADIO_PREFIX0) = 0x00;
    REG(RADIO, RADIO_PCNF0) = 8;                              /* LENGTH of eight bits */
    REG(RADIO, RADIO_PCNF1) = 32u | 4u << 16 | 1u << 25;      /* MAXLEN, BALEN, WHITEEN */
    REG(RADIO, RADIO_CRCCNF) = 2;
    REG(RADIO, RADIO_CRCPOLY) = 0x11021;
    REG(RADIO, RADIO_CRCINIT) = 0xFFFF;
    REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)g_packet;
    REG(RADIO, RADIO_SHORTS) = 1u << 0 | 1u << 1; /* READY_START, END_DISABLE */
    REG(RADIO, INTENSET) = 1u << 4;
    REG(RTC0, INTENSET) = 1u << 16;
    /* Whoever is built alike would talk at the same time: the chip's identity spreads them. */
    uint32_t next = DEVICEID % SECOND + 10;
    REG(RTC0, RTC_CC0) = next;
    REG(RTC0, TASKS_START) = 1;
    g_packet[0] = 16;
    for (;;) {
        SleepUntil(RTC0, RTC_EVENTS_COMPARE0, RTC0_IRQ);
        next = (next + SECOND) & 0xFFFFFF;
        REG(RTC0, RTC_CC0) = next;
        g_packet[1]++;
        Send();
    }
}
