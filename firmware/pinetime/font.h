/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FONT_H
#define FONT_H

#include <stdint.h>

/* Seven rows of five pixels, the leftmost in bit 4. What is not in the font is blank. */
const uint8_t *FontGlyph(char c);

#endif
