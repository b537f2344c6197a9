/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two images: the one that runs, and one in the external flash that can take its place. */
#ifndef SLOT_H
#define SLOT_H

#include <stdint.h>

#define APP_AT 0x8000u
#define APP_SIZE 0x4000u

/* A sector that says what the image is, then the image. */
#define SLOT_AT 0x40000u
#define SLOT_IMAGE (SLOT_AT + 0x1000u)
#define SLOT_MAGIC 0x544F4C53u

typedef struct {
    uint32_t magic;
    uint32_t size;
    uint32_t check; /* CRC-32 of the image */
    uint32_t state;
} Slot;

/* Each is made of the one before by clearing bits, which flash can do without an erasure. */
#define SLOT_NEW 0xFFFFFFFFu   /* to be tried at the next start */
#define SLOT_TRIED 0xFFFF0000u /* it runs, and the old one is in its place until it has proved itself */
#define SLOT_KEPT 0x00000000u  /* what runs stays; the button brings back the other one */

void SlotState(uint32_t state);

#endif
