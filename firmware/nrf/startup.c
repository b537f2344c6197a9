/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reset and the vector table. The programs sleep by events and take no interrupts. */
#include "nrf.h"

extern uint32_t g_stackTop[];
extern uint32_t g_dataLoad[], g_dataStart[], g_dataEnd[];
extern uint32_t g_bssStart[], g_bssEnd[];

int main(void);
void ResetHandler(void);

void ResetHandler(void)
{
    const uint32_t *from = g_dataLoad;
    for (uint32_t *to = g_dataStart; to != g_dataEnd;) {
        *to++ = *from++;
    }
    for (uint32_t *to = g_bssStart; to != g_bssEnd;) {
        *to++ = 0;
    }
    main();
    for (;;) {
    }
}

void NmiHandler(void);

__attribute__((weak)) void NmiHandler(void)
{
}

/* No fault handlers: a fault escalates to a lock-up, which resets the chip. */
__attribute__((section(".vectors"), used)) static const uintptr_t VECTORS[3] = {
    (uintptr_t)g_stackTop,
    (uintptr_t)ResetHandler,
    (uintptr_t)NmiHandler,
};
