/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bit-band aliases of SRAM and peripherals (Cortex-M3 TRM DDI 0337, "Bit-banding"). */
#include "check.h"
#include "mps2.h"

static volatile uint32_t g_word;

static uint32_t SramAlias(uint32_t bit)
{
    return 0x22000000u + ((uint32_t)(uintptr_t)&g_word - 0x20000000u) * 32u + bit * 4u;
}

static uint32_t PeripheralAlias(uint32_t address, uint32_t bit)
{
    return 0x42000000u + (address - 0x40000000u) * 32u + bit * 4u;
}

int main(void)
{
    g_word = 0;
    REG32(SramAlias(0)) = 1;
    CheckEqual("sets bit 0", g_word, 1);
    REG32(SramAlias(31)) = 1;
    CheckEqual("sets bit 31", g_word, 0x80000001u);
    REG32(SramAlias(13)) = 0xFFFFFFFFu;
    CheckEqual("only bit 0 of the value counts: one", g_word, 0x80002001u);
    REG32(SramAlias(13)) = 0xFFFFFFFEu;
    CheckEqual("only bit 0 of the value counts: zero", g_word, 0x80000001u);
    REG32(SramAlias(0)) = 0;
    CheckEqual("clears its bit only", g_word, 0x80000000u);
    CheckEqual("reads one", REG32(SramAlias(31)), 1);
    CheckEqual("reads zero", REG32(SramAlias(30)), 0);
    REG8(SramAlias(9)) = 1;
    CheckEqual("byte access to the alias", g_word, 0x80000200u);
    REG16(SramAlias(20)) = 1;
    CheckEqual("halfword access to the alias", g_word, 0x80100200u);
    CheckEqual("byte read of the alias", REG8(SramAlias(9)), 1);
    CheckEqual("halfword read of the alias", REG16(SramAlias(20)), 1);

    uint32_t led = (uint32_t)(uintptr_t)&FPGAIO->LED0;
    FPGAIO->LED0 = 0;
    REG32(PeripheralAlias(led, 1)) = 1;
    CheckEqual("peripheral: sets", FPGAIO->LED0 & 3u, 2);
    REG32(PeripheralAlias(led, 0)) = 1;
    CheckEqual("peripheral: the other stays", FPGAIO->LED0 & 3u, 3);
    REG32(PeripheralAlias(led, 1)) = 0;
    CheckEqual("peripheral: clears", FPGAIO->LED0 & 3u, 1);
    CheckEqual("peripheral: reads", REG32(PeripheralAlias(led, 0)), 1);
    FPGAIO->LED0 = 0;
    CheckDone();
}
