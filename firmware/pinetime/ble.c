/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ble.h"

#include "mem.h"
#include "nrf52.h"

#define HFCLKSTART 0x000u
#define HFCLKSTOP 0x004u
#define HFCLKSTARTED 0x100u

#define TXEN 0x000u
#define RXEN 0x004u
#define DISABLE 0x010u
#define ADDRESS 0x104u
#define END 0x10Cu
#define DISABLED 0x110u
#define CRCSTATUS 0x400u
#define PACKETPTR 0x504u
#define STATE 0x550u
#define FREQUENCY 0x508u
#define DATAWHITEIV 0x554u

#define TIMER_START 0x000u
#define TIMER_STOP 0x004u
#define TIMER_CLEAR 0x00Cu
#define TIMER_COMPARE0 0x140u
#define TIMER_BITMODE 0x508u
#define TIMER_PRESCALER 0x510u
#define TIMER_CC0 0x540u
#define TIMER_CC1 0x544u
#define TIMER_CC2 0x548u
#define TIMER_CC3 0x54Cu
#define TIMER_CAPTURE2 0x048u
#define PPI_CHENSET 0x504u
#define PPI_CHENCLR 0x508u
/* Channels that are always so: COMPARE[0] of TIMER0 starts the transmitter or the receiver,
   ADDRESS captures in CC[1], END in CC[2]. */
#define PPI_TXEN_AT_COMPARE (1u << 20)
#define PPI_RXEN_AT_COMPARE (1u << 21)
#define PPI_CAPTURE_ADDRESS (1u << 26)
#define PPI_CAPTURE_END (1u << 27)

#define READY_START (1u << 0)
#define END_DISABLE (1u << 1)
#define DISABLED_TXEN (1u << 2)
#define DISABLED_RXEN (1u << 3)

/* PDU types, and the header's bits for random addresses. */
enum { ADV_IND = 0, SCAN_REQ = 3, SCAN_RSP = 4, CONNECT_IND = 5, ADV_SCAN_IND = 6 };
#define TX_RANDOM 0x40u
#define RX_RANDOM 0x80u

/* Header, length, and up to 37 bytes. */
typedef struct {
    uint8_t header, length;
    uint8_t payload[38];
} Packet;

static Packet g_out, g_answer, g_in;
static uint8_t g_address[6];

/* Channel, frequency above 2400 MHz. */
static const uint8_t g_channels[3][2] = { { 37, 2 }, { 38, 26 }, { 39, 80 } };

void BleStart(void)
{
    /* FICR.DEVICEADDR; the two top bits make it a static random address. */
    uint32_t low = REG(FICR, 0x0A4), high = REG(FICR, 0x0A8);
    for (uint32_t index = 0; index < 4; ++index) {
        g_address[index] = (uint8_t)(low >> (8u * index));
    }
    g_address[4] = (uint8_t)high;
    g_address[5] = (uint8_t)(high >> 8) | 0xC0u;

    REG(RADIO, 0x510) = 3;                                 /* MODE: BLE 1 Mbit/s */
    REG(RADIO, 0x514) = 8u | 1u << 8;                      /* PCNF0: length of 8 bits, S0 of one byte */
    REG(RADIO, 0x518) = 38u | 3u << 16 | 1u << 25;         /* PCNF1: at most 38 bytes, base of 3, whitening */
    REG(RADIO, 0x51C) = 0x89BED600u;                       /* BASE0 and PREFIX0: the advertising access address */
    REG(RADIO, 0x524) = 0x8E;
    REG(RADIO, 0x52C) = 0;
    REG(RADIO, 0x530) = 1;
    REG(RADIO, 0x534) = 3u | 1u << 8;                      /* CRCCNF: 3 bytes, without the address */
    REG(RADIO, 0x538) = 0x65B;
    REG(RADIO, 0x53C) = 0x555555;
    REG(RADIO, 0x544) = 150;                               /* TIFS */
}

static void Tune(uint32_t index)
{
    REG(RADIO, FREQUENCY) = g_channels[index][1];
    REG(RADIO, DATAWHITEIV) = g_channels[index][0];
}

static void Crystal(bool on)
{
    REG(CLOCK, HFCLKSTARTED) = 0;
    REG(CLOCK, on ? HFCLKSTART : HFCLKSTOP) = 1;
    if (on) {
        Await(CLOCK, HFCLKSTARTED);
    }
}

