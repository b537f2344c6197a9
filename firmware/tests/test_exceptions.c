/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exception entry and return: frames, stacks, EXC_RETURN, alignment, what survives an interrupt (ARM DDI 0403,
 * B1.5).
 */
#include "check.h"
#include "mem.h"
#include "mps2.h"

#define STACK_WORDS 256u

static uint32_t g_stack[2][STACK_WORDS] __attribute__((aligned(8)));

static volatile uint32_t g_excReturn, g_frameAddress, g_svcNumber, g_ipsr, g_control, g_handlerSp, g_moveSp;
static ExceptionFrame g_frame;
static void (*volatile g_inSvc)(ExceptionFrame *frame);
static volatile uint32_t g_interrupts;

__attribute__((used)) void SvcTaken(ExceptionFrame *frame, uint32_t excReturn, uint32_t sp)
{
    g_excReturn = excReturn;
    g_frameAddress = (uint32_t)(uintptr_t)frame;
    g_frame = *frame;
    g_svcNumber = REG8((frame->pc & ~1u) - 2u);
    g_ipsr = CPU_READ_SPECIAL(ipsr);
    g_control = CPU_READ_SPECIAL(control);
    g_handlerSp = sp;
    if (g_inSvc) {
        g_inSvc(frame);
    }
}

__attribute__((naked)) void SvcHandler(void)
{
    __asm volatile(
        "mov r1, lr\n\t"
        "mov r2, sp\n\t"
        "tst lr, #4\n\t"
        "ite eq\n\t"
        "mrseq r0, msp\n\t"
        "mrsne r0, psp\n\t"
        "push {r1, r2}\n\t"
        "bl SvcTaken\n\t"
        "pop {r1, r2}\n\t"
        "bx r1");
}

static void AddArguments(ExceptionFrame *frame)
{
    frame->r0 = frame->r0 + frame->r1 + frame->r2 + frame->r3 + frame->r12;
}

static void SetPcBit0(ExceptionFrame *frame)
{
    frame->pc |= 1u;
}

static uint32_t CallSvc(void)
{
    register uint32_t r0 __asm("r0") = 1;
    register uint32_t r1 __asm("r1") = 20;
    register uint32_t r2 __asm("r2") = 300;
    register uint32_t r3 __asm("r3") = 4000;
    register uint32_t r12 __asm("r12") = 50000;
    __asm volatile("svc 42" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r12) : "memory");
    return r0;
}

static void TestSvc(void)
{
    g_inSvc = AddArguments;
    CheckEqual("svc passes arguments and a result", CallSvc(), 54321);
    CheckEqual("svc number from the stacked pc", g_svcNumber, 42);
    CheckEqual("thread on msp returns by F9", g_excReturn, 0xFFFFFFF9u);
    CheckEqual("ipsr in svc", g_ipsr, 11);
    CheckEqual("stacked xpsr has no exception", g_frame.xpsr & 0x1FFu, 0);
    CheckEqual("stacked xpsr has the T bit", g_frame.xpsr & (1u << 24), 1u << 24);
    CheckEqual("the frame is 8-aligned", g_frameAddress & 7u, 0);
    CheckEqual("handler sp is the frame", g_handlerSp, g_frameAddress);
    g_inSvc = SetPcBit0;
    /* UNPREDICTABLE by the manual, ignored by every Cortex-M, relied upon by kernels. */
    CallSvc();
    CheckTrue("stacked pc with bit 0 set is accepted", true);
    g_inSvc = 0;
}

/* Runs svc with sp lowered by `offset` words; returns sp before minus sp after. */
__attribute__((naked)) static uint32_t SvcWithStackOffset(__attribute__((unused)) uint32_t bytes)
{
    __asm volatile(
        "push {r4, r5, r6, lr}\n\t"
        "mov r4, sp\n\t"
        "sub r5, r4, r0\n\t"
        "mov sp, r5\n\t"
        "svc 1\n\t"
        "mov r6, sp\n\t"
        "mov sp, r4\n\t"
        "subs r0, r5, r6\n\t"
        "ldr r1, =g_moveSp\n\t"
        "str r5, [r1]\n\t"
        "pop {r4, r5, r6, pc}\n\t"
        ".ltorg");
}

