/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FPU of the Cortex-M4: access control, lazy stacking, FPCA, FPCAR, arithmetic (ARM DDI 0403, B1.5.7,
 * B3.2.20-26).
 */
#include "check.h"
#include "mem.h"
#include "mps2.h"

#define FPCCR_LSPACT (1u << 0)
#define FPCCR_THREAD (1u << 3)
#define FPCCR_LSPEN (1u << 30)
#define FPCCR_ASPEN (1u << 31)
#define MVFR0 REG32(0xE000EF40u)
#define MVFR1 REG32(0xE000EF44u)
#define CONTROL_FPCA (1u << 2)
#define S0_IN_FRAME 8u /* the extended frame's words: 8 basic, S0..S15, FPSCR, one reserved */
#define FPSCR_IN_FRAME 24u

typedef struct {
    uint32_t excReturn, frame, fpccr, fpcar, control;
    uint32_t s0Before, s15Before, s0After, fpscrAfter, fpccrAfter, fpscrInside;
} Seen;

static volatile Seen g_seen;
static volatile bool g_useFpu;
static volatile bool g_forbidFrame;
static volatile bool g_lazyFaulted;
static void UseFpu(void);

/* Forbids the memory around the frame, so that the lazy store finds no place. */
static bool UseFpuWithoutFrame(const volatile uint32_t *frame)
{
    MPU_RNR = 0;
    MPU_RBAR = (uint32_t)(uintptr_t)frame & ~1023u;
    MPU_RASR = 9u << 1 | 1u; /* 1 KiB, no access */
    MPU_CTRL = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
    CpuBarrier();
    bool faulted = TryFault(UseFpu);
    MPU_CTRL = 0;
    CpuBarrier();
    return faulted;
}

__attribute__((used)) void SvcTaken(const volatile uint32_t *frame, uint32_t excReturn)
{
    g_seen.excReturn = excReturn;
    g_seen.frame = (uint32_t)(uintptr_t)frame;
    g_seen.control = CPU_READ_SPECIAL(control);
    g_seen.fpccr = FPCCR;
    g_seen.fpcar = FPCAR;
    g_seen.s0Before = frame[S0_IN_FRAME];
    g_seen.s15Before = frame[S0_IN_FRAME + 15u];
    if (g_forbidFrame) {
        g_lazyFaulted = UseFpuWithoutFrame(frame);
    }
    if (g_useFpu) {
        uint32_t fpscr;
        __asm volatile(
            "vmrs %0, fpscr\n\t"
            "vmov.f32 s0, #1.0\n\t"
            "vmov.f32 s1, s0\n\t"
            "vmov.f32 s15, s0"
            : "=r"(fpscr)
            :
            : "s0", "s1", "s15");
        g_seen.fpscrInside = fpscr;
        g_seen.s0After = frame[S0_IN_FRAME];
        g_seen.fpscrAfter = frame[FPSCR_IN_FRAME];
        g_seen.fpccrAfter = FPCCR;
    }
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
        "bx r1");
}

/* No FP context: FPCA clear. */
static void ForgetContext(void)
{
    CPU_WRITE_SPECIAL(control, CPU_READ_SPECIAL(control) & ~CONTROL_FPCA);
}

/* Marks the stack below SP, loads S0 and S15, calls SVC, returns S0 and S15 through `out`. */
__attribute__((noinline)) static void SvcWithRegisters(uint32_t s0, uint32_t s15, uint32_t out[2])
{
    __asm volatile(
        "mov r3, #0xEEEEEEEE\n\t"
        "mov r2, sp\n\t"
        "movs r1, #40\n\t"
        "1: str r3, [r2, #-4]!\n\t"
        "subs r1, #1\n\t"
        "bne 1b\n\t"
        "vmov s0, %1\n\t"
        "vmov s15, %2\n\t"
        "svc 1\n\t"
        "vmov r1, s0\n\t"
        "vmov r2, s15\n\t"
        "str r1, [%0]\n\t"
        "str r2, [%0, #4]"
        :
        : "r"(out), "r"(s0), "r"(s15)
        : "r1", "r2", "r3", "s0", "s1", "s15", "cc", "memory");
}

