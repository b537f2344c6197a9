/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peripheral of the test link: finds the central on its first channel, follows its hops, and answers each
 * packet with a notification. */
#include "link.h"

/* Ticks that the receiver is on before the packet may come: its ramp-up and both clocks' steps. */
#define EARLY 8u

int main(void)
{
    uint32_t notified = 0, missed = LOST_AFTER, anchor = 0;
    Begin();
    for (;;) {
        int searching = missed >= LOST_AFTER;
        if (searching) {
            g_channel = 0;
            anchor = REG(RTC0, RTC_COUNTER) + LEAD + 10;
        } else {
            anchor += INTERVAL;
        }
        Hop();
        SleepUntilEvent(anchor - (searching ? 0 : EARLY));
        REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_received;
        REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE | DISABLED_TXEN;
        REG(RADIO, RADIO_RXEN) = 1;
        /* Searching, it listens for as long as all channels take; else for the width of its window. */
        uint32_t window = searching ? 38u * 30000u : 1000;
        int found = Await(RADIO_EVENTS_ADDRESS, window);
        uint32_t tick = REG(RTC0, RTC_COUNTER);
        found = found && Await(RADIO_EVENTS_END, window + 1000);
        if (found && REG(RADIO, RADIO_CRCSTATUS) == 1) {
            Store(g_sent.data, notified + 1);
            REG(RADIO, RADIO_PACKETPTR) = (uintptr_t)&g_sent;
            REG(RADIO, RADIO_SHORTS) = READY_START | END_DISABLE;
            REG(RADIO, RADIO_EVENTS_END) = 0;
            REG(TIMER0, TIMER_TASKS_CAPTURE3) = 1;
            found = Await(RADIO_EVENTS_END, REG(TIMER0, TIMER_CC3) + 1000);
        } else {
            found = 0;
        }
        EndEvent();
        if (found) {
            notified++;
            missed = 0;
            /* The address ends 180 us, six ticks, after the central's event began. */
            anchor = tick - 6;
            if (notified % 100 == 1) {
                PutNumber("notified", notified);
            }
        } else if (!searching) {
            missed++;
            PutNumber("missed", missed);
        }
    }
}
