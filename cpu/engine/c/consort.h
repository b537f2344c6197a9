/* What Consort's patch adds to Unicorn's interface: an exact-budget run loop, I/O by one callback, and the core's
 * state as plain fields. An engine that consort_attach was called for serves these calls beside the stock ones, except
 * those that run code or hook it. */
#ifndef CONSORT_H
#define CONSORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unicorn/unicorn.h"

/* Why a run ended. */
enum consort_stop {
    CONSORT_STOP_NONE = 0,
    CONSORT_STOP_BUDGET,
    CONSORT_STOP_REQUESTED,
    CONSORT_STOP_UNMASKED,
    CONSORT_STOP_WFI,
    CONSORT_STOP_WFE,
    CONSORT_STOP_SEV,
    CONSORT_STOP_YIELD,
    CONSORT_STOP_BREAKPOINT,
    CONSORT_STOP_WATCHPOINT,
    CONSORT_STOP_EXCEPTION,
};

/* What kind of exception; OTHER is told by its number. */
enum consort_exception {
    CONSORT_EXCEPTION_OTHER = 0,
    CONSORT_EXCEPTION_SVC,
    CONSORT_EXCEPTION_BKPT,
    CONSORT_EXCEPTION_UNDEFINED,
    CONSORT_EXCEPTION_NO_COPROCESSOR,
    CONSORT_EXCEPTION_INVALID_STATE,
    CONSORT_EXCEPTION_RETURN,
    CONSORT_EXCEPTION_LAZY_STACKING,
    CONSORT_EXCEPTION_DIVIDE_BY_ZERO,
    CONSORT_EXCEPTION_STACK_OVERFLOW,
    CONSORT_EXCEPTION_FAULT,
    /* HVC and SMC, for whoever plays the firmware (PSCI): never delivered. */
    CONSORT_EXCEPTION_CALL,
};

enum consort_access {
    CONSORT_ACCESS_READ = 0,
    CONSORT_ACCESS_WRITE,
    CONSORT_ACCESS_FETCH,
};

enum consort_fault {
    CONSORT_FAULT_PROTECTION = 0,
    CONSORT_FAULT_BUS,
    CONSORT_FAULT_UNALIGNED,
};

struct consort_exit {
    /* Instructions completed, and the cycles they took. */
    uint64_t executed;
    uint64_t cycles;
    /* A fault's or watchpoint's address. */
    uint64_t address;
    /* ESR_ELx, the immediate of SVC and BKPT, or the EXC_RETURN value. */
    uint64_t syndrome;
    uint32_t stop;
    uint32_t exception;
    /* The number QEMU gives the exception. */
    uint32_t number;
    /* Of a fault or watchpoint. */
    uint32_t access;
    uint32_t fault;
    /* Of a watchpoint. */
    uint32_t size;
    /* The slots of all watchpoints that the last instruction's accesses touched, whatever ended the run: bit n is
     * slot n. */
    uint32_t hits;
};

/* Accesses that are not RAM or ROM; false is a bus error. */
struct consort_io {
    void *opaque;
    bool (*read)(void *opaque, uint64_t address, uint32_t size, uint64_t *value);
    bool (*write)(void *opaque, uint64_t address, uint32_t size, uint64_t value);
    /* A system register of the machine; false when it has none. */
    bool (*system_read)(void *opaque, uint32_t number, uint64_t *value);
    void (*system_write)(void *opaque, uint32_t number, uint64_t value);
};

/* An instruction about to be translated. */
struct consort_insn {
    uint64_t pc;
    /* A 32-bit Thumb instruction has its first halfword above. */
    uint32_t code;
    /* The page of memory that it is in, for Thumb; nothing where looking could fault. */
    const uint8_t *page;
    uint32_t page_size;
    /* Executed only if a condition holds that the instruction itself does not encode (Thumb's IT). */
    bool conditional;
};

/* What it costs, in cycles. Every boundary between instructions is exact, so `cost` is the most it takes, except in a
 * block's last instruction, where `taken` may add to it. */
struct consort_cost {
    uint8_t cost;
    /* Given back when it does not branch, or its condition fails. */
    uint8_t skipped;
    /* Added when it branches. */
    uint8_t taken;
    /* Of a division: given back in proportion to the bits by which its quotient is shorter than 32. */
    uint8_t short_quotient;
    /* How many bytes of the page in front of it and behind it these depend on. */
    uint8_t looked_back;
    uint8_t looked_ahead;
};

/* What instructions cost. An access to a system register costs `system`, and an exception that the core takes itself
 * `trap`. */
struct consort_timing {
    void *opaque;
    void (*cost)(void *opaque, const struct consort_insn *insn, struct consort_cost *cost);
    uint8_t system;
    uint8_t trap;
};

