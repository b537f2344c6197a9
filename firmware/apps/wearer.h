/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A wearer's pulse and skin temperature: a model in integers, seeded by a number, so that one image serves many
 * sensors. */
#ifndef WEARER_H
#define WEARER_H

#include <stdbool.h>
#include <stdint.h>

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
static inline uint32_t Random(Wearer *wearer)
{
    uint32_t x = wearer->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    wearer->random = x;
    return x;
}

static inline void WearerInit(Wearer *wearer, uint16_t number)
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
static inline void WearerStep(Wearer *wearer, uint32_t second)
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

static inline uint16_t WearerPulse(Wearer *wearer)
{
    return (uint16_t)(wearer->restBpm + wearer->liftBpm + (int32_t)(Random(wearer) % 7u) - 3);
}

#endif
