/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP over IPv4 that asks nobody by ARP: the first datagram to a stranger is a broadcast, answers go to the
 * addresses it came from. A node's IPv4 address is 10.ROLE.x.y with x.y the last two bytes of its MAC address.
 */
#ifndef UDP_H
#define UDP_H

#include <stdbool.h>
#include <stdint.h>

#define UDP_PAYLOAD_MAX 64u

typedef struct {
    uint8_t mac[6];
    uint32_t ip;
} UdpAddress;

extern const UdpAddress g_udpBroadcast;

/* Takes the station address from the running LAN9118. */
void UdpInit(uint8_t role);

/* The last two bytes of the MAC address: the node's number among those of its role. */
uint16_t UdpNumber(void);

bool UdpSend(const UdpAddress *to, const uint8_t *payload, uint32_t size);

/*
 * Takes received frames until one is a well-formed datagram for us. Returns its size (at most
 * UDP_PAYLOAD_MAX) or 0 when there is no more.
 */
uint32_t UdpReceive(UdpAddress *from, uint8_t payload[UDP_PAYLOAD_MAX]);

#endif
