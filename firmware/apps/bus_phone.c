/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The soft-bus phone: finds the devices it trusts, joins them, opens a session with each, and sends the watch a
 * notification when a pulse passes the limit. What is lost it seeks again. LED 0: someone is here.
 */
#include "bus.h"
#include "mps2.h"
#include "tick.h"

#include <stddef.h>

#define DEVICES_MAX 16u
#define SEEK_MS 5000u
#define REPORT_MS 5000u
#define PULSE_LIMIT 120u
#define PULSE_CALM 110u /* below the limit, so that a pulse on the edge does not chatter */
#define LED_DEVICES (1u << 0)

typedef struct {
    char udid[65];
    bool isWatch;
    bool online;
    bool refused; /* not trusted: not asked again */
    bool alarm;
    int32_t session; /* 0: none */
    bool isOpen;
    uint32_t readings;
    uint32_t pulse;
} Device;

static Device g_devices[DEVICES_MAX];
static uint32_t g_deviceCount;

static const char *ServerOf(const Device *device)
{
    return device->isWatch ? "notifications" : "readings";
}

static Device *FindDevice(const char *udid)
{
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        if (TextIs(g_devices[i].udid, udid)) {
            return &g_devices[i];
        }
    }
    return NULL;
}

static Device *FindSession(int32_t session)
{
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        if (g_devices[i].session == session) {
            return &g_devices[i];
        }
    }
    return NULL;
}

static void Open(Device *device)
{
    int32_t session = OpenSession(&g_bus, ServerOf(device), ServerOf(device), device->udid);
    device->session = session > 0 ? session : 0;
    device->isOpen = false;
}

static void OnDeviceFound(const NodeInfo *found)
{
    Device *device = FindDevice(found->udid);
    if (device == NULL && g_deviceCount < DEVICES_MAX) {
        device = &g_devices[g_deviceCount++];
        TextCopy(device->udid, sizeof device->udid, found->udid, TextLength(found->udid));
        device->isWatch = found->type == TYPE_WATCH;
        BusSay("found %s \"%s\" at %s, type %x\n", found->udid, found->name, found->ip, found->type);
    }
    if (device != NULL && !device->online && !device->refused) {
        device->refused = JoinLNN(&g_bus, device->udid) == SOFTBUS_PERMISSION_DENIED;
    }
}

static void OnJoinResult(const char *udid, int32_t result)
{
    if (result != SOFTBUS_OK) {
        BusSay("join %s: %s\n", udid, BusResult(result));
    }
}

static void OnNodeOnline(const NodeInfo *node)
{
    Device *device = FindDevice(node->udid);
    BusSay("%s online\n", node->udid);
    if (device != NULL) {
        device->online = true;
        Open(device);
    }
}

static void OnNodeOffline(const char *udid)
{
    Device *device = FindDevice(udid);
    BusSay("%s offline\n", udid);
    if (device != NULL) {
        device->online = false;
    }
}

static int32_t OnSessionOpened(int32_t sessionId, int32_t result, const char *name, const char *udid, bool byPeer)
{
    Device *device = FindSession(sessionId);
    (void)byPeer;
    BusSay("session %s with %s: %s\n", name, udid, BusResult(result));
    if (device != NULL) {
        device->isOpen = result == SOFTBUS_OK;
        device->session = device->isOpen ? sessionId : 0;
    }
    return 0;
}

static void OnSessionClosed(int32_t sessionId)
{
    Device *device = FindSession(sessionId);
    if (device != NULL) {
        BusSay("session with %s closed\n", device->udid);
        device->session = 0;
        device->isOpen = false;
    }
}

static void Notify(const char *what, const Device *about)
{
    char text[96];
    uint32_t length = TextLength(what);
    TextCopy(text, sizeof text, what, length);
    TextCopy(text + length, sizeof text - length, about->udid, TextLength(about->udid));
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        Device *watch = &g_devices[i];
        if (watch->isWatch && watch->isOpen) {
            (void)SendMessage(&g_bus, watch->session, text, TextLength(text));
        }
    }
}

