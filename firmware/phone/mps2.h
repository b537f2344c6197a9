/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the shared applications use of their board: a lamp, which the phone shows on its screen. */
#ifndef MPS2_H
#define MPS2_H

#include <stdint.h>

typedef struct {
    volatile uint32_t LED0;
} Lamps;

extern Lamps g_lamps;

#define FPGAIO (&g_lamps)

#endif
