/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVIC: enable, pending, active, priorities, grouping, preemption, tail-chaining order, masks (ARM DDI 0403, B1.5,
 * B3.4).
 */
#include "check.h"
#include "mps2.h"

/* Interrupts of blocks that stay quiet in this image, so that only software pends them. */
enum { A = IRQ_GPIO0, B = IRQ_GPIO1, C = IRQ_TIMER0, D = IRQ_TIMER1 };

static volatile uint32_t g_active, g_icsr;
static void (*volatile g_inA)(void);
static void (*volatile g_inB)(void);

void Gpio0Handler(void)
{
    Trace('A');
    g_active = NVIC_IABR(0);
    g_icsr = ICSR;
    if (g_inA) {
        g_inA();
    }
    Trace('a');
}

void Gpio1Handler(void)
{
    Trace('B');
    if (g_inB) {
        g_inB();
    }
    Trace('b');
}

void Timer0Handler(void)
{
    Trace('C');
    g_icsr = ICSR;
    Trace('c');
}

void Timer1Handler(void)
{
    Trace('D');
    Trace('d');
}

void PendSvHandler(void)
{
    Trace('P');
}

void NmiHandler(void)
{
    Trace('N');
}

static void Quiet(void)
{
    g_inA = 0;
    g_inB = 0;
    NVIC_ICER(0) = 0xFFFFFFFFu;
    NVIC_ICPR(0) = 0xFFFFFFFFu;
    AIRCR = AIRCR_VECTKEY;
    CpuBarrier();
    TraceClear();
}

static void Priorities(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    NVIC_IPR(A) = a;
    NVIC_IPR(B) = b;
    NVIC_IPR(C) = c;
    NVIC_IPR(D) = d;
    NVIC_ISER(0) = 1u << A | 1u << B | 1u << C | 1u << D;
    CpuBarrier();
}

static void PendC(void)
{
    NvicPend(C);
    CpuBarrier();
}

static void PendB(void)
{
    NvicPend(B);
    CpuBarrier();
}

static void PendBAndD(void)
{
    NVIC_ISPR(0) = 1u << B | 1u << D;
    CpuBarrier();
}

static void PendSelf(void)
{
    if (g_inA != 0) {
        g_inA = 0;
        NvicPend(A);
        CpuBarrier();
        g_icsr = ICSR;
        g_active = NVIC_ISPR(0);
    }
}

static void RaiseOwnPriority(void)
{
    /* Running at 0x80 with C pending at 0x40 masked by BASEPRI; opening BASEPRI lets it in at once. */
    CPU_WRITE_SPECIAL(basepri, 0x20);
    NvicPend(C);
    CpuBarrier();
    Trace('.');
    CPU_WRITE_SPECIAL(basepri, 0);
}

static void TestRegisters(void)
{
    Quiet();
    CheckEqual("ictr says one bank of 32", ICTR & 0xFu, 0);
    NVIC_ISER(0) = 1u << A | 1u << B;
    CheckEqual("iser reads what is enabled", NVIC_ISER(0), 1u << A | 1u << B);
    NVIC_ISER(0) = 0;
    CheckEqual("iser ignores zeros", NVIC_ICER(0), 1u << A | 1u << B);
    NVIC_ICER(0) = 1u << A;
    CheckEqual("icer clears one", NVIC_ISER(0), 1u << B);
    NVIC_ICER(0) = 0xFFFFFFFFu;
    NVIC_ISPR(0) = 1u << C;
    CheckEqual("ispr reads pending while disabled", NVIC_ISPR(0), 1u << C);
    CheckEqual("icpr reads the same", NVIC_ICPR(0), 1u << C);
    CheckEqual("vectpending needs enable", ICSR_VECTPENDING(ICSR), 0);
    NVIC_ICPR(0) = 1u << C;
    CheckEqual("icpr clears", NVIC_ISPR(0), 0);

    NVIC_IPR(A) = 0xFF;
    uint32_t implemented = NVIC_IPR(A);
    /* 3 to 8 bits, from the top (B1.5.4); the MPS2 images have 3, QEMU 7.2 implements 8. */
    uint32_t missing = ~implemented & 0xFFu;
    CheckEqual("priority bits are the top ones", missing & (missing + 1u), 0);
    CheckTrue("at least 3 priority bits", (implemented & 0xE0u) == 0xE0u);
    NVIC_IPR(A) = 0x20;
    NVIC_IPR(A + 1) = 0x40;
    CheckEqual("ipr word access", REG32(0xE000E400u + 4u) >> 16 & 0xFFFFu, 0x4020u);
    REG16(0xE000E400u + A) = 0x6080;
    CheckEqual("ipr halfword access", NVIC_IPR(A + 1), 0x60);
    CheckEqual("registers beyond the last interrupt read as zero", NVIC_ISER(1), 0);

    AIRCR = AIRCR_PRIGROUP(3); /* without the key */
    CheckEqual("aircr needs its key", AIRCR & 0x700u, 0);
    AIRCR = AIRCR_VECTKEY | AIRCR_PRIGROUP(3);
    CheckEqual("aircr reads VECTKEYSTAT", AIRCR, 0xFA050300u);
    AIRCR = AIRCR_VECTKEY;
}

