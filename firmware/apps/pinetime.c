/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small watch for the PineTime: a face with time, steps, pulse and battery, a page with the pulse and one with
 * settings that the flash keeps. It goes dark after ten seconds; the button, a tap or a turn of the wrist light it.
 * Once a second it advertises, and tells who scans what it knows. Held for five seconds, the button stops the
 * feeding of the watchdog.
 */
#include "ble.h"
#include "board.h"
#include "body.h"
#include "mem.h"
#include "nrf52.h"
#include "screen.h"

#define DARK_AFTER (10u * TICKS_PER_SECOND)
#define HOLD (5u * TICKS_PER_SECOND)
#define BUZZ 1u

typedef enum { PAGE_FACE, PAGE_PULSE, PAGE_SETTINGS, PAGES } Page;

/* A record in the flash's last sector; the last good one counts. */
typedef struct {
    uint32_t magic;
    uint32_t boots;
    uint32_t theme;
    uint32_t check;
} Settings;
#define SETTINGS_AT 0x3FF000u
#define SETTINGS_MAX (4096u / sizeof(Settings))
#define SETTINGS_MAGIC 0x7E17E17Eu

/* The time outlives a reset that leaves the RAM. */
static struct {
    uint32_t magic;
    uint32_t ticks;
} g_clock __attribute__((section(".keep")));
#define CLOCK_MAGIC 0xC10C1234u
#define NOON (12u * 3600u * TICKS_PER_SECOND)

static const uint16_t g_themes[3] = { 0xFFFF, 0x07E0, 0xFD20 };
static const char *const g_themeNames[3] = { "white", "green", "orange" };

static Settings g_settings;
static uint32_t g_record;
static Motion g_motion;
static Heart g_heart;
static uint32_t g_battery;
static bool g_plugged;
static Page g_page;
static bool g_lit;
static uint32_t g_litAt, g_buzzUntil, g_held;
static uint32_t g_answers;
static uint32_t g_second;

static uint32_t Check(const Settings *settings)
{
    return settings->magic ^ (settings->boots * 31u) ^ (settings->theme * 17u);
}

static void SettingsLoad(void)
{
    g_settings = (Settings){ .magic = SETTINGS_MAGIC };
    for (g_record = 0; g_record < SETTINGS_MAX; ++g_record) {
        Settings record;
        FlashRead(SETTINGS_AT + g_record * sizeof(record), (uint8_t *)&record, sizeof(record));
        if (record.magic == 0xFFFFFFFFu) {
            break;
        }
        if (record.magic == SETTINGS_MAGIC && record.check == Check(&record)) {
            g_settings = record;
        }
    }
    g_settings.theme %= 3u;
}

static void SettingsSave(void)
{
    if (g_record >= SETTINGS_MAX) {
        FlashEraseSector(SETTINGS_AT);
        g_record = 0;
    }
    g_settings.check = Check(&g_settings);
    FlashProgram(SETTINGS_AT + g_record * sizeof(g_settings), (const uint8_t *)&g_settings, sizeof(g_settings));
    ++g_record;
}

static uint32_t Percent(uint32_t millivolts)
{
    if (millivolts <= 3500u) {
        return 0;
    }
    return millivolts >= 4150u ? 100u : (millivolts - 3500u) * 100u / 650u;
}

static void DrawPulse(uint32_t x, uint32_t y, uint32_t scale, uint16_t colour)
{
    if (g_heart.pulse != 0) {
        ScreenText(x, y, scale, colour, "%3u", g_heart.pulse);
    } else {
        ScreenText(x, y, scale, colour, " --");
    }
}

