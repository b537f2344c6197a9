/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chip itself: reset, vectors, sleeping for events, ticks and the UART. */
#include "nrf52.h"

#include <stdarg.h>

#include "format.h"

extern uint32_t g_stackTop[];
extern uint32_t g_dataLoad[], g_dataStart[], g_dataEnd[];
extern uint32_t g_bssStart[], g_bssEnd[];

int main(void);
void ResetHandler(void);

#define NVIC_ISER 0xE000E100u
#define NVIC_ICPR 0xE000E280u

#define CLOCK_LFCLKSTART 0x008u
#define CLOCK_LFCLKSTARTED 0x104u
#define CLOCK_LFCLKSRC 0x518u
#define RTC_START 0x000u
#define RTC_EVTENSET 0x344u
#define RTC_PRESCALER 0x508u
#define UART_STARTTX 0x008u
#define UART_TXDRDY 0x11Cu
#define UART_ENABLE 0x500u
#define UART_PSELTXD 0x50Cu
#define UART_TXD 0x51Cu
#define UART_BAUDRATE 0x524u

/* A fault: the watchdog will end it. */
static void Fault(void)
{
    for (;;) {
        Sleep();
    }
}

__attribute__((section(".vectors"), used)) static const void *const g_vectors[16] = {
    g_stackTop, ResetHandler, Fault, Fault, Fault, Fault, Fault,
};

void ResetHandler(void)
{
    __asm volatile("cpsid i" ::: "memory");
    const uint32_t *from = g_dataLoad;
    for (uint32_t *to = g_dataStart; to < g_dataEnd; ++to, ++from) {
        *to = *from;
    }
    for (uint32_t *to = g_bssStart; to < g_bssEnd; ++to) {
        *to = 0;
    }
    main();
    Fault();
}

/* PS 15.2: an interrupt's number is in its block's address. */
static uint32_t Irq(uint32_t base)
{
    return base >> 12 & 0x3Fu;
}

bool Take(uint32_t base, uint32_t event)
{
    if (REG(base, event) == 0) {
        return false;
    }
    REG(base, event) = 0;
    (void)REG(base, event);
    REG(NVIC_ICPR, Irq(base) / 32u * 4u) = 1u << (Irq(base) % 32u);
    return true;
}

void Listen(uint32_t base, uint32_t event, bool on)
{
    REG(base, on ? INTENSET : INTENCLR) = 1u << ((event - 0x100u) / 4u);
    REG(NVIC_ISER, Irq(base) / 32u * 4u) = 1u << (Irq(base) % 32u);
}

void Await(uint32_t base, uint32_t event)
{
    Listen(base, event, true);
    while (!Take(base, event)) {
        Sleep();
    }
    Listen(base, event, false);
}

const char *ResetReason(void)
{
    uint32_t why = REG(CLOCK, POWER_RESETREAS);
    REG(CLOCK, POWER_RESETREAS) = why;
    if (why & 1u << 0) {
        return "pin";
    }
    if (why & 1u << 1) {
        return "watchdog";
    }
    return why & 1u << 2 ? "software" : "power-on";
}

void TicksStart(void)
{
    REG(CLOCK, CLOCK_LFCLKSRC) = 1;
    REG(CLOCK, CLOCK_LFCLKSTARTED) = 0;
    REG(CLOCK, CLOCK_LFCLKSTART) = 1;
    Await(CLOCK, CLOCK_LFCLKSTARTED);
    REG(RTC1, RTC_PRESCALER) = 32768u / TICKS_PER_SECOND - 1u;
    REG(RTC1, RTC_EVTENSET) = 1;
    REG(RTC1, RTC_START) = 1;
    Listen(RTC1, RTC_TICK, true);
}

void UartStart(uint32_t pin)
{
    REG(GPIO, GPIO_OUTSET) = 1u << pin;
    REG(GPIO, GPIO_CNF(pin)) = CNF_OUTPUT;
    REG(UART0, UART_PSELTXD) = pin;
    REG(UART0, UART_BAUDRATE) = 0x01D7E000u; /* 115200 */
    REG(UART0, UART_ENABLE) = 4;
    REG(UART0, UART_STARTTX) = 1;
}

static void PutChar1(char c)
{
    REG(UART0, UART_TXD) = (uint8_t)c;
    Await(UART0, UART_TXDRDY);
}

void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    FormatV(PutChar1, format, args);
    va_end(args);
}