static void OnBytesReceived(int32_t sessionId, const void *data, uint32_t len)
{
    Device *device = FindSession(sessionId);
    const char *digits = data;
    uint32_t pulse = 0;
    if (device == NULL) {
        return;
    }
    for (uint32_t i = 0; i < len && i < 4u && digits[i] >= '0' && digits[i] <= '9'; ++i) {
        pulse = pulse * 10u + (uint32_t)(digits[i] - '0');
    }
    ++device->readings;
    device->pulse = pulse;
    if (!device->alarm && pulse > PULSE_LIMIT) {
        device->alarm = true;
        BusSay("ALARM %s %u bpm\n", device->udid, pulse);
        Notify("ALARM of ", device);
    } else if (device->alarm && pulse < PULSE_CALM) {
        device->alarm = false;
        BusSay("%s calm, %u bpm\n", device->udid, pulse);
        Notify("calm again: ", device);
    }
}

static void OnMessageReceived(int32_t sessionId, const void *data, uint32_t len)
{
    char text[96];
    const Device *device = FindSession(sessionId);
    TextCopy(text, sizeof text, data, len);
    if (device != NULL) {
        BusSay("%s answers: %s\n", device->udid, text);
    }
}

static void OnMessageSent(int32_t sessionId, uint32_t number, int32_t result)
{
    const Device *device = FindSession(sessionId);
    BusSay("notification %u to %s: %s\n", number, device == NULL ? "?" : device->udid, BusResult(result));
}

/* Opens what is missing and seeks who is; whether all known devices are here. */
static bool Mend(void)
{
    bool all = g_deviceCount != 0;
    uint32_t leds = 0;
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        Device *device = &g_devices[i];
        all = all && device->online;
        leds |= device->online ? LED_DEVICES : 0;
        if (device->online && device->session == 0) {
            Open(device);
        }
    }
    FPGAIO->LED0 = leds;
    return all;
}

static void Seek(void)
{
    static const SubscribeInfo devices = {
        .id = 1, .mode = DISCOVER_MODE_ACTIVE, .freq = EXCHANGE_LOW, .capability = CAPABILITY_DDMP};
    (void)RefreshLNN(&g_bus, &devices);
    /* A device that was found before is not told again. */
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        if (!g_devices[i].online && !g_devices[i].refused) {
            (void)JoinLNN(&g_bus, g_devices[i].udid);
        }
    }
}

static void Report(void)
{
    uint32_t here = 0;
    uint32_t readings = 0;
    for (uint32_t i = 0; i < g_deviceCount; ++i) {
        here += g_devices[i].online ? 1u : 0;
        readings += g_devices[i].readings;
    }
    BusSay("%u of %u here, %u readings\n", here, g_deviceCount, readings);
}

int main(void)
{
    static const SoftBusCallback callback = {.OnDeviceFound = OnDeviceFound,
        .OnJoinResult = OnJoinResult,
        .OnNodeOnline = OnNodeOnline,
        .OnNodeOffline = OnNodeOffline,
        .OnSessionOpened = OnSessionOpened,
        .OnSessionClosed = OnSessionClosed,
        .OnBytesReceived = OnBytesReceived,
        .OnMessageReceived = OnMessageReceived,
        .OnMessageSent = OnMessageSent};

    BusStart(&callback);
    (void)CreateSessionServer(&g_bus, PACKAGE, "readings");
    (void)CreateSessionServer(&g_bus, PACKAGE, "notifications");
    Seek();
    uint32_t seek = TickNow() + SEEK_MS;
    uint32_t report = TickNow() + REPORT_MS;
    for (;;) {
        BusSleepUntil(TickReached(seek, report) ? report : seek);
        bool all = Mend();
        if (TickReached(TickNow(), seek)) {
            seek += SEEK_MS;
            if (!all) {
                Seek();
            }
        }
        if (TickReached(TickNow(), report)) {
            report += REPORT_MS;
            Report();
        }
    }
}
