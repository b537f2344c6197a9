/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPIM, SPIS, TWIM and TWIS of nRF52, and what the two boards on the wires agree upon. */
#ifndef SERIAL_H
#define SERIAL_H

#include "nrf.h"

#define SERIAL0 0x40003000u
#define SERIAL1 0x40004000u

enum {
    STARTRX = 0x000,
    STARTTX = 0x008,
    SPIM_START = 0x010,
    SPIS_ACQUIRE = 0x024,
    SPIS_RELEASE = 0x028,
    PREPARERX = 0x030,
    PREPARETX = 0x034,
    STOPPED = 0x104,
    SPIS_END = 0x104,
    SPIM_END = 0x118,
    ERROR = 0x124,
    SPIS_ACQUIRED = 0x128,
    WRITE = 0x164,
    READ = 0x168,
    SHORTS = 0x200,
    TWIM_ERRORSRC = 0x4C4,
    ENABLE = 0x500,
    PSEL0 = 0x508,
    PSEL1 = 0x50C,
    PSEL2 = 0x510,
    PSEL3 = 0x514,
    FREQUENCY = 0x524,
    RXD_PTR = 0x534,
    RXD_MAXCNT = 0x538,
    RXD_AMOUNT = 0x53C,
    TXD_PTR = 0x544,
    TXD_MAXCNT = 0x548,
    DEF = 0x55C,
    ADDRESS = 0x588,
    ORC = 0x5C0,

    GPIO_OUTSET = 0x508,
    GPIO_OUTCLR = 0x50C,
    GPIO_IN = 0x510,
    GPIO_DIRSET = 0x518,
};

#define SLAVE_ADDRESS 0x33u
#define CSN 22u
#define READY_OUT 5u
#define READY_IN 11u

static inline int Take(uint32_t base, uint32_t event)
{
    if (REG(base, event) == 0) {
        return 0;
    }
    REG(base, event) = 0;
    return 1;
}

static inline void Buffers(uint32_t base, const void *tx, uint32_t txLength, void *rx, uint32_t rxLength)
{
    REG(base, TXD_PTR) = (uint32_t)tx;
    REG(base, TXD_MAXCNT) = txLength;
    REG(base, RXD_PTR) = (uint32_t)rx;
    REG(base, RXD_MAXCNT) = rxLength;
}

#endif