static void TestAlignment(void)
{
    CheckEqual("stkalign is set after reset", CCR & CCR_STKALIGN, CCR_STKALIGN);
    CheckEqual("aligned: sp comes back", SvcWithStackOffset(8), 0);
    CheckEqual("aligned: frame is 32 below sp", g_moveSp - g_frameAddress, 32);
    CheckEqual("aligned: xpsr bit 9 clear", g_frame.xpsr & (1u << 9), 0);
    CheckEqual("misaligned: sp comes back", SvcWithStackOffset(12), 0);
    CheckEqual("misaligned: frame is 36 below sp", g_moveSp - g_frameAddress, 36);
    CheckEqual("misaligned: xpsr bit 9 set", g_frame.xpsr & (1u << 9), 1u << 9);
    CCR &= ~CCR_STKALIGN;
    CpuBarrier();
    if ((CCR & CCR_STKALIGN) == 0) {
        CheckEqual("stkalign off: sp comes back", SvcWithStackOffset(12), 0);
        CheckEqual("stkalign off: frame is 32 below sp", g_moveSp - g_frameAddress, 32);
        CheckEqual("stkalign off: xpsr bit 9 clear", g_frame.xpsr & (1u << 9), 0);
    } else {
        CheckSkip("stkalign off", "the bit is read-only here");
    }
    CCR |= CCR_STKALIGN;
    CpuBarrier();
}

/* Thread mode on PSP, back again; the work runs in between. */
__attribute__((noinline)) static void OnPsp(void (*run)(void))
{
    register uint32_t top __asm("r1") = (uint32_t)(uintptr_t)&g_stack[0][STACK_WORDS];
    register uint32_t work __asm("r0") = (uint32_t)(uintptr_t)run;
    __asm volatile(
        "msr psp, r1\n\t"
        "mrs r2, control\n\t"
        "orr r2, #2\n\t"
        "msr control, r2\n\t"
        "isb\n\t"
        "blx r0\n\t"
        "mrs r2, control\n\t"
        "bic r2, #2\n\t"
        "msr control, r2\n\t"
        "isb"
        : "+r"(work), "+r"(top)
        :
        : "r2", "r3", "r12", "lr", "cc", "memory");
}

static volatile uint32_t g_pspBefore;

static void SvcOnPsp(void)
{
    g_pspBefore = CPU_READ_SPECIAL(psp);
    __asm volatile("svc 7" ::: "memory");
}

static void TestStacks(void)
{
    OnPsp(SvcOnPsp);
    CheckEqual("thread on psp returns by FD", g_excReturn, 0xFFFFFFFDu);
    CheckTrue("the frame lies on psp", g_frameAddress >= (uint32_t)(uintptr_t)g_stack[0] &&
        g_frameAddress < (uint32_t)(uintptr_t)&g_stack[0][STACK_WORDS]);
    CheckTrue("the handler runs on msp", g_handlerSp > (uint32_t)(uintptr_t)&g_stack[1][STACK_WORDS]);
    CheckEqual("control.spsel is clear in the handler", g_control & 2u, 0);
    CheckEqual("back on msp", CPU_READ_SPECIAL(control), 0);
    CPU_WRITE_SPECIAL(psp, 0x20001237u);
    CheckEqual("psp bits 1:0 are zero", CPU_READ_SPECIAL(psp), 0x20001234u);
}

static volatile uint32_t g_nestedReturn, g_stackedIpsr;

void Gpio0Handler(void)
{
    /* SVC's default priority 0 preempts us at 0x40. */
    __asm volatile("svc 9" ::: "memory");
    g_nestedReturn = g_excReturn;
    g_stackedIpsr = g_frame.xpsr & 0x1FFu;
}

static void TestNested(void)
{
    NVIC_IPR(IRQ_GPIO0) = 0x40;
    NvicEnable(IRQ_GPIO0);
    NvicPend(IRQ_GPIO0);
    CpuBarrier();
    CheckEqual("from a handler it returns by F1", g_nestedReturn, 0xFFFFFFF1u);
    CheckEqual("stacked ipsr names the handler", g_stackedIpsr, 16u + IRQ_GPIO0);
    NvicDisable(IRQ_GPIO0);
}

