/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The phone's hub: collects every reading, acknowledges with its own clock, keeps the list of who is there,
 * and sends the watches an alarm when a pulse passes the limit. LED 0: someone is here. LED 1: open alarm.
 */
#include <stdbool.h>
#include <stddef.h>

#include "courier.h"
#include "message.h"
#include "mps2.h"
#include "node.h"
#include "tick.h"
#include "uart.h"

#define NODES_MAX 256u
#define REPORTED_MAX 8u /* sensors named in a report: a line stays a line */
#define LOST_MS 3500u
#define REPORT_MS 5000u
#define POLL_MS 10u
#define PULSE_LIMIT 120u
#define PULSE_CALM 110u /* below the limit, so that a pulse on the edge does not chatter */
#define LED_NODES (1u << 0)
#define LED_ALARM (1u << 1)

typedef struct {
    uint8_t role;
    uint16_t number;
    uint16_t sequence; /* last taken */
    uint16_t pulse;
    int16_t centiCelsius;
    bool lost;
    bool alarm; /* over the limit, watches told */
    bool answered;
    uint32_t heard; /* when, on our clock */
    uint32_t missed; /* numbers the sender gave up on */
    Courier orders; /* to a watch */
} Node;

typedef struct {
    Node nodes[NODES_MAX];
    uint32_t nodeCount;
    uint32_t readings;
    bool full; /* said once */
} Hub;

static Hub g_hub;

static Node *FindNode(const UdpAddress *from, const Message *message, uint32_t now)
{
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        Node *node = &g_hub.nodes[i];
        if (node->role == message->role && node->number == message->number) {
            return node;
        }
    }
    if (g_hub.nodeCount == NODES_MAX) {
        if (!g_hub.full) {
            g_hub.full = true;
            NodeSay("no room for more than %u\n", NODES_MAX);
        }
        return NULL;
    }
    Node *node = &g_hub.nodes[g_hub.nodeCount++];
    *node = (Node){.role = message->role, .number = message->number, .heard = now};
    /* Met in the middle of its life (we restarted): count from here. */
    node->sequence = (uint16_t)(message->sequence - 1u);
    CourierInit(&node->orders, from);
    NodeSay("%s-%u joined\n", RoleName(node->role), node->number);
    return node;
}

static void TellWatches(const Node *subject, enum Kind kind)
{
    Message order = {.kind = (uint8_t)kind, .subject = subject->number, .time = TickNow(), .pulse = subject->pulse,
        .centiCelsius = subject->centiCelsius};
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        if (g_hub.nodes[i].role == ROLE_WATCH) {
            CourierPost(&g_hub.nodes[i].orders, &order);
        }
    }
}

static void JudgePulse(Node *node)
{
    if (!node->alarm && node->pulse > PULSE_LIMIT) {
        node->alarm = true;
        node->answered = false;
        NodeSay("ALARM %s-%u %u bpm\n", RoleName(node->role), node->number, node->pulse);
        TellWatches(node, KIND_ALARM);
    } else if (node->alarm && node->pulse < PULSE_CALM) {
        node->alarm = false;
        NodeSay("%s-%u calm, %u bpm%s\n", RoleName(node->role), node->number, node->pulse,
            node->answered ? "" : ", nobody answered");
        TellWatches(node, KIND_CALM);
    }
}

static void HandleOk(const Node *watch, uint16_t subject)
{
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        Node *node = &g_hub.nodes[i];
        if (node->role == ROLE_SENSOR && node->number == subject) {
            node->answered = true;
            NodeSay("watch-%u answered for sensor-%u\n", watch->number, subject);
        }
    }
}

static void HandleNode(const UdpAddress *from, const Message *message, uint32_t now)
{
    Node *node = FindNode(from, message, now);
    if (node == NULL) {
        return; /* no room: unanswered, the stranger keeps trying */
    }
    NodeAck(from, message);
    if (node->lost) {
        node->lost = false;
        NodeSay("%s-%u back after %u s\n", RoleName(node->role), node->number, (now - node->heard) / 1000u);
    }
    node->heard = now;
    if (message->kind == KIND_HELLO && message->sequence != node->sequence) {
        /* Its first words: a newcomer or a restart. Our orders to it start over with it. */
        if (!SequenceIsNew(message->sequence, node->sequence)) {
            NodeSay("%s-%u restarted\n", RoleName(node->role), node->number);
        }
        CourierInit(&node->orders, from);
        node->sequence = message->sequence;
        return;
    }
    if (!SequenceIsNew(message->sequence, node->sequence)) {
        return; /* our acknowledgement was lost */
    }
    node->missed += (uint16_t)(message->sequence - node->sequence) - 1u;
    node->sequence = message->sequence;
    if (message->kind == KIND_READING) {
        ++g_hub.readings;
        node->pulse = message->pulse;
        node->centiCelsius = message->centiCelsius;
        JudgePulse(node);
    } else if (message->kind == KIND_OK) {
        HandleOk(node, message->subject);
    }
}

static void HandleAck(const Message *message)
{
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        Node *node = &g_hub.nodes[i];
        if (node->role == message->role && node->number == message->number) {
            (void)CourierAck(&node->orders, message->sequence);
        }
    }
}

static void CheckNodes(uint32_t now)
{
    uint32_t leds = 0;
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        Node *node = &g_hub.nodes[i];
        CourierPoll(&node->orders, now);
        if (!node->lost && TickReached(now, node->heard + LOST_MS)) {
            node->lost = true;
            NodeSay("%s-%u lost\n", RoleName(node->role), node->number);
        }
        leds |= node->lost ? 0 : LED_NODES;
        leds |= node->alarm && !node->answered ? LED_ALARM : 0;
    }
    FPGAIO->LED0 = leds;
}

static void Report(void)
{
    uint32_t here = 0;
    uint32_t missed = 0;
    uint32_t named = 0;
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        here += g_hub.nodes[i].lost ? 0 : 1u;
        missed += g_hub.nodes[i].missed;
    }
    NodeSay("%u of %u here, %u readings, %u missed", here, g_hub.nodeCount, g_hub.readings, missed);
    for (uint32_t i = 0; i < g_hub.nodeCount; ++i) {
        const Node *node = &g_hub.nodes[i];
        if (node->role == ROLE_SENSOR && !node->lost && ++named <= REPORTED_MAX) {
            Print(", s%u %u", node->number, node->pulse);
        }
    }
    Print(named > REPORTED_MAX ? ", ..\n" : "\n");
}

int main(void)
{
    NodeStart(ROLE_HUB);
    uint32_t due = TickNow() + REPORT_MS;
    for (;;) {
        UdpAddress from;
        Message message;
        uint32_t now = TickNow();

        while (MessageReceive(&from, &message)) {
            if (message.role != ROLE_WATCH && message.role != ROLE_SENSOR) {
                continue;
            }
            if (message.kind == KIND_ACK) {
                HandleAck(&message);
            } else {
                HandleNode(&from, &message, now);
            }
        }
        CheckNodes(now);
        if (TickReached(now, due)) {
            due += REPORT_MS;
            Report();
        }
        const char *line = UartLine();
        if (line != NULL) {
            Report(); /* whatever the user types, this is what there is to know */
        }
        NodeSleepUntil(now + POLL_MS);
    }
}
