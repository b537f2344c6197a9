/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a station reachable by ping: answers to ARP and ICMP echo requests. */
#include "echo.h"

#include "mem.h"
#include "wire.h"

#define ETHERTYPE_ARP 0x0806u
#define ARP_SIZE 28u
#define ARP_REQUEST 1u
#define ARP_REPLY 2u
#define IP_PROTOCOL_ICMP 1u
#define ICMP_HEADER 8u
#define ICMP_REQUEST 8u
#define TTL 64u

/* Ethernet with IPv4: types and lengths of both addresses. */
static const uint8_t g_arpHead[6] = {0, 1, 8, 0, 6, 4};
static EthFrame g_answer;

static void AnswerArp(const EthFrame *frame, const UdpAddress *self)
{
    const uint8_t *asked = &frame->bytes[ETH_HEADER];
    uint8_t *answer = &g_answer.bytes[ETH_HEADER];
    if (frame->length < ETH_HEADER + ARP_SIZE || memcmp(asked, g_arpHead, sizeof g_arpHead) != 0 ||
        Take16(&asked[6]) != ARP_REQUEST || Take32(&asked[24]) != self->ip) {
        return;
    }
    memset(&g_answer, 0, sizeof g_answer);
    memcpy(&g_answer.bytes[0], &asked[8], 6);
    memcpy(&g_answer.bytes[6], self->mac, 6);
    Put16(&g_answer.bytes[12], ETHERTYPE_ARP);
    memcpy(answer, g_arpHead, sizeof g_arpHead);
    Put16(&answer[6], ARP_REPLY);
    memcpy(&answer[8], self->mac, 6);
    Put32(&answer[14], self->ip);
    memcpy(&answer[18], &asked[8], 10); /* both addresses of who asks */
    (void)EthSend(g_answer.bytes, ETH_MIN);
}

static void AnswerPing(const EthFrame *frame, const UdpAddress *self)
{
    const uint8_t *asked = &frame->bytes[ETH_HEADER];
    uint32_t size = Take16(&asked[2]);
    if (frame->length < ETH_HEADER + IP_HEADER + ICMP_HEADER || asked[0] != 0x45 || asked[9] != IP_PROTOCOL_ICMP ||
        (Take16(&asked[6]) & 0x3FFFu) != 0 || Take32(&asked[16]) != self->ip || size > frame->length - ETH_HEADER ||
        size < IP_HEADER + ICMP_HEADER || asked[IP_HEADER] != ICMP_REQUEST || Fold(Sum(asked, IP_HEADER, 0)) != 0 ||
        Fold(Sum(asked + IP_HEADER, size - IP_HEADER, 0)) != 0) {
        return;
    }
    uint32_t length = ETH_HEADER + size < ETH_MIN ? ETH_MIN : ETH_HEADER + size;
    memcpy(g_answer.bytes, frame->bytes, length);
    memcpy(&g_answer.bytes[0], &frame->bytes[6], 6);
    memcpy(&g_answer.bytes[6], self->mac, 6);
    uint8_t *ip = &g_answer.bytes[ETH_HEADER];
    ip[8] = TTL;
    memcpy(&ip[12], &asked[16], 4);
    memcpy(&ip[16], &asked[12], 4);
    Put16(&ip[10], 0);
    Put16(&ip[10], Fold(Sum(ip, IP_HEADER, 0)));
    uint8_t *icmp = &ip[IP_HEADER];
    icmp[0] = 0; /* echo reply */
    Put16(&icmp[2], 0);
    Put16(&icmp[2], Fold(Sum(icmp, size - IP_HEADER, 0)));
    (void)EthSend(g_answer.bytes, length);
}

void EchoAnswer(const EthFrame *frame, const UdpAddress *self)
{
    uint32_t type = Take16(&frame->bytes[12]);
    if (type == ETHERTYPE_ARP) {
        AnswerArp(frame, self);
    } else if (type == ETHERTYPE_IPV4) {
        AnswerPing(frame, self);
    }
}