/* TIMER0 counts microseconds, and keeps the time of each packet's end. */
static void Microseconds(void)
{
    REG(TIMER0, TIMER_BITMODE) = 3;
    REG(TIMER0, TIMER_PRESCALER) = 4;
    REG(TIMER0, TIMER_CLEAR) = 1;
    REG(TIMER0, TIMER_START) = 1;
    REG(PPI, PPI_CHENSET) = PPI_CAPTURE_END;
}

/* Lets a packet begin within `us`; true when its address came. */
static bool AwaitAddress(uint32_t us)
{
    REG(TIMER1, TIMER_STOP) = 1;
    REG(TIMER1, TIMER_CLEAR) = 1;
    REG(TIMER1, TIMER_BITMODE) = 3;
    REG(TIMER1, TIMER_PRESCALER) = 4;
    REG(TIMER1, TIMER_CC0) = us;
    REG(TIMER1, TIMER_START) = 1;
    Listen(TIMER1, TIMER_COMPARE0, true);
    Listen(RADIO, ADDRESS, true);
    bool came = false, late = false;
    while (!came && !late) {
        came = Take(RADIO, ADDRESS);
        late = Take(TIMER1, TIMER_COMPARE0);
        if (!came && !late) {
            Sleep();
        }
    }
    REG(TIMER1, TIMER_STOP) = 1;
    Listen(RADIO, ADDRESS, false);
    Listen(TIMER1, TIMER_COMPARE0, false);
    return came;
}

static void Quiet(void)
{
    REG(RADIO, SHORTS) = 0;
    REG(RADIO, DISABLED) = 0;
    if (REG(RADIO, STATE) != 0) {
        REG(RADIO, DISABLE) = 1;
        Await(RADIO, DISABLED);
    }
}

static void Clear(void)
{
    REG(RADIO, END) = 0;
    REG(RADIO, ADDRESS) = 0;
    REG(RADIO, DISABLED) = 0;
}

static void Fill(Packet *packet, uint8_t type, const uint8_t *data, uint32_t size)
{
    packet->header = type | TX_RANDOM;
    packet->length = (uint8_t)(6u + size);
    memcpy(packet->payload, g_address, 6);
    memcpy(packet->payload + 6, data, size);
}

/* A connection in which somebody else is the central. */
static struct {
    bool on;
    uint32_t access, check, interval, patience;
    uint32_t next, window;  /* when the central's next packet begins, at most so much later; us of TIMER0 */
    uint32_t heard;         /* when it last did */
    uint32_t hop, unmapped;
    uint8_t map[5];
    bool number, expected;
    uint8_t kind, size, data[BLE_DATA_MAX];
} g_link;

#define RAMP_UP 140u
#define MARGIN 100u
/* Of preamble and access address, from the packet's beginning to the radio's event. */
#define TO_ADDRESS 40u

static uint32_t Now(void)
{
    REG(TIMER0, TIMER_CAPTURE2) = 1;
    return REG(TIMER0, TIMER_CC2);
}

bool BleConnected(void)
{
    return g_link.on;
}

/* The event after this one; those that nobody can be in time for are left out. */
static void NextEvent(void)
{
    do {
        g_link.next += g_link.interval;
        g_link.unmapped = (g_link.unmapped + g_link.hop) % 37u;
    } while ((int32_t)(g_link.next - Now()) < 1000);
    REG(TIMER0, TIMER_CC3) = g_link.next - 800u;
}

static uint32_t Load(const uint8_t *from, uint32_t size)
{
    uint32_t value = 0;
    while (size-- != 0) {
        value = value << 8 | from[size];
    }
    return value;
}

/* The terms of a CONNECT_IND that ended at `end`: volume 6, part B, 2.3.3.1 and 4.5.3. */
static void Accept(const uint8_t *terms, uint32_t end)
{
    memset(&g_link, 0, sizeof(g_link));
    g_link.on = true;
    g_link.access = Load(terms, 4);
    g_link.check = Load(terms + 4, 3);
    g_link.window = terms[7] * 1250u;
    g_link.interval = Load(terms + 10, 2) * 1250u;
    g_link.patience = Load(terms + 14, 2) * 10000u;
    memcpy(g_link.map, terms + 16, 5);
    g_link.hop = terms[21] & 31u;
    g_link.kind = BLE_EMPTY;
    g_link.heard = end;
    g_link.next = end + 1250u + Load(terms + 8, 2) * 1250u - g_link.interval;
    if (g_link.interval == 0 || g_link.hop == 0) {
        g_link.on = false;
        return;
    }
    NextEvent();
    Listen(TIMER0, BLE_SERVE_EVENT, true);
}

