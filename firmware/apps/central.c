/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A phone that connects, on an nRF52 DK: to whoever advertises first. It asks for the device's name, answers that it
 * has nothing itself, and keeps the connection.
 */
#include "ble.h"
#include "mem.h"
#include "nrf52.h"

#define PIN_UART_TX 6u
#define MISSES_MAX 60u
#define REPORT_EVERY 100u
#define ASK_AT 20u

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

/* An attribute packet: length and channel 4 before it. */
static void Attribute(const BlePdu *in)
{
    uint8_t opcode = in->data[4];
    if (opcode == 0x09 && in->size > 8u) {
        Print("its name is ");
        for (uint32_t at = 8; at < in->size; ++at) {
            Print("%c", in->data[at]);
        }
        Print("\n");
    } else if (opcode == 0x02) { /* MTU */
        static const uint8_t mtu[7] = { 3, 0, 4, 0, 0x03, 23, 0 };
        Queue(BLE_START, mtu, sizeof(mtu));
    } else if ((opcode & 1u) == 0 && opcode < 0x40u) { /* any request: not found */
        uint8_t error[9] = { 5, 0, 4, 0, 0x01, opcode, 1, 0, 0x0A };
        Queue(BLE_START, error, sizeof(error));
    }
}

int main(void)
{
    /* Read by type: the device name (0x2A00), whatever its handle. */
    static const uint8_t askName[11] = { 7, 0, 4, 0, 0x08, 1, 0, 0xFF, 0xFF, 0x00, 0x2A };
    static const BlePdu empty = { .kind = BLE_EMPTY };
    UartStart(PIN_UART_TX);
    for (;;) {
        BleConnection connection;
        BleStart();
        while (!BleConnect(&connection)) {
        }
        Print("connecting to %02x:%02x\n", connection.peer[1], connection.peer[0]);
        g_count = 0;
        uint32_t answered = 0, misses = 0;
        for (uint32_t event = 1; misses < MISSES_MAX; ++event) {
            BlePdu in;
            bool delivered;
            if (event == ASK_AT) {
                Queue(BLE_START, askName, sizeof(askName));
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
