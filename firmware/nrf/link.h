/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both ends of the test link share: a connection on Bluetooth LE's physical layer, an event every 30 ms
 * on a hopping channel. The central begins each event; the peripheral answers 150 us after its packet, by the
 * radio's own TIFS, with a notification. */
#ifndef LINK_H
#define LINK_H

#include "nrf.h"

enum {
    INTERVAL = 983, /* ticks of 32,768 Hz */
    LEAD = 25,      /* the crystal starts so much before an event */
    PAYLOAD = 8,
    LOST_AFTER = 20,

    READY_START = 1 << 0,
    END_DISABLE = 1 << 1,
    DISABLED_TXEN = 1 << 2,
    DISABLED_RXEN = 1 << 3,
};

/* S0, LENGTH, payload */
struct packet {
    uint8_t header;
    uint8_t length;
    uint8_t data[PAYLOAD];
};

static struct packet g_sent, g_received;
static uint32_t g_channel;

static void Put(const char *text)
{
    for (; *text != '\0'; text++) {
        REG(UART0, UART_EVENTS_TXDRDY) = 0;
        REG(UART0, UART_TXD) = (uint8_t)*text;
        while (REG(UART0, UART_EVENTS_TXDRDY) == 0) {
        }
    }
}

static void PutNumber(const char *name, uint32_t value)
{
    char digits[11];
    int at = 10;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    Put(name);
    Put(" ");
    Put(&digits[at]);
    Put("\n");
}

static inline uint32_t Load(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void Store(uint8_t *to, uint32_t value)
{
    for (int byte = 0; byte < 4; byte++) {
        to[byte] = (uint8_t)(value >> (8 * byte));
    }
}

static void Begin(void)
{
    REG(UART0, UART_PSELTXD) = 6;
    REG(UART0, UART_BAUDRATE) = 0x01D7E000; /* 115200 */
    REG(UART0, UART_ENABLE) = 4;
    REG(UART0, UART_STARTTX) = 1;
    SCB_SCR = 1u << 4; /* SEVONPEND */
    REG(CLOCK, LFCLKSRC) = 0;
    REG(CLOCK, TASKS_LFCLKSTART) = 1;
    while (REG(CLOCK, EVENTS_LFCLKSTARTED) == 0) {
    }
    REG(RADIO, RADIO_MODE) = 3; /* Bluetooth LE, 1 Mbit/s */
    REG(RADIO, RADIO_BASE0) = 0x76412900u;
    REG(RADIO, RADIO_PREFIX0) = 0x71;
    REG(RADIO, RADIO_RXADDRESSES) = 1;
    REG(RADIO, RADIO_PCNF0) = 8u | 1u << 8;
    REG(RADIO, RADIO_PCNF1) = PAYLOAD | 3u << 16 | 1u << 25;
    REG(RADIO, RADIO_CRCCNF) = 3u | 1u << 8;
    REG(RADIO, RADIO_CRCPOLY) = 0x65B;
    REG(RADIO, RADIO_CRCINIT) = 0xABCDEF;
    REG(RADIO, RADIO_TIFS) = 150;
    REG(RTC0, INTENSET) = 1u << 16;
    REG(RTC0, TASKS_START) = 1;
    /* 1 MHz; END and ADDRESS are captured by the pre-programmed channels 27 and 26. */
    REG(TIMER0, TIMER_BITMODE) = 3;
    REG(TIMER0, TIMER_PRESCALER) = 4;
    REG(PPI, PPI_CHENSET) = 1u << 26 | 1u << 27;
    g_sent.length = PAYLOAD;
}

/* The next channel, seven further on, with its whitening. */
static void Hop(void)
{
    g_channel = (g_channel + 7) % 37;
    REG(RADIO, RADIO_DATAWHITEIV) = 0x40u | g_channel;
    REG(RADIO, RADIO_FREQUENCY) = g_channel < 11 ? 4 + 2 * g_channel : 6 + 2 * g_channel;
}

static void SleepUntilTick(uint32_t tick)
{
    REG(RTC0, RTC_EVENTS_COMPARE0) = 0;
    REG(RTC0, RTC_CC0) = tick & 0xFFFFFF;
    SleepUntil(RTC0, RTC_EVENTS_COMPARE0, RTC0_IRQ);
}

/* Starts the crystal and TIMER0, and sleeps until the event itself. */
static void SleepUntilEvent(uint32_t tick)
{
    SleepUntilTick(tick - LEAD);
    REG(CLOCK, EVENTS_HFCLKSTARTED) = 0;
    REG(CLOCK, TASKS_HFCLKSTART) = 1;
    SleepUntilTick(tick);
    while (REG(CLOCK, EVENTS_HFCLKSTARTED) == 0) {
    }
    REG(TIMER0, TIMER_TASKS_CLEAR) = 1;
    REG(TIMER0, TASKS_START) = 1;
    REG(RADIO, RADIO_EVENTS_ADDRESS) = 0;
    REG(RADIO, RADIO_EVENTS_END) = 0;
    REG(RADIO, RADIO_EVENTS_DISABLED) = 0;
}

static void EndEvent(void)
{
    REG(RADIO, RADIO_SHORTS) = 0;
    REG(RADIO, RADIO_DISABLE) = 1;
    while (REG(RADIO, RADIO_STATE) != 0) {
    }
    REG(TIMER0, TIMER_TASKS_STOP) = 1;
    REG(CLOCK, TASKS_HFCLKSTOP) = 1;
}

/* Sleeps until an event of the radio, or until TIMER0 is so far; false when the event did not come. */
static int Await(uint32_t event, uint32_t until)
{
    uint32_t bit = 1u << ((event - RADIO_EVENTS_READY) / 4);
    REG(TIMER0, TIMER_EVENTS_COMPARE0) = 0;
    REG(TIMER0, TIMER_CC0) = until;
    REG(TIMER0, INTENSET) = 1u << 16;
    REG(RADIO, INTENSET) = bit;
    while (REG(RADIO, event) == 0 && REG(TIMER0, TIMER_EVENTS_COMPARE0) == 0) {
        __asm volatile("wfe" ::: "memory");
    }
    REG(RADIO, INTENCLR) = bit;
    REG(TIMER0, INTENCLR) = 1u << 16;
    NVIC_ICPR = 1u << RADIO_IRQ | 1u << TIMER0_IRQ;
    return REG(RADIO, event) != 0;
}

#endif
