/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the slave (slave.c) on another board over SPI and I2C, whenever it says on a pin that it is ready. */
#include "say.h"
#include "serial.h"

static volatile uint8_t g_out[8];
static volatile uint8_t g_in[8];

static void PutBytes(const char *what, uint32_t count)
{
    Put(what);
    for (uint32_t i = 0; i < count; i++) {
        const char *digits = "0123456789abcdef";
        char text[4] = {' ', digits[g_in[i] >> 4], digits[g_in[i] & 15], '\0'};
        Put(text);
    }
    Put("\n");
}

static void WaitReady(void)
{
    while ((REG(GPIO, GPIO_IN) >> READY_IN & 1) == 0) {
    }
}

int main(void)
{
    BeginToSay();
    REG(GPIO, GPIO_OUTSET) = 1u << CSN;
    REG(GPIO, GPIO_DIRSET) = 1u << CSN;
    REG(GPIO, GPIO_PIN_CNF + 4 * READY_IN) = 1u << 2; /* input, pull-down */
    for (uint32_t pin = 0; pin < 3; pin++) {
        REG(SERIAL0, PSEL0 + 4 * pin) = 3 + pin;
    }
    REG(SERIAL0, FREQUENCY) = 0x08000000; /* 500 kbit/s */
    REG(SERIAL0, ORC) = 0xAA;
    REG(SERIAL0, ENABLE) = 7;
    REG(SERIAL1, PSEL0) = 27;
    REG(SERIAL1, PSEL1) = 26;
    REG(SERIAL1, FREQUENCY) = 0x06400000; /* 400 kbit/s */
    REG(SERIAL1, ADDRESS) = SLAVE_ADDRESS;
    REG(SERIAL1, SHORTS) = 1u << 7 | 1u << 12; /* LASTTX_STARTRX, LASTRX_STOP */
    REG(SERIAL1, ENABLE) = 6;

    for (uint8_t round = 1;; round++) {
        WaitReady();
        g_out[0] = 0xC0;
        g_out[1] = round;
        Buffers(SERIAL0, (const void *)g_out, 2, (void *)g_in, 5);
        REG(GPIO, GPIO_OUTCLR) = 1u << CSN;
        REG(SERIAL0, SPIM_START) = 1;
        while (!Take(SERIAL0, SPIM_END)) {
        }
        REG(GPIO, GPIO_OUTSET) = 1u << CSN;
        PutBytes("spi", 5);

        WaitReady();
        Buffers(SERIAL1, (const void *)g_out, 2, (void *)g_in, 3);
        REG(SERIAL1, STARTTX) = 1;
        while (!Take(SERIAL1, STOPPED) && REG(SERIAL1, ERROR) == 0) {
        }
        if (Take(SERIAL1, ERROR)) {
            g_in[0] = (uint8_t)REG(SERIAL1, TWIM_ERRORSRC);
            REG(SERIAL1, TWIM_ERRORSRC) = 7;
            PutBytes("i2c error", 1);
            REG(SERIAL1, 0x014) = 1;
            while (!Take(SERIAL1, STOPPED)) {
            }
        } else {
            PutBytes("i2c", 3);
        }
    }
}
