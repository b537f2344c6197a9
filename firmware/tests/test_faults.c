/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults: each CFSR and HFSR bit, fault addresses, escalation, the stacked PC (ARM DDI 0403, B1.5.14, B3.2.15). */
#include "check.h"
#include "mem.h"
#include "mps2.h"

#define NOWHERE 0xA0000100u /* no device: the bus answers with an error */
#define NO_CODE 0x90000000u /* executable by the default map, but nothing there */
#define XN_CODE 0x40000000u /* the peripheral region is execute-never (B3.1) */

enum { HARD_FAULT = 3, MEM_MANAGE, BUS_FAULT, USAGE_FAULT };

extern const uint8_t g_udfAt[], g_loadAt[], g_divAt[], g_unalignedAt[], g_ldmAt[], g_coprocessorAt[], g_bkptAt[],
    g_svcAt[];

static void Undefined(void)
{
    __asm volatile(".global g_udfAt\n\tg_udfAt: udf #1");
}

static void BadLoad(void)
{
    register uint32_t address __asm("r0") = NOWHERE + 4u;
    __asm volatile(".global g_loadAt\n\tg_loadAt: ldr r1, [r0]" ::"r"(address) : "r1");
}

static void BadStore(void)
{
    Store32(NOWHERE, 1);
    CpuBarrier();
}

static void Divide(void)
{
    register uint32_t zero __asm("r0") = 0;
    __asm volatile("movs r1, #7\n\t.global g_divAt\n\tg_divAt: udiv r1, r1, r0" ::"r"(zero) : "r1", "cc");
}

static uint32_t DivideValue(uint32_t by)
{
    uint32_t result;
    __asm volatile("udiv %0, %1, %2" : "=r"(result) : "r"(7), "r"(by));
    return result;
}

static void UnalignedLoad(void)
{
    register uint32_t address __asm("r0") = 0x20000001u;
    __asm volatile(".global g_unalignedAt\n\tg_unalignedAt: ldr r1, [r0]" ::"r"(address) : "r1");
}

static void UnalignedLdm(void)
{
    register uint32_t address __asm("r0") = 0x20000002u;
    __asm volatile(".global g_ldmAt\n\tg_ldmAt: ldm r0, {r1, r2}" ::"r"(address) : "r1", "r2");
}

static void UnalignedLdrd(void)
{
    register uint32_t address __asm("r0") = 0x20000002u;
    __asm volatile("ldrd r1, r2, [r0]" ::"r"(address) : "r1", "r2");
}

static void UnalignedLdrex(void)
{
    register uint32_t address __asm("r0") = 0x20000002u;
    __asm volatile("ldrex r1, [r0]" ::"r"(address) : "r1");
}

static void Coprocessor(void)
{
    __asm volatile(".global g_coprocessorAt\n\tg_coprocessorAt: mrc p5, 0, r0, c1, c0, 0" ::: "r0");
}

static void Jump(uint32_t address)
{
    __asm volatile("blx %0" ::"r"(address) : "lr", "memory");
}

static void JumpToArmState(void)
{
    Jump(CODE_ADDRESS(Undefined));
}

static void JumpToNowhere(void)
{
    Jump(NO_CODE | 1u);
}

static void JumpToNever(void)
{
    Jump(XN_CODE | 1u);
}

static void JumpToSystem(void)
{
    Jump(0xFFFFFFF1u); /* in Thread mode this is an address like any other (B1.5.8) */
}

static void Breakpoint(void)
{
    __asm volatile(".global g_bkptAt\n\tg_bkptAt: bkpt 1");
}

static void CallSvc(void)
{
    __asm volatile(".global g_svcAt\n\tg_svcAt: svc 1" ::: "memory");
}

/* Expects one fault of this kind; the rest of the record is checked by the caller. */
static void Expect(const char *name, void (*run)(void), uint32_t exception, uint32_t cfsr, uint32_t hfsr)
{
    memset(&g_fault, 0, sizeof(g_fault));
    bool faulted = TryFault(run);
    bool same = faulted && g_fault.count == 1 && g_fault.exception == exception && g_fault.cfsr == cfsr &&
        g_fault.hfsr == hfsr;
    if (!same) {
        CheckPrint("  %s: exception %u cfsr %08x hfsr %08x, %u faults\n", name, g_fault.exception, g_fault.cfsr,
            g_fault.hfsr, g_fault.count);
    }
    CheckTrue(name, same);
}

static void EnableAll(bool on)
{
    SHCSR = on ? SHCSR_MEMFAULTENA | SHCSR_BUSFAULTENA | SHCSR_USGFAULTENA : 0;
    CpuBarrier();
}