static void UseFpu(void)
{
    __asm volatile("vmov.f32 s0, #1.0" ::: "s0");
}

static void TestAccess(void)
{
    CheckEqual("mvfr0", MVFR0, 0x10110021u);
    CheckEqual("mvfr1", MVFR1, 0x11000011u);
    CheckEqual("fpccr: automatic and lazy after reset", FPCCR & (FPCCR_ASPEN | FPCCR_LSPEN), FPCCR_ASPEN | FPCCR_LSPEN);
    SHCSR |= SHCSR_USGFAULTENA;
    CPACR &= ~(0xFu << 20);
    CpuBarrier();
    CheckTrue("off: an fp instruction faults", TryFault(UseFpu));
    CheckEqual("off: nocp", g_fault.cfsr, CFSR_NOCP);
    CheckEqual("off: stacked pc is the instruction", REG16(g_fault.frame.pc) & 0xFF00u, 0xEE00u);
    CPACR |= 0xFu << 20;
    CpuBarrier();
    CheckTrue("on: it works", !TryFault(UseFpu));
}

static void TestContext(void)
{
    uint32_t out[2];
    ForgetContext();
    CheckEqual("fpca clear", CPU_READ_SPECIAL(control) & CONTROL_FPCA, 0);
    g_useFpu = false;
    __asm volatile("svc 0" ::: "r0", "r1", "r2", "r3", "r12", "memory");
    CheckEqual("no context: basic frame, F9", g_seen.excReturn, 0xFFFFFFF9u);
    UseFpu();
    CheckEqual("an fp instruction sets fpca", CPU_READ_SPECIAL(control) & CONTROL_FPCA, CONTROL_FPCA);

    SvcWithRegisters(0x3F812345u, 0x40412345u, out);
    CheckEqual("context: extended frame, E9", g_seen.excReturn, 0xFFFFFFE9u);
    CheckEqual("lazy: fpca clear in the handler", g_seen.control & CONTROL_FPCA, 0);
    CheckEqual("lazy: lspact", g_seen.fpccr & FPCCR_LSPACT, FPCCR_LSPACT);
    CheckEqual("lazy: thread mode noted", g_seen.fpccr & FPCCR_THREAD, FPCCR_THREAD);
    CheckEqual("lazy: fpcar points at s0's place", g_seen.fpcar, g_seen.frame + 4u * S0_IN_FRAME);
    CheckEqual("lazy: nothing stored yet", g_seen.s0Before, 0xEEEEEEEEu);
    CheckEqual("registers as they were: s0", out[0], 0x3F812345u);
    CheckEqual("registers as they were: s15", out[1], 0x40412345u);
    CheckEqual("fpca set after return", CPU_READ_SPECIAL(control) & CONTROL_FPCA, CONTROL_FPCA);
    CheckEqual("lspact clear after return", FPCCR & FPCCR_LSPACT, 0);

    g_useFpu = true;
    FPDSCR = 0x00C00000u; /* a new context rounds towards zero */
    __asm volatile("vmsr fpscr, %0" ::"r"(0x03000000u));
    SvcWithRegisters(0x3F812345u, 0x40412345u, out);
    CheckEqual("used: s0 is stored then", g_seen.s0After, 0x3F812345u);
    CheckEqual("used: fpscr is stored", g_seen.fpscrAfter, 0x03000000u);
    CheckEqual("used: lspact clears", g_seen.fpccrAfter & FPCCR_LSPACT, 0);
    CheckEqual("used: the handler starts with fpdscr", g_seen.fpscrInside, 0x00C00000u);
    CheckEqual("used: s0 comes back", out[0], 0x3F812345u);
    CheckEqual("used: s15 comes back", out[1], 0x40412345u);
    uint32_t fpscr;
    __asm volatile("vmrs %0, fpscr" : "=r"(fpscr));
    CheckEqual("used: fpscr comes back", fpscr & 0xFFC00000u, 0x03000000u);
    FPDSCR = 0;
    __asm volatile("vmsr fpscr, %0" ::"r"(0));

    FPCCR &= ~FPCCR_LSPEN;
    CpuBarrier();
    SvcWithRegisters(0x3F8ABCDEu, 0x404ABCDEu, out);
    CheckEqual("not lazy: stored at entry: s0", g_seen.s0Before, 0x3F8ABCDEu);
    CheckEqual("not lazy: stored at entry: s15", g_seen.s15Before, 0x404ABCDEu);
    CheckEqual("not lazy: no lspact", g_seen.fpccr & FPCCR_LSPACT, 0);
    CheckEqual("not lazy: comes back", out[0], 0x3F8ABCDEu);
    FPCCR |= FPCCR_LSPEN;

    g_useFpu = false;
    FPCCR &= ~FPCCR_ASPEN;
    CpuBarrier();
    ForgetContext();
    UseFpu();
    CheckEqual("no aspen: fpca stays clear", CPU_READ_SPECIAL(control) & CONTROL_FPCA, 0);
    __asm volatile("svc 0" ::: "r0", "r1", "r2", "r3", "r12", "memory");
    CheckEqual("no aspen: basic frame", g_seen.excReturn, 0xFFFFFFF9u);
    FPCCR |= FPCCR_ASPEN;
    CpuBarrier();
}

