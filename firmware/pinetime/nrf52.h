/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the nRF52832 (Product Specification v1.4) that these programs use. */
#ifndef NRF52_H
#define NRF52_H

#include <stdbool.h>
#include <stdint.h>

#define REG(base, offset) (*(volatile uint32_t *)((base) + (offset)))

#define FICR 0x10000000u
#define CLOCK 0x40000000u
#define RADIO 0x40001000u
#define UART0 0x40002000u
#define SPIM0 0x40003000u
#define TWIM1 0x40004000u
#define GPIOTE 0x40006000u
#define SAADC 0x40007000u
#define TIMER0 0x40008000u
#define TIMER1 0x40009000u
#define TIMER2 0x4000A000u
#define WDT 0x40010000u
#define RTC1 0x40011000u
#define PPI 0x4001F000u
#define GPIO 0x50000000u

/* Common to all blocks: tasks below 0x100, events from there, one bit of INTEN for each event. */
#define INTENSET 0x304u
#define INTENCLR 0x308u
#define SHORTS 0x200u

#define GPIO_OUTSET 0x508u
#define GPIO_OUTCLR 0x50Cu
#define GPIO_IN 0x510u
#define GPIO_DIRSET 0x518u
#define GPIO_CNF(pin) (0x700u + (pin) * 4u)
#define CNF_OUTPUT 3u
#define CNF_INPUT 0u
#define CNF_PULL_DOWN (1u << 2)
#define CNF_PULL_UP (3u << 2)
#define CNF_OPEN_DRAIN (6u << 8)

#define POWER_RESETREAS 0x400u

/* Interrupts stay masked for ever: a pending one only ends the sleep. */
static inline void Sleep(void)
{
    __asm volatile("dsb\n wfi" ::: "memory");
}

/* Whether the block's event has happened; it is taken when it has. */
bool Take(uint32_t base, uint32_t event);
/* Lets an event end the sleep, or not any more. */
void Listen(uint32_t base, uint32_t event, bool on);
/* Sleeps until the event happens, and takes it. */
void Await(uint32_t base, uint32_t event);

/* Why the chip was reset, in words. */
const char *ResetReason(void);

/* Starts the 32,768 Hz crystal and RTC1, whose TICK comes sixteen times a second. */
void TicksStart(void);
#define TICKS_PER_SECOND 16u
#define RTC_TICK 0x100u
#define RTC_COUNTER 0x504u

/* Text on the UART, which sends from `pin`. */
void UartStart(uint32_t pin);
void Print(const char *format, ...);

#endif
