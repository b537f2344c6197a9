/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text on the UART at 115200 baud, whose TXD is pin 6. */
#ifndef SAY_H
#define SAY_H

#include "nrf.h"

static void BeginToSay(void)
{
    REG(UART0, UART_PSELTXD) = 6;
    REG(UART0, UART_BAUDRATE) = 0x01D7E000; /* 115200 */
    REG(UART0, UART_ENABLE) = 4;
    REG(UART0, UART_STARTTX) = 1;
}

static void Put(const char *text)
{
    for (; *text != '\0'; text++) {
        REG(UART0, UART_EVENTS_TXDRDY) = 0;
        REG(UART0, UART_TXD) = (uint8_t)*text;
        while (REG(UART0, UART_EVENTS_TXDRDY) == 0) {
        }
    }
}

static inline void PutHex(uint32_t value)
{
    char text[9];
    for (int digit = 0; digit < 8; digit++) {
        text[digit] = "0123456789abcdef"[value >> (28 - 4 * digit) & 15];
    }
    text[8] = '\0';
    Put(text);
}

#endif
