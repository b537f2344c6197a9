/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "board.h"

#include "nrf52.h"

#define SPIM_START 0x010u
#define SPIM_END 0x118u
#define SPIM_ENABLE 0x500u
#define SPIM_PSEL_SCK 0x508u
#define SPIM_PSEL_MOSI 0x50Cu
#define SPIM_PSEL_MISO 0x510u
#define SPIM_FREQUENCY 0x524u
#define SPIM_CONFIG 0x554u

#define TWIM_STARTRX 0x000u
#define TWIM_STARTTX 0x008u
#define TWIM_STOPPED 0x104u
#define TWIM_ERROR 0x124u
#define TWIM_PSEL_SCL 0x508u
#define TWIM_PSEL_SDA 0x50Cu
#define TWIM_ADDRESS 0x588u
#define TWIM_STOP 0x014u
#define SHORT_LASTTX_STARTRX (1u << 7)
#define SHORT_LASTTX_STOP (1u << 9)
#define SHORT_LASTRX_STOP (1u << 12)

#define RXD_PTR 0x534u
#define RXD_MAXCNT 0x538u
#define TXD_PTR 0x544u
#define TXD_MAXCNT 0x548u

#define TIMER_START 0x000u
#define TIMER_STOP 0x004u
#define TIMER_CLEAR 0x00Cu
#define TIMER_COMPARE0 0x140u
#define TIMER_BITMODE 0x508u
#define TIMER_PRESCALER 0x510u
#define TIMER_CC0 0x540u

#define I2C_TOUCH 0x15u
#define I2C_MOTION 0x18u
#define I2C_HEART 0x44u

void PinSet(uint32_t pin, bool high)
{
    REG(GPIO, high ? GPIO_OUTSET : GPIO_OUTCLR) = 1u << pin;
}

bool PinGet(uint32_t pin)
{
    return (REG(GPIO, GPIO_IN) >> pin & 1u) != 0;
}

static void Output(uint32_t pin, bool high)
{
    PinSet(pin, high);
    REG(GPIO, GPIO_CNF(pin)) = CNF_OUTPUT;
}

void DelayMs(uint32_t ms)
{
    REG(TIMER2, TIMER_STOP) = 1;
    REG(TIMER2, TIMER_CLEAR) = 1;
    REG(TIMER2, TIMER_BITMODE) = 3;
    REG(TIMER2, TIMER_PRESCALER) = 4; /* 1 MHz */
    REG(TIMER2, TIMER_CC0) = ms * 1000u;
    REG(TIMER2, TIMER_START) = 1;
    Await(TIMER2, TIMER_COMPARE0);
    REG(TIMER2, TIMER_STOP) = 1;
}

void Spi(const uint8_t *out, uint32_t outSize, uint8_t *in, uint32_t inSize)
{
    for (int part = 0; part < 2; ++part) {
        if ((part == 0 ? outSize : inSize) == 0) {
            continue;
        }
        REG(SPIM0, TXD_PTR) = (uint32_t)out;
        REG(SPIM0, TXD_MAXCNT) = part == 0 ? outSize : 0;
        REG(SPIM0, RXD_PTR) = (uint32_t)in;
        REG(SPIM0, RXD_MAXCNT) = part == 0 ? 0 : inSize;
        REG(SPIM0, SPIM_START) = 1;
        Await(SPIM0, SPIM_END);
    }
}

/* One transfer, which ends with STOPPED whatever happens. */
static bool I2c(uint8_t address, const uint8_t *out, uint32_t outSize, uint8_t *in, uint32_t inSize)
{
    REG(TWIM1, TWIM_ADDRESS) = address;
    REG(TWIM1, TXD_PTR) = (uint32_t)out;
    REG(TWIM1, TXD_MAXCNT) = outSize;
    REG(TWIM1, RXD_PTR) = (uint32_t)in;
    REG(TWIM1, RXD_MAXCNT) = inSize;
    REG(TWIM1, SHORTS) = inSize != 0 ? SHORT_LASTTX_STARTRX | SHORT_LASTRX_STOP : SHORT_LASTTX_STOP;
    REG(TWIM1, TWIM_STARTTX) = 1;
    Listen(TWIM1, TWIM_STOPPED, true);
    Listen(TWIM1, TWIM_ERROR, true);
    bool failed = false;
    while (!Take(TWIM1, TWIM_STOPPED)) {
        if (Take(TWIM1, TWIM_ERROR)) {
            failed = true;
            REG(TWIM1, TWIM_STOP) = 1;
        } else {
            Sleep();
        }
    }
    return !failed;
}

