/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "slot.h"

#include <stddef.h>

#include "board.h"

void SlotState(uint32_t state)
{
    FlashProgram(SLOT_AT + offsetof(Slot, state), (const uint8_t *)&state, sizeof(state));
}
