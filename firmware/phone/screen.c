/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "screen.h"

#include "board.h"
#include "font.h"
#include "mem.h"

/* The display controller. */
#define DISPLAY_ID (DISPLAY + 0x00u)
#define DISPLAY_SIZE (DISPLAY + 0x04u)
#define DISPLAY_BASE (DISPLAY + 0x08u)
#define DISPLAY_BACKLIGHT (DISPLAY + 0x10u)
#define DISPLAY_ID_VALUE 0x31304246u

#define SCALE 2u
#define CELL_WIDTH (6u * SCALE)
#define CELL_HEIGHT (9u * SCALE)
#define TITLE_HEIGHT (2u * CELL_HEIGHT)

#define PAPER 0x00101820u
#define INK 0x00d8e0e8u
#define TITLE_PAPER 0x00205080u
#define LAMP_ON 0x0040e060u
#define LAMP_OFF 0x00183040u
#define MARK 0x00f0c040u
#define MARK_SIZE 24u

static uint32_t *g_pixels;
static uint32_t g_width;
static uint32_t g_height;
static uint32_t g_x;
static uint32_t g_y;

static void Fill(uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint32_t colour)
{
    for (uint32_t line = y; line < y + height; ++line) {
        for (uint32_t column = x; column < x + width; ++column) {
            g_pixels[line * g_width + column] = colour;
        }
    }
}

static void Draw(uint32_t x, uint32_t y, char c, uint32_t ink)
{
    uint64_t glyph = c >= ' ' && c <= '~' ? g_font[c - ' '] : 0;
    for (uint32_t bit = 0; bit < 35u; ++bit) {
        if ((glyph >> (34u - bit) & 1u) != 0) {
            Fill(x + bit % 5u * SCALE, y + bit / 5u * SCALE, SCALE, SCALE, ink);
        }
    }
}

static void NewLine(void)
{
    g_x = 0;
    g_y += CELL_HEIGHT;
    if (g_y + CELL_HEIGHT > g_height) {
        uint32_t *first = g_pixels + TITLE_HEIGHT * g_width;
        uint32_t kept = (g_y - TITLE_HEIGHT - CELL_HEIGHT) * g_width;
        memmove(first, first + CELL_HEIGHT * g_width, kept * sizeof *first);
        g_y -= CELL_HEIGHT;
        Fill(0, g_y, g_width, CELL_HEIGHT, PAPER);
    }
}

void ScreenInit(const char *title)
{
    if (Read32(DISPLAY_ID) != DISPLAY_ID_VALUE) {
        return;
    }
    uint32_t size = Read32(DISPLAY_SIZE);
    g_width = size & 0xffffu;
    g_height = size >> 16;
    g_pixels = (uint32_t *)(uint64_t)Read32(DISPLAY_BASE);
    Fill(0, 0, g_width, TITLE_HEIGHT, TITLE_PAPER);
    Fill(0, TITLE_HEIGHT, g_width, g_height - TITLE_HEIGHT, PAPER);
    for (uint32_t x = CELL_WIDTH; *title != '\0'; ++title, x += CELL_WIDTH) {
        Draw(x, CELL_HEIGHT / 2u, *title, INK);
    }
    g_y = TITLE_HEIGHT;
    ScreenLamp(0);
}

void ScreenPut(char c)
{
    if (g_pixels == (void *)0) {
        return;
    }
    if (c == '\n') {
        NewLine();
        return;
    }
    if (g_x + CELL_WIDTH > g_width) {
        NewLine();
    }
    Draw(g_x, g_y, c, INK);
    g_x += CELL_WIDTH;
}

void ScreenLamp(uint32_t on)
{
    if (g_pixels != (void *)0) {
        Fill(g_width - 3u * CELL_WIDTH, CELL_HEIGHT / 2u, 2u * CELL_WIDTH, CELL_HEIGHT, on != 0 ? LAMP_ON : LAMP_OFF);
    }
}

void ScreenBattery(int32_t percent)
{
    if (g_pixels == (void *)0) {
        return;
    }
    uint32_t x = g_width - 8u * CELL_WIDTH;
    Fill(x, CELL_HEIGHT / 2u, 4u * CELL_WIDTH, CELL_HEIGHT, TITLE_PAPER);
    for (uint32_t left = percent < 0 ? 0 : (uint32_t)percent, digit = 3; percent >= 0 && digit > 0; left /= 10u) {
        Draw(x + --digit * CELL_WIDTH, CELL_HEIGHT / 2u, (char)('0' + left % 10u), INK);
        if (left < 10u) {
            break;
        }
    }
    Draw(x + 3u * CELL_WIDTH, CELL_HEIGHT / 2u, '%', INK);
}

void ScreenMark(uint32_t x, uint32_t y)
{
    if (g_pixels != (void *)0 && x < g_width && y < g_height) {
        uint32_t left = x < MARK_SIZE / 2u ? 0 : x - MARK_SIZE / 2u;
        uint32_t top = y < MARK_SIZE / 2u ? 0 : y - MARK_SIZE / 2u;
        uint32_t width = g_width - left < MARK_SIZE ? g_width - left : MARK_SIZE;
        uint32_t height = g_height - top < MARK_SIZE ? g_height - top : MARK_SIZE;
        Fill(left, top, width, height, MARK);
    }
}

void ScreenLight(bool on)
{
    if (g_pixels != (void *)0) {
        Write32(DISPLAY_BACKLIGHT, on ? 255u : 0);
    }
}
