/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MPS2 with the AN385 (Cortex-M3) or AN386 (Cortex-M4) image: memory map, interrupt numbers, register blocks. */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

#define CPU_HZ 25000000u

/* AN385 table 4-2: external interrupts. */
enum {
    IRQ_UART0_RX = 0,
    IRQ_UART0_TX = 1,
    IRQ_UART1_RX = 2,
    IRQ_UART1_TX = 3,
    IRQ_UART2_RX = 4,
    IRQ_UART2_TX = 5,
    IRQ_GPIO0 = 6,
    IRQ_GPIO1 = 7,
    IRQ_TIMER0 = 8,
    IRQ_TIMER1 = 9,
    IRQ_DUALTIMER = 10,
    IRQ_UART_OVERFLOW = 12,
    IRQ_ETHERNET = 13,
    IRQ_GPIO2 = 16,
    IRQ_GPIO3 = 17,
    IRQ_UART3_RX = 18,
    IRQ_UART3_TX = 19,
    IRQ_COUNT = 32,
};

/* CMSDK APB UART (DDI 0479, section 4.3). */
typedef struct {
    volatile uint32_t DATA;
    volatile uint32_t STATE;
    volatile uint32_t CTRL;
    volatile uint32_t INTSTATUS; /* reads INTSTATUS, a write of one clears (INTCLEAR) */
    volatile uint32_t BAUDDIV;
} CmsdkUart;
#define UART0 ((CmsdkUart *)0x40004000)
#define UART1 ((CmsdkUart *)0x40005000)
#define UART2 ((CmsdkUart *)0x40006000)
#define UART_STATE_TXFULL (1u << 0)
#define UART_STATE_RXFULL (1u << 1)
#define UART_STATE_TXOVERRUN (1u << 2)
#define UART_STATE_RXOVERRUN (1u << 3)
#define UART_CTRL_TXEN (1u << 0)
#define UART_CTRL_RXEN (1u << 1)
#define UART_CTRL_TXINTEN (1u << 2)
#define UART_CTRL_RXINTEN (1u << 3)
#define UART_CTRL_TXOVRINTEN (1u << 4)
#define UART_CTRL_RXOVRINTEN (1u << 5)
#define UART_INT_TX (1u << 0)
#define UART_INT_RX (1u << 1)
#define UART_INT_TXOVERRUN (1u << 2)
#define UART_INT_RXOVERRUN (1u << 3)

/* CMSDK APB timer (DDI 0479, section 4.1). */
typedef struct {
    volatile uint32_t CTRL;
    volatile uint32_t VALUE;
    volatile uint32_t RELOAD;
    volatile uint32_t INTSTATUS; /* a write of one clears (INTCLEAR) */
} CmsdkTimer;
#define TIMER0 ((CmsdkTimer *)0x40000000)
#define TIMER1 ((CmsdkTimer *)0x40001000)
#define TIMER_CTRL_EN (1u << 0)
#define TIMER_CTRL_IRQEN (1u << 3)

/* CMSDK dual timer (DDI 0479, section 4.2): two of these, 0x20 apart. */
typedef struct {
    volatile uint32_t LOAD;
    volatile uint32_t VALUE;
    volatile uint32_t CONTROL;
    volatile uint32_t INTCLR;
    volatile uint32_t RIS;
    volatile uint32_t MIS;
    volatile uint32_t BGLOAD;
} CmsdkDualTimer;
#define DUALTIMER1 ((CmsdkDualTimer *)0x40002000)
#define DUALTIMER2 ((CmsdkDualTimer *)0x40002020)
#define DUALTIMER_ONESHOT (1u << 0)
#define DUALTIMER_32BIT (1u << 1)
#define DUALTIMER_DIV16 (1u << 2)
#define DUALTIMER_DIV256 (2u << 2)
#define DUALTIMER_INTEN (1u << 5)
#define DUALTIMER_PERIODIC (1u << 6)
#define DUALTIMER_EN (1u << 7)

