/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text on the phone's screen: a title, and lines that move up. */
#ifndef SCREEN_H
#define SCREEN_H

#include <stdint.h>

void ScreenInit(const char *title);
void ScreenPut(char c);
/* A lamp in the title's corner. */
void ScreenLamp(uint32_t on);

#endif
