/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "body.h"

#define RATE 16u
#define SWING 60      /* mg above and below the mean in a step */
#define STEP_MIN 4u   /* samples */
#define BEAT_MIN 4u
#define BEAT_MAX 32u
#define WORN 2000u    /* less light than this comes from no skin */
#define FALL 160      /* below the mean at a beat, in 16ths of what is read */
#define PARTS 16u     /* a beat's place between two samples */

static uint32_t Root(uint32_t value)
{
    uint32_t root = 0;
    for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= value) {
            root |= bit;
        }
    }
    return root;
}

bool MotionSample(Motion *motion, const int16_t axes[3])
{
    uint32_t square = 0;
    for (int axis = 0; axis < 3; ++axis) {
        square += (uint32_t)(axes[axis] * axes[axis]);
    }
    int32_t size = (int32_t)Root(square);
    if (motion->mean == 0) {
        motion->mean = size * 64;
    }
    int32_t swing = size - motion->mean / 64;
    motion->mean += (size * 64 - motion->mean) / 32;
    if (motion->since < RATE) {
        ++motion->since;
    }
    if (!motion->above && swing > SWING) {
        motion->above = true;
    } else if (motion->above && swing < -SWING) {
        motion->above = false;
        if (motion->since >= STEP_MIN) {
            ++motion->steps;
            motion->since = 0;
        }
    }
    /* Walking shakes what is up: it takes more to turn away. */
    int side = motion->facing ? 600 : 400;
    bool facing = axes[2] > (motion->facing ? 400 : 700) && axes[1] > -side && axes[1] < side;
    bool turned = facing && !motion->facing;
    motion->facing = facing;
    return turned;
}

void HeartSample(Heart *heart, uint32_t light, uint32_t passed)
{
    heart->sample += passed;
    if (light < WORN) {
        *heart = (Heart){ .sample = heart->sample };
        return;
    }
    if (heart->mean == 0) {
        heart->mean = (int32_t)light * 16;
    }
    int32_t swing = (int32_t)light * 16 - heart->mean;
    int32_t before = heart->swing;
    heart->swing = swing;
    heart->mean += swing / 16;
    uint32_t since = heart->sample - heart->last;
    if (heart->count != 0 && since > BEAT_MAX) {
        heart->count = 0;
        heart->pulse = 0;
    }
    if (heart->below) {
        heart->below = swing < FALL;
        return;
    }
    if (swing > -FALL || (heart->count != 0 && since < BEAT_MIN)) {
        return;
    }
    heart->below = true;
    uint32_t late = before > swing ? (uint32_t)(-FALL - swing) * PARTS / (uint32_t)(before - swing) : 0;
    uint32_t at = heart->sample * PARTS - (late < PARTS ? late : PARTS);
    if (heart->count >= BEATS - 1u) {
        uint32_t span = at - heart->at[(heart->count + 1u) % BEATS];
        heart->pulse = (60u * RATE * PARTS * (BEATS - 1u) + span / 2u) / span;
    }
    heart->at[heart->count % BEATS] = at;
    heart->last = heart->sample;
    ++heart->count;
}