/* CMSDK APB watchdog (DDI 0479, section 4.4). */
typedef struct {
    volatile uint32_t LOAD;
    volatile uint32_t VALUE;
    volatile uint32_t CONTROL;
    volatile uint32_t INTCLR;
    volatile uint32_t RIS;
    volatile uint32_t MIS;
} CmsdkWatchdog;
#define WATCHDOG ((CmsdkWatchdog *)0x40008000)
#define WATCHDOG_LOCK (*(volatile uint32_t *)0x40008C00)
#define WATCHDOG_UNLOCK 0x1ACCE551u
#define WATCHDOG_INTEN (1u << 0)
#define WATCHDOG_RESEN (1u << 1)

/* CMSDK AHB GPIO (DDI 0479, section 3.2). */
typedef struct {
    volatile uint32_t DATA;
    volatile uint32_t DATAOUT;
    uint32_t reserved[2];
    volatile uint32_t OUTENSET;
    volatile uint32_t OUTENCLR;
    volatile uint32_t ALTFUNCSET;
    volatile uint32_t ALTFUNCCLR;
    volatile uint32_t INTENSET;
    volatile uint32_t INTENCLR;
    volatile uint32_t INTTYPESET;
    volatile uint32_t INTTYPECLR;
    volatile uint32_t INTPOLSET;
    volatile uint32_t INTPOLCLR;
    volatile uint32_t INTSTATUS;
} CmsdkGpio;
#define GPIO0 ((CmsdkGpio *)0x40010000)
#define GPIO1 ((CmsdkGpio *)0x40011000)

/* PL022 SSP (DDI 0194, section 3.3). */
typedef struct {
    volatile uint32_t CR0;
    volatile uint32_t CR1;
    volatile uint32_t DR;
    volatile uint32_t SR;
    volatile uint32_t CPSR;
    volatile uint32_t IMSC;
    volatile uint32_t RIS;
    volatile uint32_t MIS;
    volatile uint32_t ICR;
    volatile uint32_t DMACR;
} Pl022;
#define SPI0 ((Pl022 *)0x40020000)
#define SPI1 ((Pl022 *)0x40021000)

/* The two-wire bit-bang block (ARM "SBCon"): SCL is bit 0, SDA bit 1. */
typedef struct {
    volatile uint32_t CONTROLS; /* reads the pins, a write of one releases them high */
    volatile uint32_t CONTROLC; /* a write of one pulls low */
} Sbcon;
#define I2C_TOUCH ((Sbcon *)0x40022000)
#define I2C_AUDIO ((Sbcon *)0x40023000)

/* FPGA system control and I/O (AN385 section 4.5). */
typedef struct {
    volatile uint32_t LED0;
    uint32_t reserved0;
    volatile uint32_t BUTTON;
    uint32_t reserved1;
    volatile uint32_t CLK1HZ;
    volatile uint32_t CLK100HZ;
    volatile uint32_t COUNTER;
    volatile uint32_t PRESCALE;
    volatile uint32_t PSCNTR;
    uint32_t reserved2[10];
    volatile uint32_t MISC;
} Fpgaio;
#define FPGAIO ((Fpgaio *)0x40028000)

/* Serial communication controller (MPS2 TRM, section 4.3). */
#define SCC_BASE 0x4002F000u
#define SCC_CFG0 (*(volatile uint32_t *)(SCC_BASE + 0x000))
#define SCC_CFG1 (*(volatile uint32_t *)(SCC_BASE + 0x004))
#define SCC_CFG4 (*(volatile uint32_t *)(SCC_BASE + 0x010))
#define SCC_CFGDATA_RTN (*(volatile uint32_t *)(SCC_BASE + 0x0A0))
#define SCC_CFGDATA_OUT (*(volatile uint32_t *)(SCC_BASE + 0x0A4))
#define SCC_CFGCTRL (*(volatile uint32_t *)(SCC_BASE + 0x0A8))
#define SCC_CFGSTAT (*(volatile uint32_t *)(SCC_BASE + 0x0AC))
#define SCC_AID (*(volatile uint32_t *)(SCC_BASE + 0xFF8))
#define SCC_ID (*(volatile uint32_t *)(SCC_BASE + 0xFFC))

#define LAN9118_BASE 0x40200000u

#endif
