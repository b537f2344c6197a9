/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "screen.h"

#include <stdarg.h>

#include "board.h"
#include "font.h"
#include "format.h"

/* A transfer has at most 255 bytes. */
static uint8_t g_buffer[240];

static void Command(uint8_t command, const uint8_t *data, uint32_t size)
{
    g_buffer[0] = command;
    PinSet(PIN_LCD_DC, false);
    PinSet(PIN_LCD_CS, false);
    Spi(g_buffer, 1, g_buffer, 0);
    PinSet(PIN_LCD_DC, true);
    for (uint32_t index = 0; index < size; ++index) {
        g_buffer[index] = data[index];
    }
    Spi(g_buffer, size, g_buffer, 0);
    PinSet(PIN_LCD_CS, true);
}

static void Window(uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    uint32_t right = x + width - 1u, bottom = y + height - 1u;
    const uint8_t columns[4] = { 0, (uint8_t)x, 0, (uint8_t)right };
    const uint8_t lines[4] = { 0, (uint8_t)y, 0, (uint8_t)bottom };
    Command(0x2A, columns, 4);
    Command(0x2B, lines, 4);
    Command(0x2C, columns, 0);
    PinSet(PIN_LCD_CS, false);
}

static uint32_t Put(uint32_t at, uint16_t colour)
{
    g_buffer[at] = (uint8_t)(colour >> 8);
    g_buffer[at + 1u] = (uint8_t)colour;
    return at + 2u;
}

void ScreenFill(uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint16_t colour)
{
    Window(x, y, width, height);
    for (uint32_t at = 0; at < sizeof(g_buffer);) {
        at = Put(at, colour);
    }
    for (uint32_t left = width * height * 2u; left != 0;) {
        uint32_t size = left < sizeof(g_buffer) ? left : sizeof(g_buffer);
        Spi(g_buffer, size, g_buffer, 0);
        left -= size;
    }
    PinSet(PIN_LCD_CS, true);
}

static uint32_t g_x, g_y, g_scale;
static uint16_t g_colour;

static void PutLetter(char c)
{
    if (g_x + 6u * g_scale > SCREEN_SIZE) {
        return;
    }
    const uint8_t *glyph = FontGlyph(c);
    Window(g_x, g_y, 6u * g_scale, 8u * g_scale);
    for (uint32_t row = 0; row < 8u; ++row) {
        uint32_t bits = row < 7u ? glyph[row] : 0, at = 0;
        for (uint32_t column = 0; column < 6u; ++column) {
            uint16_t colour = (bits << column & 0x10u) != 0 ? g_colour : 0;
            for (uint32_t pixel = 0; pixel < g_scale; ++pixel) {
                at = Put(at, colour);
            }
        }
        for (uint32_t line = 0; line < g_scale; ++line) {
            Spi(g_buffer, at, g_buffer, 0);
        }
    }
    PinSet(PIN_LCD_CS, true);
    g_x += 6u * g_scale;
}

void ScreenText(uint32_t x, uint32_t y, uint32_t scale, uint16_t colour, const char *format, ...)
{
    g_x = x, g_y = y, g_scale = scale, g_colour = colour;
    va_list args;
    va_start(args, format);
    FormatV(PutLetter, format, args);
    va_end(args);
}

void ScreenSleep(bool asleep)
{
    PinSet(PIN_LIGHT_LOW, asleep);
    PinSet(PIN_LIGHT_MIDDLE, asleep);
    PinSet(PIN_LIGHT_HIGH, asleep);
    Command(asleep ? 0x10 : 0x11, g_buffer, 0);
    DelayMs(5);
}

void ScreenStart(void)
{
    static const uint8_t sixteenBits[1] = { 0x55 }, straight[1] = { 0x00 };
    PinSet(PIN_LCD_RESET, false);
    DelayMs(1);
    PinSet(PIN_LCD_RESET, true);
    DelayMs(120);
    Command(0x11, straight, 0); /* sleep out */
    DelayMs(5);
    Command(0x3A, sixteenBits, 1);
    Command(0x36, straight, 1);
    Command(0x21, straight, 0); /* inversion on: the panel is normally black */
    ScreenFill(0, 0, SCREEN_SIZE, SCREEN_SIZE, 0);
    Command(0x29, straight, 0); /* display on */
    ScreenSleep(false);
}