static uint32_t g_stack[512] __attribute__((aligned(1024)));

static void SvcOnPsp(void)
{
    __asm volatile(
        "msr psp, %0\n\t"
        "mrs r2, control\n\t"
        "orr r2, #2\n\t"
        "msr control, r2\n\t"
        "isb\n\t"
        "vmov.f32 s0, #2.0\n\t"
        "svc 1\n\t"
        "mrs r2, control\n\t"
        "bic r2, #2\n\t"
        "msr control, r2\n\t"
        "isb"
        :
        : "r"(&g_stack[256])
        : "r0", "r1", "r2", "r3", "r12", "s0", "cc", "memory");
}

static void TestOnPsp(void)
{
    SvcOnPsp();
    CheckEqual("on psp: ED", g_seen.excReturn, 0xFFFFFFEDu);
    CheckEqual("on psp: the frame takes 26 words", (uint32_t)(uintptr_t)&g_stack[256] - g_seen.frame, 26u * 4u);

    /* What the lazy store may raise is settled when its frame is made (FPCCR.MMRDY, B3.2.24). */
    SHPR(11) = 0x80; /* below MemManage */
    g_forbidFrame = true;
    SHCSR &= ~SHCSR_MEMFAULTENA;
    SvcOnPsp();
    CheckTrue("mlsperr: hardfault when memmanage was off", g_lazyFaulted && g_fault.exception == 3);
    SHCSR |= SHCSR_MEMFAULTENA;
    SvcOnPsp();
    g_forbidFrame = false;
    CheckTrue("mlsperr: memmanage when it was on", g_lazyFaulted && g_fault.exception == 4);
    CheckEqual("mlsperr: the bit", g_fault.cfsr, CFSR_MLSPERR);
    SHPR(11) = 0;
}

static volatile uint32_t g_interrupts;

void Timer0Handler(void)
{
    TIMER0->INTSTATUS = 1;
    ++g_interrupts;
    __asm volatile(
        "vmov.f32 s0, #-3.0\n\t"
        "vmov.f32 s1, s0\n\t"
        "vmov.f32 s2, s0\n\t"
        "vmov.f32 s3, s0\n\t"
        "vcmp.f32 s0, #0.0\n\t"
        "vmrs apsr_nzcv, fpscr" ::
            : "s0", "s1", "s2", "s3", "cc");
}

__attribute__((noipa)) static float Series(uint32_t terms)
{
    float sum = 0.0f;
    float sign = 1.0f;
    for (uint32_t i = 0; i < terms; ++i) {
        sum += sign / (float)(2u * i + 1u);
        sign = -sign;
    }
    return 4.0f * sum;
}

static uint32_t Bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static void TestStorm(void)
{
    uint32_t alone = Bits(Series(3000));
    TIMER0->RELOAD = 307;
    TIMER0->VALUE = 307;
    NvicEnable(IRQ_TIMER0);
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    uint32_t disturbed = Bits(Series(3000));
    TIMER0->CTRL = 0;
    CheckEqual("fp registers and flags survive interrupts that use them", disturbed, alone);
    CheckTrue("there were interrupts", g_interrupts > 10);
}