static void TestTaking(void)
{
    Quiet();
    Priorities(0x40, 0x40, 0x40, 0x40);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("a pended interrupt runs", "Aa");
    CheckEqual("it is active inside", g_active, 1u << A);
    CheckEqual("vectactive inside", ICSR_VECTACTIVE(g_icsr), 16u + A);
    CheckTrue("rettobase inside", (g_icsr & ICSR_RETTOBASE) != 0);
    CheckEqual("not active after", NVIC_IABR(0), 0);
    CheckEqual("not pending after", NVIC_ISPR(0), 0);

    STIR = B;
    CpuBarrier();
    CheckTrace("stir pends", "Bb");

    NvicDisable(A);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("disabled stays pending", "");
    NvicEnable(A);
    CpuBarrier();
    CheckTrace("enabling a pending one runs it", "Aa");

    g_inA = PendSelf;
    NvicPend(A);
    CpuBarrier();
    CheckTrace("pended while active runs again after", "AaAa");
}

static void TestOrder(void)
{
    Quiet();
    Priorities(0x80, 0x40, 0x80, 0x20);
    CpuIrqDisable();
    NVIC_ISPR(0) = 1u << A | 1u << B | 1u << C | 1u << D;
    CheckEqual("vectpending names the best", ICSR_VECTPENDING(ICSR), 16u + D);
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("tail-chained by priority, then number", "DdBbAaCc");

    g_inA = PendC;
    Priorities(0x80, 0x40, 0x40, 0x20);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("a better priority preempts", "ACca");
    CheckTrue("rettobase is clear when nested", (g_icsr & ICSR_RETTOBASE) == 0);

    Priorities(0x80, 0x40, 0x80, 0x20);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("an equal priority waits", "AaCc");

    Priorities(0x80, 0xC0, 0x40, 0x60);
    g_inA = PendBAndD;
    NvicPend(A);
    CpuBarrier();
    CheckTrace("of two new ones the better nests, the worse chains", "ADdaBb");

    g_inA = PendB;
    g_inB = PendC;
    Priorities(0xC0, 0x80, 0x40, 0);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("three levels nest", "ABCcba");
    Quiet();
}