/* What changes while a page is shown. */
static void DrawValues(void)
{
    uint16_t colour = g_themes[g_settings.theme];
    uint32_t minutes = g_clock.ticks / TICKS_PER_SECOND / 60u;
    switch (g_page) {
    case PAGE_FACE:
        ScreenText(96, 8, 2, 0x041F, "%s", BleConnected() ? "bt" : "  ");
        ScreenText(120, 8, 2, 0xC618, "%s%3u%%", g_plugged ? "+" : " ", Percent(g_battery));
        ScreenText(0, 70, 8, colour, "%02u:%02u", minutes / 60u % 24u, minutes % 60u);
        ScreenText(108, 160, 3, 0x07FF, "%6u", g_motion.steps);
        DrawPulse(162, 200, 3, 0xF800);
        break;
    case PAGE_PULSE:
        DrawPulse(48, 90, 8, 0xF800);
        break;
    default:
        ScreenText(12, 80, 3, colour, "%6s", "");
        ScreenText(12, 80, 3, colour, "%s", g_themeNames[g_settings.theme]);
        break;
    }
}

static void DrawPage(void)
{
    ScreenFill(0, 0, SCREEN_SIZE, SCREEN_SIZE, 0);
    switch (g_page) {
    case PAGE_FACE:
        ScreenText(8, 8, 2, 0x8410, "consort");
        ScreenText(8, 160, 3, 0x8410, "steps");
        ScreenText(8, 200, 3, 0x8410, "pulse");
        break;
    case PAGE_PULSE:
        ScreenText(8, 8, 3, 0x8410, "pulse");
        break;
    default:
        ScreenText(8, 8, 3, 0x8410, "settings");
        ScreenText(12, 50, 2, 0x8410, "colour");
        ScreenText(12, 130, 2, 0x8410, "starts %3u", g_settings.boots);
        ScreenText(12, 200, 2, 0x8410, "tap to change");
        break;
    }
    DrawValues();
}

static void Light(bool on, const char *why)
{
    g_litAt = g_clock.ticks;
    if (on == g_lit) {
        return;
    }
    g_lit = on;
    Print("screen %s: %s\n", on ? "on" : "off", why);
    if (on) {
        DrawPage();
    }
    ScreenSleep(!on);
    HeartLight(on);
    if (!on) {
        g_heart = (Heart){ 0 };
        g_page = PAGE_FACE;
    }
}

static void Show(Page page)
{
    g_page = page;
    g_litAt = g_clock.ticks;
    Print("page %u\n", page);
    DrawPage();
}

static void Tapped(void)
{
    if (!g_lit) {
        Light(true, "tap");
        return;
    }
    g_litAt = g_clock.ticks;
    Print("tap\n");
    if (g_page == PAGE_SETTINGS) {
        g_settings.theme = (g_settings.theme + 1u) % 3u;
        SettingsSave();
        Print("colour %s\n", g_themeNames[g_settings.theme]);
        PinSet(PIN_MOTOR, false);
        g_buzzUntil = g_clock.ticks + BUZZ;
        DrawValues();
    }
}

static void Touched(void)
{
    static bool s_used;
    Touch touch;
    if (!TouchRead(&touch)) {
        return;
    }
    if (!s_used && touch.gesture != 0) {
        s_used = true;
        if (touch.gesture == TAP || touch.gesture == TAP_TWICE) {
            Tapped();
        } else if (g_lit && touch.gesture == SWIPE_LEFT) {
            Show((Page)((g_page + 1u) % PAGES));
        } else if (g_lit && touch.gesture == SWIPE_RIGHT) {
            Show((Page)((g_page + PAGES - 1u) % PAGES));
        } else {
            Light(true, "touch");
        }
    }
    if (!touch.down) {
        s_used = false;
    }
}

static void Button(void)
{
    bool pressed = PinGet(PIN_BUTTON);
    g_held = pressed ? g_clock.ticks : 0;
    if (!pressed) {
        return;
    }
    if (!g_lit) {
        Light(true, "button");
    } else if (g_page != PAGE_FACE) {
        Show(PAGE_FACE);
    } else {
        Light(false, "button");
    }
}

static uint32_t Append(uint8_t *data, uint32_t at, uint8_t type, const void *value, uint32_t size)
{
    data[at] = (uint8_t)(size + 1u);
    data[at + 1u] = type;
    memcpy(data + at + 2u, value, size);
    return at + 2u + size;
}