static void Hang(void)
{
    g_link.on = false;
    Listen(TIMER0, BLE_SERVE_EVENT, false);
    REG(TIMER0, TIMER_STOP) = 1;
    Crystal(false);
    BleStart();
}

/* Channel selection algorithm 1: channels that are not in use are replaced (4.5.8.2). */
static uint32_t Channel(void)
{
    uint8_t used[37];
    uint32_t count = 0;
    for (uint32_t channel = 0; channel < 37u; ++channel) {
        if ((g_link.map[channel / 8u] >> channel % 8u & 1u) != 0) {
            used[count++] = (uint8_t)channel;
        }
    }
    uint32_t channel = g_link.unmapped;
    bool in = (g_link.map[channel / 8u] >> channel % 8u & 1u) != 0;
    return in || count == 0 ? channel : used[channel % count];
}

static void Say(uint8_t kind, const uint8_t *data, uint32_t size)
{
    g_link.kind = kind;
    g_link.size = (uint8_t)size;
    memcpy(g_link.data, data, size);
}

/* The step counter's type is InfiniTime's: 00030001-78fc-48fe-8e23-433b3a1942d0. */
static const uint8_t g_steps[16] = { 0xD0, 0x42, 0x19, 0x3A, 0x3B, 0x43, 0x23, 0x8E,
                                     0xFE, 0x48, 0xFC, 0x78, 0x01, 0x00, 0x03, 0x00 };

/* The value of the one attribute that somebody read by its type. */
static void Value(uint8_t handle, const uint8_t *value, uint32_t size)
{
    uint8_t answer[8 + 7] = { (uint8_t)(4u + size), 0, 4, 0, 0x09, (uint8_t)(2u + size), handle, 0 };
    memcpy(answer + 8, value, size);
    Say(BLE_START, answer, 8u + size);
}

/* Answers what the central sent: link control, and reads of the name and of what the watch knows. */
static void Answer(const uint8_t *data, uint32_t size, uint8_t kind, const BleValues *values)
{
    if (kind == BLE_CONTROL) {
        static const uint8_t features[9] = { 0x09 }, version[6] = { 0x0C, 0x08, 0xFF, 0xFF };
        uint8_t unknown[2] = { 0x07, data[0] };
        if (data[0] == 0x02) {
            g_link.on = false;
        } else if (data[0] == 0x08) {
            Say(BLE_CONTROL, features, sizeof(features));
        } else if (data[0] == 0x0C) {
            Say(BLE_CONTROL, version, sizeof(version));
        } else {
            Say(BLE_CONTROL, unknown, sizeof(unknown));
        }
        return;
    }
    if (kind != BLE_START || size < 5u || Load(data + 2, 2) != 4u || (data[4] & 1u) != 0) {
        return;
    }
    bool asks = data[4] == 0x08;
    uint32_t type = asks && size == 11u ? Load(data + 9, 2) : 0;
    if (type == 0x2A00u) {
        Value(3, (const uint8_t *)"Consort", 7);
    } else if (type == 0x2A19u) {
        Value(5, &values->battery, 1);
    } else if (type == 0x2A37u) {
        uint8_t pulse[2] = { 0, values->pulse };
        Value(7, pulse, sizeof(pulse));
    } else if (asks && size == 25u && memcmp(data + 9, g_steps, sizeof(g_steps)) == 0) {
        uint8_t steps[4] = { (uint8_t)values->steps, (uint8_t)(values->steps >> 8), (uint8_t)(values->steps >> 16), 0 };
        Value(9, steps, sizeof(steps));
    } else {
        uint8_t error[9] = { 5, 0, 4, 0, 0x01, data[4], 1, 0, 0x0A };
        Say(BLE_START, error, sizeof(error));
    }
}

