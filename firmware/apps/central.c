/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A phone that connects, on an nRF52 DK: to whoever advertises first, and keeps the connection. It asks for the
 * device's name and for the list of what it serves, sets its clock and sends it a message where it takes them, and
 * asks now and then for battery, pulse and steps. It answers that it has nothing itself.
 */
#include "ble.h"
#include "mem.h"
#include "nrf52.h"

#define PIN_UART_TX 6u
#define MISSES_MAX 60u
#define REPORT_EVERY 100u
#define ASK_AT 20u
#define ASK_EVERY 300u

/* Attribute protocol: Core Specification 5.3, volume 3, part F, 3.4. */
enum { ATT_ERROR = 0x01, ATT_MTU = 0x02, ATT_READ_BY_TYPE = 0x08, ATT_TYPES = 0x09, ATT_WRITE = 0x12 };
enum {
    UUID_CHARACTERISTIC = 0x2803,
    UUID_NAME = 0x2A00,
    UUID_BATTERY = 0x2A19,
    UUID_TIME = 0x2A2B,
    UUID_PULSE = 0x2A37,
    UUID_ALERT = 0x2A46,
};
/* InfiniTime's step counter: 00030001-78fc-48fe-8e23-433b3a1942d0. */
static const uint8_t g_steps[16] = { 0xD0, 0x42, 0x19, 0x3A, 0x3B, 0x43, 0x23, 0x8E,
                                     0xFE, 0x48, 0xFC, 0x78, 0x01, 0x00, 0x03, 0x00 };

static BlePdu g_queue[4];
static uint32_t g_first, g_count;

static void Queue(uint8_t kind, const uint8_t *data, uint32_t size)
{
    if (g_count < 4u) {
        BlePdu *pdu = &g_queue[(g_first + g_count++) % 4u];
        pdu->kind = kind;
        pdu->size = (uint8_t)size;
        memcpy(pdu->data, data, size);
    }
}

static void Control(const BlePdu *in)
{
    uint8_t opcode = in->data[0];
    if (opcode == 0x08 || opcode == 0x0E) { /* features: none */
        static const uint8_t none[9] = { 0x09 };
        Queue(BLE_CONTROL, none, sizeof(none));
    } else if (opcode == 0x0C) { /* version 4.2 */
        static const uint8_t version[6] = { 0x0C, 0x08, 0xFF, 0xFF };
        Queue(BLE_CONTROL, version, sizeof(version));
    } else if (opcode != 0x02 && opcode != 0x07 && opcode != 0x09) {
        uint8_t unknown[2] = { 0x07, opcode };
        Queue(BLE_CONTROL, unknown, sizeof(unknown));
    }
}

/* What is asked in turn; notifications that come between are passed over. The next question goes out when the last was answered. */
typedef enum { ASK_NAME, ASK_LIST, SET_TIME, SEND_MESSAGE, ASK_BATTERY, ASK_PULSE, ASK_STEPS, ASK_NOTHING } Question;

static struct {
    Question question;
    uint8_t waiting;       /* the request that was not answered yet, 0 without one */
    uint32_t from;         /* the list goes on at this handle */
    uint32_t time, alert;  /* handles, 0 without one */
} g_talk;

static uint32_t Word(const uint8_t *data)
{
    return data[0] | (uint32_t)data[1] << 8;
}

/* An attribute request: length and channel 4 before it. */
static void Request(const uint8_t *request, uint32_t size)
{
    uint8_t packet[27] = { (uint8_t)size, 0, 4, 0 };
    memcpy(packet + 4, request, size);
    Queue(BLE_START, packet, 4u + size);
    g_talk.waiting = request[0];
}

/* Asks for the first attribute of this type from a handle on, whatever its own handle. */
static void ReadByType(uint32_t from, const uint8_t *type, uint32_t size)
{
    uint8_t request[21] = { ATT_READ_BY_TYPE, (uint8_t)from, (uint8_t)(from >> 8), 0xFF, 0xFF };
    memcpy(request + 5, type, size);
    Request(request, 5u + size);
}

static void ReadShort(uint32_t from, uint32_t type)
{
    uint8_t bytes[2] = { (uint8_t)type, (uint8_t)(type >> 8) };
    ReadByType(from, bytes, sizeof(bytes));
}

static void Write(uint32_t handle, const uint8_t *value, uint32_t size)
{
    uint8_t request[23] = { ATT_WRITE, (uint8_t)handle, (uint8_t)(handle >> 8) };
    memcpy(request + 3, value, size);
    Request(request, 3u + size);
}

static void Ask(void)
{
    /* Sunday 22 November 2026, 10:08:30; an alert's category, count, and its title and text. */
    static const uint8_t time[10] = { 0xEA, 0x07, 11, 22, 10, 8, 30, 7, 0, 0 };
    static const uint8_t message[17] = { 0, 1, 0, 'H', 'e', 'l', 'l', 'o', 0, 'c', 'o', 'n', 's', 'o', 'r', 't', '!' };
    if (g_talk.question == SET_TIME && g_talk.time == 0) {
        g_talk.question = SEND_MESSAGE;
    }
    if (g_talk.question == SEND_MESSAGE && g_talk.alert == 0) {
        g_talk.question = ASK_BATTERY;
    }
    switch (g_talk.question) {
    case ASK_NAME:
        ReadShort(1, UUID_NAME);
        break;
    case ASK_LIST:
        ReadShort(g_talk.from, UUID_CHARACTERISTIC);
        break;
    case SET_TIME:
        Write(g_talk.time, time, sizeof(time));
        break;
    case SEND_MESSAGE:
        Write(g_talk.alert, message, sizeof(message));
        break;
    case ASK_BATTERY:
        ReadShort(1, UUID_BATTERY);
        break;
    case ASK_PULSE:
        ReadShort(1, UUID_PULSE);
        break;
    case ASK_STEPS:
        ReadByType(1, g_steps, sizeof(g_steps));
        break;
    default:
        break;
    }
}

