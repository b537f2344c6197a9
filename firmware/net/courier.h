/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Delivery in order over a medium that loses: one message under way at a time, sent again until acknowledged. */
#ifndef COURIER_H
#define COURIER_H

#include <stdbool.h>
#include <stdint.h>

#include "message.h"

#define COURIER_QUEUE 8u

typedef struct {
    UdpAddress to;
    Message queue[COURIER_QUEUE];
    uint32_t head; /* the indices run free */
    uint32_t tail;
    uint32_t due; /* when the message under way is sent again */
    uint32_t tries; /* how often it was sent */
    uint16_t sequence; /* the next to give */
} Courier;

/* Starts empty with sequence numbers from 1. */
void CourierInit(Courier *courier, const UdpAddress *to);

/* Queues a message; a full queue gives up its oldest. */
void CourierPost(Courier *courier, const Message *message);

/* Sends what is due. */
void CourierPoll(Courier *courier, uint32_t now);

/* An acknowledgement came; true when it was for the message under way. */
bool CourierAck(Courier *courier, uint16_t sequence);

/* True when the peer has left several attempts unanswered. */
bool CourierIsLost(const Courier *courier);

/* True when `sequence` follows `last`, across the wrap: not a repetition. */
static inline bool SequenceIsNew(uint16_t sequence, uint16_t last)
{
    return (int16_t)(sequence - last) > 0;
}

#endif
