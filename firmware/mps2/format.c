/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small printf of all images. */
#include "format.h"

#include <stdbool.h>
#include <stdint.h>

static void PutPadded(PutChar put, const char *digits, unsigned length, unsigned width, char pad)
{
    for (; width > length; --width) {
        put(pad);
    }
    while (length-- != 0) {
        put(*digits++);
    }
}

static void PutNumber(PutChar put, uint32_t value, unsigned base, bool negative, unsigned width, char pad)
{
    char buffer[11];
    unsigned at = sizeof(buffer);
    do {
        buffer[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative && pad == '0') {
        put('-');
        width -= (width != 0) ? 1u : 0u;
    } else if (negative) {
        buffer[--at] = '-';
    }
    PutPadded(put, &buffer[at], sizeof(buffer) - at, width, pad);
}

void FormatV(PutChar put, const char *format, va_list args)
{
    for (; *format != '\0'; ++format) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        char pad = ' ';
        unsigned width = 0;
        ++format;
        if (*format == '0') {
            pad = '0';
        }
        for (; *format >= '0' && *format <= '9'; ++format) {
            width = width * 10u + (unsigned)(*format - '0');
        }
        switch (*format) {
            case 's': {
                const char *text = va_arg(args, const char *);
                unsigned length = 0;
                while (text[length] != '\0') {
                    ++length;
                }
                PutPadded(put, text, length, width, ' ');
                break;
            }
            case 'c':
                put((char)va_arg(args, int));
                break;
            case 'd': {
                int32_t value = va_arg(args, int32_t);
                PutNumber(put, value < 0 ? 0u - (uint32_t)value : (uint32_t)value, 10, value < 0, width, pad);
                break;
            }
            case 'u':
                PutNumber(put, va_arg(args, uint32_t), 10, false, width, pad);
                break;
            case 'x':
                PutNumber(put, va_arg(args, uint32_t), 16, false, width, pad);
                break;
            case '\0':
                return;
            default:
                put(*format);
                break;
        }
    }
}