static void TestGrouping(void)
{
    Quiet();
    /* PRIGROUP 6: only bit 7 preempts, bits 6:0 order what is pending (B3.2.6 and table B1-6). */
    AIRCR = AIRCR_VECTKEY | AIRCR_PRIGROUP(6);
    Priorities(0x60, 0x80, 0x20, 0x40);
    g_inA = PendC;
    NvicPend(A);
    CpuBarrier();
    CheckTrace("same group does not preempt", "AaCc");
    g_inA = 0;
    CpuIrqDisable();
    NVIC_ISPR(0) = 1u << A | 1u << C | 1u << D;
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("subpriority orders pending ones", "CcDdAa");
    g_inB = PendC;
    NvicPend(B);
    CpuBarrier();
    CheckTrace("another group preempts", "BCcb");

    /* PRIGROUP 7: nothing preempts. */
    AIRCR = AIRCR_VECTKEY | AIRCR_PRIGROUP(7);
    NvicPend(B);
    CpuBarrier();
    CheckTrace("prigroup 7: no preemption", "BbCc");
    /* BASEPRI is compared by its group priority too. */
    AIRCR = AIRCR_VECTKEY | AIRCR_PRIGROUP(6);
    g_inB = 0;
    CPU_WRITE_SPECIAL(basepri, 0xE0);
    NvicPend(B);
    CpuBarrier();
    CheckTrace("basepri masks its whole group", "");
    CPU_WRITE_SPECIAL(basepri, 0);
    CheckTrace("and lets go", "Bb");
    Quiet();
}

static void TestMasks(void)
{
    Quiet();
    Priorities(0x80, 0x40, 0x40, 0x20);
    CpuIrqDisable();
    NvicPend(A);
    CpuBarrier();
    CheckTrace("primask holds", "");
    CheckTrue("pending under primask", NvicIsPending(A));
    ICSR = ICSR_NMIPENDSET;
    CpuBarrier();
    CheckTrace("nmi ignores primask", "N");
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("and lets go", "Aa");

    /* The mask ends with CPSIE itself: the pending one runs before the instruction after next (B1.4.3). */
    CpuIrqDisable();
    NvicPend(A);
    CpuBarrier();
    __asm volatile("cpsie i\n\tisb\n\tcpsid i" ::: "memory");
    CheckTrace("a one-instruction window is enough", "Aa");
    CpuIrqEnable();

    CPU_WRITE_SPECIAL(basepri, 0x40);
    NVIC_ISPR(0) = 1u << A | 1u << B | 1u << D;
    CpuBarrier();
    CheckTrace("basepri lets only better ones through", "Dd");
    CPU_WRITE_SPECIAL(basepri, 0x80);
    CheckTrace("raising basepri lets the next through", "Bb");
    CPU_WRITE_SPECIAL(basepri, 0);
    CheckTrace("zero lets all through", "Aa");

    CPU_WRITE_SPECIAL(basepri, 0x40);
    CPU_WRITE_SPECIAL(basepri_max, 0x80);
    CheckEqual("basepri_max does not weaken", CPU_READ_SPECIAL(basepri), 0x40);
    CPU_WRITE_SPECIAL(basepri_max, 0x20);
    CheckEqual("basepri_max strengthens", CPU_READ_SPECIAL(basepri), 0x20);
    CPU_WRITE_SPECIAL(basepri_max, 0);
    CheckEqual("basepri_max ignores zero", CPU_READ_SPECIAL(basepri), 0x20);
    CPU_WRITE_SPECIAL(basepri, 0);
    CPU_WRITE_SPECIAL(basepri_max, 0x60);
    CheckEqual("basepri_max sets from zero", CPU_READ_SPECIAL(basepri), 0x60);
    CPU_WRITE_SPECIAL(basepri, 0);

    __asm volatile("cpsid f" ::: "memory");
    CheckEqual("faultmask reads", CPU_READ_SPECIAL(faultmask), 1);
    NvicPend(D);
    CpuBarrier();
    CheckTrace("faultmask holds", "");
    ICSR = ICSR_NMIPENDSET;
    CpuBarrier();
    CheckTrace("nmi ignores faultmask", "N");
    __asm volatile("cpsie f\n\tisb" ::: "memory");
    CheckTrace("faultmask lets go", "Dd");

    g_inA = RaiseOwnPriority;
    Priorities(0x80, 0x40, 0x40, 0x20);
    NvicPend(A);
    CpuBarrier();
    CheckTrace("basepri inside a handler", "A.Cca");
    Quiet();
}

static void FaultmaskInside(void)
{
    __asm volatile("cpsid f" ::: "memory");
    NvicPend(D);
    CpuBarrier();
    Trace('.');
}

