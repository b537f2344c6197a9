/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes nonsense to every peripheral for ever, also after the resets that come of it. What it leaves alone ends the
 * nonsense: System OFF, flash, and pointers to other memory than a buffer of its own. */
#include "nrf.h"

#define DEVICEID REG(0x10000060u, 0)
#define KNOWN 0x6E6F6973u

/* Behind the program's own memory, which ends below 8 KiB: a reset does not clear it. */
static uint32_t *const STATE = (uint32_t *)0x20002000u;
#define BUFFER 0x20002100u

static uint32_t Random(void)
{
    uint32_t x = STATE[1];
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    STATE[1] = x;
    return x;
}

static uint32_t Offset(void)
{
    uint32_t word = 4 * (Random() >> 16);
    switch (Random() >> 29) {
        case 0:
        case 1:
            return word & 0x7C; /* tasks */
        case 2:
            return 0x100 + (word & 0x7C); /* events */
        case 3:
            return 0x200; /* SHORTS */
        case 4:
            return 0x300 + (word & 0xC); /* INTEN */
        case 5:
            return 0x500 + (word & 0x7C);
        case 6:
            return 0x500 + (word & 0x1FC);
        default:
            return word & 0xFFC;
    }
}

static uint32_t Value(void)
{
    uint32_t x = Random();
    switch (Random() >> 30) {
        case 0:
            return 1;
        case 1:
            return x & 0xFF;
        case 2:
            return BUFFER + (x & 0xFFC);
        default:
            return x;
    }
}

int main(void)
{
    if (STATE[0] != KNOWN) {
        STATE[0] = KNOWN;
        STATE[1] = DEVICEID | 1;
    }
    for (;;) {
        uint32_t block = Random() >> 26, offset = Offset(), value = Value();
        uint32_t base = block < 48 ? POWER + 0x1000 * block : GPIO;
        int isPointer = offset >= 0x500 && offset < 0x580 && value >> 29 == 1 && value - BUFFER > 0xFFC;
        if (isPointer || base == NVMC || (base == POWER && (offset == SYSTEMOFF || offset == 0x524 || offset >= 0x800))) {
            continue;
        }
        if (Random() >> 30 == 0) {
            (void)REG(base, offset);
        } else {
            REG(base, offset) = value;
        }
        /* Mostly peace for what was begun. */
        for (uint32_t pause = Random() >> 26 == 0 ? 20000 : Random() >> 26; pause > 0; pause--) {
            __asm volatile("nop");
        }
    }
}
