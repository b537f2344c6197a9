/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the flash on QSPI who it is, writes and reads it on one and four lines, and looks after a night in
 * System OFF, which the level of pin 11 ends, what RAM and flash still hold. nRF52840. */
#include "say.h"

#define QSPI 0x40029000u
#define BUTTON 11u
#define PLACE 0x0007F0F0u /* a write from here crosses a page */
#define COUNT 512u

enum {
    QSPI_ACTIVATE = 0x000,
    QSPI_READSTART = 0x004,
    QSPI_WRITESTART = 0x008,
    QSPI_ERASESTART = 0x00C,
    QSPI_EVENTS_READY = 0x100,
    QSPI_ENABLE = 0x500,
    QSPI_READ = 0x504,
    QSPI_WRITE = 0x510,
    QSPI_ERASE = 0x51C,
    QSPI_PSEL = 0x524,
    QSPI_IFCONFIG0 = 0x544,
    QSPI_CINSTRCONF = 0x634,
    QSPI_CINSTRDAT0 = 0x638,
    RAM0_POWERSET = 0x904,
};

/* Section 0 of RAM block 1 keeps what it holds, section 1 does not. */
static volatile uint32_t *const g_kept = (volatile uint32_t *)0x20002000u;
static volatile uint32_t *const g_lost = (volatile uint32_t *)0x20003000u;
static uint32_t g_out[COUNT / 4];
static uint32_t g_in[COUNT / 4];

static void Ready(void)
{
    while (REG(QSPI, QSPI_EVENTS_READY) == 0) {
    }
    REG(QSPI, QSPI_EVENTS_READY) = 0;
}

static void Do(uint32_t task)
{
    REG(QSPI, task) = 1;
    Ready();
}

/* A custom instruction with `length` bytes, its opcode among them. */
static uint32_t Instruct(uint8_t opcode, uint32_t length, uint32_t data)
{
    REG(QSPI, QSPI_CINSTRDAT0) = data;
    REG(QSPI, QSPI_CINSTRCONF) = opcode | length << 8 | 1u << 13;
    Ready();
    return REG(QSPI, QSPI_CINSTRDAT0);
}

static void Settle(void)
{
    while ((Instruct(0x05, 2, 0) & 1) != 0) {
    }
}

static void Read(uint32_t lines)
{
    REG(QSPI, QSPI_IFCONFIG0) = lines;
    for (uint32_t word = 0; word < COUNT / 4; word++) {
        g_in[word] = 0;
    }
    REG(QSPI, QSPI_READ) = PLACE;
    REG(QSPI, QSPI_READ + 4) = (uintptr_t)g_in;
    REG(QSPI, QSPI_READ + 8) = COUNT;
    Do(QSPI_READSTART);
    uint32_t same = 0;
    for (uint32_t word = 0; word < COUNT / 4; word++) {
        same += g_in[word] == g_out[word];
    }
    Put("same ");
    PutHex(same);
    Put("\n");
}

static void Begin(void)
{
    static const uint8_t pins[] = {19, 17, 0, 20, 21, 22, 23}; /* SCK, CSN, a gap, IO0 to IO3 */
    for (uint32_t pin = 0; pin < sizeof pins; pin++) {
        if (pins[pin] != 0) {
            REG(QSPI, QSPI_PSEL + 4 * pin) = pins[pin];
        }
    }
    REG(QSPI, QSPI_ENABLE) = 1;
    Do(QSPI_ACTIVATE);
    for (uint32_t word = 0; word < COUNT / 4; word++) {
        g_out[word] = 0x9E3779B9u * (word + 1);
    }
}

int main(void)
{
    uint32_t reason = REG(POWER, RESETREAS);
    REG(POWER, RESETREAS) = reason;
    BeginToSay();
    Begin();
    if ((reason & 1u << 16) != 0) {
        Put(*g_kept == 0xC0FFEE ? "kept\n" : "not kept\n");
        Put(*g_lost == 0xC0FFEE ? "not lost\n" : "lost\n");
        Read(4);
        Put("done\n");
        for (;;) {
            __asm volatile("wfe" ::: "memory");
        }
    }
    Put("id ");
    PutHex(Instruct(0x9F, 4, 0));
    Put("\n");
    REG(QSPI, QSPI_ERASE) = PLACE & ~0xFFFu;
    REG(QSPI, QSPI_ERASE + 4) = 0;
    Do(QSPI_ERASESTART);
    Settle();
    REG(QSPI, QSPI_ERASE) = (PLACE & ~0xFFFu) + 0x1000u;
    Do(QSPI_ERASESTART);
    Settle();
    REG(QSPI, QSPI_WRITE) = PLACE;
    REG(QSPI, QSPI_WRITE + 4) = (uintptr_t)g_out;
    REG(QSPI, QSPI_WRITE + 8) = COUNT;
    Do(QSPI_WRITESTART);
    Settle();
    Read(0);
    Put("four lines without QE: ");
    Read(4);
    Instruct(0x06, 1, 0);
    Instruct(0x01, 2, 0x40);
    Settle();
    Put("with it: ");
    Read(4);
    *g_kept = 0xC0FFEE;
    *g_lost = 0xC0FFEE;
    REG(POWER, RAM0_POWERSET + 0x10) = 1u << 16;
    Put("off\n");
    REG(GPIO, GPIO_PIN_CNF + 4 * BUTTON) = 3u << 2 | 3u << 16; /* pull-up, sense low */
    REG(POWER, SYSTEMOFF) = 1;
    for (;;) {
        __asm volatile("wfe" ::: "memory");
    }
}
