/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an A-profile core, its GIC and its timers answer: one line for each step, to be compared with another machine's. */
#include <stdint.h>

#include "board.h"
#include "format.h"

#define GICD_CTLR (GIC_DISTRIBUTOR + 0x000u)
#define GICD_TYPER (GIC_DISTRIBUTOR + 0x004u)
#define GICD_IGROUPR (GIC_DISTRIBUTOR + 0x080u)
#define GICD_ISENABLER (GIC_DISTRIBUTOR + 0x100u)
#define GICD_ICENABLER (GIC_DISTRIBUTOR + 0x180u)
#define GICD_ISPENDR (GIC_DISTRIBUTOR + 0x200u)
#define GICD_ICPENDR (GIC_DISTRIBUTOR + 0x280u)
#define GICD_ISACTIVER (GIC_DISTRIBUTOR + 0x300u)
#define GICD_ICACTIVER (GIC_DISTRIBUTOR + 0x380u)
#define GICD_IPRIORITYR (GIC_DISTRIBUTOR + 0x400u)
#define GICD_ITARGETSR (GIC_DISTRIBUTOR + 0x800u)
#define GICD_ICFGR (GIC_DISTRIBUTOR + 0xc00u)
#define GICD_SGIR (GIC_DISTRIBUTOR + 0xf00u)
#define GICD_CPENDSGIR (GIC_DISTRIBUTOR + 0xf10u)
#define GICD_SPENDSGIR (GIC_DISTRIBUTOR + 0xf20u)
#define GICD_ID (GIC_DISTRIBUTOR + 0xfd0u)
#define GICC_CTLR (GIC_INTERFACE + 0x00u)
#define GICC_PMR (GIC_INTERFACE + 0x04u)
#define GICC_BPR (GIC_INTERFACE + 0x08u)
#define GICC_IAR (GIC_INTERFACE + 0x0cu)
#define GICC_EOIR (GIC_INTERFACE + 0x10u)
#define GICC_RPR (GIC_INTERFACE + 0x14u)
#define GICC_ABPR (GIC_INTERFACE + 0x1cu)
#define GICC_IIDR (GIC_INTERFACE + 0xfcu)
#define GICC_DIR (GIC_INTERFACE + 0x1000u)

#define SPURIOUS 1020u
#define ROUNDS 6u
#define STEPS 700u
#define DEPTH 32u
/* Software's: SGIs, and shared interrupts that no device of the board drives. */
#define FIRST_SPI 128u
#define SPIS 32u

#define READ(name)                                                                                                     \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        __asm volatile("mrs %0, " #name : "=r"(value_));                                                               \
        value_;                                                                                                        \
    })
#define WRITE(name, value) __asm volatile("msr " #name ", %0\n\tisb" ::"r"((uint64_t)(value)) : "memory")
#define SHOW(name) Print(#name " %08x%08x\n", (uint32_t)(READ(name) >> 32), (uint32_t)READ(name))

static uint32_t g_random;
static uint32_t g_stack[DEPTH];
static uint32_t g_depth;

static void Put(char c)
{
    Write32(UART, (uint32_t)c);
}

static void Print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    FormatV(Put, format, args);
    va_end(args);
}

static uint32_t Random(void)
{
    g_random ^= g_random << 13;
    g_random ^= g_random >> 17;
    g_random ^= g_random << 5;
    return g_random;
}

static void Write8(uint64_t address, uint32_t value)
{
    *(volatile uint8_t *)address = (uint8_t)value;
}

/* One of the interrupts that are software's to make pending. */
static uint32_t Some(void)
{
    uint32_t n = Random() % (16u + SPIS);
    return n < 16u ? n : FIRST_SPI + n - 16u;
}

/* Writes a bit of one of the distributor's sets of bits. */
static void Bit(uint32_t set, uint32_t interrupt)
{
    Write32(set + interrupt / 32u * 4u, 1u << interrupt % 32u);
}

static uint32_t IsHandled(uint32_t interrupt)
{
    for (uint32_t i = 0; i < g_depth; i++) {
        if (g_stack[i] == interrupt) {
            return 1;
        }
    }
    return 0;
}

