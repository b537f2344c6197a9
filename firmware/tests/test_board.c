/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small blocks: PL022 SPI in loop-back, the two-wire I2C block, GPIO, FPGAIO, SCC. */
#include "check.h"
#include "mps2.h"

#define BOUND 100000u
#define CR1_LBM 1u
#define CR1_SSE 2u
#define SR_TFE 1u
#define SR_TNF 2u
#define SR_RNE 4u
#define SR_RFF 8u
#define SR_BSY 16u
#define RIS_ROR 1u
#define RIS_RX 4u
#define RIS_TX 8u

static void WaitIdle(void)
{
    for (uint32_t i = 0; i < BOUND && (SPI0->SR & SR_BSY) != 0; ++i) {
    }
}

/* PL022 TRM (DDI 0194), 3.3. */
static void TestSpi(void)
{
    CheckEqual("spi: part number", REG32(0x40020FE0u) | (REG32(0x40020FE4u) & 0xFu) << 8, 0x022u);
    CheckEqual("spi: sr after reset", SPI0->SR, SR_TFE | SR_TNF);
    CheckEqual("spi: ris after reset", SPI0->RIS, RIS_TX);
    SPI0->CR0 = 7; /* 8 bits, Motorola, mode 0 */
    SPI0->CPSR = 2;
    SPI0->CR1 = CR1_LBM | CR1_SSE;
    SPI0->DR = 0x5A;
    WaitIdle();
    CheckEqual("spi: something received", SPI0->SR & SR_RNE, SR_RNE);
    CheckEqual("spi: loop-back", SPI0->DR, 0x5A);
    CheckEqual("spi: empty again", SPI0->SR & SR_RNE, 0);
    for (uint32_t i = 0; i < 8; ++i) {
        SPI0->DR = i;
        WaitIdle();
    }
    CheckEqual("spi: eight fill the fifo", SPI0->SR & SR_RFF, SR_RFF);
    CheckEqual("spi: half full interrupts", SPI0->RIS & RIS_RX, RIS_RX);
    CheckEqual("spi: masked", SPI0->MIS & RIS_RX, 0);
    SPI0->IMSC = RIS_RX;
    CheckEqual("spi: unmasked", SPI0->MIS, RIS_RX);
    SPI0->IMSC = 0;
    SPI0->DR = 9;
    WaitIdle();
    /* QEMU 7.2 holds the transmitter instead, and so never overruns. */
    CheckEqual("spi: a ninth overruns", SPI0->RIS & RIS_ROR, RIS_ROR);
    SPI0->ICR = RIS_ROR;
    CheckEqual("spi: icr clears it", SPI0->RIS & RIS_ROR, 0);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < 8; ++i) {
        wrong += SPI0->DR == i ? 0 : 1u;
    }
    CheckEqual("spi: the first eight are kept in order", wrong, 0);
    WaitIdle();
    while ((SPI0->SR & SR_RNE) != 0) {
        (void)SPI0->DR;
    }
    SPI0->CR0 = 15;
    SPI0->DR = 0xFACE;
    WaitIdle();
    CheckEqual("spi: 16 bits", SPI0->DR, 0xFACE);
    SPI0->CR0 = 3;
    SPI0->DR = 0xFF;
    WaitIdle();
    CheckEqual("spi: 4 bits", SPI0->DR, 0xF);
    SPI0->CR1 = 0;
}

#define SCL 1u
#define SDA 2u

static void I2cPins(uint32_t high)
{
    I2C_AUDIO->CONTROLC = ~high & 3u;
    I2C_AUDIO->CONTROLS = high & 3u;
    Delay(20);
}

/* Sends START, an address and looks for the acknowledge; returns SDA at the ninth clock. */
static uint32_t I2cProbe(uint32_t address)
{
    I2cPins(SCL | SDA);
    I2cPins(SCL);
    I2cPins(0);
    for (uint32_t bit = 8; bit-- != 0;) {
        uint32_t sda = (address << 1 >> bit & 1u) != 0 ? SDA : 0;
        I2cPins(sda);
        I2cPins(sda | SCL);
        I2cPins(sda);
    }
    I2cPins(SDA);
    I2cPins(SDA | SCL);
    uint32_t answer = I2C_AUDIO->CONTROLS & SDA;
    I2cPins(SDA);
    I2cPins(0);
    I2cPins(SCL);
    I2cPins(SCL | SDA);
    return answer;
}

static void TestI2c(void)
{
    I2cPins(SCL | SDA);
    CheckEqual("i2c: idle is high", I2C_AUDIO->CONTROLS & 3u, 3);
    I2cPins(SDA);
    CheckEqual("i2c: scl pulled low", I2C_AUDIO->CONTROLS & SCL, 0);
    I2cPins(SCL | SDA);
    CheckEqual("i2c: nobody answers at 0x6F", I2cProbe(0x6F), SDA);
    CheckEqual("i2c: idle after stop", I2C_AUDIO->CONTROLS & 3u, 3);
}