static void TestUsage(void)
{
    EnableAll(true);
    Expect("undefinstr", Undefined, USAGE_FAULT, CFSR_UNDEFINSTR, 0);
    CheckEqual("undefinstr: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_udfAt));
    CheckEqual("undefinstr: usgfaultact inside", g_fault.shcsr & 0xFFFu, SHCSR_USGFAULTACT);
    CheckEqual("undefinstr: exc_return", g_fault.excReturn, 0xFFFFFFF9u);

    Expect("invstate by blx to an even address", JumpToArmState, USAGE_FAULT, CFSR_INVSTATE, 0);
    CheckEqual("invstate: stacked pc is the target", g_fault.frame.pc, CODE_ADDRESS(Undefined));
    CheckEqual("invstate: stacked T bit is clear", g_fault.frame.xpsr & (1u << 24), 0);

    Expect("nocp", Coprocessor, USAGE_FAULT, CFSR_NOCP, 0);
    CheckEqual("nocp: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_coprocessorAt));

    CheckEqual("division by zero gives zero", DivideValue(0), 0);
    CCR |= CCR_DIV_0_TRP;
    CpuBarrier();
    Expect("divbyzero", Divide, USAGE_FAULT, CFSR_DIVBYZERO, 0);
    CheckEqual("divbyzero: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_divAt));
    CCR &= ~CCR_DIV_0_TRP;
    CpuBarrier();
    CheckEqual("the trap goes off again", DivideValue(0), 0);

    CheckTrue("an unaligned word load works", !TryFault(UnalignedLoad));
    Expect("ldm is never unaligned", UnalignedLdm, USAGE_FAULT, CFSR_UNALIGNED, 0);
    CheckEqual("ldm: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_ldmAt));
    Expect("ldrd is never unaligned", UnalignedLdrd, USAGE_FAULT, CFSR_UNALIGNED, 0);
    Expect("ldrex is never unaligned", UnalignedLdrex, USAGE_FAULT, CFSR_UNALIGNED, 0);
    CCR |= CCR_UNALIGN_TRP;
    CpuBarrier();
    Expect("unaligned with its trap", UnalignedLoad, USAGE_FAULT, CFSR_UNALIGNED, 0);
    CheckEqual("unaligned: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_unalignedAt));
    CCR &= ~CCR_UNALIGN_TRP;
    CpuBarrier();
}

static void TestBus(void)
{
    EnableAll(true);
    Expect("preciserr", BadLoad, BUS_FAULT, CFSR_PRECISERR | CFSR_BFARVALID, 0);
    CheckEqual("preciserr: bfar", g_fault.bfar, NOWHERE + 4u);
    CheckEqual("preciserr: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_loadAt));
    CheckEqual("preciserr: busfaultact inside", g_fault.shcsr & 0xFFFu, SHCSR_BUSFAULTACT);

    /* A buffered store may be reported late (IMPRECISERR) or at once: the manual leaves it open. */
    memset(&g_fault, 0, sizeof(g_fault));
    bool faulted = TryFault(BadStore);
    CheckTrue("a bad store faults", faulted && g_fault.exception == BUS_FAULT);
    CheckTrue("a bad store is precise or imprecise",
        g_fault.cfsr == (CFSR_PRECISERR | CFSR_BFARVALID) || g_fault.cfsr == CFSR_IMPRECISERR);

    Expect("ibuserr", JumpToNowhere, BUS_FAULT, CFSR_IBUSERR, 0);
    CheckEqual("ibuserr: stacked pc is the target", g_fault.frame.pc, NO_CODE);
    Expect("iaccviol in a peripheral region", JumpToNever, MEM_MANAGE, CFSR_IACCVIOL, 0);
    CheckEqual("iaccviol: stacked pc is the target", g_fault.frame.pc, XN_CODE);
    Expect("exc_return in thread mode is a jump to xn", JumpToSystem, MEM_MANAGE, CFSR_IACCVIOL, 0);
}

static void TestEscalation(void)
{
    EnableAll(false);
    Expect("disabled usagefault escalates", Undefined, HARD_FAULT, CFSR_UNDEFINSTR, HFSR_FORCED);
    CheckEqual("escalated: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_udfAt));
    CheckEqual("escalated: no other fault active", g_fault.shcsr & 0xFFFu, 0);
    Expect("disabled busfault escalates", BadLoad, HARD_FAULT, CFSR_PRECISERR | CFSR_BFARVALID, HFSR_FORCED);
    CheckEqual("escalated: bfar", g_fault.bfar, NOWHERE + 4u);
    Expect("disabled memmanage escalates", JumpToNever, HARD_FAULT, CFSR_IACCVIOL, HFSR_FORCED);

    EnableAll(true);
    CpuIrqDisable();
    Expect("usagefault under primask escalates", Undefined, HARD_FAULT, CFSR_UNDEFINSTR, HFSR_FORCED);
    CpuIrqDisable();
    Expect("svc under primask escalates", CallSvc, HARD_FAULT, 0, HFSR_FORCED);
    CpuIrqEnable();
    SHPR(6) = 0x80;
    CPU_WRITE_SPECIAL(basepri, 0x40);
    Expect("usagefault under basepri escalates", Undefined, HARD_FAULT, CFSR_UNDEFINSTR, HFSR_FORCED);
    CPU_WRITE_SPECIAL(basepri, 0xA0);
    Expect("basepri below it does not", Undefined, USAGE_FAULT, CFSR_UNDEFINSTR, 0);
    CPU_WRITE_SPECIAL(basepri, 0);
    SHPR(6) = 0;

    /* Without a debugger and without the monitor BKPT is a HardFault with DEBUGEVT and DFSR.BKPT (C1.4). */
    DFSR = 0x1Fu;
    /* QEMU 7.2 says FORCED instead of DEBUGEVT and leaves DFSR at 0. */
    Expect("bkpt", Breakpoint, HARD_FAULT, 0, 1u << 31);
    CheckEqual("bkpt: stacked pc", g_fault.frame.pc, CODE_ADDRESS(g_bkptAt));
    CheckEqual("bkpt: dfsr", DFSR & 2u, 2);
}

static volatile bool g_innerFaulted;

void Gpio0Handler(void)
{
    g_innerFaulted = TryFault(Undefined);
    Trace(CPU_READ_SPECIAL(ipsr) == 16u + IRQ_GPIO0 ? 'h' : '?');
}

static void TestInHandlers(void)
{
    SHPR(6) = 0x80;
    NVIC_IPR(IRQ_GPIO0) = 0x40;
    NvicEnable(IRQ_GPIO0);
    memset(&g_fault, 0, sizeof(g_fault));
    NvicPend(IRQ_GPIO0);
    CpuBarrier();
    CheckTrue("a fault in a better handler escalates", g_innerFaulted && g_fault.exception == HARD_FAULT &&
        g_fault.hfsr == HFSR_FORCED && g_fault.cfsr == CFSR_UNDEFINSTR);
    CheckEqual("it returns to the handler by F1", g_fault.excReturn, 0xFFFFFFF1u);
    CheckEqual("stacked ipsr names the handler", g_fault.frame.xpsr & 0x1FFu, 16u + IRQ_GPIO0);
    SHPR(6) = 0x20;
    NvicPend(IRQ_GPIO0);
    CpuBarrier();
    CheckEqual("a fault better than the handler nests", g_fault.exception, USAGE_FAULT);
    CheckTrace("the handler goes on after", "hh");
    SHPR(6) = 0;
    NvicDisable(IRQ_GPIO0);
}

static void PendUsageFault(void)
{
    SHCSR |= SHCSR_USGFAULTPENDED;
    CpuBarrier();
}

static volatile uint32_t g_ufsr, g_bfsr, g_afterClear;

static void LookByParts(ExceptionFrame *frame)
{
    (void)frame;
    g_ufsr = REG16(0xE000ED2Au);
    g_bfsr = REG8(0xE000ED29u);
    CFSR = CFSR_DIVBYZERO; /* another bit: nothing happens */
    g_afterClear = CFSR;
}

static void TestStatusAccess(void)
{
    Expect("usgfaultpended runs the handler", PendUsageFault, USAGE_FAULT, 0, 0);
    g_faultHook = LookByParts;
    Expect("undefinstr again", Undefined, USAGE_FAULT, CFSR_UNDEFINSTR, 0);
    g_faultHook = 0;
    CheckEqual("ufsr by halfword", g_ufsr, 1);
    CheckEqual("bfsr by byte", g_bfsr, 0);
    CheckEqual("cfsr: a one clears its own bit only", g_afterClear, CFSR_UNDEFINSTR);
    CheckEqual("cfsr is clear after", CFSR, 0);
    CheckEqual("hfsr is clear after", HFSR, 0);
}

/* Exception returns that fail: SVC's handler does what g_svcDo says. */
enum { SVC_NOTHING, SVC_BAD_EXC_RETURN, SVC_CLEAR_T, SVC_BREAK_PSP };
volatile uint32_t g_svcDo;

__attribute__((used)) uint32_t SvcTaken(ExceptionFrame *frame, uint32_t excReturn)
{
    switch (g_svcDo) {
        case SVC_BAD_EXC_RETURN:
            return 0xFFFFFFF0u;
        case SVC_CLEAR_T:
            frame->xpsr &= ~(1u << 24);
            break;
        case SVC_BREAK_PSP:
            CPU_WRITE_SPECIAL(psp, NOWHERE);
            break;
        default:
            break;
    }
    return excReturn;
}

__attribute__((naked)) void SvcHandler(void)
{
    __asm volatile(
        "mov r1, lr\n\t"
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "push {r1, r2}\n\t"
        "bl SvcTaken\n\t"
        "pop {r1, r2}\n\t"
        "bx r0");
}

void PendSvHandler(void)
{
    Trace('P');
}

static uint32_t g_processStack[64] __attribute__((aligned(8)));

static void SwitchToPsp(uint32_t psp)
{
    CPU_WRITE_SPECIAL(psp, psp);
    CPU_WRITE_SPECIAL(control, 2);
}

/* Naked: between the switch and the exception nothing may touch the broken stack. */
__attribute__((naked)) static void PendOnBrokenStack(void)
{
    __asm volatile(
        "ldr r0, =0xA0000100\n\t"
        "msr psp, r0\n\t"
        "movs r0, #2\n\t"
        "ldr r1, =0xE000ED04\n\t"
        "mov r2, #0x10000000\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "str r2, [r1]\n\t" /* ICSR.PENDSVSET */
        "dsb\n\t"
        "isb\n\t"
        "b .\n\t"
        ".ltorg");
}

static void SvcOnPsp(void)
{
    SwitchToPsp((uint32_t)(uintptr_t)&g_processStack[64]);
    __asm volatile("svc 2" ::: "memory");
}

static void TestReturns(void)
{
    static uint32_t rescue[16] __attribute__((aligned(8)));
    EnableAll(true);
    g_svcDo = SVC_BAD_EXC_RETURN;
    Expect("invpc: a bad exc_return", CallSvc, USAGE_FAULT, CFSR_INVPC, 0);
    CheckEqual("invpc: the frame is still svc's", g_fault.frame.pc, CODE_ADDRESS(g_svcAt) + 2u);
    CheckEqual("invpc: svc is no longer active", g_fault.shcsr & SHCSR_SVCALLACT, 0);
    g_svcDo = SVC_CLEAR_T;
    /* QEMU 7.2 checks the alignment of an Arm instruction first and says UNALIGNED. */
    Expect("invstate: return with T clear", CallSvc, USAGE_FAULT, CFSR_INVSTATE, 0);
    CheckEqual("invstate: stacked pc is the return address", g_fault.frame.pc, CODE_ADDRESS(g_svcAt) + 2u);

    g_faultRescue = (ExceptionFrame *)(void *)rescue;
    g_svcDo = SVC_BREAK_PSP;
    Expect("unstkerr", SvcOnPsp, BUS_FAULT, CFSR_UNSTKERR, 0);
    CheckEqual("unstkerr: exc_return", g_fault.excReturn, 0xFFFFFFFDu);
    SHPR(14) = 0xE0;
    Expect("stkerr", PendOnBrokenStack, BUS_FAULT, CFSR_STKERR, 0);
    CheckTrace("stkerr: the interrupt itself comes after", "P");
    CheckEqual("stkerr: psp was lowered all the same", g_fault.frameAddress, NOWHERE - 32u);
    g_faultRescue = 0;
    g_svcDo = SVC_NOTHING;
}

static void PendGpio2(void)
{
    NvicPend(IRQ_GPIO2);
    CpuBarrier();
}

/* The interrupt whose vector cannot be read stays pending, and would be tried again at once. */
static void UnpendGpio2(ExceptionFrame *frame)
{
    (void)frame;
    NvicUnpend(IRQ_GPIO2);
}

static void LoadBeyondCode(void)
{
    (void)Load32(0x00800000u);
}

static void TestVectorTable(void)
{
    if (!TryFault(LoadBeyondCode)) {
        CheckSkip("vecttbl", "the board answers for reserved memory");
        return;
    }
    /* 32 vectors at the very end of the code memory (its alias ends at 8 MiB): interrupt 16's lies beyond. */
    uint32_t *table = (uint32_t *)0x007FFF80u;
    memcpy(table, (const void *)(uintptr_t)VTOR, 128);
    uint32_t old = VTOR;
    VTOR = (uint32_t)(uintptr_t)table;
    NvicEnable(IRQ_GPIO2);
    g_faultHook = UnpendGpio2;
    Expect("vecttbl", PendGpio2, HARD_FAULT, 0, HFSR_VECTTBL);
    g_faultHook = 0;
    NvicDisable(IRQ_GPIO2);
    VTOR = old;
}

int main(void)
{
    TestUsage();
    TestBus();
    TestEscalation();
    TestInHandlers();
    TestStatusAccess();
    TestReturns();
    TestVectorTable();
    CheckDone();
}
