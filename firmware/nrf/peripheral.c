/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peripheral of the test link: finds the central on its first channel, agrees on a key, follows its hops, and
 * answers each packet with a notification. */
#include "link.h"

/* Ticks that the receiver is on before the packet may come: its ramp-up and both clocks' steps. */
#define EARLY 8u

int main(void)
{
    uint32_t notified = 0, missed = LOST_AFTER, anchor = 0;
    uint8_t asked[OFFER], offer[OFFER];
    Begin();
    Random(offer, OFFER);
    for (;;) {
        int searching = missed >= LOST_AFTER;
        g_event++;
        if (searching) {
            g_secret = 0;
            g_channel = 0;
            anchor = REG(RTC0, RTC_COUNTER) + LEAD + 10;
        } else {
            anchor += INTERVAL;
        }
        Hop();
        SleepUntilEvent(anchor - (searching ? 0 : EARLY));
        Prepare(1, 1);
        REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
        REG(RADIO, RADIO_RXEN) = 1;
        /* Searching, it listens for as long as all channels take; else for the width of its window. */
        uint32_t window = searching ? 38u * 30000u : 1000;
        int found = Await(RADIO_EVENTS_ADDRESS, window);
        uint32_t tick = REG(RTC0, RTC_COUNTER);
        found = found && Await(RADIO_EVENTS_END, window + 1000);
        int offered = 0;
        if (found && Genuine() && (g_secret || g_clear.header == CONTROL)) {
            offered = !g_secret;
            for (int byte = 0; offered && byte < OFFER; byte++) {
                asked[byte] = g_clear.data[byte];
                g_clear.data[byte] = offer[byte];
            }
            if (g_secret) {
                g_clear.header = DATA;
                g_clear.length = sizeof(notified) + sizeof(TEXT);
                Store(g_clear.data, notified + 1);
                for (uint32_t byte = 0; byte < sizeof(TEXT); byte++) {
                    g_clear.data[sizeof(notified) + byte] = (uint8_t)TEXT[byte];
                }
            }
            Prepare(0, 0);
            REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE;
            REG(RADIO, RADIO_EVENTS_END) = 0;
            REG(TIMER0, TIMER_TASKS_CAPTURE3) = 1;
            found = Await(RADIO_EVENTS_END, REG(TIMER0, TIMER_CC3) + 1000);
        } else {
            found = 0;
        }
        EndEvent();
        if (found) {
            missed = 0;
            /* The address ends 180 us, six ticks, after the central's event began. */
            anchor = tick - 6;
            if (offered) {
                Agree(asked, offer);
            } else if (++notified % 100 == 1) {
                PutNumber("notified", notified);
            }
        } else if (!searching) {
            missed++;
            PutNumber("missed", missed);
        }
    }
}
