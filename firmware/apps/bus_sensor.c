/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The soft-bus sensor: it is found, lets itself be asked for a session, and sends a reading each second. */
#include "bus.h"
#include "mps2.h"
#include "tick.h"
#include "wearer.h"

#define PERIOD_MS 1000u
#define SESSIONS_MAX 4u
#define SERVER "readings"

static int32_t g_sessions[SESSIONS_MAX]; /* open ones; 0 is none */

static int32_t OnSessionOpened(int32_t sessionId, int32_t result, const char *name, const char *udid, bool byPeer)
{
    (void)byPeer;
    BusSay("session %s with %s: %s\n", name, udid, BusResult(result));
    for (uint32_t i = 0; result == SOFTBUS_OK && i < SESSIONS_MAX; ++i) {
        if (g_sessions[i] == 0) {
            g_sessions[i] = sessionId;
            return 0;
        }
    }
    return -1; /* no place for it */
}

static void OnSessionClosed(int32_t sessionId)
{
    BusSay("session closed\n");
    for (uint32_t i = 0; i < SESSIONS_MAX; ++i) {
        g_sessions[i] = g_sessions[i] == sessionId ? 0 : g_sessions[i];
    }
}

/* Decimal digits at `to`; the place behind them. */
static char *PutNumber(char *to, uint32_t number, uint32_t digits)
{
    uint32_t power = 1;
    for (uint32_t n = 1; n < digits || number / power >= 10u; ++n) {
        power *= 10u;
    }
    for (; power != 0; power /= 10u) {
        *to++ = (char)('0' + number / power % 10u);
    }
    return to;
}

/* "72 bpm 36.40 C": its length. */
static uint32_t PutReading(char *text, Wearer *wearer)
{
    char *to = PutNumber(text, WearerPulse(wearer), 1);
    TextCopy(to, 6, " bpm ", 5);
    to = PutNumber(to + 5, (uint32_t)wearer->centiCelsius / 100u, 1);
    *to++ = '.';
    to = PutNumber(to, (uint32_t)wearer->centiCelsius % 100u, 2);
    TextCopy(to, 3, " C", 2);
    return (uint32_t)(to + 2 - text);
}

int main(void)
{
    static const SoftBusCallback callback = {.OnSessionOpened = OnSessionOpened, .OnSessionClosed = OnSessionClosed};
    static const PublishInfo service = {
        .id = 1, .mode = DISCOVER_MODE_PASSIVE, .freq = EXCHANGE_LOW, .capability = CAPABILITY_DDMP};
    char udid[65];
    Wearer wearer;
    uint32_t second = 0;

    BusStart(&callback);
    int32_t length = GetLocalUdid(&g_bus, udid, sizeof udid);
    uint32_t number = length > 0 ? (uint32_t)(udid[length - 1] - '0') % 10u : 0;
    WearerInit(&wearer, (uint16_t)number);
    (void)CreateSessionServer(&g_bus, PACKAGE, SERVER);
    (void)PublishLNN(&g_bus, &service);

    /* Neighbours measure at different moments of the second. */
    uint32_t due = TickNow() + 100u + number * 37u;
    for (;;) {
        if (TickReached(TickNow(), due)) {
            char text[32];
            due += PERIOD_MS;
            WearerStep(&wearer, second++);
            FPGAIO->LED0 ^= 1u;
            uint32_t size = PutReading(text, &wearer);
            for (uint32_t i = 0; i < SESSIONS_MAX; ++i) {
                if (g_sessions[i] != 0) {
                    (void)SendBytes(&g_bus, g_sessions[i], text, size);
                }
            }
        }
        BusSleepUntil(due);
    }
}
