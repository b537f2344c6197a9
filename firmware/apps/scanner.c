/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A phone's part in the watch's life, on an nRF52 DK: scans, and prints what watches answer. */
#include "ble.h"
#include "mem.h"
#include "nrf52.h"

#define PIN_UART_TX 6u
#define WATCHES 8u

int main(void)
{
    static BleReport s_seen[WATCHES];
    uint32_t count = 0;
    UartStart(PIN_UART_TX);
    BleStart();
    Print("scanning\n");
    for (;;) {
        BleReport report;
        if (!BleScan(&report) || report.size < 8 || report.data[1] != 0xFF) {
            continue;
        }
        uint32_t index = 0;
        while (index < count && memcmp(s_seen[index].address, report.address, 6) != 0) {
            ++index;
        }
        if (index == WATCHES || (index < count && memcmp(s_seen[index].data, report.data, report.size) == 0)) {
            continue;
        }
        count += index == count ? 1u : 0u;
        s_seen[index] = report;
        const uint8_t *data = report.data;
        Print("watch %02x:%02x: pulse %u, steps %u, battery %u%%\n", report.address[1], report.address[0], data[4],
              data[5] | data[6] << 8, data[7]);
    }
}
