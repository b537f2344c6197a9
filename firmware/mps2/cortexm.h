/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Cortex-M core: system registers and instructions, named as in the ARMv7-M ARM (DDI 0403), chapter B3. */
#ifndef CORTEXM_H
#define CORTEXM_H

#include <stdbool.h>
#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define REG8(address) (*(volatile uint8_t *)(uintptr_t)(address))

/* B3.3 SysTick */
#define SYST_CSR REG32(0xE000E010)
#define SYST_RVR REG32(0xE000E014)
#define SYST_CVR REG32(0xE000E018)
#define SYST_CALIB REG32(0xE000E01C)
#define SYST_CSR_ENABLE (1u << 0)
#define SYST_CSR_TICKINT (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2)
#define SYST_CSR_COUNTFLAG (1u << 16)

/* B3.4 NVIC */
#define ICTR REG32(0xE000E004)
#define NVIC_ISER(n) REG32(0xE000E100 + 4u * (n))
#define NVIC_ICER(n) REG32(0xE000E180 + 4u * (n))
#define NVIC_ISPR(n) REG32(0xE000E200 + 4u * (n))
#define NVIC_ICPR(n) REG32(0xE000E280 + 4u * (n))
#define NVIC_IABR(n) REG32(0xE000E300 + 4u * (n))
#define NVIC_IPR(irq) REG8(0xE000E400 + (irq))
#define STIR REG32(0xE000EF00)

/* B3.2 System control block */
#define ACTLR REG32(0xE000E008)
#define CPUID REG32(0xE000ED00)
#define ICSR REG32(0xE000ED04)
#define VTOR REG32(0xE000ED08)
#define AIRCR REG32(0xE000ED0C)
#define SCR REG32(0xE000ED10)
#define CCR REG32(0xE000ED14)
#define SHPR(exception) REG8(0xE000ED14 + (exception)) /* exceptions 4..15 */
#define SHCSR REG32(0xE000ED24)
#define CFSR REG32(0xE000ED28)
#define HFSR REG32(0xE000ED2C)
#define DFSR REG32(0xE000ED30)
#define MMFAR REG32(0xE000ED34)
#define BFAR REG32(0xE000ED38)
#define CPACR REG32(0xE000ED88)
#define FPCCR REG32(0xE000EF34)
#define FPCAR REG32(0xE000EF38)
#define FPDSCR REG32(0xE000EF3C)

#define ICSR_NMIPENDSET (1u << 31)
#define ICSR_PENDSVSET (1u << 28)
#define ICSR_PENDSVCLR (1u << 27)
#define ICSR_PENDSTSET (1u << 26)
#define ICSR_PENDSTCLR (1u << 25)
#define ICSR_ISRPENDING (1u << 22)
#define ICSR_VECTPENDING(icsr) (((icsr) >> 12) & 0x1FFu)
#define ICSR_RETTOBASE (1u << 11)
#define ICSR_VECTACTIVE(icsr) ((icsr) & 0x1FFu)

#define AIRCR_VECTKEY 0x05FA0000u
#define AIRCR_PRIGROUP(n) ((uint32_t)(n) << 8)
#define AIRCR_SYSRESETREQ (1u << 2)

#define SCR_SLEEPONEXIT (1u << 1)
#define SCR_SLEEPDEEP (1u << 2)
#define SCR_SEVONPEND (1u << 4)

#define CCR_NONBASETHRDENA (1u << 0)
#define CCR_USERSETMPEND (1u << 1)
#define CCR_UNALIGN_TRP (1u << 3)
#define CCR_DIV_0_TRP (1u << 4)
#define CCR_BFHFNMIGN (1u << 8)
#define CCR_STKALIGN (1u << 9)

#define SHCSR_MEMFAULTACT (1u << 0)
#define SHCSR_BUSFAULTACT (1u << 1)
#define SHCSR_USGFAULTACT (1u << 3)
#define SHCSR_SVCALLACT (1u << 7)
#define SHCSR_PENDSVACT (1u << 10)
#define SHCSR_SYSTICKACT (1u << 11)
#define SHCSR_USGFAULTPENDED (1u << 12)
#define SHCSR_MEMFAULTPENDED (1u << 13)
#define SHCSR_BUSFAULTPENDED (1u << 14)
#define SHCSR_SVCALLPENDED (1u << 15)
#define SHCSR_MEMFAULTENA (1u << 16)
#define SHCSR_BUSFAULTENA (1u << 17)
#define SHCSR_USGFAULTENA (1u << 18)