/* The registers that tell what the core is. */
static void Identity(void)
{
    SHOW(midr_el1);
    SHOW(mpidr_el1);
    SHOW(revidr_el1);
    SHOW(ctr_el0);
    SHOW(dczid_el0);
    SHOW(clidr_el1);
    SHOW(id_aa64pfr0_el1);
    SHOW(id_aa64pfr1_el1);
    SHOW(id_aa64dfr1_el1);
    SHOW(id_aa64isar0_el1);
    SHOW(id_aa64isar1_el1);
    SHOW(id_aa64mmfr0_el1);
    SHOW(id_aa64mmfr1_el1);
    SHOW(id_pfr0_el1);
    SHOW(id_mmfr0_el1);
    SHOW(id_mmfr1_el1);
    SHOW(id_mmfr2_el1);
    SHOW(id_mmfr3_el1);
    SHOW(id_isar0_el1);
    SHOW(id_isar1_el1);
    SHOW(id_isar2_el1);
    SHOW(id_isar3_el1);
    SHOW(id_isar4_el1);
    SHOW(id_isar5_el1);
    SHOW(mvfr0_el1);
    SHOW(mvfr1_el1);
    SHOW(mvfr2_el1);
    SHOW(cntfrq_el0);
    SHOW(currentel);
    for (uint32_t cache = 0; cache < 3; cache++) {
        WRITE(csselr_el1, cache);
        SHOW(ccsidr_el1);
    }
    Print("gic %08x %08x", Read32(GICD_TYPER), Read32(GICC_IIDR));
    for (uint32_t n = 0; n < 12; n++) {
        Print(" %02x", Read32(GICD_ID + 4u * n));
    }
    Print("\n");
}

/* A step: what it did, what it was answered, and the lines to the core. */
static void Step(const char *what, uint32_t argument, uint32_t answer)
{
    __asm volatile("isb");
    Print("%s %x %x %x\n", what, argument, answer, (uint32_t)READ(isr_el1));
}

static void Distributor(uint32_t kind)
{
    uint32_t interrupt = Some(), value = Random() & 0xffu;
    switch (kind) {
    case 0:
        Write8(GICD_IPRIORITYR + interrupt, value);
        Step("priority", interrupt << 8 | value, Read32(GICD_IPRIORITYR + (interrupt & ~3u)));
        break;
    case 1:
        Bit(GICD_ISENABLER, interrupt);
        Step("enable", interrupt, Read32(GICD_ISENABLER + interrupt / 32u * 4u));
        break;
    case 2:
        Bit(GICD_ICENABLER, interrupt);
        Step("disable", interrupt, Read32(GICD_ICENABLER + interrupt / 32u * 4u));
        break;
    case 3:
        Bit(GICD_ISPENDR, interrupt);
        Step("pend", interrupt, Read32(GICD_ISPENDR + interrupt / 32u * 4u));
        break;
    case 4:
        Bit(GICD_ICPENDR, interrupt);
        Step("unpend", interrupt, Read32(GICD_ICPENDR + interrupt / 32u * 4u));
        break;
    case 5:
        Write32(GICD_SGIR, (value & 1u ? 2u << 24 : 1u << 16) | (interrupt & 15u));
        Step("sgi", interrupt & 15u, Read32(GICD_SPENDSGIR + (interrupt & 12u)));
        break;
    case 6:
        Write8((value & 1u ? GICD_SPENDSGIR : GICD_CPENDSGIR) + (interrupt & 15u), 1);
        Step("pendsgi", interrupt & 15u, Read32(GICD_CPENDSGIR + (interrupt & 12u)));
        break;
    case 7:
        if (!IsHandled(interrupt)) {
            Bit(value & 3u ? GICD_ICACTIVER : GICD_ISACTIVER, interrupt);
        }
        Step("active", interrupt, Read32(GICD_ISACTIVER + interrupt / 32u * 4u));
        break;
    case 8:
        interrupt |= FIRST_SPI;
        Bit(GICD_ICENABLER, interrupt);
        Bit(GICD_ICPENDR, interrupt);
        Write32(GICD_ICFGR + interrupt / 16u * 4u, value << 24 | value << 16 | value << 8 | value);
        Step("config", interrupt, Read32(GICD_ICFGR + interrupt / 16u * 4u) & 0xaaaaaaaau);
        break;
    default:
        Write8(GICD_ITARGETSR + FIRST_SPI + (interrupt & 31u), value);
        Step("target", interrupt, Read32(GICD_ITARGETSR + FIRST_SPI));
        break;
    }
}