void BleServe(const BleValues *values)
{
    if ((int32_t)(g_link.next - RAMP_UP - MARGIN - Now()) < 50) {
        NextEvent();
        return;
    }
    uint32_t channel = Channel();
    REG(RADIO, 0x51C) = g_link.access << 8;
    REG(RADIO, 0x524) = g_link.access >> 24;
    REG(RADIO, 0x53C) = g_link.check;
    REG(RADIO, FREQUENCY) = channel < 11u ? 4u + 2u * channel : 6u + 2u * channel;
    REG(RADIO, DATAWHITEIV) = channel;
    Clear();
    REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
    REG(TIMER0, TIMER_CC0) = g_link.next - RAMP_UP - MARGIN;
    REG(PPI, PPI_CHENSET) = PPI_RXEN_AT_COMPARE | PPI_CAPTURE_ADDRESS;
    bool came = AwaitAddress(g_link.next + g_link.window + TO_ADDRESS + MARGIN - Now());
    REG(PPI, PPI_CHENCLR) = PPI_RXEN_AT_COMPARE | PPI_CAPTURE_ADDRESS;
    if (came) {
        Await(RADIO, DISABLED);
    }
    if (!came || REG(RADIO, CRCSTATUS) != 1 || g_in.length > BLE_PDU_MAX) {
        Quiet();
        if (Now() - g_link.heard > g_link.patience) {
            Hang();
        } else {
            NextEvent();
        }
        return;
    }
    bool acknowledged = ((g_in.header & 4u) != 0) != g_link.number;
    bool fresh = ((g_in.header & 8u) != 0) == g_link.expected;
    if (acknowledged) {
        g_link.number = !g_link.number;
        g_link.kind = BLE_EMPTY;
        g_link.size = 0;
    }
    if (fresh) {
        g_link.expected = !g_link.expected;
        if (g_in.length != 0 && g_link.size == 0) {
            Answer(g_in.payload, g_in.length, g_in.header & 3u, values);
        }
    }
    g_out.header = (uint8_t)(g_link.kind | (g_link.expected ? 4u : 0u) | (g_link.number ? 8u : 0u));
    g_out.length = g_link.size;
    memcpy(g_out.payload, g_link.data, g_link.size);
    REG(RADIO, PACKETPTR) = (uint32_t)&g_out;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE;
    Await(RADIO, DISABLED);
    g_link.heard = REG(TIMER0, TIMER_CC1);
    g_link.next = g_link.heard - TO_ADDRESS;
    g_link.window = 0;
    if (g_link.on) {
        NextEvent();
    } else {
        Hang();
    }
}

bool BleAdvertise(const uint8_t *data, uint32_t size, const uint8_t *response, uint32_t responseSize)
{
    bool answered = false;
    Fill(&g_out, ADV_IND, data, size);
    Fill(&g_answer, SCAN_RSP, response, responseSize);
    Crystal(true);
    Microseconds();
    for (uint32_t index = 0; index < 3; ++index) {
        Tune(index);
        Clear();
        REG(RADIO, PACKETPTR) = (uint32_t)&g_out;
        REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_RXEN;
        REG(RADIO, TXEN) = 1;
        Await(RADIO, DISABLED);
        REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
        REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
        Clear();
        if (!AwaitAddress(250)) {
            Quiet();
            continue;
        }
        Await(RADIO, DISABLED);
        if (REG(RADIO, CRCSTATUS) == 1 && (g_in.header & 15u) == CONNECT_IND && g_in.length == 34 &&
            memcmp(g_in.payload + 6, g_address, 6) == 0) {
            uint32_t end = REG(TIMER0, TIMER_CC2);
            REG(PPI, PPI_CHENCLR) = PPI_CAPTURE_END;
            Quiet();
            Accept(g_in.payload + 12, end);
            return false;
        }
        bool asked = REG(RADIO, CRCSTATUS) == 1 && (g_in.header & 15u) == SCAN_REQ && g_in.length == 12 &&
                     memcmp(g_in.payload + 6, g_address, 6) == 0;
        if (!asked) {
            Quiet();
            continue;
        }
        REG(RADIO, PACKETPTR) = (uint32_t)&g_answer;
        REG(RADIO, SHORTS) = READY_START | END_DISABLE;
        Await(RADIO, DISABLED);
        Quiet();
        answered = true;
    }
    REG(PPI, PPI_CHENCLR) = PPI_CAPTURE_END;
    REG(TIMER0, TIMER_STOP) = 1;
    Crystal(false);
    return answered;
}

bool BleScan(BleReport *report)
{
    Crystal(true);
    Tune(0);
    Clear();
    REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
    REG(RADIO, RXEN) = 1;
    Await(RADIO, DISABLED);
    uint8_t type = g_in.header & 15u;
    if (REG(RADIO, CRCSTATUS) != 1 || (type != ADV_IND && type != ADV_SCAN_IND) || g_in.length < 6) {
        Quiet();
        return false;
    }
    memcpy(report->address, g_in.payload, 6);
    Fill(&g_out, SCAN_REQ, g_in.payload, 6);
    g_out.header |= (g_in.header & TX_RANDOM) != 0 ? RX_RANDOM : 0;
    REG(RADIO, PACKETPTR) = (uint32_t)&g_out;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_RXEN;
    Await(RADIO, DISABLED);
    REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE;
    Clear();
    if (!AwaitAddress(250)) {
        Quiet();
        return false;
    }
    Await(RADIO, DISABLED);
    bool good = REG(RADIO, CRCSTATUS) == 1 && (g_in.header & 15u) == SCAN_RSP && g_in.length >= 6 &&
                g_in.length <= 6u + BLE_DATA_MAX && memcmp(g_in.payload, report->address, 6) == 0;
    Quiet();
    if (good) {
        report->size = (uint8_t)(g_in.length - 6u);
        memcpy(report->data, g_in.payload + 6, report->size);
    }
    return good;
}

