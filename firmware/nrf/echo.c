/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers what its UART hears (RXD is pin 8), letters in the other case. */
#include "say.h"

enum {
    UART_STARTRX = 0x000,
    UART_EVENTS_RXDRDY = 0x108,
    UART_PSELRXD = 0x514,
    UART_RXD = 0x518,
};

int main(void)
{
    REG(UART0, UART_PSELRXD) = 8;
    BeginToSay();
    REG(UART0, UART_STARTRX) = 1;
    for (;;) {
        while (REG(UART0, UART_EVENTS_RXDRDY) == 0) {
        }
        REG(UART0, UART_EVENTS_RXDRDY) = 0;
        char heard = (char)REG(UART0, UART_RXD);
        char text[2] = {heard, '\0'};
        if ((heard >= 'a' && heard <= 'z') || (heard >= 'A' && heard <= 'Z')) {
            text[0] = (char)(heard ^ 0x20);
        }
        Put(text);
    }
}
