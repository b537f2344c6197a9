/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watch: shows every sensor's pulse, smoothed on the FPU, and the hub's alarms until the wearer answers
 * with "ok" on the UART or with button 0. LED 0 blinks with the readings, LED 1 is the alarm.
 */
#include <stdbool.h>
#include <stddef.h>

#include "courier.h"
#include "message.h"
#include "mps2.h"
#include "node.h"
#include "tick.h"
#include "uart.h"

#define SENSORS_MAX 32u
#define BEAT_MS 1000u
#define POLL_MS 10u
#define LED_READING (1u << 0)
#define LED_ALARM (1u << 1)
#define BUTTON_OK (1u << 0)
#define SMOOTHING 0.25f

typedef struct {
    uint16_t number;
    uint16_t sequence;
    float mean; /* exponential moving average of the pulse */
    float variance;
    bool alarm;
} Sensor;

typedef struct {
    Sensor sensors[SENSORS_MAX];
    uint32_t sensorCount;
    Courier toHub;
    bool hubKnown;
    bool hubLost;
    uint16_t orderSequence; /* of the last order taken */
    uint32_t orderTime;
    uint32_t buttons;
} Watch;

static Watch g_watch;

static Sensor *FindSensor(uint16_t number)
{
    for (uint32_t i = 0; i < g_watch.sensorCount; ++i) {
        if (g_watch.sensors[i].number == number) {
            return &g_watch.sensors[i];
        }
    }
    if (g_watch.sensorCount == SENSORS_MAX) {
        return NULL;
    }
    Sensor *sensor = &g_watch.sensors[g_watch.sensorCount++];
    *sensor = (Sensor){.number = number};
    return sensor;
}

static void ShowReading(const Message *message)
{
    Sensor *sensor = FindSensor(message->number);
    if (sensor == NULL || message->sequence == sensor->sequence) {
        return; /* no room, or sent again for the hub's sake */
    }
    sensor->sequence = message->sequence;
    float pulse = (float)message->pulse;
    if (sensor->mean == 0.0f) {
        sensor->mean = pulse;
    }
    float delta = pulse - sensor->mean;
    sensor->mean += SMOOTHING * delta;
    sensor->variance = (1.0f - SMOOTHING) * (sensor->variance + SMOOTHING * delta * delta);
    uint32_t mean = (uint32_t)(sensor->mean * 10.0f + 0.5f);
    uint32_t deviation = (uint32_t)(__builtin_sqrtf(sensor->variance) * 10.0f + 0.5f);

    FPGAIO->LED0 ^= LED_READING;
    NodeSay("[s%u] %u bpm, mean %u.%u +- %u.%u, %u.%u C%s\n", message->number, message->pulse, mean / 10u, mean % 10u,
        deviation / 10u, deviation % 10u, (uint32_t)message->centiCelsius / 100u,
        (uint32_t)message->centiCelsius / 10u % 10u, sensor->alarm ? " ALARM" : "");
}

static void UpdateAlarmLed(void)
{
    bool any = false;
    for (uint32_t i = 0; i < g_watch.sensorCount; ++i) {
        any = any || g_watch.sensors[i].alarm;
    }
    FPGAIO->LED0 = any ? FPGAIO->LED0 | LED_ALARM : FPGAIO->LED0 & ~LED_ALARM;
}

static void TakeOrder(const UdpAddress *from, const Message *message)
{
    NodeAck(from, message);
    Sensor *sensor = FindSensor(message->subject);
    /* A restarted hub counts from 1 again, so the hub's clock takes part in telling a repetition. */
    bool repeated = message->sequence == g_watch.orderSequence && message->time == g_watch.orderTime;
    if (repeated || sensor == NULL) {
        return;
    }
    g_watch.orderSequence = message->sequence;
    g_watch.orderTime = message->time;
    if (message->kind == KIND_ALARM) {
        sensor->alarm = true;
        NodeSay("ALARM sensor-%u %u bpm, type ok\n", message->subject, message->pulse);
    } else if (sensor->alarm) {
        sensor->alarm = false;
        NodeSay("sensor-%u calm again\n", message->subject);
    }
    UpdateAlarmLed();
}

/* The wearer has seen it: every open alarm is answered. */
static void AnswerAlarms(uint32_t now)
{
    for (uint32_t i = 0; i < g_watch.sensorCount; ++i) {
        Sensor *sensor = &g_watch.sensors[i];
        if (sensor->alarm) {
            sensor->alarm = false;
            CourierPost(&g_watch.toHub, &(Message){.kind = KIND_OK, .subject = sensor->number, .time = now});
            NodeSay("alarm of sensor-%u answered\n", sensor->number);
        }
    }
    UpdateAlarmLed();
}

static void HubAnswered(const UdpAddress *from, const Message *message)
{
    if (!CourierAck(&g_watch.toHub, message->sequence)) {
        return;
    }
    if (!g_watch.hubKnown) {
        NodeSay("hub found, its clock %u.%03u\n", message->time / 1000u, message->time % 1000u);
        g_watch.toHub.to = *from;
    } else if (g_watch.hubLost) {
        NodeSay("hub back\n");
    }
    g_watch.hubKnown = true;
    g_watch.hubLost = false;
}

static void HandleMessage(const UdpAddress *from, const Message *message)
{
    switch (message->kind) {
        case KIND_READING:
            ShowReading(message);
            break;
        case KIND_ALARM:
        case KIND_CALM:
            TakeOrder(from, message);
            break;
        case KIND_ACK:
            HubAnswered(from, message);
            break;
        default:
            break;
    }
}

static void HandleWearer(uint32_t now)
{
    /* FPGAIO buttons have no interrupt; the edge counts, not the level. */
    uint32_t buttons = FPGAIO->BUTTON;
    if ((buttons & ~g_watch.buttons & BUTTON_OK) != 0) {
        AnswerAlarms(now);
    }
    g_watch.buttons = buttons;

    const char *line = UartLine();
    if (line != NULL && line[0] == 'o' && line[1] == 'k' && line[2] == '\0') {
        AnswerAlarms(now);
    } else if (line != NULL) {
        NodeSay("\"%s\"? I know only ok\n", line);
    }
}

int main(void)
{
    NodeStart(ROLE_WATCH);
    CourierInit(&g_watch.toHub, &g_udpBroadcast);
    CourierPost(&g_watch.toHub, &(Message){.kind = KIND_HELLO, .time = TickNow()});

    uint32_t due = TickNow() + BEAT_MS;
    for (;;) {
        UdpAddress from;
        Message message;
        uint32_t now = TickNow();

        while (MessageReceive(&from, &message)) {
            HandleMessage(&from, &message);
        }
        HandleWearer(now);
        if (TickReached(now, due)) {
            due += BEAT_MS;
            if (g_watch.toHub.head == g_watch.toHub.tail) {
                CourierPost(&g_watch.toHub, &(Message){.kind = KIND_BEAT, .time = now});
            }
        }
        CourierPoll(&g_watch.toHub, now);
        if (CourierIsLost(&g_watch.toHub) && g_watch.hubKnown && !g_watch.hubLost) {
            g_watch.hubLost = true;
            NodeSay("hub lost\n");
        }
        NodeSleepUntil(now + POLL_MS);
    }
}