/* CFSR = MMFSR | BFSR << 8 | UFSR << 16 */
#define CFSR_IACCVIOL (1u << 0)
#define CFSR_DACCVIOL (1u << 1)
#define CFSR_MUNSTKERR (1u << 3)
#define CFSR_MSTKERR (1u << 4)
#define CFSR_MLSPERR (1u << 5)
#define CFSR_MMARVALID (1u << 7)
#define CFSR_IBUSERR (1u << 8)
#define CFSR_PRECISERR (1u << 9)
#define CFSR_IMPRECISERR (1u << 10)
#define CFSR_UNSTKERR (1u << 11)
#define CFSR_STKERR (1u << 12)
#define CFSR_BFARVALID (1u << 15)
#define CFSR_UNDEFINSTR (1u << 16)
#define CFSR_INVSTATE (1u << 17)
#define CFSR_INVPC (1u << 18)
#define CFSR_NOCP (1u << 19)
#define CFSR_UNALIGNED (1u << 24)
#define CFSR_DIVBYZERO (1u << 25)
#define HFSR_VECTTBL (1u << 1)
#define HFSR_FORCED (1u << 30)

/* B3.5 MPU (PMSAv7) */
#define MPU_TYPE REG32(0xE000ED90)
#define MPU_CTRL REG32(0xE000ED94)
#define MPU_RNR REG32(0xE000ED98)
#define MPU_RBAR REG32(0xE000ED9C)
#define MPU_RASR REG32(0xE000EDA0)
#define MPU_CTRL_ENABLE (1u << 0)
#define MPU_CTRL_HFNMIENA (1u << 1)
#define MPU_CTRL_PRIVDEFENA (1u << 2)

/* C1 debug: DWT cycle counter */
#define DEMCR REG32(0xE000EDFC)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL REG32(0xE0001000)
#define DWT_CYCCNT REG32(0xE0001004)
#define DWT_CTRL_CYCCNTENA (1u << 0)
#define DWT_CTRL_NOCYCCNT (1u << 25)

/* The eight words that exception entry stacks (B1.5.6). */
typedef struct {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
} ExceptionFrame;

static inline void CpuIrqDisable(void) { __asm volatile("cpsid i" ::: "memory"); }
static inline void CpuIrqEnable(void) { __asm volatile("cpsie i" ::: "memory"); }
static inline void CpuWaitForInterrupt(void) { __asm volatile("dsb\n\twfi\n\tisb" ::: "memory"); }
static inline void CpuWaitForEvent(void) { __asm volatile("wfe" ::: "memory"); }
static inline void CpuSendEvent(void) { __asm volatile("sev" ::: "memory"); }
static inline void CpuBarrier(void) { __asm volatile("dsb\n\tisb" ::: "memory"); }

#define CPU_READ_SPECIAL(reg)                                  \
    ({                                                         \
        uint32_t value_;                                       \
        __asm volatile("mrs %0, " #reg : "=r"(value_)::"memory"); \
        value_;                                                \
    })
#define CPU_WRITE_SPECIAL(reg, value) __asm volatile("msr " #reg ", %0\n\tisb" ::"r"((uint32_t)(value)) : "memory")

static inline void NvicEnable(uint32_t irq) { NVIC_ISER(irq >> 5) = 1u << (irq & 31u); }
static inline void NvicDisable(uint32_t irq)
{
    NVIC_ICER(irq >> 5) = 1u << (irq & 31u);
    CpuBarrier();
}
static inline void NvicPend(uint32_t irq) { NVIC_ISPR(irq >> 5) = 1u << (irq & 31u); }
static inline void NvicUnpend(uint32_t irq) { NVIC_ICPR(irq >> 5) = 1u << (irq & 31u); }
static inline bool NvicIsPending(uint32_t irq) { return (NVIC_ISPR(irq >> 5) >> (irq & 31u)) & 1u; }
static inline bool NvicIsActive(uint32_t irq) { return (NVIC_IABR(irq >> 5) >> (irq & 31u)) & 1u; }

#endif
