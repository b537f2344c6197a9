/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both ends of the test link share: a connection on Bluetooth LE's physical layer, an event every 30 ms
 * on a hopping channel. The central begins each event; the peripheral answers 150 us after its packet, by the
 * radio's own TIFS, with a notification. The first packets agree on a session key, as LL_ENC_REQ and LL_ENC_RSP
 * do; all later ones are encrypted by CCM while the radio sends and receives them. */
#ifndef LINK_H
#define LINK_H

#include "say.h"

enum {
    INTERVAL = 983, /* ticks of 32,768 Hz */
    LEAD = 25,      /* the crystal starts so much before an event */
    HEAD = 3,
    MIC = 4,
    MOST = 27,
    LOST_AFTER = 20,

    DATA = 2,
    CONTROL = 3,
    /* Half a session key diversifier and half an initialization vector. */
    OFFER = 12,

    READY_START = 1 << 0,
    END_DISABLE = 1 << 1,
    DISABLED_TXEN = 1 << 2,
    DISABLED_RXEN = 1 << 3,
};

/* S0, LENGTH, S1, payload: the form that CCM asks for. */
struct packet {
    uint8_t header;
    uint8_t length;
    uint8_t rest;
    uint8_t data[MOST + MIC];
};

/* What CNFPTR points to. */
struct session {
    uint8_t key[16];
    uint8_t counter[8];
    uint8_t fromCentral;
    uint8_t iv[8];
};

/* What the notifications say behind their number. */
static const char TEXT[] = "heart rate";

static struct packet g_clear, g_onAir;
static struct session g_session;
static uint8_t g_scratch[16 + MOST + 16];
/* Encryption is on, and how many events ago it began. */
static int g_secret;
static uint32_t g_event;
static uint32_t g_channel;

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
    BeginToSay();
    SCB_SCR = 1u << 4; /* SEVONPEND */
    REG(CLOCK, LFCLKSRC) = 0;
    REG(CLOCK, TASKS_LFCLKSTART) = 1;
    while (REG(CLOCK, EVENTS_LFCLKSTARTED) == 0) {
    }
    REG(RADIO, RADIO_MODE) = 3; /* Bluetooth LE, 1 Mbit/s */
    REG(RADIO, RADIO_BASE0) = 0x76412900u;
    REG(RADIO, RADIO_PREFIX0) = 0x71;
    REG(RADIO, RADIO_RXADDRESSES) = 1;
    REG(RADIO, RADIO_PCNF0) = 5u | 1u << 8 | 3u << 16;
    REG(RADIO, RADIO_PCNF1) = (MOST + MIC) | 3u << 16 | 1u << 25;
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
    REG(CCM, CCM_ENABLE) = 2;
    REG(CCM, CCM_CNFPTR) = (uintptr_t)&g_session;
    REG(CCM, CCM_SCRATCHPTR) = (uintptr_t)g_scratch;
}

static void Random(uint8_t *to, int count)
{
    REG(RNG, TASKS_START) = 1;
    while (count-- > 0) {
        REG(RNG, RNG_EVENTS_VALRDY) = 0;
        while (REG(RNG, RNG_EVENTS_VALRDY) == 0) {
        }
        *to++ = (uint8_t)REG(RNG, RNG_VALUE);
    }
    REG(RNG, RNG_TASKS_STOP) = 1;
}

/* The session key and vector from both halves (Bluetooth Core, vol 6, part B, LL encryption start). */
static void Agree(const uint8_t *central, const uint8_t *peripheral)
{
    /* Key, clear text, cipher text; most significant byte first. */
    static uint8_t block[48] = "what both know.";
    for (int byte = 0; byte < 8; byte++) {
        block[16 + byte] = peripheral[7 - byte];
        block[24 + byte] = central[7 - byte];
    }
    REG(ECB, ECB_DATAPTR) = (uintptr_t)block;
    REG(ECB, ECB_EVENTS_END) = 0;
    REG(ECB, TASKS_START) = 1;
    while (REG(ECB, ECB_EVENTS_END) == 0) {
    }
    for (int byte = 0; byte < 16; byte++) {
        g_session.key[byte] = block[32 + byte];
    }
    for (int byte = 0; byte < 4; byte++) {
        g_session.iv[byte] = central[8 + byte];
        g_session.iv[4 + byte] = peripheral[8 + byte];
    }
    g_secret = 1;
    g_event = 0;
}

/* Prepares CCM for the packet after this: READY (channel 24) begins its key stream. */
static void Prepare(int decrypt, int fromCentral)
{
    const struct packet *from = decrypt ? &g_onAir : &g_clear, *to = decrypt ? &g_clear : &g_onAir;
    REG(PPI, PPI_CHENCLR) = 1u << 24 | 1u << 25;
    if (!g_secret) {
        REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_clear;
        return;
    }
    Store(g_session.counter, g_event);
    g_session.fromCentral = (uint8_t)fromCentral;
    REG(CCM, CCM_MODE) = (uint32_t)decrypt;
    REG(CCM, CCM_INPTR) = (uintptr_t)from;
    REG(CCM, CCM_OUTPTR) = (uintptr_t)to;
    REG(CCM, CCM_EVENTS_ENDCRYPT) = 0;
    /* What is sent is encrypted right behind the key stream, what comes from its address on (channel 25). */
    REG(CCM, CCM_SHORTS) = decrypt ? 0 : 1;
    REG(PPI, PPI_CHENSET) = decrypt ? 1u << 24 | 1u << 25 : 1u << 24;
    REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_onAir;
}

/* Whether the packet that the radio has received, and CCM decrypted, is genuine. */
static int Genuine(void)
{
    if (REG(RADIO, RADIO_CRCSTATUS) != 1) {
        return 0;
    }
    if (!g_secret) {
        return 1;
    }
    while (REG(CCM, CCM_EVENTS_ENDCRYPT) == 0) {
    }
    if (REG(CCM, CCM_MICSTATUS) != 1) {
        Put("forged\n");
        return 0;
    }
    return 1;
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
