/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything at once: four threads that watch their own integer and FP registers, switched by SysTick and
 * PendSV, under three nested interrupts that spoil what they may. One wrong register ends a thread's count.
 */
#include "check.h"
#include "mps2.h"

#define THREADS 4u
#define STACK_WORDS 256u
#define ROUNDS 400u /* thread switches */

static uint32_t g_stacks[THREADS][STACK_WORDS] __attribute__((aligned(8)));
uint32_t g_sp[THREADS];
uint32_t g_running;
volatile uint32_t g_loops[THREADS];
volatile uint32_t g_wrong[THREADS];
static volatile uint32_t g_switches, g_irqs[3], g_nested;
static volatile int32_t g_depth;

/* Fills and checks r4-r11 (and r0-r3, r12 on the way) in an endless loop; the pattern is the thread's own. */
#define INTEGER_THREAD(name, index, pattern)         \
    __attribute__((naked)) static void name(void)    \
    {                                                \
        __asm volatile(                              \
            "1:\n\t"                                 \
            "mov r4, #" #pattern "\n\t"              \
            "add r5, r4, #1\n\t"                     \
            "add r6, r4, #2\n\t"                     \
            "add r7, r4, #3\n\t"                     \
            "add r8, r4, #4\n\t"                     \
            "add r9, r4, #5\n\t"                     \
            "add r10, r4, #6\n\t"                    \
            "add r11, r4, #7\n\t"                    \
            "add r12, r4, #8\n\t"                    \
            "add r3, r4, #9\n\t"                     \
            "movs r2, #50\n\t"                       \
            "2:\n\t"                                 \
            "add r0, r4, r5\n\t"                     \
            "add r0, r6\n\t"                         \
            "add r0, r7\n\t"                         \
            "add r0, r8\n\t"                         \
            "add r0, r9\n\t"                         \
            "add r0, r10\n\t"                        \
            "add r0, r11\n\t"                        \
            "add r0, r12\n\t"                        \
            "add r0, r3\n\t"                         \
            "mov r1, #10\n\t"                        \
            "mul r1, r4, r1\n\t"                     \
            "add r1, #45\n\t"                        \
            "cmp r0, r1\n\t"                         \
            "bne 3f\n\t"                             \
            "subs r2, #1\n\t"                        \
            "bne 2b\n\t"                             \
            "ldr r0, =g_loops\n\t"                   \
            "ldr r1, [r0, #4 * " #index "]\n\t"      \
            "add r1, #1\n\t"                         \
            "str r1, [r0, #4 * " #index "]\n\t"      \
            "b 1b\n\t"                               \
            "3:\n\t"                                 \
            "ldr r0, =g_wrong\n\t"                   \
            "mov r1, #1\n\t"                         \
            "str r1, [r0, #4 * " #index "]\n\t"      \
            "b .\n\t"                                \
            ".ltorg");                               \
    }
INTEGER_THREAD(FirstThread, 0, 0x11000000)
INTEGER_THREAD(SecondThread, 1, 0x00220000)

/* The same with all 32 FP registers: s(n) = base + n, summed up again and again. */
#define FLOAT_THREAD(name, index, base)                    \
    static void name(void)                                 \
    {                                                      \
        for (;;) {                                         \
            uint32_t sum = FloatRound(base);               \
            if (sum != 32u * (base) + 496u) {              \
                g_wrong[index] = 1;                        \
                for (;;) {                                 \
                }                                          \
            }                                              \
            ++g_loops[index];                              \
        }                                                  \
    }

__attribute__((naked, noipa)) static uint32_t FloatRound(__attribute__((unused)) uint32_t base)
{
    __asm volatile(
        "push {r4, lr}\n\t"
        "vpush {s16-s31}\n\t"
        "vmov s0, r0\n\t"
        "vcvt.f32.u32 s0, s0\n\t"
        "vmov.f32 s31, #1.0\n\t"
        ".altmacro\n\t"
        ".macro NEXT to, from\n\t"
        "vadd.f32 s\\to, s\\from, s31\n\t"
        ".endm\n\t"
        ".set n, 1\n\t"
        ".rept 30\n\t"
        "NEXT %n, %(n-1)\n\t"
        ".set n, n+1\n\t"
        ".endr\n\t"
        "vadd.f32 s31, s30, s31\n\t"
        "movs r2, #40\n\t" /* time for somebody to interrupt */
        "1: subs r2, #1\n\t"
        "bne 1b\n\t"
        ".macro ADD from\n\t"
        "vadd.f32 s0, s0, s\\from\n\t"
        ".endm\n\t"
        ".set n, 1\n\t"
        ".rept 31\n\t"
        "ADD %n\n\t"
        ".set n, n+1\n\t"
        ".endr\n\t"
        "vcvt.u32.f32 s0, s0\n\t"
        "vmov r0, s0\n\t"
        "vpop {s16-s31}\n\t"
        "pop {r4, pc}\n\t"
        ".purgem NEXT\n\t"
        ".purgem ADD\n\t"
        ".noaltmacro");
}
FLOAT_THREAD(ThirdThread, 2, 1000u)
FLOAT_THREAD(FourthThread, 3, 77u)

/* Spoils every register that an interrupt may, FP included. */
static void Spoil(void)
{
    __asm volatile(
        "mov r0, #0xEEEEEEEE\n\t"
        "mov r1, r0\n\t"
        "mov r2, r0\n\t"
        "mov r3, r0\n\t"
        "mov r12, r0\n\t"
        "vmov s0, s1, r0, r0\n\t"
        "vmov s2, s3, r0, r0\n\t"
        "vmov s14, s15, r0, r0\n\t"
        "vmsr fpscr, r0\n\t"
        "msr apsr_nzcvq, r0" ::
            : "r0", "r1", "r2", "r3", "r12", "s0", "s1", "s2", "s3", "s14", "s15", "cc");
}