static void Advertise(void)
{
    uint8_t data[BLE_DATA_MAX], response[BLE_DATA_MAX];
    static const uint8_t flags[1] = { 0x06 };
    static const char name[7] = "Consort";
    uint8_t values[6] = { 0xFF, 0xFF, (uint8_t)g_heart.pulse, (uint8_t)g_motion.steps, (uint8_t)(g_motion.steps >> 8),
                          (uint8_t)Percent(g_battery) };
    uint32_t size = Append(data, 0, 0x01, flags, sizeof(flags));
    size = Append(data, size, 0x09, name, sizeof(name));
    uint32_t responseSize = Append(response, 0, 0xFF, values, sizeof(values));
    if (BleAdvertise(data, size, response, responseSize)) {
        ++g_answers;
    }
}

/* Ticks that passed while the watch was drawing count, too. */
static void Tick(void)
{
    static uint32_t s_counter;
    uint32_t counter = REG(RTC1, RTC_COUNTER), passed = (counter - s_counter) & 0xFFFFFFu;
    s_counter = counter;
    g_clock.ticks += passed;
    int16_t axes[3];
    if (MotionRead(axes) && MotionSample(&g_motion, axes)) {
        Light(true, "wrist");
    }
    if (g_lit) {
        HeartSample(&g_heart, HeartRead(), passed);
    }
    if (g_buzzUntil != 0 && g_clock.ticks > g_buzzUntil) {
        PinSet(PIN_MOTOR, true);
        g_buzzUntil = 0;
    }
    if (g_held == 0 || g_clock.ticks - g_held < HOLD) {
        WatchdogFeed();
    }
    uint32_t second = g_clock.ticks / TICKS_PER_SECOND;
    if (second != g_second) {
        bool everyTen = second / 10u != g_second / 10u;
        g_second = second;
        bool plugged = !PinGet(PIN_POWER);
        if (plugged != g_plugged) {
            g_plugged = plugged;
            Light(true, plugged ? "power" : "no power");
        }
        if (everyTen) {
            g_battery = BatteryMillivolts();
        }
        if (g_lit) {
            DrawValues();
        }
        if (!BleConnected()) {
            Advertise();
            if (BleConnected()) {
                Print("connected\n");
            }
        }
        if (everyTen) {
            Print("steps %u pulse %u battery %u mV, %u scans\n", g_motion.steps, g_heart.pulse, g_battery, g_answers);
        }
    }
    if (g_lit && g_clock.ticks - g_litAt > DARK_AFTER) {
        Light(false, "nobody looks");
    }
}

int main(void)
{
    UartStart(PIN_UART_TX);
    const char *why = ResetReason();
    WatchdogStart();
    TicksStart();
    BoardStart();
    if (g_clock.magic != CLOCK_MAGIC) {
        g_clock.magic = CLOCK_MAGIC;
        g_clock.ticks = NOON;
    }
    g_second = g_clock.ticks / TICKS_PER_SECOND;
    SettingsLoad();
    ++g_settings.boots;
    SettingsSave();
    g_battery = BatteryMillivolts();
    g_plugged = !PinGet(PIN_POWER);
    Print("start %u (%s), colour %s, battery %u mV\n", g_settings.boots, why, g_themeNames[g_settings.theme],
          g_battery);
    BleStart();
    ScreenStart();
    ScreenSleep(true);
    g_motion.facing = true;
    Light(true, "start");
    for (;;) {
        if (Take(GPIOTE, EVENT_BUTTON)) {
            Button();
        } else if (Take(GPIOTE, EVENT_TOUCH)) {
            Touched();
        } else if (BleConnected() && Take(TIMER0, BLE_SERVE_EVENT)) {
            BleValues values = { (uint8_t)Percent(g_battery), (uint8_t)g_heart.pulse, g_motion.steps };
            BleServe(&values);
            if (!BleConnected()) {
                Print("disconnected\n");
            }
        } else if (Take(RTC1, RTC_TICK)) {
            Tick();
        } else {
            Sleep();
        }
    }
}
