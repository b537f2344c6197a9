/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor: once a second it measures pulse and skin temperature and tells everyone; in between it sleeps.
 * The wearer is seeded by the MAC address.
 */
#include <stdbool.h>

#include "courier.h"
#include "message.h"
#include "mps2.h"
#include "node.h"
#include "tick.h"
#include "wearer.h"

#define PERIOD_MS 1000u
#define POLL_MS 10u

int main(void)
{
    Wearer wearer;
    Courier toHub;
    bool hubKnown = false;
    bool wasLost = false;
    uint32_t second = 0;

    NodeStart(ROLE_SENSOR);
    WearerInit(&wearer, UdpNumber());
    CourierInit(&toHub, &g_udpBroadcast); /* always: the watches listen too */
    CourierPost(&toHub, &(Message){.kind = KIND_HELLO, .time = TickNow()});

    /* Neighbours measure at different moments of the second. */
    uint32_t due = TickNow() + 100u + UdpNumber() * 37u % PERIOD_MS;
    for (;;) {
        UdpAddress from;
        Message message;
        uint32_t now = TickNow();

        while (MessageReceive(&from, &message)) {
            if (message.kind != KIND_ACK || message.role != ROLE_HUB || !CourierAck(&toHub, message.sequence)) {
                continue;
            }
            if (!hubKnown) {
                NodeSay("hub found, its clock %u.%03u\n", message.time / 1000u, message.time % 1000u);
            } else if (wasLost) {
                NodeSay("hub back\n");
            }
            hubKnown = true;
            wasLost = false;
        }
        if (TickReached(now, due)) {
            due += PERIOD_MS;
            WearerStep(&wearer, second++);
            Message reading = {.kind = KIND_READING, .time = now, .pulse = WearerPulse(&wearer),
                .centiCelsius = (int16_t)wearer.centiCelsius};
            CourierPost(&toHub, &reading);
            FPGAIO->LED0 ^= 1u;
            NodeSay("%u bpm %u.%02u C\n", reading.pulse, (uint32_t)reading.centiCelsius / 100u,
                (uint32_t)reading.centiCelsius % 100u);
        }
        CourierPoll(&toHub, now);
        if (CourierIsLost(&toHub) && !wasLost && hubKnown) {
            wasLost = true;
            NodeSay("hub lost, keeping the last %u\n", COURIER_QUEUE);
        }
        NodeSleepUntil(now + POLL_MS);
    }
}