static void PrimaskInside(void)
{
    CpuIrqDisable();
    NvicPend(D);
    CpuBarrier();
    Trace('.');
}

static void TestMasksOverReturn(void)
{
    Quiet();
    Priorities(0x80, 0x40, 0x40, 0x20);
    /* Exception return clears FAULTMASK, except from NMI (B1.5.8); PRIMASK stays. */
    g_inA = FaultmaskInside;
    NvicPend(A);
    CpuBarrier();
    CheckTrace("return clears faultmask", "A.aDd");
    CheckEqual("faultmask is clear", CPU_READ_SPECIAL(faultmask), 0);
    g_inA = PrimaskInside;
    NvicPend(A);
    CpuBarrier();
    CheckTrace("return keeps primask", "A.a");
    CheckEqual("primask is set", CPU_READ_SPECIAL(primask), 1);
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("until cleared", "Dd");
    Quiet();
}

static void TestSystemPriorities(void)
{
    Quiet();
    SHPR(14) = 0xE0; /* PendSV last, the way every kernel has it */
    Priorities(0x80, 0x40, 0x40, 0x20);
    CpuIrqDisable();
    ICSR = ICSR_PENDSVSET;
    NvicPend(A);
    CheckTrue("pendsv pending reads back", (ICSR & ICSR_PENDSVSET) != 0);
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("pendsv comes last", "AaP");
    ICSR = ICSR_PENDSVSET;
    CpuBarrier();
    CheckTrace("pendsv alone", "P");
    CpuIrqDisable();
    ICSR = ICSR_PENDSVSET;
    ICSR = ICSR_PENDSVCLR;
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("pendsvclr takes it back", "");
    SHPR(14) = 0;
    CpuIrqDisable();
    ICSR = ICSR_PENDSVSET;
    Priorities(0, 0x40, 0x40, 0x20);
    NvicPend(A);
    CpuIrqEnable();
    CpuBarrier();
    CheckTrace("equal priority: the lower exception number first", "PAa");
    Quiet();
}

__attribute__((naked)) void SvcHandler(void)
{
    __asm volatile(
        "movs r0, #0\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "bx lr");
}

static void StirAsUser(void)
{
    CPU_WRITE_SPECIAL(control, 1);
    STIR = B;
    CpuBarrier();
    __asm volatile("svc 0" ::: "r0", "memory");
}

static void TestUser(void)
{
    Quiet();
    Priorities(0x40, 0x40, 0x40, 0x40);
    CheckTrue("stir from the user faults", TryFault(StirAsUser));
    CheckTrace("and pends nothing", "");
    CCR |= CCR_USERSETMPEND;
    CpuBarrier();
    CheckTrue("usersetmpend: it does not fault", !TryFault(StirAsUser));
    CheckTrace("usersetmpend: it pends", "Bb");
    CCR &= ~CCR_USERSETMPEND;
    Quiet();
}

static void TestLevel(void)
{
    /* TIMER0's line stays high until the program clears it: a level interrupt comes back (B3.4.1). */
    Quiet();
    TIMER0->CTRL = 0;
    TIMER0->INTSTATUS = 1;
    TIMER0->RELOAD = 0;
    TIMER0->VALUE = 50;
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    Delay(2000);
    CheckTrue("the line pends", NvicIsPending(C));
    NvicUnpend(C);
    /* The architecture samples the level again: a line that is still high makes it pending once more. */
    CpuBarrier();
    CheckTrue("icpr does not beat a high line", NvicIsPending(C));
    TIMER0->CTRL = 0;
    TIMER0->INTSTATUS = 1;
    CpuBarrier();
    CheckTrue("pending stays when the line falls", NvicIsPending(C));
    NvicUnpend(C);
    CpuBarrier();
    CheckTrue("icpr with a low line clears", !NvicIsPending(C));
    Quiet();
}

int main(void)
{
    TestRegisters();
    TestTaking();
    TestOrder();
    TestGrouping();
    TestMasks();
    TestMasksOverReturn();
    TestSystemPriorities();
    TestUser();
    TestLevel();
    CheckDone();
}