/* Three ways to load EXC_RETURN into the PC (B1.5.8): POP, LDR, BX. */
__attribute__((naked)) void Gpio1Handler(void)
{
    __asm volatile(
        "push {r4, lr}\n\t"
        "pop {r4, pc}");
}

__attribute__((naked)) void Gpio2Handler(void)
{
    __asm volatile(
        "str lr, [sp, #-8]!\n\t"
        "ldr pc, [sp], #8");
}

__attribute__((naked)) void Gpio3Handler(void)
{
    __asm volatile(
        "push {r4, r5, r6, lr}\n\t"
        "ldmia.w sp!, {r4, r5, r6, pc}");
}

static void TestReturns(void)
{
    static const uint8_t irqs[] = {IRQ_GPIO1, IRQ_GPIO2, IRQ_GPIO3};
    static const char *const names[] = {"return by pop", "return by ldr", "return by ldm"};
    for (uint32_t i = 0; i < 3; ++i) {
        NvicEnable(irqs[i]);
        NvicPend(irqs[i]);
        CpuBarrier();
        CheckTrue(names[i], !NvicIsActive(irqs[i]) && CPU_READ_SPECIAL(ipsr) == 0);
        NvicDisable(irqs[i]);
    }
}

/* Interrupts at a prime distance hit the loops below everywhere; the handler spoils all it may. */
__attribute__((naked)) void Timer0Handler(void)
{
    __asm volatile(
        "ldr r0, =0x4000000C\n\t"
        "movs r1, #1\n\t"
        "str r1, [r0]\n\t"
        "ldr r0, =g_interrupts\n\t"
        "ldr r1, [r0]\n\t"
        "adds r1, #1\n\t"
        "str r1, [r0]\n\t"
        "mov r2, #0xA5A5A5A5\n\t"
        "mov r3, r2\n\t"
        "mov r12, r2\n\t"
        "msr apsr_nzcvq, r2\n\t"
        "bx lr\n\t"
        ".ltorg");
}

static void StartStorm(uint32_t period)
{
    g_interrupts = 0;
    TIMER0->CTRL = 0;
    TIMER0->RELOAD = period;
    TIMER0->VALUE = period;
    TIMER0->INTSTATUS = 1;
    NvicUnpend(IRQ_TIMER0);
    NvicEnable(IRQ_TIMER0);
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
}

static void StopStorm(void)
{
    TIMER0->CTRL = 0;
    TIMER0->INTSTATUS = 1;
    NvicDisable(IRQ_TIMER0);
    NvicUnpend(IRQ_TIMER0);
}

/* Counts, in IT blocks and with flags that live across instructions, how many of `loops` numbers have bit 3 set. */
static uint32_t CountInItBlocks(uint32_t loops)
{
    uint32_t set = 0;
    uint32_t clear = 0;
    uint32_t wrong = 0;
    __asm volatile(
        "1:\n\t"
        "tst %3, #8\n\t"
        "itete ne\n\t"
        "addne %0, #1\n\t"
        "addeq %1, #1\n\t"
        "addne %0, #0\n\t"
        "addeq %1, #0\n\t"
        "ittt eq\n\t"
        "moveq r2, #8\n\t"
        "tsteq r2, #8\n\t" /* now NE: the third must not run */
        "addeq %2, #1\n\t"
        "subs %3, #1\n\t"
        "bne 1b"
        : "+r"(set), "+r"(clear), "+r"(wrong), "+r"(loops)
        :
        : "r2", "cc");
    return wrong == 0 ? (set << 16 | clear) : 0xBADu;
}

