/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CMSDK APB UART0: a transmit ring drained by the TX interrupt, a line buffer filled by the RX interrupt. */
#include "uart.h"

#include <stddef.h>
#include <stdint.h>

#include "cortexm.h"
#include "format.h"
#include "mps2.h"

#define BAUD 115200u
#define TX_SIZE 1024u /* a power of two: the indices run free */
#define LINE_SIZE 64u

static char g_tx[TX_SIZE];
static volatile uint32_t g_txHead; /* written by the program */
static volatile uint32_t g_txTail; /* written by the interrupt */

static char g_typed[LINE_SIZE]; /* being filled by the interrupt */
static uint32_t g_typedLength;
static char g_line[LINE_SIZE]; /* complete */
static volatile bool g_lineReady;

void UartInit(void)
{
    UART0->BAUDDIV = CPU_HZ / BAUD;
    UART0->INTSTATUS = UART_INT_TX | UART_INT_RX | UART_INT_TXOVERRUN | UART_INT_RXOVERRUN;
    UART0->CTRL = UART_CTRL_TXEN | UART_CTRL_RXEN | UART_CTRL_TXINTEN | UART_CTRL_RXINTEN;
    NvicEnable(IRQ_UART0_RX);
    NvicEnable(IRQ_UART0_TX);
}

/* Moves one byte to the transmitter when it has room. Interrupts are off, or we are the interrupt. */
static void Feed(void)
{
    if (g_txTail != g_txHead && (UART0->STATE & UART_STATE_TXFULL) == 0) {
        UART0->DATA = (uint8_t)g_tx[g_txTail % TX_SIZE];
        ++g_txTail;
    }
}

/* The TX interrupt is raised each time the one-byte buffer empties (DDI 0479, 4.3.2). */
void Uart0TxHandler(void)
{
    UART0->INTSTATUS = UART_INT_TX;
    Feed();
}

void Uart0RxHandler(void)
{
    UART0->INTSTATUS = UART_INT_RX;
    while ((UART0->STATE & UART_STATE_RXFULL) != 0) {
        char c = (char)UART0->DATA;
        if (c != '\n' && c != '\r') {
            if (g_typedLength < LINE_SIZE - 1) {
                g_typed[g_typedLength++] = c;
            }
            continue;
        }
        if (g_typedLength != 0 && !g_lineReady) {
            for (uint32_t i = 0; i < g_typedLength; ++i) {
                g_line[i] = g_typed[i];
            }
            g_line[g_typedLength] = '\0';
            g_lineReady = true;
        }
        g_typedLength = 0;
    }
}

static void PutQueued(char c)
{
    CpuIrqDisable();
    while (g_txHead - g_txTail == TX_SIZE) {
        /* WFI wakes on the pending interrupt even while masked; it runs as soon as we unmask (B1.5.17). */
        CpuWaitForInterrupt();
        CpuIrqEnable();
        CpuBarrier();
        CpuIrqDisable();
    }
    g_tx[g_txHead % TX_SIZE] = c;
    ++g_txHead;
    Feed();
    CpuIrqEnable();
}

void PrintV(const char *format, va_list args)
{
    FormatV(PutQueued, format, args);
}

void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    FormatV(PutQueued, format, args);
    va_end(args);
}

bool UartHasLine(void)
{
    return g_lineReady;
}

const char *UartLine(void)
{
    static char text[LINE_SIZE];
    if (!g_lineReady) {
        return NULL;
    }
    for (uint32_t i = 0; i < LINE_SIZE; ++i) {
        text[i] = g_line[i];
    }
    g_lineReady = false;
    return text;
}

static void PutPolled(char c)
{
    while ((UART0->STATE & UART_STATE_TXFULL) != 0) {
    }
    UART0->DATA = (uint8_t)c;
}

void PrintUrgent(const char *format, ...)
{
    va_list args;
    CpuIrqDisable();
    va_start(args, format);
    for (; g_txTail != g_txHead; ++g_txTail) {
        PutPolled(g_tx[g_txTail % TX_SIZE]);
    }
    FormatV(PutPolled, format, args);
    va_end(args);
}