/* Register numbers; the M-profile ones are fields of the core, not what MRS shows. */
enum consort_reg {
    CONSORT_REG_R0 = 0,
    CONSORT_REG_SP = 13,
    CONSORT_REG_LR = 14,
    CONSORT_REG_PC = 15,
    CONSORT_REG_XPSR = 16,
    CONSORT_REG_MSP = 17,
    CONSORT_REG_PSP = 18,
    CONSORT_REG_PRIMASK = 19,
    CONSORT_REG_BASEPRI = 20,
    CONSORT_REG_FAULTMASK = 21,
    CONSORT_REG_CONTROL = 22,
    CONSORT_REG_IPSR = 23,
    CONSORT_REG_FPSCR = 24,
    CONSORT_REG_CPACR = 25,
    CONSORT_REG_FPCCR = 26,
    CONSORT_REG_FPCAR = 27,
    CONSORT_REG_FPDSCR = 28,
    CONSORT_REG_MPU_CTRL = 29,
    CONSORT_REG_MPU_MAIR0 = 30,
    CONSORT_REG_MPU_MAIR1 = 31,
    CONSORT_REG_MPU_REGIONS = 32,
    CONSORT_REG_CCR = 33,
    CONSORT_REG_NEGATIVE_PRIORITY = 34,
    CONSORT_REG_MSPLIM = 35,
    CONSORT_REG_PSPLIM = 36,
    CONSORT_REG_EXCLUSIVE_ADDRESS = 37,
    CONSORT_REG_EXCLUSIVE_VALUE = 38,
    /* The second register of a pair. */
    CONSORT_REG_EXCLUSIVE_HIGH = 39,
    CONSORT_REG_S0 = 64,
    CONSORT_REG_D0 = 96,
    CONSORT_REG_MPU_RBAR0 = 128,
    CONSORT_REG_MPU_RASR0 = 144,
    /* AArch64 and RISC-V. X31 is AArch64's SP. */
    CONSORT_REG_X0 = 512,
    CONSORT_REG_PC64 = 544,
    CONSORT_REG_PSTATE = 545,
    CONSORT_REG_FPCR = 546,
    CONSORT_REG_FPSR = 547,
    CONSORT_REG_SP_EL0 = 548,
    CONSORT_REG_PRIVILEGE = 552,
    CONSORT_REG_INTERRUPTS = 553,
    CONSORT_REG_INSTRET = 554,
    CONSORT_REG_CYCLES = 555,
    CONSORT_REG_TIMER_CTL0 = 560,
    CONSORT_REG_TIMER_CVAL0 = 564,
    /* RISC-V F0-F31; AArch64 V0-V31, low and high halves in turn. */
    CONSORT_REG_F0 = 576,
    CONSORT_REG_V0 = 576,
    /* AArch64: op0:op1:CRn:CRm:op2, as MRS encodes them in bits 20:5. */
    CONSORT_REG_SYSTEM = 0x10000,
    /* RISC-V: the CSR's number. */
    CONSORT_REG_CSR = 0x20000,
};

/* System registers whose state is the machine's. */
enum consort_system {
    /* RISC-V: the `time` CSR. */
    CONSORT_SYSTEM_TIME = 1,
    /* Arm generic timer: the system counter; reads only. */
    CONSORT_SYSTEM_COUNTER = 2,
    /* Arm generic timer: CTL and CVAL of timer n = 0 physical, 1 virtual, 2 hypervisor, 3 secure; writes only. */
    CONSORT_SYSTEM_TIMER_CTL0 = 16,
    CONSORT_SYSTEM_TIMER_CVAL0 = 32,
};

struct consort_options {
    /* Address space for translated code. */
    uint32_t translation_buffer;
    /* M-profile: regions of the MPU. */
    uint32_t mpu_regions;
    /* M-profile: implemented bits of a priority, which are those of BASEPRI. */
    uint32_t priority_bits;
    /* ARMv6-M: whether it has unprivileged execution; others have it. */
    bool unprivileged;
    /* ARMv8-A: whether it has EL2, and starts there. */
    bool hypervisor;
};

/* Makes an engine that uc_open made serve the calls below; to be called before anything but uc_ctl. */
uc_err consort_attach(uc_engine *uc, const struct consort_options *options);

/* Back to the architecture's reset state; memory stays. */
void consort_reset(uc_engine *uc);

/* Makes part of a mapped block visible at another address. */
uc_err consort_map_alias(uc_engine *uc, uint64_t base, uint64_t target, uint64_t size);
/* Starts to note written pages anew. */
void consort_clean(uc_engine *uc);
/* Whether the page was written since consort_clean; true when that was never called. */
bool consort_is_dirty(uc_engine *uc, uint64_t address);

uint64_t consort_reg_read(uc_engine *uc, uint32_t reg);
void consort_reg_write(uc_engine *uc, uint32_t reg, uint64_t value);

/* Prices instructions; without it, or with no `cost`, each takes one cycle. */
void consort_set_timing(uc_engine *uc, const struct consort_timing *timing);

/* Runs up to the first boundary between instructions at or behind `budget` cycles. */
void consort_run(uc_engine *uc, const struct consort_io *io, uint64_t budget, struct consort_exit *exit);

/* From a callback: instructions completed before the accessing one, the cycles they took; its address. */
uint64_t consort_executed(uc_engine *uc);
uint64_t consort_cycles(uc_engine *uc);
uint64_t consort_pc(uc_engine *uc);
/* From a callback: end after this instruction, or at `total` cycles of this run. */
void consort_stop_after(uc_engine *uc);
void consort_shorten(uc_engine *uc, uint64_t total);
/* From a callback: this access takes so many cycles more. */
void consort_stall(uc_engine *uc, uint32_t cycles);

void consort_watch_unmask(uc_engine *uc, bool on);
void consort_breakpoint(uc_engine *uc, uint64_t address, bool on);
/* `access` is CONSORT_ACCESS_READ or CONSORT_ACCESS_WRITE; `slot`, below 32, tells whose it is. */
void consort_watchpoint(uc_engine *uc, uint32_t slot, uint64_t address, uint64_t size, uint32_t access, bool on);

#endif
