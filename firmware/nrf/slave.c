/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An SPI and an I2C slave (master.c asks): SPI gives back what the transaction before brought, I2C counts up from what
 * was written. It lets the I2C master wait. */
#include "serial.h"

static volatile uint8_t g_spiOut[4] = {0x5E, 0x5E, 0x5E, 0x5E};
static volatile uint8_t g_spiIn[4];
static volatile uint8_t g_i2cOut[4];
static volatile uint8_t g_i2cIn[4];

static void Ready(int on)
{
    REG(GPIO, on ? GPIO_OUTSET : GPIO_OUTCLR) = 1u << READY_OUT;
}

static void Ponder(void)
{
    for (volatile uint32_t i = 0; i < 50; i++) {
    }
}

int main(void)
{
    REG(GPIO, GPIO_DIRSET) = 1u << READY_OUT;
    for (uint32_t pin = 0; pin < 4; pin++) {
        REG(SERIAL0, PSEL0 + 4 * pin) = 12 + pin;
    }
    Buffers(SERIAL0, (const void *)g_spiOut, 4, (void *)g_spiIn, 4);
    REG(SERIAL0, DEF) = 0xDD;
    REG(SERIAL0, ORC) = 0xEE;
    REG(SERIAL0, SHORTS) = 1u << 2; /* END_ACQUIRE */
    REG(SERIAL0, ENABLE) = 2;
    REG(SERIAL0, SPIS_RELEASE) = 1;
    REG(SERIAL1, PSEL0) = 27;
    REG(SERIAL1, PSEL1) = 26;
    REG(SERIAL1, ADDRESS) = SLAVE_ADDRESS;
    REG(SERIAL1, ENABLE) = 9;
    Ready(1);
    for (;;) {
        if (Take(SERIAL0, SPIS_ACQUIRED)) {
            Ready(0);
            for (uint32_t i = 0; i < 4; i++) {
                g_spiOut[i] = i < REG(SERIAL0, RXD_AMOUNT) ? g_spiIn[i] : 0;
            }
            REG(SERIAL0, SPIS_RELEASE) = 1;
            Ready(1);
        }
        if (Take(SERIAL1, WRITE)) {
            Ponder();
            Buffers(SERIAL1, (const void *)g_i2cOut, 3, (void *)g_i2cIn, 4);
            REG(SERIAL1, PREPARERX) = 1;
        }
        if (Take(SERIAL1, READ)) {
            Ponder();
            for (uint32_t i = 0; i < 3; i++) {
                g_i2cOut[i] = (uint8_t)(g_i2cIn[1] + i);
            }
            REG(SERIAL1, PREPARETX) = 1;
        }
    }
}
