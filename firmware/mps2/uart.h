/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UART_H
#define UART_H

#include <stdarg.h>
#include <stdbool.h>

/* UART0 at 115200 baud, both directions by interrupt. */
void UartInit(void);

/* Queues formatted text; sleeps (WFI) only while the queue is full. */
void Print(const char *format, ...);
void PrintV(const char *format, va_list args);

/* True when UartLine has a line to give. */
bool UartHasLine(void);

/* The last complete line typed, without its end, or NULL. Valid until the next UartLine or idle. */
const char *UartLine(void);

/* For fault handlers: sends with interrupts off, by polling. */
void PrintUrgent(const char *format, ...);

#endif
