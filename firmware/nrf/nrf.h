/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of nRF51 and nRF52 that these programs use; one image runs on both. */
#ifndef NRF_H
#define NRF_H

#include <stdint.h>

#define REG(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define POWER 0x40000000u
#define CLOCK 0x40000000u
#define RADIO 0x40001000u
#define UART0 0x40002000u
#define TIMER0 0x40008000u
#define RTC0 0x4000B000u
#define RNG 0x4000D000u
#define ECB 0x4000E000u
#define CCM 0x4000F000u
#define WDT 0x40010000u
#define NVMC 0x4001E000u
#define PPI 0x4001F000u
#define MWU 0x40020000u
#define GPIO 0x50000000u

enum {
    TASKS_HFCLKSTART = 0x000,
    TASKS_HFCLKSTOP = 0x004,
    TASKS_LFCLKSTART = 0x008,
    EVENTS_HFCLKSTARTED = 0x100,
    EVENTS_LFCLKSTARTED = 0x104,
    RESETREAS = 0x400,
    SYSTEMOFF = 0x500,
    LFCLKSRC = 0x518,
    GPREGRET = 0x51C,

    TASKS_START = 0x000,
    RTC_EVENTS_COMPARE0 = 0x140,
    INTENSET = 0x304,
    INTENCLR = 0x308,
    RTC_COUNTER = 0x504,
    RTC_CC0 = 0x540,

    RADIO_TXEN = 0x000,
    RADIO_RXEN = 0x004,
    RADIO_DISABLE = 0x010,
    RADIO_EVENTS_READY = 0x100,
    RADIO_EVENTS_ADDRESS = 0x104,
    RADIO_EVENTS_END = 0x10C,
    RADIO_EVENTS_DISABLED = 0x110,
    RADIO_SHORTS = 0x200,
    RADIO_CRCSTATUS = 0x400,
    RADIO_PACKETPTR = 0x504,
    RADIO_FREQUENCY = 0x508,
    RADIO_MODE = 0x510,
    RADIO_PCNF0 = 0x514,
    RADIO_PCNF1 = 0x518,
    RADIO_BASE0 = 0x51C,
    RADIO_PREFIX0 = 0x524,
    RADIO_RXADDRESSES = 0x530,
    RADIO_CRCCNF = 0x534,
    RADIO_CRCPOLY = 0x538,
    RADIO_CRCINIT = 0x53C,
    RADIO_TIFS = 0x544,
    RADIO_STATE = 0x550,
    RADIO_DATAWHITEIV = 0x554,

    TIMER_TASKS_STOP = 0x004,
    TIMER_TASKS_CLEAR = 0x00C,
    TIMER_TASKS_CAPTURE3 = 0x04C,
    TIMER_EVENTS_COMPARE0 = 0x140,
    TIMER_BITMODE = 0x508,
    TIMER_PRESCALER = 0x510,
    TIMER_CC0 = 0x540,
    TIMER_CC1 = 0x544,
    TIMER_CC2 = 0x548,
    TIMER_CC3 = 0x54C,

    PPI_CHENSET = 0x504,
    PPI_CHENCLR = 0x508,

    RNG_TASKS_STOP = 0x004,
    RNG_EVENTS_VALRDY = 0x100,
    RNG_VALUE = 0x508,

    ECB_EVENTS_END = 0x100,
    ECB_DATAPTR = 0x504,

    CCM_EVENTS_ENDCRYPT = 0x104,
    CCM_SHORTS = 0x200,
    CCM_MICSTATUS = 0x400,
    CCM_ENABLE = 0x500,
    CCM_MODE = 0x504,
    CCM_CNFPTR = 0x508,
    CCM_INPTR = 0x50C,
    CCM_OUTPTR = 0x510,
    CCM_SCRATCHPTR = 0x514,

    UART_STARTTX = 0x008,
    UART_EVENTS_TXDRDY = 0x11C,
    UART_ENABLE = 0x500,
    UART_PSELTXD = 0x50C,
    UART_TXD = 0x51C,
    UART_BAUDRATE = 0x524,

    WDT_CRV = 0x504,

    NVMC_READY = 0x400,
    NVMC_CONFIG = 0x504,
    NVMC_ERASEPAGE = 0x508,

    MWU_EVENTS_REGION0_WA = 0x100,
    MWU_EVENTS_REGION0_RA = 0x104,
    MWU_EVENTS_PREGION0_RA = 0x164,
    MWU_NMIENSET = 0x324,
    MWU_SUBSTATRA0 = 0x404,
    MWU_REGIONEN = 0x510,
    MWU_REGIONENCLR = 0x518,
    MWU_REGION0_START = 0x600,
    MWU_REGION0_END = 0x604,
    MWU_PREGION0_SUBS = 0x6C8,

    GPIO_PIN_CNF = 0x700,
};

#define NVIC_ISER REG(0xE000E100u, 0)
#define NVIC_ICPR REG(0xE000E280u, 0)
#define SCB_AIRCR REG(0xE000ED0Cu, 0)
#define SCB_SCR REG(0xE000ED10u, 0)

#define RADIO_IRQ 1u
#define TIMER0_IRQ 8u
#define RTC0_IRQ 11u

/* Sleeps until an event register is set. Its interrupt wakes the core (SEVONPEND) without a handler. */
static inline void SleepUntil(uint32_t base, uint32_t event, uint32_t irq)
{
    while (REG(base, event) == 0) {
        __asm volatile("wfe" ::: "memory");
    }
    REG(base, event) = 0;
    (void)REG(base, event);
    NVIC_ICPR = 1u << irq;
}

#endif
