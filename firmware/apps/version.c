/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An application behind the bootloader: tells its version, and confirms itself after two seconds. While the button is
 * held nobody feeds the watchdog. Version 3 hangs. */
#include "board.h"
#include "nrf52.h"
#include "slot.h"

int main(void)
{
    UartStart(PIN_UART_TX);
    const char *why = ResetReason();
    BoardStart();
    TicksStart();
    Print("version %u (%s)\n", VERSION, why);
    uint32_t ticks = 0;
    for (;;) {
        if (VERSION == 3 || !Take(RTC1, RTC_TICK)) {
            Sleep();
            continue;
        }
        if (!PinGet(PIN_BUTTON)) {
            WatchdogFeed();
        }
        if (++ticks == 2u * TICKS_PER_SECOND) {
            Slot slot;
            FlashRead(SLOT_AT, (uint8_t *)&slot, sizeof(slot));
            if (slot.magic == SLOT_MAGIC && slot.state == SLOT_TRIED) {
                SlotState(SLOT_KEPT);
                Print("confirmed\n");
            }
        }
    }
}
