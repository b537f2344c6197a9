/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text on the phone's screen: a title, and lines that move up. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdbool.h>
#include <stdint.h>

void ScreenInit(const char *title);
void ScreenPut(char c);
/* A lamp in the title's corner, and beside it the battery's charge, -1 for none. */
void ScreenLamp(uint32_t on);
void ScreenBattery(int32_t percent);
/* A mark around a place. */
void ScreenMark(uint32_t x, uint32_t y);
/* The backlight. */
void ScreenLight(bool on);

#endif
