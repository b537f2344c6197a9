/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start, identity and sleep of a node. */
#include "node.h"

#include <stdarg.h>

#include "cortexm.h"
#include "lan9118.h"
#include "tick.h"
#include "uart.h"

static uint8_t g_role;
static bool g_linkWasUp;

void NodeStart(uint8_t role)
{
    uint8_t mac[ETH_ADDRESS_SIZE];
    g_role = role;
    UartInit();
    TickInit();
    if (!EthInit()) {
        Print("%s: no Ethernet controller\n", RoleName(role));
        for (;;) {
            CpuWaitForInterrupt();
        }
    }
    UdpInit(role);
    EthAddress(mac);
    g_linkWasUp = EthLinkIsUp();
    NodeSay("up, %02x:%02x:%02x:%02x:%02x:%02x, 10.%u.%u.%u, link %s\n", mac[0], mac[1], mac[2], mac[3], mac[4],
        mac[5], role, mac[4], mac[5], g_linkWasUp ? "up" : "down");
}

uint8_t NodeRole(void)
{
    return g_role;
}

void NodeSay(const char *format, ...)
{
    va_list args;
    if (g_role == ROLE_HUB) {
        Print("hub: ");
    } else {
        Print("%s-%u: ", RoleName(g_role), UdpNumber());
    }
    va_start(args, format);
    PrintV(format, args);
    va_end(args);
}

void NodeAck(const UdpAddress *to, const Message *message)
{
    Message ack = {.kind = KIND_ACK, .sequence = message->sequence, .subject = message->subject, .time = TickNow()};
    MessageSend(to, &ack);
}

void NodeSleepUntil(uint32_t due)
{
    if (EthLinkIsUp() != g_linkWasUp) {
        g_linkWasUp = !g_linkWasUp;
        NodeSay("link %s\n", g_linkWasUp ? "up" : "down");
    }
    /* The check and WFI run masked: an interrupt between them still ends the WFI (B1.5.17). */
    CpuIrqDisable();
    while (!EthHasFrame() && !UartHasLine() && !TickReached(TickNow(), due)) {
        CpuWaitForInterrupt();
        CpuIrqEnable();
        CpuBarrier();
        CpuIrqDisable();
    }
    CpuIrqEnable();
}
