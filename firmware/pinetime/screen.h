/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ST7789 screen: rectangles and text. Colours are RGB565. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#define SCREEN_SIZE 240u

void ScreenStart(void);
/* Asleep it keeps its picture, and shows nothing. */
void ScreenSleep(bool asleep);
void ScreenFill(uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint16_t colour);
/* Letters are 6 by 8 pixels, `scale` times; lower case is drawn as upper case. */
void ScreenText(uint32_t x, uint32_t y, uint32_t scale, uint16_t colour, const char *format, ...);

#endif