/* CMSDK GPIO (DDI 0479, 3.2). QEMU 7.2 has none: all reads give zero there. */
static void TestGpio(void)
{
    CheckEqual("gpio: part number", REG32(0x40011FE0u) | (REG32(0x40011FE4u) & 0xFu) << 8, 0x820u);
    GPIO1->DATAOUT = 0xA5A5u;
    CheckEqual("gpio: dataout", GPIO1->DATAOUT, 0xA5A5u);
    GPIO1->OUTENSET = 0x00F0u;
    CheckEqual("gpio: outenset", GPIO1->OUTENSET, 0x00F0u);
    GPIO1->OUTENCLR = 0x0030u;
    CheckEqual("gpio: outenclr", GPIO1->OUTENSET, 0x00C0u);
    GPIO1->ALTFUNCSET = 0x1234u;
    GPIO1->ALTFUNCCLR = 0x0030u;
    CheckEqual("gpio: altfunc", GPIO1->ALTFUNCSET, 0x1204u);
    GPIO1->ALTFUNCCLR = 0xFFFFu;
    GPIO1->INTENSET = 0x0011u;
    GPIO1->INTENCLR = 0x0001u;
    CheckEqual("gpio: inten", GPIO1->INTENSET, 0x0010u);
    GPIO1->INTENCLR = 0xFFFFu;
    GPIO1->INTTYPESET = 0x0007u;
    GPIO1->INTTYPECLR = 0x0002u;
    CheckEqual("gpio: inttype", GPIO1->INTTYPESET, 0x0005u);
    GPIO1->INTTYPECLR = 0xFFFFu;
    GPIO1->INTPOLSET = 0x0300u;
    GPIO1->INTPOLCLR = 0x0100u;
    CheckEqual("gpio: intpol", GPIO1->INTPOLSET, 0x0200u);
    GPIO1->INTPOLCLR = 0xFFFFu;
    GPIO1->DATAOUT = 0;
    REG32(0x40011400u + (0x0Fu << 2)) = 0xFFFFu;
    CheckEqual("gpio: masked write, low byte", GPIO1->DATAOUT, 0x000Fu);
    REG32(0x40011800u + (0x30u << 2)) = 0xFFFFu;
    CheckEqual("gpio: masked write, high byte", GPIO1->DATAOUT, 0x300Fu);
    GPIO1->OUTENCLR = 0xFFFFu;
    GPIO1->DATAOUT = 0;
}

static void TestFpgaio(void)
{
    FPGAIO->LED0 = 3;
    CheckEqual("fpgaio: leds", FPGAIO->LED0, 3);
    FPGAIO->LED0 = 0;
    CheckEqual("fpgaio: no button", FPGAIO->BUTTON, 0);
    FPGAIO->PRESCALE = 24;
    CheckEqual("fpgaio: prescale", FPGAIO->PRESCALE, 24);
    TIMER0->RELOAD = 0xFFFFFFFFu;
    TIMER0->VALUE = 0xFFFFFFFFu;
    TIMER0->CTRL = TIMER_CTRL_EN;
    FPGAIO->COUNTER = 0;
    uint32_t start = TIMER0->VALUE;
    Delay(200000);
    uint32_t cycles = start - TIMER0->VALUE;
    CheckRange("fpgaio: counter divides by prescale + 1", FPGAIO->COUNTER, cycles / 25u - 40u, cycles / 25u + 40u);
    FPGAIO->CLK100HZ = 0;
    FPGAIO->CLK1HZ = 0;
    Delay(1000000); /* 2 to 4 million cycles: 80 to 160 ms */
    cycles = start - TIMER0->VALUE;
    CheckRange("fpgaio: 100 Hz counter", FPGAIO->CLK100HZ, 2, cycles / 250000u + 1u);
    CheckRange("fpgaio: 1 Hz counter", FPGAIO->CLK1HZ, 0, 1);
    FPGAIO->MISC = 0x15;
    CheckEqual("fpgaio: misc", FPGAIO->MISC, 0x15);
    FPGAIO->MISC = 0;
}

static void TestScc(void)
{
    uint32_t part = SCC_ID >> 4 & 0xFFFu;
    CheckEqual("scc: made by Arm", SCC_ID >> 24, 0x41);
    CheckTrue("scc: an385 or an386", part == 0x385u || part == 0x386u);
    CheckEqual("scc: as many user leds as aid says", SCC_AID & 0xFFu, 8);
    SCC_CFG1 = 0x55;
    CheckEqual("scc: leds", SCC_CFG1 & 0xFFu, 0x55);
    SCC_CFG1 = 0;
    /* Read oscillator 0 (function 1): the MPS2's OSC0 is 50 MHz. */
    SCC_CFGSTAT = 0;
    SCC_CFGCTRL = 1u << 31 | 1u << 20;
    for (uint32_t i = 0; i < BOUND && (SCC_CFGSTAT & 1u) == 0; ++i) {
    }
    CheckEqual("scc: command done, no error", SCC_CFGSTAT & 3u, 1);
    CheckEqual("scc: oscillator 0", SCC_CFGDATA_RTN, 50000000u);
}

int main(void)
{
    TestSpi();
    TestI2c();
    TestGpio();
    TestFpgaio();
    TestScc();
    CheckDone();
}