bool I2cWrite(uint8_t address, uint8_t reg, uint8_t value)
{
    uint8_t out[2] = { reg, value };
    return I2c(address, out, 2, out, 0);
}

bool I2cRead(uint8_t address, uint8_t reg, uint8_t *data, uint32_t size)
{
    uint8_t out[1] = { reg };
    return I2c(address, out, 1, data, size);
}

static void FlashCommand(uint8_t command, uint32_t address, uint32_t header, const uint8_t *out, uint32_t outSize,
                         uint8_t *in, uint32_t inSize)
{
    uint8_t start[4] = { command, (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address };
    PinSet(PIN_FLASH_CS, false);
    Spi(start, header, in, 0);
    Spi(out, outSize, in, inSize);
    PinSet(PIN_FLASH_CS, true);
}

static void FlashFinish(void)
{
    uint8_t status;
    do {
        DelayMs(1);
        FlashCommand(0x05, 0, 1, &status, 0, &status, 1);
    } while ((status & 1u) != 0);
}

void FlashRead(uint32_t address, uint8_t *data, uint32_t size)
{
    FlashCommand(0x03, address, 4, data, 0, data, size);
}

void FlashProgram(uint32_t address, const uint8_t *data, uint32_t size)
{
    FlashCommand(0x06, 0, 1, data, 0, (uint8_t *)0, 0);
    FlashCommand(0x02, address, 4, data, size, (uint8_t *)0, 0);
    FlashFinish();
}

void FlashEraseSector(uint32_t address)
{
    uint8_t none;
    FlashCommand(0x06, 0, 1, &none, 0, &none, 0);
    FlashCommand(0x20, address, 4, &none, 0, &none, 0);
    FlashFinish();
}

uint32_t BatteryMillivolts(void)
{
    static volatile int16_t result;
    REG(SAADC, 0x500) = 1;                          /* ENABLE */
    REG(SAADC, 0x510) = 8;                          /* CH[0].PSELP: AIN7 */
    REG(SAADC, 0x518) = 2u << 8 | 5u << 16;         /* gain 1/4, 40 us, internal 0.6 V */
    REG(SAADC, 0x5F0) = 2;                          /* 12 bits */
    REG(SAADC, 0x62C) = (uint32_t)&result;
    REG(SAADC, 0x630) = 1;
    REG(SAADC, 0x000) = 1;
    Await(SAADC, 0x100);
    REG(SAADC, 0x004) = 1;
    Await(SAADC, 0x104);
    REG(SAADC, 0x008) = 1;
    Await(SAADC, 0x114);
    REG(SAADC, 0x500) = 0;
    /* The board halves the voltage. */
    return result < 0 ? 0 : (uint32_t)result * 4800u / 4096u;
}

bool TouchRead(Touch *touch)
{
    uint8_t data[6];
    if (!I2cRead(I2C_TOUCH, 0x01, data, sizeof(data))) {
        return false;
    }
    *touch = (Touch){
        .gesture = data[0],
        .down = (data[1] & 15u) != 0,
        .x = (uint16_t)((data[2] & 15u) << 8 | data[3]),
        .y = (uint16_t)((data[4] & 15u) << 8 | data[5]),
    };
    return true;
}

bool MotionRead(int16_t axes[3])
{
    uint8_t data[6];
    if (!I2cRead(I2C_MOTION, 0x12, data, sizeof(data))) {
        return false;
    }
    for (int axis = 0; axis < 3; ++axis) {
        int16_t raw = (int16_t)(data[axis * 2] | data[axis * 2 + 1] << 8);
        axes[axis] = (int16_t)(raw / 16 * 1000 / 1024);
    }
    return true;
}

void HeartLight(bool on)
{
    I2cWrite(I2C_HEART, 0x16, 0x77);                /* RES: 15 bits */
    I2cWrite(I2C_HEART, 0x17, 0x00);                /* HGAIN: 1 */
    I2cWrite(I2C_HEART, 0x0C, on ? 0x2F : 0x00);    /* PDRIVER */
    I2cWrite(I2C_HEART, 0x01, on ? 0xF0 : 0x70);    /* ENABLE: one conversion after the other */
}

uint32_t HeartRead(void)
{
    uint8_t data[7];
    if (!I2cRead(I2C_HEART, 0x09, data, sizeof(data))) {
        return 0;
    }
    return (uint32_t)data[0] << 8 | (uint32_t)(data[1] & 15u) << 4 | (data[6] & 15u);
}

void WatchdogStart(void)
{
    REG(WDT, 0x504) = 3u * 32768u - 1u;
    REG(WDT, 0x508) = 1;
    REG(WDT, 0x50C) = 1;
    REG(WDT, 0x000) = 1;
}

void WatchdogFeed(void)
{
    REG(WDT, 0x600) = 0x6E524635u;
}

static void Gpiote(uint32_t channel, uint32_t pin, uint32_t polarity)
{
    REG(GPIOTE, 0x510u + channel * 4u) = 1u | pin << 8 | polarity << 16;
    Listen(GPIOTE, 0x100u + channel * 4u, true);
}

void BoardStart(void)
{
    Output(PIN_FLASH_CS, true);
    Output(PIN_LCD_CS, true);
    Output(PIN_LCD_DC, true);
    Output(PIN_LCD_RESET, true);
    Output(PIN_TOUCH_RESET, true);
    Output(PIN_MOTOR, true);
    Output(PIN_LIGHT_LOW, true);
    Output(PIN_LIGHT_MIDDLE, true);
    Output(PIN_LIGHT_HIGH, true);
    Output(PIN_SCK, true);
    Output(PIN_MOSI, false);
    Output(PIN_BUTTON_ENABLE, true);
    REG(GPIO, GPIO_CNF(PIN_MISO)) = CNF_INPUT;
    REG(GPIO, GPIO_CNF(PIN_BUTTON)) = CNF_INPUT | CNF_PULL_DOWN;
    REG(GPIO, GPIO_CNF(PIN_TOUCH_IRQ)) = CNF_INPUT | CNF_PULL_UP;
    REG(GPIO, GPIO_CNF(PIN_CHARGING)) = CNF_INPUT;
    REG(GPIO, GPIO_CNF(PIN_POWER)) = CNF_INPUT;
    REG(GPIO, GPIO_CNF(PIN_SDA)) = CNF_INPUT | CNF_OPEN_DRAIN;
    REG(GPIO, GPIO_CNF(PIN_SCL)) = CNF_INPUT | CNF_OPEN_DRAIN;

    REG(SPIM0, SPIM_PSEL_SCK) = PIN_SCK;
    REG(SPIM0, SPIM_PSEL_MOSI) = PIN_MOSI;
    REG(SPIM0, SPIM_PSEL_MISO) = PIN_MISO;
    REG(SPIM0, SPIM_FREQUENCY) = 0x80000000u; /* 8 MHz */
    REG(SPIM0, SPIM_CONFIG) = 3u << 1;        /* mode 3 */
    REG(SPIM0, SPIM_ENABLE) = 7;

    REG(TWIM1, TWIM_PSEL_SCL) = PIN_SCL;
    REG(TWIM1, TWIM_PSEL_SDA) = PIN_SDA;
    REG(TWIM1, SPIM_FREQUENCY) = 0x06200000u; /* 390 kHz: erratum 219 */
    REG(TWIM1, SPIM_ENABLE) = 6;

    PinSet(PIN_TOUCH_RESET, false);
    DelayMs(5);
    PinSet(PIN_TOUCH_RESET, true);
    DelayMs(50);
    I2cWrite(I2C_TOUCH, 0xEC, 0x01); /* double taps */
    I2cWrite(I2C_TOUCH, 0xFA, 0x30); /* an interrupt at changes and gestures */

    I2cWrite(I2C_MOTION, 0x7E, 0xB6); /* soft reset */
    DelayMs(2);
    I2cWrite(I2C_MOTION, 0x7C, 0x00); /* no power save */
    I2cWrite(I2C_MOTION, 0x40, 0x27); /* 50 Hz, average of 4 */
    I2cWrite(I2C_MOTION, 0x41, 0x00); /* 2 g */
    I2cWrite(I2C_MOTION, 0x7D, 0x04); /* on */

    uint8_t none;
    FlashCommand(0xAB, 0, 1, &none, 0, &none, 0); /* out of deep power-down */
    DelayMs(1);

    Gpiote(0, PIN_BUTTON, 3);
    Gpiote(1, PIN_TOUCH_IRQ, 2);
}
