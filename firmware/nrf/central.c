/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The central of the test link: begins an event every 30 ms, counts the notifications it hears. */
#include "link.h"

int main(void)
{
    uint32_t heard = 0, silent = 0, next = 400;
    uint8_t offer[OFFER];
    Begin();
    Random(offer, OFFER);
    for (;;) {
        Hop();
        SleepUntilEvent(next);
        next += INTERVAL;
        g_event++;
        g_clear.header = g_secret ? DATA : CONTROL;
        g_clear.length = g_secret ? sizeof(g_event) : OFFER;
        for (int byte = 0; byte < OFFER; byte++) {
            g_clear.data[byte] = offer[byte];
        }
        if (g_secret) {
            Store(g_clear.data, g_event);
        }
        Prepare(0, 1);
        REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE | DISABLED_RXEN;
        REG(RADIO, RADIO_TXEN) = 1;
        int answered = 0;
        uint32_t gap = 0;
        if (Await(RADIO_EVENTS_DISABLED, 1000)) {
            uint32_t end = REG(TIMER0, TIMER_CC2);
            REG(RADIO, RADIO_EVENTS_END) = 0;
            REG(RADIO, RADIO_EVENTS_ADDRESS) = 0;
            /* The receiver is on its way: what follows goes to another buffer and ends the event. */
            Prepare(1, 0);
            REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE;
            answered = Await(RADIO_EVENTS_END, end + 600) && Genuine();
            gap = REG(TIMER0, TIMER_CC1) - end;
        }
        EndEvent();
        silent = answered ? 0 : silent + 1;
        if (answered && !g_secret && g_clear.header == CONTROL) {
            Agree(offer, g_clear.data);
        } else if (answered) {
            heard++;
            if (heard % 100 == 1) {
                PutNumber("gap", gap);
                PutNumber("heard", heard);
                PutNumber("number", Load(g_clear.data));
            }
        } else if (heard != 0) {
            PutNumber("silence after", heard);
            g_secret = g_secret && silent < LOST_AFTER;
        }
    }
}
