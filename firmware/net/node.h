/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hub, watch and sensor have in common: start, identity, sleep. */
#ifndef NODE_H
#define NODE_H

#include <stdint.h>

#include "message.h"

/* Starts clock, UART and network, and says who we are; stands still when there is no Ethernet. */
void NodeStart(uint8_t role);

uint8_t NodeRole(void);

/* Prints "watch-1: ", or "hub: ", then the text. */
void NodeSay(const char *format, ...);

/* Acknowledges a message. */
void NodeAck(const UdpAddress *to, const Message *message);

/* Sleeps until a frame, a typed line or the time `due`. */
void NodeSleepUntil(uint32_t due);

#endif
