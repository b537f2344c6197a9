/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sensor: once a second it measures pulse and skin temperature and tells everyone; in between it sleeps.
 * The wearer is a model in integers, seeded by the MAC address, so that one image serves many sensors.
 */
#include <stdbool.h>

#include "courier.h"
#include "message.h"
#include "mps2.h"
#include "node.h"
#include "tick.h"

#define PERIOD_MS 1000u
#define POLL_MS 10u
#define EFFORT_EVERY_S 40u /* every wearer runs for the bus now and then */
#define EFFORT_S 12u
#define EFFORT_BPM 80
#define SALT 12u
#define RAMP_BPM 14 /* change per second while the pulse rises and falls */

typedef struct {
    uint32_t random;
    int32_t restBpm;
    int32_t liftBpm; /* above rest, from effort */
    int32_t centiCelsius;
    uint32_t effortStart; /* second within EFFORT_EVERY_S */
} Wearer;

/* xorshift32 (G. Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t Random(Wearer *wearer)
{
    uint32_t x = wearer->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    wearer->random = x;
    return x;
}

static void WearerInit(Wearer *wearer, uint16_t number)
{
    /* Knuth's multiplicative hash spreads neighbouring numbers; xorshift must not start at zero. The salt is one
     * whose sensors 1 and 2 run for their buses at different times, 5 s and 15 s after the start. */
    wearer->random = (number + SALT) * 2654435761u | 1u;
    wearer->restBpm = 56 + (int32_t)(Random(wearer) % 24u);
    wearer->liftBpm = 0;
    wearer->centiCelsius = 3600 + (int32_t)(Random(wearer) % 70u);
    wearer->effortStart = 4u + Random(wearer) % 12u;
}

/* One second of life. */
static void WearerStep(Wearer *wearer, uint32_t second)
{
    uint32_t phase = second % EFFORT_EVERY_S;
    bool effort = phase >= wearer->effortStart && phase < wearer->effortStart + EFFORT_S;
    int32_t goal = effort ? EFFORT_BPM : 0;
    int32_t step = goal - wearer->liftBpm;
    step = step > RAMP_BPM ? RAMP_BPM : step < -RAMP_BPM ? -RAMP_BPM : step;
    wearer->liftBpm += step;
    /* Skin warms slowly towards a value that follows the effort. */
    wearer->centiCelsius += (3640 + wearer->liftBpm - wearer->centiCelsius) / 16 + (int32_t)(Random(wearer) % 5u) - 2;
}

static uint16_t WearerPulse(Wearer *wearer)
{
    return (uint16_t)(wearer->restBpm + wearer->liftBpm + (int32_t)(Random(wearer) % 7u) - 3);
}

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
