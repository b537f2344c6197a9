/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The phone's blocks (board `phone`): addresses, interrupts, and the core's own instructions. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

#define GIC_DISTRIBUTOR 0x08000000u
#define GIC_INTERFACE 0x08010000u
#define UART 0x09000000u
#define GPIO 0x09030000u
#define DISPLAY 0x09040000u
#define ADAPTER 0x09050000u
#define I2C 0x09060000u
#define TOUCH 0x0a000800u

/* Interrupt numbers: the virtual timer is private, the others are shared peripherals'. */
#define IRQ_TIMER 27u
#define IRQ_UART (32u + 1u)
#define IRQ_GPIO (32u + 7u)
#define IRQ_ADAPTER (32u + 8u)
#define IRQ_TOUCH (32u + 20u)

/* The buttons' pins. */
#define KEY_POWER (1u << 3)
#define KEY_VOLUME_UP (1u << 4)
#define KEY_VOLUME_DOWN (1u << 5)

/* Ticks of the system counter in a millisecond. */
#define COUNTER_PER_MS 62500u

static inline void Write32(uint64_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline uint32_t Read32(uint64_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void InterruptsOff(void)
{
    __asm volatile("msr daifset, #2" ::: "memory");
}

static inline void InterruptsOn(void)
{
    __asm volatile("msr daifclr, #2\n\tisb" ::: "memory");
}

static inline void WaitForInterrupt(void)
{
    __asm volatile("dsb sy\n\twfi" ::: "memory");
}

static inline uint64_t Counter(void)
{
    uint64_t count;
    __asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count) : : "memory");
    return count;
}

/* The virtual timer interrupts once the counter is there. */
static inline void TimerAt(uint64_t count)
{
    __asm volatile("msr cntv_cval_el0, %0\n\tmsr cntv_ctl_el0, %1\n\tisb" ::"r"(count), "r"(1ull) : "memory");
}

static inline void TimerOff(void)
{
    __asm volatile("msr cntv_ctl_el0, xzr\n\tisb" ::: "memory");
}

/* GIC, UART and buttons. */
void BoardInit(void);
/* The buttons that were pressed and that nobody took yet. */
uint32_t KeysPressed(void);
void KeysTake(uint32_t keys);
void InterruptEnable(uint32_t interrupt);

#endif
