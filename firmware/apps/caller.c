/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls over UART1, 115200 baud, and tells on UART0 what comes back. */
#include <stddef.h>
#include <stdint.h>

#include "cortexm.h"
#include "mps2.h"
#include "tick.h"
#include "uart.h"

#define BAUD 115200u
#define PATIENCE_MS 5u

static char Exchange(char c)
{
    while ((UART1->STATE & UART_STATE_TXFULL) != 0) {
    }
    UART1->DATA = (uint8_t)c;
    for (uint32_t begin = TickNow(); TickNow() - begin < PATIENCE_MS;) {
        if ((UART1->STATE & UART_STATE_RXFULL) != 0) {
            return (char)UART1->DATA;
        }
    }
    return '?';
}

int main(void)
{
    UartInit();
    TickInit();
    UART1->BAUDDIV = CPU_HZ / BAUD;
    UART1->CTRL = UART_CTRL_TXEN | UART_CTRL_RXEN;
    for (uint32_t call = 1;; ++call) {
        char text[] = "is anybody there";
        for (size_t i = 0; i < sizeof text - 1; ++i) {
            text[i] = Exchange(text[i]);
        }
        Print("call %u: %s\n", call, text);
        for (uint32_t begin = TickNow(); TickNow() - begin < 100;) {
            CpuWaitForInterrupt();
        }
    }
}