static uint32_t AddCarries(uint32_t loops)
{
    /* A 96-bit sum: the carries live in the flags between the adds. */
    uint32_t low = 0;
    uint32_t middle = 0;
    uint32_t high = 0;
    __asm volatile(
        "1:\n\t"
        "adds %0, %4\n\t"
        "adcs %1, %4\n\t"
        "adc %2, %2, #0\n\t"
        "subs %3, #1\n\t"
        "bne 1b"
        : "+r"(low), "+r"(middle), "+r"(high), "+r"(loops)
        : "r"(0xFFFFFFFFu)
        : "cc");
    return low ^ middle ^ high;
}

static bool CopyInBlocks(uint32_t loops)
{
    /* LDM and STM that are interrupted continue or restart (B1.5.10): either way the copy is right. */
    static uint32_t from[8], to[8];
    for (uint32_t n = 0; n < loops; ++n) {
        for (uint32_t i = 0; i < 8; ++i) {
            from[i] = n * 8u + i;
            to[i] = 0;
        }
        uint32_t *f = from;
        uint32_t *t = to;
        __asm volatile(
            "ldmia %0!, {r1, r2, r3, r4, r5, r6, r8, r12}\n\t"
            "stmia %1!, {r1, r2, r3, r4, r5, r6, r8, r12}"
            : "+r"(f), "+r"(t)
            :
            : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r12", "memory");
        if (memcmp(from, to, sizeof(from)) != 0 || f != from + 8 || t != to + 8) {
            return false;
        }
    }
    return true;
}

static void TestSurvival(void)
{
    uint32_t carriesAlone = AddCarries(5000);
    StartStorm(211);
    uint32_t counted = CountInItBlocks(16000);
    uint32_t carries = AddCarries(5000);
    bool copied = CopyInBlocks(500);
    StopStorm();
    CheckEqual("it blocks survive interrupts", counted, 8000u << 16 | 8000u);
    CheckEqual("flags survive interrupts", carries, carriesAlone);
    CheckTrue("ldm and stm survive interrupts", copied);
    CheckTrue("there were interrupts", g_interrupts > 20);

    /* SVC inside an IT block: the block goes on after the return. */
    uint32_t result = 0;
    __asm volatile(
        "movs r1, #0\n\t"
        "cmp r1, #0\n\t"
        "itett eq\n\t"
        "svceq 3\n\t"
        "addne %0, #100\n\t"
        "addeq %0, #1\n\t"
        "addeq %0, #2"
        : "+r"(result)
        :
        : "r0", "r1", "r2", "r3", "r12", "cc", "memory");
    CheckEqual("an it block goes on after its svc", result, 3);
    CheckTrue("stacked xpsr holds the it state", (g_frame.xpsr & 0x0600FC00u) != 0);
}

static void TestMonitor(void)
{
    uint32_t word = 5;
    uint32_t failed;
    __asm volatile(
        "ldrex r0, [%1]\n\t"
        "strex %0, r0, [%1]"
        : "=&r"(failed)
        : "r"(&word)
        : "r0", "memory");
    CheckEqual("strex after ldrex stores", failed, 0);
    __asm volatile(
        "ldrex r4, [%1]\n\t"
        "svc 5\n\t"
        "strex %0, r4, [%1]"
        : "=&r"(failed)
        : "r"(&word)
        : "r0", "r1", "r2", "r3", "r4", "r12", "memory");
    CheckEqual("an exception clears the monitor", failed, 1);
    __asm volatile(
        "ldrex r4, [%1]\n\t"
        "clrex\n\t"
        "strex %0, r4, [%1]"
        : "=&r"(failed)
        : "r"(&word)
        : "r4", "memory");
    CheckEqual("clrex clears the monitor", failed, 1);
}

static void Unprivileged(void)
{
    uint32_t primask, basepri, ipsr;
    __asm volatile(
        "cpsid i\n\t"
        "movs r0, #0x40\n\t"
        "msr basepri, r0\n\t"
        "movs r0, #0\n\t"
        "msr control, r0\n\t"
        "isb\n\t"
        "mrs %0, primask\n\t"
        "mrs %1, basepri\n\t"
        "mrs %2, ipsr"
        : "=&r"(primask), "=&r"(basepri), "=&r"(ipsr)
        :
        : "r0", "memory");
    CheckEqual("unprivileged: cpsid does nothing", primask, 0);
    CheckEqual("unprivileged: basepri reads 0", basepri, 0);
    CheckEqual("unprivileged: ipsr reads 0", ipsr, 0);
    CheckEqual("unprivileged: control keeps npriv", CPU_READ_SPECIAL(control) & 1u, 1);
    __asm volatile("svc 8" ::: "memory");
}

static void MakePrivileged(ExceptionFrame *frame)
{
    (void)frame;
    CPU_WRITE_SPECIAL(control, CPU_READ_SPECIAL(control) & ~1u);
}

static void TestPrivilege(void)
{
    g_inSvc = MakePrivileged;
    CPU_WRITE_SPECIAL(control, 1);
    Unprivileged();
    CheckEqual("svc can give privilege back", CPU_READ_SPECIAL(control), 0);
    CheckEqual("primask was never set", CPU_READ_SPECIAL(primask), 0);
    CheckEqual("basepri was never set", CPU_READ_SPECIAL(basepri), 0);
    g_inSvc = 0;
}

/* Two threads on PSP that hand over by PendSV, as kernels do. */
uint32_t *g_threadSp[2];
uint32_t g_current;

__attribute__((naked)) void PendSvHandler(void)
{
    __asm volatile(
        "mrs r0, psp\n\t"
        "stmdb r0!, {r4-r11}\n\t"
        "ldr r1, =g_current\n\t"
        "ldr r2, =g_threadSp\n\t"
        "ldr r3, [r1]\n\t"
        "str r0, [r2, r3, lsl #2]\n\t"
        "eor r3, #1\n\t"
        "str r3, [r1]\n\t"
        "ldr r0, [r2, r3, lsl #2]\n\t"
        "ldmia r0!, {r4-r11}\n\t"
        "msr psp, r0\n\t"
        "bx lr\n\t"
        ".ltorg");
}

static void Yield(void)
{
    ICSR = ICSR_PENDSVSET;
    CpuBarrier();
}

static void SecondThread(void)
{
    for (uint32_t i = 0;; ++i) {
        Trace((char)('a' + i));
        Yield();
    }
}

static void FirstThread(void)
{
    for (uint32_t i = 0; i < 5; ++i) {
        Trace((char)('0' + i));
        Yield();
    }
}

static void TestSwitch(void)
{
    ExceptionFrame *frame = (ExceptionFrame *)(void *)&g_stack[1][STACK_WORDS - 8u];
    *frame = (ExceptionFrame){.pc = CODE_ADDRESS(SecondThread), .xpsr = 1u << 24};
    g_threadSp[1] = &g_stack[1][STACK_WORDS - 16u];
    g_current = 0;
    SHPR(14) = 0xE0;
    OnPsp(FirstThread);
    CheckTrace("two threads by pendsv", "0a1b2c3d4e");
}

static void TestVtor(void)
{
    static uint32_t vectors[64] __attribute__((aligned(256)));
    memcpy(vectors, (const void *)(uintptr_t)VTOR, sizeof(uint32_t) * 48u);
    uint32_t old = VTOR;
    VTOR = (uint32_t)(uintptr_t)vectors;
    CpuBarrier();
    CheckEqual("vtor reads back", VTOR, (uint32_t)(uintptr_t)vectors);
    CallSvc();
    CheckEqual("vectors in ram work", g_svcNumber, 42);
    vectors[16 + IRQ_GPIO1] = vectors[16 + IRQ_GPIO0];
    NVIC_IPR(IRQ_GPIO1) = 0x40;
    g_stackedIpsr = 0;
    NvicEnable(IRQ_GPIO1);
    NvicPend(IRQ_GPIO1);
    CpuBarrier();
    CheckEqual("a vector changed in ram counts", g_stackedIpsr, 16u + IRQ_GPIO1);
    VTOR = old;
    NvicDisable(IRQ_GPIO1);
}

int main(void)
{
    TestSvc();
    TestAlignment();
    TestStacks();
    TestNested();
    TestReturns();
    TestSurvival();
    TestMonitor();
    TestPrivilege();
    TestSwitch();
    TestVtor();
    CheckDone();
}