/* The connection's terms (volume 6, part B, 2.3.3.1): an event every 30 ms, two seconds of silence end it. */
#define INTERVAL_US 30000u
#define HOP 7u
static const uint8_t g_terms[22] = {
    0x29, 0x41, 0x76, 0x71,       /* access address 0x71764129 */
    0xEF, 0xCD, 0xAB,             /* CRC initialisation */
    2, 4, 0, 24, 0, 0, 0, 200, 0, /* window, its offset, interval, latency, timeout */
    0xFF, 0xFF, 0xFF, 0xFF, 0x1F, /* all channels */
    HOP,
};
/* From the end of CONNECT_IND to the first event's start of the transmitter: 1.25 ms, the offset of 5 ms, and some
   of the window. */
#define FIRST_US 6900u

bool BleConnect(BleConnection *connection)
{
    Crystal(true);
    Tune(0);
    Clear();
    REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
    REG(RADIO, RXEN) = 1;
    Await(RADIO, DISABLED);
    if (REG(RADIO, CRCSTATUS) != 1 || (g_in.header & 15u) != ADV_IND || g_in.length < 6) {
        Quiet();
        return false;
    }
    Fill(&g_out, CONNECT_IND, g_in.payload, 6);
    g_out.header |= (g_in.header & TX_RANDOM) != 0 ? RX_RANDOM : 0;
    memcpy(g_out.payload + 12, g_terms, sizeof(g_terms));
    g_out.length = 12u + sizeof(g_terms);
    REG(RADIO, PACKETPTR) = (uint32_t)&g_out;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE;
    Microseconds();
    Await(RADIO, DISABLED);
    REG(PPI, PPI_CHENCLR) = PPI_CAPTURE_END;
    *connection = (BleConnection){ .next = REG(TIMER0, TIMER_CC2) + FIRST_US };
    memcpy(connection->peer, g_in.payload, 6);
    REG(RADIO, 0x51C) = 0x76412900u;
    REG(RADIO, 0x524) = 0x71;
    REG(RADIO, 0x53C) = 0xABCDEF;
    return true;
}

bool BleEvent(BleConnection *connection, const BlePdu *out, BlePdu *in, bool *delivered)
{
    connection->channel = (connection->channel + HOP) % 37u;
    uint32_t channel = connection->channel;
    REG(RADIO, FREQUENCY) = channel < 11u ? 4u + 2u * channel : 6u + 2u * channel;
    REG(RADIO, DATAWHITEIV) = channel;
    g_out.header = (uint8_t)(out->kind | (connection->expected ? 4u : 0u) | (connection->number ? 8u : 0u));
    g_out.length = out->size;
    memcpy(g_out.payload, out->data, out->size);
    Clear();
    REG(RADIO, PACKETPTR) = (uint32_t)&g_out;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE | DISABLED_RXEN;
    REG(TIMER0, TIMER_CC0) = connection->next;
    REG(PPI, PPI_CHENSET) = PPI_TXEN_AT_COMPARE;
    Await(RADIO, DISABLED);
    REG(PPI, PPI_CHENCLR) = PPI_TXEN_AT_COMPARE;
    connection->next += INTERVAL_US;
    REG(RADIO, PACKETPTR) = (uint32_t)&g_in;
    REG(RADIO, SHORTS) = READY_START | END_DISABLE;
    Clear();
    *delivered = false;
    if (!AwaitAddress(250)) {
        Quiet();
        return false;
    }
    Await(RADIO, DISABLED);
    if (REG(RADIO, CRCSTATUS) != 1 || g_in.length > BLE_PDU_MAX) {
        return false;
    }
    /* Volume 6, part B, 4.5.9: one bit of sequence number and one of acknowledgement. */
    if (((g_in.header & 4u) != 0) != connection->number) {
        connection->number = !connection->number;
        *delivered = true;
    }
    in->size = 0;
    if (((g_in.header & 8u) != 0) == connection->expected) {
        connection->expected = !connection->expected;
        in->kind = g_in.header & 3u;
        in->size = g_in.length;
        memcpy(in->data, g_in.payload, in->size);
    }
    return true;
}
