/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to bytes and back. */
#include "message.h"

#include "node.h"

#define VERSION 1u

const char *RoleName(uint8_t role)
{
    static const char *const names[] = {"node", "hub", "watch", "sensor"};
    return names[role <= ROLE_SENSOR ? role : 0];
}

static void Put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static uint16_t Take16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

void MessageSend(const UdpAddress *to, Message *message)
{
    uint8_t wire[MESSAGE_SIZE] = {'C', 'o', VERSION, message->kind, NodeRole()};
    message->role = NodeRole();
    message->number = UdpNumber();
    Put16(&wire[6], message->number);
    Put16(&wire[8], message->sequence);
    Put16(&wire[10], message->subject);
    Put16(&wire[12], message->time >> 16);
    Put16(&wire[14], message->time);
    Put16(&wire[16], message->pulse);
    Put16(&wire[18], (uint16_t)message->centiCelsius);
    /* A full TX FIFO loses the datagram like the medium may; whatever matters is sent again. */
    (void)UdpSend(to, wire, MESSAGE_SIZE);
}

bool MessageReceive(UdpAddress *from, Message *message)
{
    uint8_t wire[UDP_PAYLOAD_MAX];
    for (uint32_t size = UdpReceive(from, wire); size != 0; size = UdpReceive(from, wire)) {
        if (size != MESSAGE_SIZE || wire[0] != 'C' || wire[1] != 'o' || wire[2] != VERSION) {
            continue;
        }
        message->kind = wire[3];
        message->role = wire[4];
        message->number = Take16(&wire[6]);
        message->sequence = Take16(&wire[8]);
        message->subject = Take16(&wire[10]);
        message->time = (uint32_t)Take16(&wire[12]) << 16 | Take16(&wire[14]);
        message->pulse = Take16(&wire[16]);
        message->centiCelsius = (int16_t)Take16(&wire[18]);
        return true;
    }
    return false;
}
