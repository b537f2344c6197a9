/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ethernet II + IPv4 (RFC 791) + UDP (RFC 768): headers, checksums and nothing else. */
#include "udp.h"

#include <stddef.h>

#include "echo.h"
#include "lan9118.h"
#include "mem.h"
#include "wire.h"

#define PORT 40400u
#define TTL 1u /* our datagrams stay on their LAN */
#define IP_PROTOCOL_UDP 17u
#define UDP_HEADER 8u
#define HEADERS (ETH_HEADER + IP_HEADER + UDP_HEADER)

const UdpAddress g_udpBroadcast = {{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, 0x0AFFFFFFu};

static UdpAddress g_self;
static uint16_t g_identification;

/* The sum over the pseudo header and the datagram; `ip` points at the IPv4 header. */
static uint16_t UdpChecksum(const uint8_t *ip, uint32_t udpSize)
{
    uint32_t sum = Sum(ip + 12, 8, IP_PROTOCOL_UDP + udpSize);
    return Fold(Sum(ip + IP_HEADER, udpSize, sum));
}

void UdpInit(uint8_t role)
{
    EthAddress(g_self.mac);
    g_self.ip = 10u << 24 | (uint32_t)role << 16 | UdpNumber();
}

uint16_t UdpNumber(void)
{
    return (uint16_t)Take16(&g_self.mac[4]);
}

bool UdpSend(const UdpAddress *to, const uint8_t *payload, uint32_t size)
{
    uint8_t frame[HEADERS + UDP_PAYLOAD_MAX] = {0};
    if (size > UDP_PAYLOAD_MAX) {
        return false;
    }
    memcpy(&frame[0], to->mac, 6);
    memcpy(&frame[6], g_self.mac, 6);
    Put16(&frame[12], ETHERTYPE_IPV4);

    uint8_t *ip = &frame[ETH_HEADER];
    ip[0] = 0x45; /* version 4, five header words */
    Put16(&ip[2], IP_HEADER + UDP_HEADER + size);
    Put16(&ip[4], g_identification++);
    ip[8] = TTL;
    ip[9] = IP_PROTOCOL_UDP;
    Put32(&ip[12], g_self.ip);
    Put32(&ip[16], to->ip);
    Put16(&ip[10], Fold(Sum(ip, IP_HEADER, 0)));

    uint8_t *udp = &ip[IP_HEADER];
    Put16(&udp[0], PORT);
    Put16(&udp[2], PORT);
    Put16(&udp[4], UDP_HEADER + size);
    memcpy(&udp[UDP_HEADER], payload, size);
    uint16_t checksum = UdpChecksum(ip, UDP_HEADER + size);
    Put16(&udp[6], checksum != 0 ? checksum : 0xFFFFu); /* zero would mean "no checksum" */

    uint32_t length = HEADERS + size;
    return EthSend(frame, length < ETH_MIN ? ETH_MIN : length);
}

/* Returns the payload's size, or 0 for a frame that is not a datagram for us. */
static uint32_t Parse(const EthFrame *frame, UdpAddress *from, uint8_t payload[UDP_PAYLOAD_MAX])
{
    const uint8_t *ip = &frame->bytes[ETH_HEADER];
    const uint8_t *udp = ip + IP_HEADER;
    if (frame->length < HEADERS || Take16(&frame->bytes[12]) != ETHERTYPE_IPV4 || ip[0] != 0x45 ||
        ip[9] != IP_PROTOCOL_UDP || Fold(Sum(ip, IP_HEADER, 0)) != 0) {
        return 0;
    }
    uint32_t destination = Take32(&ip[16]);
    uint32_t udpSize = Take16(&udp[4]);
    if ((destination != g_self.ip && destination != g_udpBroadcast.ip) || Take16(&udp[2]) != PORT ||
        udpSize <= UDP_HEADER || udpSize > UDP_HEADER + UDP_PAYLOAD_MAX ||
        udpSize > frame->length - ETH_HEADER - IP_HEADER || UdpChecksum(ip, udpSize) != 0) {
        return 0;
    }
    memcpy(from->mac, &frame->bytes[6], 6);
    from->ip = Take32(&ip[12]);
    memcpy(payload, udp + UDP_HEADER, udpSize - UDP_HEADER);
    return udpSize - UDP_HEADER;
}

uint32_t UdpReceive(UdpAddress *from, uint8_t payload[UDP_PAYLOAD_MAX])
{
    uint32_t size = 0;
    for (const EthFrame *frame = EthReceive(); frame != NULL; frame = EthReceive()) {
        size = Parse(frame, from, payload);
        if (size == 0) {
            EchoAnswer(frame, &g_self);
        }
        EthRelease();
        if (size != 0) {
            break;
        }
    }
    return size;
}