static void Acknowledge(void)
{
    uint32_t answer = g_depth < DEPTH ? Read32(GICC_IAR) : SPURIOUS;
    if ((answer & 0x3ffu) < SPURIOUS) {
        g_stack[g_depth++] = answer;
    }
    Step("acknowledge", g_depth, answer);
    Step("running", g_depth, Read32(GICC_RPR) & 0xffu);
}

static void End(uint32_t split)
{
    if (g_depth == 0) {
        return;
    }
    uint32_t interrupt = g_stack[--g_depth];
    Write32(GICC_EOIR, interrupt);
    Step("end", interrupt, Read32(GICD_ISACTIVER + interrupt / 32u * 4u));
    if (split) {
        Write32(GICC_DIR, interrupt);
        Step("deactivate", interrupt, Read32(GICD_ISACTIVER + interrupt / 32u * 4u));
    }
}

/* Random work for the GIC, the core's interrupts masked. Settings that hold for what is under way change between rounds. */
static void Gic(uint32_t round)
{
    uint32_t groups = round & 1u, split = round >> 1 & 1u;
    Write32(GICD_CTLR, groups ? 3 : 1);
    Write32(GICC_BPR, round & 7u);
    /* The same for both groups: emulators differ where a group's interrupts are compared with the other's. */
    Write32(GICC_ABPR, (round & 7u) + 1u);
    Print("round %u: %x %x\n", round, Read32(GICC_BPR), Read32(GICC_ABPR));
    for (uint32_t n = 0; n < 9; n++) {
        Write32(GICD_IGROUPR + 4u * n, groups ? Random() : 0);
        Print("group %x\n", Read32(GICD_IGROUPR + 4u * n));
    }
    /* With groups, one register acknowledges both (AckCtl), and group 0 comes by FIQ at last. */
    Write32(GICC_CTLR, (groups ? 7u : 1u) | (round > 4u ? 8u : 0) | split << 9);
    Print("control %x\n", Read32(GICC_CTLR));
    for (uint32_t n = 0; n < STEPS; n++) {
        uint32_t kind = Random() % 24u;
        if (kind < 10) {
            Distributor(kind);
        } else if (kind == 10) {
            uint32_t mask = Random() & 0xffu;
            Write32(GICC_PMR, mask | 0x80u);
            Step("mask", mask, Read32(GICC_PMR));
        } else if (kind < 14) {
            Distributor(1 + (kind & 2u));
        } else if (kind < 18) {
            Distributor(3);
        } else if (kind < 21) {
            Acknowledge();
        } else {
            End(split);
        }
    }
    while (g_depth != 0) {
        End(split);
    }
    for (uint32_t n = 0; n < 9; n++) {
        Write32(GICD_ICENABLER + 4u * n, ~0u);
        Write32(GICD_ICPENDR + 4u * n, ~0u);
        Write32(GICD_ICACTIVER + 4u * n, ~0u);
    }
    for (uint32_t n = 0; n < 16; n++) {
        Write8(GICD_CPENDSGIR + n, 0xff);
    }
}

/* Interrupts that are taken, the more urgent ones within the less urgent. */
static void Nested(void)
{
    Write32(GICD_CTLR, 1);
    Write32(GICC_CTLR, 1);
    Write32(GICC_PMR, 0xff);
    Write32(GICC_BPR, 2);
    for (uint32_t n = 0; n < 9; n++) {
        Write32(GICD_IGROUPR + 4u * n, 0);
    }
    for (uint32_t n = 0; n < 16; n++) {
        Write8(GICD_IPRIORITYR + n, 0xf0u - 0x0cu * n);
    }
    for (uint32_t n = 0; n < 8; n++) {
        Write32(GICD_SGIR, 2u << 24 | (Random() & 15u));
    }
    Print("nested\n");
    InterruptsOn();
    InterruptsOff();
    Print("done\n");
}

