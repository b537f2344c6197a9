/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the wearer's body does, from samples taken sixteen times a second. */
#ifndef BODY_H
#define BODY_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t steps;
    int32_t mean; /* of the acceleration, in 64ths of a mg */
    bool above;
    uint32_t since; /* samples since the last step */
    bool facing;
} Motion;

/* Takes a sample of the acceleration in mg; true when the wrist was turned so that the face is up. */
bool MotionSample(Motion *motion, const int16_t axes[3]);

#define BEATS 8u
typedef struct {
    int32_t mean, swing; /* of the light, in 16ths, and how far it was from that at the last sample */
    bool below;
    uint32_t count;        /* beats seen without a pause */
    uint32_t last;         /* sample of the last one */
    uint32_t at[BEATS];    /* when, in 16ths of a sample */
    uint32_t sample;
    uint32_t pulse; /* beats per minute, 0 while unknown */
} Heart;

/* Takes a sample of the reflected light, so many sixteenths of a second after the last. */
void HeartSample(Heart *heart, uint32_t light, uint32_t passed);

#endif
