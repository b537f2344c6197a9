/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four functions that GCC may call even in freestanding code. */
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    while (size-- != 0) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (t <= f) {
        return memcpy(to, from, size);
    }
    while (size-- != 0) {
        t[size] = f[size];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *t = to;
    while (size-- != 0) {
        *t++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *l = left;
    const uint8_t *r = right;
    for (; size != 0; --size, ++l, ++r) {
        if (*l != *r) {
            return *l - *r;
        }
    }
    return 0;
}
