/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMSDK UART: registers, transmit interrupt and pace, overrun, receive by interrupt when the host types (DDI 0479,
 * 4.3).
 */
#include "check.h"
#include "mps2.h"

#define DIVIDER 217u
#define BOUND 1000000u
#define PID(n) REG32(0x40005FE0u + 4u * (n))

static volatile uint32_t g_sent, g_overflows;
static volatile uint32_t g_stamp[8];
static volatile char g_typed[16];
static volatile uint32_t g_typedLength;

void Uart1TxHandler(void)
{
    UART1->INTSTATUS = UART_INT_TX;
    if (g_sent < 8u) {
        g_stamp[g_sent] = TIMER0->VALUE;
    }
    ++g_sent;
    if (g_sent < 6u) {
        UART1->DATA = 'a' + g_sent;
    }
}

void UartOverflowHandler(void)
{
    ++g_overflows;
    UART1->INTSTATUS = UART_INT_TXOVERRUN;
    UART1->STATE = UART_STATE_TXOVERRUN;
}

void Uart0RxHandler(void)
{
    UART0->INTSTATUS = UART_INT_RX;
    char c = (char)UART0->DATA;
    if (g_typedLength < sizeof(g_typed)) {
        g_typed[g_typedLength] = c;
        ++g_typedLength;
    }
}

static void TestRegisters(void)
{
    CheckEqual("part number", PID(0) | (PID(1) & 0xFu) << 8, 0x821u);
    CheckEqual("off after reset", UART1->CTRL, 0);
    CheckEqual("state after reset", UART1->STATE, 0);
    UART1->BAUDDIV = 0xFFFFFFFFu;
    CheckEqual("bauddiv has 20 bits", UART1->BAUDDIV, 0xFFFFFu);
    UART1->BAUDDIV = DIVIDER;
    UART1->CTRL = 0x3Fu;
    CheckEqual("ctrl reads back", UART1->CTRL, 0x3Fu);
    UART1->CTRL = 0;
}

static void TestTransmit(void)
{
    UART1->CTRL = UART_CTRL_TXEN | UART_CTRL_TXINTEN;
    NvicEnable(IRQ_UART1_TX);
    UART1->DATA = 'a';
    for (uint32_t i = 0; i < BOUND && g_sent < 6u; ++i) {
    }
    CheckEqual("a transmit interrupt for each byte", g_sent, 6);
    /* Steady state: the buffer empties once per character of 10 bits. QEMU 7.2 sends in no time. */
    uint32_t two = 2u * 10u * DIVIDER;
    CheckRange("a character takes 10 bits", g_stamp[3] - g_stamp[5], two - 100u, two + 100u);
    NvicDisable(IRQ_UART1_TX);
    Delay(20u * DIVIDER);

    /* One in the shifter, one in the buffer, and more than fit. QEMU 7.2 sends in no time. */
    NvicEnable(IRQ_UART_OVERFLOW);
    UART1->CTRL = UART_CTRL_TXEN | UART_CTRL_TXOVRINTEN;
    for (uint32_t i = 0; i < 4; ++i) {
        UART1->DATA = '0' + i;
    }
    CheckEqual("txfull", UART1->STATE & UART_STATE_TXFULL, UART_STATE_TXFULL);
    CpuBarrier();
    CheckTrue("an overrun interrupts", g_overflows != 0);
    CheckEqual("the overrun flag is cleared by a one", UART1->STATE & UART_STATE_TXOVERRUN, 0);
    NvicDisable(IRQ_UART_OVERFLOW);
    UART1->CTRL = 0;
}

static void TestReceive(void)
{
    UART0->CTRL |= UART_CTRL_RXEN | UART_CTRL_RXINTEN;
    NvicEnable(IRQ_UART0_RX);
    CheckPrint("type hello\n");
    /* A second of the board's clock. */
    uint32_t start = TIMER0->VALUE;
    while (start - TIMER0->VALUE < CPU_HZ && g_typedLength < 5u) {
    }
    if (g_typedLength == 0) {
        CheckSkip("receive", "nobody typed");
        return;
    }
    static const char expected[] = "hello";
    bool same = g_typedLength >= 5u;
    for (uint32_t i = 0; i < 5u; ++i) {
        same = same && g_typed[i] == expected[i];
    }
    CheckTrue("receive by interrupt", same);
    CheckEqual("the buffer is empty after", UART0->STATE & UART_STATE_RXFULL, 0);
}

int main(void)
{
    TIMER0->RELOAD = 0xFFFFFFFFu;
    TIMER0->VALUE = 0xFFFFFFFFu;
    TIMER0->CTRL = TIMER_CTRL_EN;
    TestRegisters();
    TestTransmit();
    TestReceive();
    CheckDone();
}