static void Enter(uint32_t index)
{
    ++g_depth;
    if (g_depth > 1) {
        ++g_nested;
    }
    Spoil();
    ++g_irqs[index];
    Delay(20);
    --g_depth;
}

void Timer0Handler(void)
{
    TIMER0->INTSTATUS = 1;
    Enter(0);
}

void Timer1Handler(void)
{
    TIMER1->INTSTATUS = 1;
    Enter(1);
}

void DualTimerHandler(void)
{
    DUALTIMER1->INTCLR = 1;
    Enter(2);
}

void SysTickHandler(void)
{
    Spoil();
    ICSR = ICSR_PENDSVSET;
}

__attribute__((used)) uint32_t Schedule(uint32_t sp)
{
    g_sp[g_running] = sp;
    ++g_switches;
    if (g_switches == ROUNDS) {
        NvicPend(IRQ_GPIO0);
    }
    g_running = (g_running + 1u) % THREADS;
    return g_sp[g_running];
}

/* The high FP registers belong to the frame only when the thread has used the FPU: EXC_RETURN bit 4 is clear then. */
__attribute__((naked)) void PendSvHandler(void)
{
    __asm volatile(
        "mrs r0, psp\n\t"
        "tst lr, #0x10\n\t"
        "it eq\n\t"
        "vstmdbeq r0!, {s16-s31}\n\t"
        "stmdb r0!, {r4-r11, lr}\n\t"
        "bl Schedule\n\t"
        "ldmia r0!, {r4-r11, lr}\n\t"
        "tst lr, #0x10\n\t"
        "it eq\n\t"
        "vldmiaeq r0!, {s16-s31}\n\t"
        "msr psp, r0\n\t"
        "bx lr");
}

/* SVC 0 starts thread 0 and never returns to its caller. */
__attribute__((naked)) void SvcHandler(void)
{
    __asm volatile(
        "ldr r0, =g_sp\n\t"
        "ldr r0, [r0]\n\t"
        "ldmia r0!, {r4-r11, lr}\n\t"
        "msr psp, r0\n\t"
        "bx lr\n\t"
        ".ltorg");
}

static void Make(uint32_t index, void (*entry)(void))
{
    uint32_t *top = &g_stacks[index][STACK_WORDS];
    ExceptionFrame *frame = (ExceptionFrame *)(void *)(top - 8);
    *frame = (ExceptionFrame){.pc = CODE_ADDRESS(entry), .xpsr = 1u << 24};
    uint32_t *saved = top - 8 - 9;
    saved[8] = 0xFFFFFFFDu;
    g_sp[index] = (uint32_t)(uintptr_t)saved;
}

/* Pended by the last switch; shares the lowest priority, so that it finds nobody half done. */
void Gpio0Handler(void)
{
    CpuIrqDisable();
    SYST_CSR = 0;
    static const char *const names[THREADS] = {"integer thread 1", "integer thread 2", "fp thread 1", "fp thread 2"};
    for (uint32_t i = 0; i < THREADS; ++i) {
        CheckTrue(names[i], g_wrong[i] == 0 && g_loops[i] > 20u);
    }
    for (uint32_t i = 0; i < THREADS; ++i) {
        bool inside = g_sp[i] > (uint32_t)(uintptr_t)g_stacks[i] &&
            g_sp[i] < (uint32_t)(uintptr_t)&g_stacks[i][STACK_WORDS];
        CheckTrue("its stack pointer stayed in its stack", inside);
    }
    CheckTrue("timer 0 interrupted", g_irqs[0] > 100u);
    CheckTrue("timer 1 interrupted", g_irqs[1] > 100u);
    CheckTrue("the dual timer interrupted", g_irqs[2] > 100u);
    CheckTrue("they nested", g_nested > 0);
    CheckEqual("and unwound", (uint32_t)g_depth, 0);
    CheckEqual("no fault on the way", g_fault.count, 0);
    CheckDone();
}

int main(void)
{
    Make(0, FirstThread);
    Make(1, SecondThread);
    Make(2, ThirdThread);
    Make(3, FourthThread);
    SHPR(15) = 0xC0;
    SHPR(14) = 0xE0;
    NVIC_IPR(IRQ_TIMER0) = 0x80;
    NVIC_IPR(IRQ_TIMER1) = 0x40;
    NVIC_IPR(IRQ_DUALTIMER) = 0x20;
    NVIC_IPR(IRQ_GPIO0) = 0xE0;
    NvicEnable(IRQ_TIMER0);
    NvicEnable(IRQ_TIMER1);
    NvicEnable(IRQ_DUALTIMER);
    NvicEnable(IRQ_GPIO0);

    /* Periods without a common factor, so that the interrupts meet in every order. */
    TIMER0->RELOAD = 1009;
    TIMER0->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    TIMER1->RELOAD = 1361;
    TIMER1->CTRL = TIMER_CTRL_EN | TIMER_CTRL_IRQEN;
    DUALTIMER1->LOAD = 1777;
    DUALTIMER1->CONTROL = DUALTIMER_EN | DUALTIMER_PERIODIC | DUALTIMER_INTEN | DUALTIMER_32BIT;
    SYST_RVR = 5002;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CLKSOURCE;
    __asm volatile("svc 0");
    CheckTrue("never here", false);
    CheckDone();
}
