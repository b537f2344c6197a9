/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The phone's board support: interrupts, time, and the UART, whose text is on the screen too. */
#include "board.h"

#include "format.h"
#include "mps2.h"
#include "screen.h"
#include "tick.h"
#include "touch.h"
#include "uart.h"

#define GICD_CTLR (GIC_DISTRIBUTOR + 0x000u)
#define GICD_ISENABLER (GIC_DISTRIBUTOR + 0x100u)
#define GICD_IPRIORITYR (GIC_DISTRIBUTOR + 0x400u)
#define GICC_CTLR (GIC_INTERFACE + 0x00u)
#define GICC_PMR (GIC_INTERFACE + 0x04u)
#define GICC_IAR (GIC_INTERFACE + 0x0cu)
#define GICC_EOIR (GIC_INTERFACE + 0x10u)
#define SPURIOUS 1020u

#define UARTDR (UART + 0x00u)
#define UARTFR (UART + 0x18u)
#define UARTIBRD (UART + 0x24u)
#define UARTFBRD (UART + 0x28u)
#define UARTLCR_H (UART + 0x2cu)
#define UARTCR (UART + 0x30u)
#define UARTIMSC (UART + 0x38u)
#define UARTICR (UART + 0x44u)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)
#define LCR_H_8N1_FIFO 0x70u
#define CR_ON 0x301u
#define INT_RX_AND_TIMEOUT 0x50u

#define GPIOIS (GPIO + 0x404u)
#define GPIOIBE (GPIO + 0x408u)
#define GPIOIEV (GPIO + 0x40cu)
#define GPIOIE (GPIO + 0x410u)
#define GPIOMIS (GPIO + 0x418u)
#define GPIOIC (GPIO + 0x41cu)
#define KEYS (KEY_POWER | KEY_VOLUME_UP | KEY_VOLUME_DOWN)

#define LINE_MAX 80u

Lamps g_lamps;

static uint64_t g_start;
static char g_line[LINE_MAX];
static uint32_t g_length;
static volatile bool g_complete;
static volatile uint32_t g_keys;

/* The adapter's, in bus.c. */
void AdapterHandler(void);

void InterruptEnable(uint32_t interrupt)
{
    *(volatile uint8_t *)(uint64_t)(GICD_IPRIORITYR + interrupt) = 0x80;
    Write32(GICD_ISENABLER + interrupt / 32u * 4u, 1u << interrupt % 32u);
}

static void UartHandler(void)
{
    while ((Read32(UARTFR) & FR_RXFE) == 0) {
        char c = (char)Read32(UARTDR);
        if (g_complete) {
            continue; /* the last line was not taken yet */
        }
        if (c == '\r' || c == '\n') {
            g_line[g_length] = '\0';
            g_complete = g_length != 0;
            g_length = 0;
        } else if (g_length + 1u < LINE_MAX) {
            g_line[g_length++] = c;
        }
    }
    Write32(UARTICR, INT_RX_AND_TIMEOUT);
}

static void GpioHandler(void)
{
    uint32_t pressed = Read32(GPIOMIS);
    Write32(GPIOIC, pressed);
    g_keys |= pressed;
}

uint32_t KeysPressed(void)
{
    return g_keys;
}

void KeysTake(uint32_t keys)
{
    InterruptsOff();
    g_keys &= ~keys;
    InterruptsOn();
}

void InterruptHandler(void)
{
    uint32_t interrupt = Read32(GICC_IAR);
    switch (interrupt & 0x3ffu) {
        case IRQ_TIMER:
            TimerOff();
            break;
        case IRQ_UART:
            UartHandler();
            break;
        case IRQ_GPIO:
            GpioHandler();
            break;
        case IRQ_TOUCH:
            TouchHandler();
            break;
        case IRQ_ADAPTER:
            AdapterHandler();
            break;
        default:
            break;
    }
    if ((interrupt & 0x3ffu) < SPURIOUS) {
        Write32(GICC_EOIR, interrupt);
    }
}

void FaultHandler(uint64_t syndrome, uint64_t where, uint64_t address)
{
    Print("fault: ESR %08x at %08x, FAR %08x\n", (uint32_t)syndrome, (uint32_t)where, (uint32_t)address);
}

void BoardInit(void)
{
    Write32(GICD_CTLR, 1);
    Write32(GICC_PMR, 0xf0);
    Write32(GICC_CTLR, 1);
    InterruptEnable(IRQ_TIMER);
    UartInit();
    TickInit();
    TouchInit();
    /* A button interrupts when its pin rises. */
    Write32(GPIOIS, 0);
    Write32(GPIOIBE, 0);
    Write32(GPIOIEV, KEYS);
    Write32(GPIOIC, KEYS);
    Write32(GPIOIE, KEYS);
    InterruptEnable(IRQ_GPIO);
    InterruptsOn();
}

void TickInit(void)
{
    g_start = Counter();
}

uint32_t TickNow(void)
{
    return (uint32_t)((Counter() - g_start) / COUNTER_PER_MS);
}

void UartInit(void)
{
    Write32(UARTIBRD, 13);
    Write32(UARTFBRD, 1);
    Write32(UARTLCR_H, LCR_H_8N1_FIFO);
    Write32(UARTCR, CR_ON);
    Write32(UARTIMSC, INT_RX_AND_TIMEOUT);
    InterruptEnable(IRQ_UART);
}

static void Put(char c)
{
    while ((Read32(UARTFR) & FR_TXFF) != 0) {
    }
    Write32(UARTDR, (uint8_t)c);
    ScreenPut(c);
}

void PrintV(const char *format, va_list args)
{
    FormatV(Put, format, args);
}

void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

bool UartHasLine(void)
{
    return g_complete;
}

const char *UartLine(void)
{
    static char taken[LINE_MAX];
    if (!g_complete) {
        return (void *)0;
    }
    for (uint32_t i = 0; i < LINE_MAX; ++i) {
        taken[i] = g_line[i];
    }
    g_complete = false;
    return taken;
}
