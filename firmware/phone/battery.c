/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The battery's gauge (Smart Battery Data Specification) on the OpenCores I2C master. */
#include "battery.h"

#include <stdbool.h>

#include "board.h"

#define PRERLO (I2C + 0x00u)
#define PRERHI (I2C + 0x04u)
#define CTR (I2C + 0x08u)
#define TXR (I2C + 0x0cu)
#define RXR (I2C + 0x0cu)
#define CR (I2C + 0x10u)
#define SR (I2C + 0x10u)

#define CTR_EN 0x80u
#define CR_STA 0x80u
#define CR_STO 0x40u
#define CR_RD 0x20u
#define CR_WR 0x10u
#define CR_NACK 0x08u
#define CR_IACK 0x01u
#define SR_RXACK 0x80u
#define SR_TIP 0x02u

#define PRESCALE 11u /* 24 MHz / (5 * 12): 400 kHz */
#define GAUGE 0x0bu
#define RELATIVE_STATE_OF_CHARGE 0x0du

/* Gives a command and waits for its end; whether the other side acknowledged. */
static bool Command(uint32_t command)
{
    Write32(CR, command | CR_IACK);
    while ((Read32(SR) & SR_TIP) != 0) {
    }
    return (Read32(SR) & SR_RXACK) == 0;
}

static bool Send(uint8_t byte, uint32_t with)
{
    Write32(TXR, byte);
    return Command(CR_WR | with);
}

int32_t BatteryCharge(void)
{
    Write32(CTR, 0);
    Write32(PRERLO, PRESCALE);
    Write32(PRERHI, 0);
    Write32(CTR, CTR_EN);
    if (!Send(GAUGE << 1, CR_STA) || !Send(RELATIVE_STATE_OF_CHARGE, 0) || !Send(GAUGE << 1 | 1u, CR_STA)) {
        (void)Command(CR_STO);
        return -1;
    }
    (void)Command(CR_RD);
    uint32_t low = Read32(RXR);
    (void)Command(CR_RD | CR_NACK | CR_STO);
    return (int32_t)(low | Read32(RXR) << 8);
}