static float Sqrt(float x)
{
    float result;
    __asm volatile("vsqrt.f32 %0, %1" : "=t"(result) : "t"(x));
    return result;
}

static float Divide(float x, float y)
{
    float result;
    __asm volatile("vdiv.f32 %0, %1, %2" : "=t"(result) : "t"(x), "t"(y));
    return result;
}

static float Fuse(float sum, float x, float y)
{
    __asm volatile("vfma.f32 %0, %1, %2" : "+t"(sum) : "t"(x), "t"(y));
    return sum;
}

static float Chain(float sum, float x, float y)
{
    __asm volatile("vmla.f32 %0, %1, %2" : "+t"(sum) : "t"(x), "t"(y));
    return sum;
}

static uint32_t Fpscr(void)
{
    uint32_t fpscr;
    __asm volatile("vmrs %0, fpscr" : "=r"(fpscr));
    __asm volatile("vmsr fpscr, %0" ::"r"(0));
    return fpscr;
}

static uint32_t ToInteger(float x)
{
    uint32_t result;
    __asm volatile("vcvt.s32.f32 s0, %1\n\tvmov %0, s0" : "=r"(result) : "t"(x) : "s0");
    return result;
}

static void TestArithmetic(void)
{
    (void)Fpscr();
    CheckEqual("vsqrt 2", Bits(Sqrt(2.0f)), 0x3FB504F3u);
    CheckEqual("vsqrt is inexact", Fpscr() & 0x9Fu, 0x10u);
    CheckEqual("vdiv 1/3", Bits(Divide(1.0f, 3.0f)), 0x3EAAAAABu);
    (void)Fpscr();
    CheckEqual("vdiv by zero", Bits(Divide(1.0f, 0.0f)), 0x7F800000u);
    CheckEqual("vdiv by zero sets DZC", Fpscr() & 0x9Fu, 0x02u);
    CheckEqual("0/0 is the default nan", Bits(Divide(0.0f, 0.0f)), 0x7FC00000u);
    CheckEqual("0/0 sets IOC", Fpscr() & 0x9Fu, 0x01u);
    /* (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24 exactly; only the fused form keeps it. */
    CheckEqual("vfma rounds once", Bits(Fuse(-1.00048828125f, 1.000244140625f, 1.000244140625f)), 0x33800000u);
    CheckEqual("vmla rounds twice", Bits(Chain(-1.00048828125f, 1.000244140625f, 1.000244140625f)), 0);
    __asm volatile("vmsr fpscr, %0" ::"r"(1u << 22));
    CheckEqual("rounding towards plus infinity", Bits(Divide(1.0f, 3.0f)), 0x3EAAAAABu);
    __asm volatile("vmsr fpscr, %0" ::"r"(3u << 22));
    CheckEqual("rounding towards zero", Bits(Divide(1.0f, 3.0f)), 0x3EAAAAAAu);
    __asm volatile("vmsr fpscr, %0" ::"r"(1u << 24));
    CheckEqual("flush to zero", Bits(Divide(1.0e-30f, 1.0e10f)), 0);
    CheckEqual("flush to zero sets UFC", Fpscr() & 0x8u, 0x8u);
    CheckEqual("a denormal without it", Bits(Divide(1.0e-30f, 1.0e10f)), 0x000116C2u);
    (void)Fpscr();
    CheckEqual("vcvt saturates", ToInteger(3.0e10f), 0x7FFFFFFFu);
    CheckEqual("vcvt rounds towards zero", ToInteger(-2.75f), 0xFFFFFFFEu);
    CheckEqual("vcvt of nan is zero", ToInteger(Divide(0.0f, 0.0f)), 0);
    __asm volatile("vmsr fpscr, %0" ::"r"(0));
}

int main(void)
{
    TestAccess();
    TestContext();
    TestOnPsp();
    TestStorm();
    TestArithmetic();
    CheckDone();
}
