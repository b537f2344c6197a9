/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FORMAT_H
#define FORMAT_H

#include <stdarg.h>

/* Where formatted characters go. */
typedef void (*PutChar)(char c);

/*
 * A small printf: %s %c %d %u %x %%, each with an optional zero flag and width (%02x).
 * Everything is 32 bits wide.
 */
void FormatV(PutChar put, const char *format, va_list args);

#endif