void InterruptHandler(void)
{
    uint32_t answer = Read32(GICC_IAR);
    Print("taken %u at %x\n", answer, Read32(GICC_RPR));
    if (answer >= SPURIOUS) {
        return;
    }
    if (g_depth++ < 8u) {
        Write32(GICD_SGIR, 2u << 24 | (Random() & 15u));
        InterruptsOn();
        InterruptsOff();
    }
    g_depth--;
    Write32(GICC_EOIR, answer);
    Print("ended %u\n", answer);
}

/* Both timers of EL1: conditions, masks, and their private interrupts. */
static void Timers(void)
{
    static const uint32_t interrupts[] = {27, 30};
    Bit(GICD_ISENABLER, 27);
    Bit(GICD_ISENABLER, 30);
    Write8(GICD_IPRIORITYR + 27, 0x40);
    Write8(GICD_IPRIORITYR + 30, 0x40);
    for (uint32_t n = 0; n < 16; n++) {
        uint32_t virtual = n & 1u, control = n >> 1 & 3u, interrupt = interrupts[!virtual];
        uint64_t now = READ(cntpct_el0);
        int64_t ahead = n & 8u ? 200 : -5;
        uint32_t early, late, tval;
        if (virtual) {
            WRITE(cntv_cval_el0, READ(cntvct_el0) + (uint64_t)ahead);
            WRITE(cntv_ctl_el0, control);
            early = (uint32_t)READ(cntv_ctl_el0);
            while (READ(cntpct_el0) - now < 400) {
            }
            late = (uint32_t)READ(cntv_ctl_el0);
            tval = (uint32_t)READ(cntv_tval_el0) >> 31;
        } else {
            WRITE(cntp_tval_el0, ahead);
            WRITE(cntp_ctl_el0, control);
            early = (uint32_t)READ(cntp_ctl_el0);
            while (READ(cntpct_el0) - now < 400) {
            }
            late = (uint32_t)READ(cntp_ctl_el0);
            tval = (uint32_t)READ(cntp_tval_el0) >> 31;
        }
        Print("timer %u %x: %x %x %x, pending %x, ", interrupt, control, early, late, tval, Read32(GICD_ISPENDR));
        uint32_t answer = Read32(GICC_IAR);
        Print("answer %u, active %x\n", answer, Read32(GICD_ISACTIVER));
        /* A level stays pending while its condition holds, and goes with it. */
        if (virtual) {
            WRITE(cntv_ctl_el0, 0);
        } else {
            WRITE(cntp_ctl_el0, 0);
        }
        if (answer < SPURIOUS) {
            Write32(GICC_EOIR, answer);
        }
        Print("off %x %u\n", Read32(GICD_ISPENDR), Read32(GICC_IAR));
    }
    /* Asleep until the timer interrupts. */
    WRITE(cntv_tval_el0, 5000);
    WRITE(cntv_ctl_el0, 1);
    WaitForInterrupt();
    Print("awake %u\n", Read32(GICC_IAR));
    WRITE(cntv_ctl_el0, 0);
    Write32(GICC_EOIR, 27);
}

void FaultHandler(uint64_t syndrome, uint64_t where, uint64_t address)
{
    Print("fault %08x at %08x, %08x\n", (uint32_t)syndrome, (uint32_t)where, (uint32_t)address);
}

int main(void)
{
    InterruptsOff();
    __asm volatile("msr daifset, #1");
    Write32(UART + 0x30u, 0x301u); /* UARTCR: on */
    g_random = 0x2545f491;
    Identity();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        Gic(round);
    }
    Nested();
    Timers();
    Print("end\n");
    register uint64_t function __asm("x0") = 0x84000008;
    __asm volatile("hvc #0" : "+r"(function)::"x1", "x2", "x3", "memory");
    return 0;
}