/* Entries of a list: its own handle, properties, the value's handle, and its type of 2 or 16 bytes. */
static void Listed(const uint8_t *entries, uint32_t size, uint32_t each)
{
    for (uint32_t at = 0; each >= 7u && at + each <= size; at += each) {
        const uint8_t *entry = entries + at;
        uint32_t handle = Word(entry + 3), type = each == 7u ? Word(entry + 5) : 0;
        g_talk.from = Word(entry) + 1u;
        if (type == UUID_TIME) {
            g_talk.time = handle;
        } else if (type == UUID_ALERT) {
            g_talk.alert = handle;
        }
    }
}

/* What came to the present question: the value of one attribute, or none. */
static void Answered(const uint8_t *value, uint32_t size)
{
    switch (g_talk.question) {
    case ASK_NAME:
        Print("its name is ");
        for (uint32_t at = 0; at < size; ++at) {
            Print("%c", value[at]);
        }
        Print("\n");
        break;
    case ASK_BATTERY:
        if (size >= 1u) {
            Print("battery %u %%\n", value[0]);
        }
        break;
    case ASK_PULSE:
        if (size >= 2u) {
            Print("pulse %u\n", value[1]);
        }
        break;
    case ASK_STEPS:
        if (size >= 4u) {
            Print("steps %u\n", Word(value) | Word(value + 2) << 16);
        }
        break;
    case SET_TIME:
        Print("its clock is set\n");
        break;
    case SEND_MESSAGE:
        Print("it has the message\n");
        break;
    default:
        break;
    }
}

/* An attribute packet: length and channel 4 before it. */
static void Attribute(const BlePdu *in)
{
    const uint8_t *data = in->data + 4;
    uint32_t size = in->size - 4u;
    if (data[0] == ATT_MTU) {
        static const uint8_t mtu[7] = { 3, 0, 4, 0, 0x03, 23, 0 };
        Queue(BLE_START, mtu, sizeof(mtu));
    } else if ((data[0] & 1u) == 0 && data[0] < 0x40u) { /* any request: not found */
        uint8_t error[9] = { 5, 0, 4, 0, ATT_ERROR, data[0], 1, 0, 0x0A };
        Queue(BLE_START, error, sizeof(error));
    } else if (g_talk.waiting != 0 && (data[0] == g_talk.waiting + 1u || data[0] == ATT_ERROR)) {
        g_talk.waiting = 0;
        bool good = data[0] == ATT_TYPES && size > 4u;
        if (g_talk.question == ASK_LIST) {
            uint32_t from = g_talk.from;
            if (good) {
                Listed(data + 2, size - 2u, data[1]);
            }
            if (g_talk.from > from && g_talk.from < 0xFFFFu) {
                return; /* there may be more */
            }
            Print("takes the time: %s, messages: %s\n", g_talk.time != 0 ? "yes" : "no",
                  g_talk.alert != 0 ? "yes" : "no");
        } else if (good) {
            Answered(data + 4, size - 4u);
        } else if (data[0] == ATT_WRITE + 1u) {
            Answered(data, 0);
        }
        ++g_talk.question;
    }
}

int main(void)
{
    static const BlePdu empty = { .kind = BLE_EMPTY };
    UartStart(PIN_UART_TX);
    for (;;) {
        BleConnection connection;
        BleStart();
        while (!BleConnect(&connection)) {
        }
        Print("connecting to %02x:%02x\n", connection.peer[1], connection.peer[0]);
        g_count = 0;
        memset(&g_talk, 0, sizeof(g_talk));
        g_talk.from = 1;
        uint32_t answered = 0, misses = 0;
        for (uint32_t event = 1; misses < MISSES_MAX; ++event) {
            BlePdu in;
            bool delivered;
            if (g_talk.question == ASK_NOTHING && event % ASK_EVERY == 0) {
                g_talk.question = ASK_BATTERY;
            }
            if (event >= ASK_AT && g_talk.waiting == 0) {
                Ask();
            }
            if (!BleEvent(&connection, g_count != 0 ? &g_queue[g_first] : &empty, &in, &delivered)) {
                ++misses;
                continue;
            }
            misses = 0;
            if (delivered && g_count != 0) {
                g_first = (g_first + 1u) % 4u;
                --g_count;
            }
            if (++answered % REPORT_EVERY == 0 || answered == 1) {
                Print("%u of %u events answered\n", answered, event);
            }
            if (in.size != 0 && in.kind == BLE_CONTROL) {
                Control(&in);
            } else if (in.size > 4u && in.kind == BLE_START && in.data[2] == 4) {
                Attribute(&in);
            }
        }
        Print("lost after %u answers\n", answered);
    }
}
