/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the nodes say to each other: one fixed message of 24 bytes, big endian on the wire. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "udp.h"

#define MESSAGE_SIZE 24u

enum Role { ROLE_HUB = 1, ROLE_WATCH, ROLE_SENSOR };

enum Kind {
    KIND_HELLO = 1, /* the first message of every node: "I have just started" */
    KIND_READING,   /* sensor, to everyone: pulse, temperature */
    KIND_BEAT,      /* watch to hub: I am here; pulse is what it shows */
    KIND_ALARM,     /* hub to watch: `subject`'s pulse is over the limit */
    KIND_CALM,      /* hub to watch: `subject` is well again */
    KIND_OK,        /* watch to hub: the wearer has seen the alarm of `subject` */
    KIND_ACK,       /* to any of the above: `sequence` arrived; `time` is the answerer's clock */
};

typedef struct {
    uint8_t kind;
    uint8_t role; /* of the sender */
    uint16_t number; /* of the sender, among those of its role */
    uint16_t sequence;
    uint16_t subject; /* number of the sensor that is meant */
    uint32_t time; /* the sender's clock, ms */
    uint16_t pulse; /* beats per minute */
    int16_t centiCelsius;
} Message;

/* "hub", "watch", "sensor" */
const char *RoleName(uint8_t role);

/* Sends with this node's role and number filled in. */
void MessageSend(const UdpAddress *to, Message *message);

/* The next well-formed message, false when there is none. */
bool MessageReceive(UdpAddress *from, Message *message);

#endif
