/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSRESETREQ and the watchdog: registers, lock, NMI, reset (ARM DDI 0403, B3.2.6; DDI 0479, 4.4). Boots three
 * times.
 */
#include "check.h"
#include "mps2.h"

#define MAGIC 0x50EED001u
#define BOUND 4000000u

/* Lies in RAM that no loader writes and start-up does not clear; RAM keeps its contents over a reset. */
typedef struct {
    uint32_t magic;
    uint32_t boots;
    uint32_t passed;
    uint32_t failed;
} Carried;
#define CARRIED ((volatile Carried *)0x20300000u)

static volatile uint32_t g_nmis;
static volatile bool g_feed;

/* The MPS2 wires the watchdog's interrupt to NMI. */
void NmiHandler(void)
{
    ++g_nmis;
    if (g_feed) {
        WATCHDOG->INTCLR = 1;
    } else {
        for (;;) {
        }
    }
}

static void Carry(void)
{
    CARRIED->passed = CheckPassed();
    CARRIED->failed = CheckFailed();
    ++CARRIED->boots;
}

static void FirstBoot(void)
{
    SHPR(11) = 0x40;
    VTOR = 0x80;
    NVIC_ISER(0) = 1;
    Carry();
    CheckPrint("now SYSRESETREQ\n");
    AIRCR = AIRCR_SYSRESETREQ; /* without the key: nothing */
    Delay(100);
    AIRCR = AIRCR_VECTKEY | AIRCR_SYSRESETREQ;
    CpuBarrier();
    for (;;) {
    }
}

static void SecondBoot(void)
{
    CheckEqual("sysresetreq: shpr is reset", SHPR(11), 0);
    CheckEqual("sysresetreq: vtor is reset", VTOR, 0);
    CheckEqual("sysresetreq: enables are reset", NVIC_ISER(0), 0);
    CheckEqual("watchdog: off after reset", WATCHDOG->CONTROL, 0);
    CheckEqual("watchdog: load after reset", WATCHDOG->LOAD, 0xFFFFFFFFu);
    CheckEqual("watchdog: unlocked after reset", WATCHDOG_LOCK, 0);
    WATCHDOG_LOCK = 1;
    CheckEqual("watchdog: locked", WATCHDOG_LOCK, 1);
    WATCHDOG->LOAD = 1234;
    CheckEqual("watchdog: locked it does not write", WATCHDOG->LOAD, 0xFFFFFFFFu);
    WATCHDOG_LOCK = WATCHDOG_UNLOCK;
    WATCHDOG->LOAD = 20000;
    CheckEqual("watchdog: unlocked it does", WATCHDOG->LOAD, 20000);

    g_feed = true;
    WATCHDOG->CONTROL = WATCHDOG_INTEN;
    for (uint32_t i = 0; i < BOUND && g_nmis < 3u; ++i) {
    }
    CheckTrue("watchdog: its interrupt is the nmi", g_nmis >= 3);
    Carry();
    CheckPrint("now the watchdog\n");
    g_feed = false;
    WATCHDOG->CONTROL = WATCHDOG_INTEN | WATCHDOG_RESEN;
    Delay(BOUND);
    CheckTrue("watchdog: its reset comes", false);
}

int main(void)
{
    if (CARRIED->magic != MAGIC) {
        *CARRIED = (Carried){.magic = MAGIC};
    }
    CheckResume(CARRIED->passed, CARRIED->failed);
    if (CARRIED->boots == 0) {
        FirstBoot();
    }
    if (CARRIED->boots == 1) {
        SecondBoot();
    }
    CheckEqual("boots", CARRIED->boots, 2);
    CheckEqual("watchdog: it is off after its reset", WATCHDOG->CONTROL, 0);
    WATCHDOG->CONTROL = 0;
    CARRIED->magic = 0;
    CheckDone();
}
