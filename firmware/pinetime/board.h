/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PineTime's buses and what hangs on them besides the screen. */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

#define PIN_SCK 2u
#define PIN_MOSI 3u
#define PIN_MISO 4u
#define PIN_FLASH_CS 5u
#define PIN_SDA 6u
#define PIN_SCL 7u
#define PIN_TOUCH_RESET 10u
#define PIN_UART_TX 11u
#define PIN_CHARGING 12u
#define PIN_BUTTON 13u
#define PIN_LIGHT_LOW 14u
#define PIN_BUTTON_ENABLE 15u
#define PIN_MOTOR 16u
#define PIN_LCD_DC 18u
#define PIN_POWER 19u
#define PIN_LIGHT_MIDDLE 22u
#define PIN_LIGHT_HIGH 23u
#define PIN_LCD_CS 25u
#define PIN_LCD_RESET 26u
#define PIN_TOUCH_IRQ 28u

void BoardStart(void);
void DelayMs(uint32_t ms);
void PinSet(uint32_t pin, bool high);
bool PinGet(uint32_t pin);

/* Exchanges bytes with the selected part: first `out`, then `in`. At most 255 of each, and in RAM. */
void Spi(const uint8_t *out, uint32_t outSize, uint8_t *in, uint32_t inSize);

bool I2cWrite(uint8_t address, uint8_t reg, uint8_t value);
bool I2cRead(uint8_t address, uint8_t reg, uint8_t *data, uint32_t size);

void FlashRead(uint32_t address, uint8_t *data, uint32_t size);
/* Within a page. */
void FlashProgram(uint32_t address, const uint8_t *data, uint32_t size);
void FlashEraseSector(uint32_t address);

uint32_t BatteryMillivolts(void);

/* The button and the touch panel have their events in the GPIOTE, channels 0 and 1. */
#define EVENT_BUTTON 0x100u
#define EVENT_TOUCH 0x104u

typedef struct {
    uint8_t gesture;
    bool down;
    uint16_t x, y;
} Touch;
enum { SWIPE_DOWN = 1, SWIPE_UP, SWIPE_LEFT, SWIPE_RIGHT, TAP, TAP_TWICE = 11, TAP_LONG };
bool TouchRead(Touch *touch);

/* Acceleration in mg. */
bool MotionRead(int16_t axes[3]);
void HeartLight(bool on);
/* Reflected light, 15 bits. */
uint32_t HeartRead(void);

/* The watchdog bites three seconds after the last feeding. */
void WatchdogStart(void);
void WatchdogFeed(void);

#endif
