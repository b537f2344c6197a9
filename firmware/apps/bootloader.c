/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PineTime's bootloader: tries a new image out of the external flash, takes it back when it does not prove itself
 * before the next reset or when the button is held, and starts the watchdog before the application. A loss of power in
 * the middle of an exchange is not provided for. */
#include "board.h"
#include "nrf52.h"
#include "slot.h"

#define PAGE 0x1000u
#define NVMC 0x4001E000u
#define NVMC_READY 0x400u
#define NVMC_CONFIG 0x504u
#define NVMC_ERASEPAGE 0x508u
#define SCB_VTOR 0xE000ED08u

static uint8_t g_theirs[PAGE], g_ours[PAGE];

static void SlotRead(uint32_t address, uint8_t *data, uint32_t size)
{
    for (uint32_t at = 0; at < size; at += 128u) {
        FlashRead(address + at, data + at, size - at < 128u ? size - at : 128u);
    }
}

static uint32_t Check(uint32_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (uint32_t at = 0; at < size; ++at) {
        if (at % PAGE == 0) {
            SlotRead(SLOT_IMAGE + at, g_theirs, PAGE);
            WatchdogFeed();
        }
        crc ^= g_theirs[at % PAGE];
        for (int bit = 0; bit < 8; ++bit) {
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1u)));
        }
    }
    return ~crc;
}

static void Nvmc(uint32_t config)
{
    while (REG(NVMC, NVMC_READY) == 0) {
    }
    REG(NVMC, NVMC_CONFIG) = config;
}

/* The two images change places, page by page. */
static void Exchange(void)
{
    for (uint32_t at = 0; at < APP_SIZE; at += PAGE) {
        WatchdogFeed();
        SlotRead(SLOT_IMAGE + at, g_theirs, PAGE);
        FlashEraseSector(SLOT_IMAGE + at);
        for (uint32_t part = 0; part < PAGE; part += 128u) {
            for (uint32_t index = 0; index < 128u; ++index) {
                g_ours[part + index] = *(const uint8_t *)(APP_AT + at + part + index);
            }
            FlashProgram(SLOT_IMAGE + at + part, g_ours + part, 128u);
        }
        Nvmc(2);
        REG(NVMC, NVMC_ERASEPAGE) = APP_AT + at;
        Nvmc(1);
        for (uint32_t word = 0; word < PAGE; word += 4u) {
            REG(APP_AT, at + word) = *(const uint32_t *)(const void *)(g_theirs + word);
        }
        Nvmc(0);
    }
}

int main(void)
{
    /* It may still run, from before a reset. */
    WatchdogFeed();
    UartStart(PIN_UART_TX);
    BoardStart();
    Slot slot;
    SlotRead(SLOT_AT, (uint8_t *)&slot, sizeof(slot));
    if (slot.magic != SLOT_MAGIC || slot.size > APP_SIZE) {
        Print("bootloader: one image\n");
    } else if (slot.state == SLOT_NEW) {
        if (Check(slot.size) == slot.check) {
            Print("bootloader: a new image\n");
            Exchange();
            SlotState(SLOT_TRIED);
        } else {
            Print("bootloader: the new image is damaged\n");
        }
    } else if (slot.state != SLOT_KEPT) {
        Print("bootloader: not confirmed, back\n");
        Exchange();
        SlotState(SLOT_KEPT);
    } else if (PinGet(PIN_BUTTON)) {
        Print("bootloader: button, back\n");
        Exchange();
    }
    WatchdogStart();
    REG(SCB_VTOR, 0) = APP_AT;
    __asm volatile("msr msp, %0\n bx %1" ::"r"(REG(APP_AT, 0)), "r"(REG(APP_AT, 4)) : "memory");
    __builtin_unreachable();
}
