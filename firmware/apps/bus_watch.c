/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The soft-bus watch: shows the phone's notifications until the wearer answers with "ok" on the UART or with
 * button 0. LED 1 is an open notification. */
#include "bus.h"
#include "mps2.h"
#include "tick.h"
#include "uart.h"

#include <stddef.h>

#define POLL_MS 20u
#define SERVER "notifications"
#define LED_OPEN (1u << 1)
#define BUTTON_OK (1u << 0)

static int32_t g_phone; /* the session; 0 is none */
static bool g_open;

static int32_t OnSessionOpened(int32_t sessionId, int32_t result, const char *name, const char *udid, bool byPeer)
{
    (void)byPeer;
    BusSay("session %s with %s: %s\n", name, udid, BusResult(result));
    g_phone = result == SOFTBUS_OK ? sessionId : g_phone;
    return 0;
}

static void OnSessionClosed(int32_t sessionId)
{
    BusSay("session closed\n");
    g_phone = g_phone == sessionId ? 0 : g_phone;
}

static void OnMessageReceived(int32_t sessionId, const void *data, uint32_t len)
{
    char text[96];
    (void)sessionId;
    TextCopy(text, sizeof text, data, len);
    g_open = true;
    FPGAIO->LED0 |= LED_OPEN;
    BusSay("%s, type ok\n", text);
}

static void OnMessageSent(int32_t sessionId, uint32_t number, int32_t result)
{
    (void)sessionId;
    (void)number;
    BusSay("the answer is %s\n", result == SOFTBUS_OK ? "there" : "lost");
}

static void Answer(void)
{
    if (!g_open) {
        return;
    }
    if (g_phone == 0 || SendMessage(&g_bus, g_phone, "ok", 2) < 0) {
        BusSay("no phone to answer\n");
        return;
    }
    g_open = false;
    FPGAIO->LED0 &= ~LED_OPEN;
}

int main(void)
{
    static const SoftBusCallback callback = {.OnSessionOpened = OnSessionOpened,
        .OnSessionClosed = OnSessionClosed,
        .OnMessageReceived = OnMessageReceived,
        .OnMessageSent = OnMessageSent};
    static const PublishInfo service = {
        .id = 1, .mode = DISCOVER_MODE_PASSIVE, .freq = EXCHANGE_LOW, .capability = CAPABILITY_DDMP};
    uint32_t buttons = 0;

    BusStart(&callback);
    (void)CreateSessionServer(&g_bus, PACKAGE, SERVER);
    (void)PublishLNN(&g_bus, &service);
    for (;;) {
        /* FPGAIO buttons have no interrupt; the edge counts, not the level. */
        uint32_t now = FPGAIO->BUTTON;
        if ((now & ~buttons & BUTTON_OK) != 0) {
            Answer();
        }
        buttons = now;
        const char *line = UartLine();
        if (line != NULL && TextIs(line, "ok")) {
            Answer();
        } else if (line != NULL) {
            BusSay("\"%s\"? I know only ok\n", line);
        }
        BusSleepUntil(TickNow() + POLL_MS);
    }
}
