/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The central of the test link: begins an event every 30 ms, counts the notifications it hears. */
#include "link.h"

int main(void)
{
    uint32_t heard = 0, next = 400;
    Begin();
    for (uint32_t event = 1;; event++) {
        Hop();
        SleepUntilEvent(next);
        next += INTERVAL;
        Store(g_sent.data, event);
        REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_sent;
        REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE | DISABLED_RXEN;
        REG(RADIO, RADIO_TXEN) = 1;
        int answered = 0;
        uint32_t gap = 0;
        if (Await(RADIO_EVENTS_DISABLED, 1000)) {
            uint32_t end = REG(TIMER0, TIMER_CC2);
            REG(RADIO, RADIO_EVENTS_END) = 0;
            REG(RADIO, RADIO_EVENTS_ADDRESS) = 0;
            /* The receiver is on its way: what follows goes to another buffer and ends the event. */
            REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_received;
            REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE;
            answered = Await(RADIO_EVENTS_END, end + 400) && REG(RADIO, RADIO_CRCSTATUS) == 1;
            gap = REG(TIMER0, TIMER_CC1) - end;
        }
        EndEvent();
        if (answered) {
            heard++;
            if (heard % 100 == 1) {
                PutNumber("gap", gap);
                PutNumber("heard", heard);
                PutNumber("number", Load(g_received.data));
            }
        } else if (heard != 0) {
            PutNumber("silence after", heard);
        }
    }
}
