/* The Arm targets' registers and exceptions; part of unicorn_arm.c and unicorn_aarch64.c. */

#include "consort/consort_priv.h"
#include "exec/exec-all.h"
#include "internals.h"
#include "kvm-consts.h"

static CPUARMState *consort_env(struct uc_struct *uc)
{
    return &ARM_CPU(uc->cpu)->env;
}

/* QEMU's key of a system register from the encoding that MRS has in bits 20:5. */
static uint32_t consort_system_key(uint32_t reg)
{
    return ENCODE_AA64_CP_REG(CP_REG_ARM64_SYSREG_CP, extract32(reg, 7, 4), extract32(reg, 3, 4),
                              extract32(reg, 14, 2), extract32(reg, 11, 3), extract32(reg, 0, 3));
}

/* M-profile: MSP or PSP is in R13, the other one beside it. */
static uint32_t *consort_stack(CPUARMState *env, bool process)
{
    return v7m_using_psp(env) == process ? &env->regs[13] : &env->v7m.other_sp;
}

static void consort_write_control(CPUARMState *env, uint32_t value)
{
    bool used_psp = v7m_using_psp(env);

    env->v7m.control[M_REG_NS] = value & (R_V7M_CONTROL_NPRIV_MASK | R_V7M_CONTROL_SPSEL_MASK);
    /* QEMU keeps FPCA in the secure bank, where there is only one. */
    env->v7m.control[M_REG_S] = value & R_V7M_CONTROL_FPCA_MASK;
    if (used_psp != v7m_using_psp(env)) {
        uint32_t other = env->v7m.other_sp;

        env->v7m.other_sp = env->regs[13];
        env->regs[13] = other;
    }
}

/* FPCCR.S decides which bank QEMU looks at; without the Security Extension it is the non-secure one. */
static void consort_write_fpccr(CPUARMState *env, uint32_t value)
{
    env->v7m.fpccr[M_REG_NS] = value & ~R_V7M_FPCCR_S_MASK;
    env->v7m.fpccr[M_REG_S] = value & ~R_V7M_FPCCR_S_MASK;
}

static uint32_t *consort_region(struct uc_struct *uc, uint32_t index, bool attributes)
{
    ARMCPU *cpu = ARM_CPU(uc->cpu);
    CPUARMState *env = &cpu->env;

    if (index >= cpu->pmsav7_dregion) {
        return NULL;
    }
    if (arm_feature(env, ARM_FEATURE_V8)) {
        return attributes ? &env->pmsav8.rlar[M_REG_NS][index] : &env->pmsav8.rbar[M_REG_NS][index];
    }
    return attributes ? &env->pmsav7.drsr[index] : &env->pmsav7.drbar[index];
}

static uint64_t consort_m_read(struct uc_struct *uc, uint32_t reg)
{
    CPUARMState *env = consort_env(uc);
    struct consort_state *cs = uc->consort;
    uint32_t *region;

    switch (reg) {
    case CONSORT_REG_XPSR:
        return xpsr_read(env);
    case CONSORT_REG_MSP:
        return *consort_stack(env, false);
    case CONSORT_REG_PSP:
        return *consort_stack(env, true);
    case CONSORT_REG_PRIMASK:
        return env->v7m.primask[M_REG_NS];
    case CONSORT_REG_BASEPRI:
        return env->v7m.basepri[M_REG_NS];
    case CONSORT_REG_FAULTMASK:
        return env->v7m.faultmask[M_REG_NS];
    case CONSORT_REG_CONTROL:
        return env->v7m.control[M_REG_NS] | (env->v7m.control[M_REG_S] & R_V7M_CONTROL_FPCA_MASK);
    case CONSORT_REG_IPSR:
        return env->v7m.exception;
    case CONSORT_REG_CPACR:
        return env->v7m.cpacr[M_REG_NS];
    case CONSORT_REG_FPCCR:
        return env->v7m.fpccr[M_REG_NS];
    case CONSORT_REG_FPCAR:
        return env->v7m.fpcar[M_REG_NS];
    case CONSORT_REG_FPDSCR:
        return env->v7m.fpdscr[M_REG_NS];
    case CONSORT_REG_MPU_CTRL:
        return env->v7m.mpu_ctrl[M_REG_NS];
    case CONSORT_REG_MPU_MAIR0:
        return env->pmsav8.mair0[M_REG_NS];
    case CONSORT_REG_MPU_MAIR1:
        return env->pmsav8.mair1[M_REG_NS];
    case CONSORT_REG_MPU_REGIONS:
        return ARM_CPU(uc->cpu)->pmsav7_dregion;
    case CONSORT_REG_CCR:
        return cs->ccr;
    case CONSORT_REG_NEGATIVE_PRIORITY:
        return cs->negative_priority;
    case CONSORT_REG_MSPLIM:
        return env->v7m.msplim[M_REG_NS];
    case CONSORT_REG_PSPLIM:
        return env->v7m.psplim[M_REG_NS];
    }
    if (reg >= CONSORT_REG_MPU_RBAR0 && reg < CONSORT_REG_MPU_RASR0) {
        region = consort_region(uc, reg - CONSORT_REG_MPU_RBAR0, false);
        return region ? *region : 0;
    }
    if (reg >= CONSORT_REG_MPU_RASR0 && reg < CONSORT_REG_MPU_RASR0 + 16) {
        region = consort_region(uc, reg - CONSORT_REG_MPU_RASR0, true);
        if (!region) {
            return 0;
        }
        if (arm_feature(env, ARM_FEATURE_V8)) {
            return *region;
        }
        return *region | env->pmsav7.dracr[reg - CONSORT_REG_MPU_RASR0] << 16;
    }
    return 0;
}

static void consort_m_write(struct uc_struct *uc, uint32_t reg, uint32_t value)
{
    CPUARMState *env = consort_env(uc);
    struct consort_state *cs = uc->consort;
    bool main = arm_feature(env, ARM_FEATURE_M_MAIN);
    bool v8 = arm_feature(env, ARM_FEATURE_V8);
    uint32_t *region;

    switch (reg) {
    case CONSORT_REG_XPSR:
        xpsr_write(env, value, 0xffffffff);
        return;
    case CONSORT_REG_MSP:
        *consort_stack(env, false) = value & ~3;
        return;
    case CONSORT_REG_PSP:
        *consort_stack(env, true) = value & ~3;
        return;
    case CONSORT_REG_PRIMASK:
        env->v7m.primask[M_REG_NS] = value & 1;
        return;
    case CONSORT_REG_BASEPRI:
        env->v7m.basepri[M_REG_NS] = main ? value & cs->priority_mask : 0;
        return;
    case CONSORT_REG_FAULTMASK:
        env->v7m.faultmask[M_REG_NS] = main ? value & 1 : 0;
        return;
    case CONSORT_REG_CONTROL:
        consort_write_control(env, value);
        return;
    case CONSORT_REG_IPSR:
        write_v7m_exception(env, value & XPSR_EXCP);
        return;
    case CONSORT_REG_CPACR:
        env->v7m.cpacr[M_REG_NS] = value;
        return;
    case CONSORT_REG_FPCCR:
        consort_write_fpccr(env, value);
        return;
    case CONSORT_REG_FPCAR:
        env->v7m.fpcar[M_REG_NS] = value & ~7;
        return;
    case CONSORT_REG_FPDSCR:
        env->v7m.fpdscr[M_REG_NS] = value & 0x07c00000;
        return;
    case CONSORT_REG_MPU_CTRL:
        env->v7m.mpu_ctrl[M_REG_NS] = ARM_CPU(uc->cpu)->pmsav7_dregion ? value & 7 : 0;
        consort_flush_memory(uc);
        return;
    case CONSORT_REG_MPU_MAIR0:
        env->pmsav8.mair0[M_REG_NS] = value;
        return;
    case CONSORT_REG_MPU_MAIR1:
        env->pmsav8.mair1[M_REG_NS] = value;
        return;
    case CONSORT_REG_CCR: {
        bool divide = main && (value & R_V7M_CCR_DIV_0_TRP_MASK);
        bool unaligned = main && (value & R_V7M_CCR_UNALIGN_TRP_MASK);

        cs->ccr = value;
        env->v7m.ccr[M_REG_NS] = value;
        if (divide != cs->trap_divide_by_zero || unaligned != cs->trap_unaligned) {
            cs->trap_divide_by_zero = divide;
            cs->trap_unaligned = unaligned;
            cs->flush_code_later = true;
        }
        return;
    }
    case CONSORT_REG_NEGATIVE_PRIORITY:
        cs->negative_priority = value & 1;
        return;
    case CONSORT_REG_MSPLIM:
        env->v7m.msplim[M_REG_NS] = v8 ? value & ~7 : 0;
        return;
    case CONSORT_REG_PSPLIM:
        env->v7m.psplim[M_REG_NS] = v8 ? value & ~7 : 0;
        return;
    }
    if (reg >= CONSORT_REG_MPU_RBAR0 && reg < CONSORT_REG_MPU_RASR0) {
        region = consort_region(uc, reg - CONSORT_REG_MPU_RBAR0, false);
        if (region) {
            *region = v8 ? value : value & ~0x1f;
            consort_flush_memory(uc);
        }
    } else if (reg >= CONSORT_REG_MPU_RASR0 && reg < CONSORT_REG_MPU_RASR0 + 16) {
        region = consort_region(uc, reg - CONSORT_REG_MPU_RASR0, true);
        if (region) {
            *region = v8 ? value : value & 0xff3f;
            if (!v8) {
                env->pmsav7.dracr[reg - CONSORT_REG_MPU_RASR0] = (value >> 16) & 0x173f;
            }
            consort_flush_memory(uc);
        }
    }
}

/* A core's integer registers, banks, flags and system registers as 64-bit words: all that is plain data in front of
 * the M-profile's part. The hidden flags among them are derived, and read as 0. */
#define CONSORT_REG_PLAIN_COUNT 0x2ffff
#define CONSORT_REG_PLAIN0 0x30000
#define CONSORT_PLAIN_SIZE offsetof(CPUARMState, v7m)

static uint32_t consort_plain_piece(uint32_t reg, size_t *at)
{
    *at = (size_t)(reg - CONSORT_REG_PLAIN0) * 8;
    if (reg < CONSORT_REG_PLAIN0 || *at >= CONSORT_PLAIN_SIZE) {
        return 0;
    }
    return CONSORT_PLAIN_SIZE - *at < 8 ? CONSORT_PLAIN_SIZE - *at : 8;
}

static uint64_t consort_plain_read(CPUARMState *env, uint32_t reg)
{
    uint32_t hidden = env->hflags;
    uint64_t value = 0;
    size_t at;
    uint32_t size;

    if (reg == CONSORT_REG_PLAIN_COUNT) {
        return (CONSORT_PLAIN_SIZE + 7) / 8;
    }
    size = consort_plain_piece(reg, &at);
    env->hflags = 0;
    memcpy(&value, (uint8_t *)env + at, size);
    env->hflags = hidden;
    return value;
}

static void consort_plain_write(struct uc_struct *uc, CPUARMState *env, uint32_t reg, uint64_t value)
{
    uint32_t hidden = env->hflags;
    size_t at;
    uint32_t size = consort_plain_piece(reg, &at);

    memcpy((uint8_t *)env + at, &value, size);
    env->hflags = hidden;
    if (size != 0 && at + size == CONSORT_PLAIN_SIZE) {
        consort_flush_memory(uc);
    }
}

/* The registers of the cores that take their exceptions themselves. */
static uint64_t consort_a_read(struct uc_struct *uc, uint32_t reg)
{
    CPUARMState *env = consort_env(uc);

    switch (reg) {
    case CONSORT_REG_XPSR:
        return is_a64(env) ? 0 : cpsr_read(env);
    case CONSORT_REG_INTERRUPTS:
        return (uc->cpu->interrupt_request & CPU_INTERRUPT_HARD ? 1 : 0) |
               (uc->cpu->interrupt_request & CPU_INTERRUPT_FIQ ? 2 : 0);
    case CONSORT_REG_PC64:
        return is_a64(env) ? env->pc : env->regs[15];
    case CONSORT_REG_PSTATE:
        return is_a64(env) ? pstate_read(env) : cpsr_read(env);
    case CONSORT_REG_FPCR:
        return vfp_get_fpcr(env);
    case CONSORT_REG_FPSR:
        return vfp_get_fpsr(env);
    }
    if (reg >= CONSORT_REG_TIMER_CTL0 && reg < CONSORT_REG_TIMER_CTL0 + 4) {
        return env->cp15.c14_timer[reg - CONSORT_REG_TIMER_CTL0].ctl;
    }
    if (reg >= CONSORT_REG_TIMER_CVAL0 && reg < CONSORT_REG_TIMER_CVAL0 + 4) {
        return env->cp15.c14_timer[reg - CONSORT_REG_TIMER_CVAL0].cval;
    }
    if (reg >= CONSORT_REG_V0 && reg < CONSORT_REG_V0 + 64) {
        return aa64_vfp_qreg(env, (reg - CONSORT_REG_V0) / 2)[reg & 1];
    }
    if (!is_a64(env)) {
        return 0;
    }
    if (reg >= CONSORT_REG_X0 && reg < CONSORT_REG_X0 + 32) {
        return env->xregs[reg - CONSORT_REG_X0];
    }
    if (reg >= CONSORT_REG_SP_EL0 && reg < CONSORT_REG_SP_EL0 + 4) {
        aarch64_save_sp(env, arm_current_el(env));
        return env->sp_el[reg - CONSORT_REG_SP_EL0];
    }
    if (reg >= CONSORT_REG_SYSTEM && reg < CONSORT_REG_SYSTEM + 0x10000) {
        const ARMCPRegInfo *ri = get_arm_cp_reginfo(ARM_CPU(uc->cpu)->cp_regs, consort_system_key(reg));

        return ri && !(ri->type & (ARM_CP_SPECIAL | ARM_CP_NO_RAW)) ? read_raw_cp_reg(env, ri) : 0;
    }
    return 0;
}

static void consort_a_write(struct uc_struct *uc, uint32_t reg, uint64_t value)
{
    CPUARMState *env = consort_env(uc);
    int el = arm_current_el(env);

    switch (reg) {
    case CONSORT_REG_XPSR:
        /* QEMU aborts on a mode that does not exist; without EL2 and EL3 neither do Hyp and Monitor. */
        if (!is_a64(env) && (1u << (value & 0x1f)) & 0x888f0000 && value & 0x10) {
            cpsr_write(env, value, 0xffffffff, CPSRWriteRaw);
        }
        return;
    case CONSORT_REG_INTERRUPTS:
        uc->cpu->interrupt_request &= ~(CPU_INTERRUPT_HARD | CPU_INTERRUPT_FIQ);
        uc->cpu->interrupt_request |= (value & 1 ? CPU_INTERRUPT_HARD : 0) | (value & 2 ? CPU_INTERRUPT_FIQ : 0);
        return;
    case CONSORT_REG_PC64:
        if (is_a64(env)) {
            env->pc = value;
        }
        return;
    case CONSORT_REG_PSTATE:
        if (is_a64(env) && extract32(value, 2, 2) <= (arm_feature(env, ARM_FEATURE_EL2) ? 2 : 1) &&
            !(value & PSTATE_nRW)) {
            aarch64_save_sp(env, el);
            pstate_write(env, value);
            aarch64_restore_sp(env, arm_current_el(env));
        }
        return;
    case CONSORT_REG_FPCR:
        vfp_set_fpcr(env, value);
        return;
    case CONSORT_REG_FPSR:
        vfp_set_fpsr(env, value);
        return;
    }
    if (reg >= CONSORT_REG_TIMER_CTL0 && reg < CONSORT_REG_TIMER_CTL0 + 4) {
        env->cp15.c14_timer[reg - CONSORT_REG_TIMER_CTL0].ctl = value & 7;
    } else if (reg >= CONSORT_REG_TIMER_CVAL0 && reg < CONSORT_REG_TIMER_CVAL0 + 4) {
        env->cp15.c14_timer[reg - CONSORT_REG_TIMER_CVAL0].cval = value;
    } else if (reg >= CONSORT_REG_V0 && reg < CONSORT_REG_V0 + 64) {
        aa64_vfp_qreg(env, (reg - CONSORT_REG_V0) / 2)[reg & 1] = value;
    } else if (!is_a64(env)) {
        return;
    } else if (reg >= CONSORT_REG_X0 && reg < CONSORT_REG_X0 + 32) {
        env->xregs[reg - CONSORT_REG_X0] = value;
    } else if (reg >= CONSORT_REG_SP_EL0 && reg < CONSORT_REG_SP_EL0 + 4) {
        aarch64_save_sp(env, el);
        env->sp_el[reg - CONSORT_REG_SP_EL0] = value;
        aarch64_restore_sp(env, el);
#ifdef TARGET_AARCH64
    } else if (reg >= CONSORT_REG_SYSTEM && reg < CONSORT_REG_SYSTEM + 0x10000) {
        uc_arm64_cp_reg cp = {
            .crn = extract32(reg, 7, 4),
            .crm = extract32(reg, 3, 4),
            .op0 = extract32(reg, 14, 2),
            .op1 = extract32(reg, 11, 3),
            .op2 = extract32(reg, 0, 3),
            .val = value,
        };
        const ARMCPRegInfo *ri = get_arm_cp_reginfo(ARM_CPU(uc->cpu)->cp_regs, consort_system_key(reg));

        if (!ri || (ri->type & (ARM_CP_SPECIAL | ARM_CP_NO_RAW | ARM_CP_CONST)) ||
            (!ri->fieldoffset && !ri->raw_writefn && !ri->writefn)) {
            return;
        }
        write_cp_reg(env, &cp);
        /* Translation tables and their control may have changed. */
        consort_flush_memory(uc);
#endif
    }
}

static uint64_t consort_arm_read(struct uc_struct *uc, uint32_t reg)
{
    CPUARMState *env = consort_env(uc);

    if (reg >= CONSORT_REG_PLAIN_COUNT) {
        return consort_plain_read(env, reg);
    }

    if (is_a64(env)) {
        switch (reg) {
        case CONSORT_REG_EXCLUSIVE_ADDRESS:
            return env->exclusive_addr;
        case CONSORT_REG_EXCLUSIVE_VALUE:
            return env->exclusive_val;
        case CONSORT_REG_EXCLUSIVE_HIGH:
            return env->exclusive_high;
        }
        return consort_a_read(uc, reg);
    }
    if (reg < 16) {
        return env->regs[reg];
    }
    switch (reg) {
    case CONSORT_REG_FPSCR:
        return vfp_get_fpscr(env);
    case CONSORT_REG_EXCLUSIVE_ADDRESS:
        return env->exclusive_addr;
    case CONSORT_REG_EXCLUSIVE_VALUE:
        return env->exclusive_val;
    }
    if (reg >= CONSORT_REG_S0 && reg < CONSORT_REG_S0 + 32) {
        uint64_t pair = *aa32_vfp_dreg(env, (reg - CONSORT_REG_S0) / 2);

        return (uint32_t)(reg & 1 ? pair >> 32 : pair);
    }
    if (reg >= CONSORT_REG_D0 && reg < CONSORT_REG_D0 + 32) {
        return *aa32_vfp_dreg(env, reg - CONSORT_REG_D0);
    }
    return arm_feature(env, ARM_FEATURE_M) ? consort_m_read(uc, reg) : consort_a_read(uc, reg);
}

static void consort_arm_write(struct uc_struct *uc, uint32_t reg, uint64_t value)
{
    CPUARMState *env = consort_env(uc);

    uc->consort->stale_flags = true;
    if (reg >= CONSORT_REG_PLAIN_COUNT) {
        consort_plain_write(uc, env, reg, value);
        return;
    }
    if (is_a64(env)) {
        switch (reg) {
        case CONSORT_REG_EXCLUSIVE_ADDRESS:
            env->exclusive_addr = value;
            return;
        case CONSORT_REG_EXCLUSIVE_VALUE:
            env->exclusive_val = value;
            return;
        case CONSORT_REG_EXCLUSIVE_HIGH:
            env->exclusive_high = value;
            return;
        }
        consort_a_write(uc, reg, value);
        return;
    }
    if (reg < 16) {
        if (reg == CONSORT_REG_PC) {
            value &= ~(uint64_t)1;
        } else if (reg == CONSORT_REG_SP && arm_feature(env, ARM_FEATURE_M)) {
            value &= ~(uint64_t)3;
        }
        env->regs[reg] = value;
        return;
    }
    switch (reg) {
    case CONSORT_REG_FPSCR:
        vfp_set_fpscr(env, value);
        return;
    case CONSORT_REG_EXCLUSIVE_ADDRESS:
        env->exclusive_addr = value;
        return;
    case CONSORT_REG_EXCLUSIVE_VALUE:
        env->exclusive_val = value;
        return;
    }
    if (reg >= CONSORT_REG_S0 && reg < CONSORT_REG_S0 + 32) {
        uint64_t *pair = aa32_vfp_dreg(env, (reg - CONSORT_REG_S0) / 2);

        *pair = reg & 1 ? (*pair & 0xffffffff) | value << 32 : (*pair & ~0xffffffffull) | (uint32_t)value;
    } else if (reg >= CONSORT_REG_D0 && reg < CONSORT_REG_D0 + 32) {
        *aa32_vfp_dreg(env, reg - CONSORT_REG_D0) = value;
    } else if (arm_feature(env, ARM_FEATURE_M)) {
        consort_m_write(uc, reg, value);
    } else {
        consort_a_write(uc, reg, value);
    }
}

static void consort_arm_sync(struct uc_struct *uc)
{
    arm_rebuild_hflags(consort_env(uc));
}

static uint64_t consort_arm_pc(struct uc_struct *uc)
{
    CPUARMState *env = consort_env(uc);

    return is_a64(env) ? env->pc : env->regs[15];
}

static enum consort_origin consort_arm_describe(struct uc_struct *uc, int number, struct consort_exit *exit)
{
    CPUARMState *env = consort_env(uc);

    exit->stop = CONSORT_STOP_EXCEPTION;
    exit->exception = CONSORT_EXCEPTION_OTHER;
    exit->number = number;
    exit->syndrome = env->exception.syndrome;
    exit->address = env->exception.vaddress;
    switch (number) {
    case EXCP_HLT:
        exit->stop = CONSORT_STOP_WFI;
        return CONSORT_COMPLETE;
    case EXCP_CONSORT_WFE:
        exit->stop = CONSORT_STOP_WFE;
        return CONSORT_COMPLETE;
    case EXCP_CONSORT_SEV:
        exit->stop = CONSORT_STOP_SEV;
        return CONSORT_COMPLETE;
    case EXCP_YIELD:
        exit->stop = CONSORT_STOP_YIELD;
        return CONSORT_COMPLETE;
    case EXCP_DEBUG:
        exit->stop = CONSORT_STOP_BREAKPOINT;
        return CONSORT_COMPLETE;
    }
    if (number == EXCP_HVC && arm_feature(env, ARM_FEATURE_EL2)) {
        return CONSORT_INCOMPLETE;
    }
    if (!arm_feature(env, ARM_FEATURE_M) && number != EXCP_HVC && number != EXCP_SMC) {
        return number == EXCP_PREFETCH_ABORT ? CONSORT_FETCH : CONSORT_INCOMPLETE;
    }
    switch (number) {
    case EXCP_SWI:
        exit->exception = CONSORT_EXCEPTION_SVC;
        exit->syndrome &= 0xffff;
        return CONSORT_COMPLETE;
    case EXCP_BKPT:
        exit->exception = CONSORT_EXCEPTION_BKPT;
        exit->syndrome &= 0xffff;
        return CONSORT_INCOMPLETE;
    case EXCP_EXCEPTION_EXIT:
        exit->exception = CONSORT_EXCEPTION_RETURN;
        exit->syndrome = env->regs[15] | env->thumb;
        return CONSORT_COMPLETE;
    case EXCP_HVC:
    case EXCP_SMC:
        exit->exception = CONSORT_EXCEPTION_CALL;
        return CONSORT_COMPLETE;
    case EXCP_UDEF:
        exit->exception = CONSORT_EXCEPTION_UNDEFINED;
        return CONSORT_INCOMPLETE;
    case EXCP_NOCP:
        exit->exception = CONSORT_EXCEPTION_NO_COPROCESSOR;
        return CONSORT_INCOMPLETE;
    case EXCP_INVSTATE:
        exit->exception = CONSORT_EXCEPTION_INVALID_STATE;
        return CONSORT_INCOMPLETE;
    case EXCP_LAZYFP:
        exit->exception = CONSORT_EXCEPTION_LAZY_STACKING;
        return CONSORT_INCOMPLETE;
    case EXCP_CONSORT_DIVIDE:
        exit->exception = CONSORT_EXCEPTION_DIVIDE_BY_ZERO;
        return CONSORT_INCOMPLETE;
    case EXCP_STKOF:
        exit->exception = CONSORT_EXCEPTION_STACK_OVERFLOW;
        return CONSORT_INCOMPLETE;
    case EXCP_PREFETCH_ABORT:
    case EXCP_DATA_ABORT:
        exit->exception = CONSORT_EXCEPTION_FAULT;
        if (number == EXCP_PREFETCH_ABORT) {
            exit->access = CONSORT_ACCESS_FETCH;
        } else {
            exit->access = env->exception.fsr & (1 << 11) ? CONSORT_ACCESS_WRITE : CONSORT_ACCESS_READ;
        }
        switch (env->exception.fsr & 0xf) {
        case 0x8:
            exit->fault = CONSORT_FAULT_BUS;
            break;
        case 0x1:
            exit->fault = CONSORT_FAULT_UNALIGNED;
            break;
        default:
            exit->fault = CONSORT_FAULT_PROTECTION;
            break;
        }
        return number == EXCP_PREFETCH_ABORT ? CONSORT_FETCH : CONSORT_INCOMPLETE;
    }
    return CONSORT_INCOMPLETE;
}

/* Gives an M-profile core its state without the Security Extension. */
static void consort_arm_reset(struct uc_struct *uc)
{
    CPUARMState *env = consort_env(uc);

    uc->consort->ccr = 0;
    uc->consort->negative_priority = false;
    uc->consort->trap_divide_by_zero = false;
    uc->consort->trap_unaligned = false;
    uc->consort->flush_code_later = true;
    uc->cpu->interrupt_request = 0;
    cpu_reset(uc->cpu);
    if (arm_feature(env, ARM_FEATURE_M)) {
        /* QEMU read these from a vector table that the caller has yet to load. */
        env->regs[13] = 0;
        env->regs[15] = 0;
        env->thumb = 1;
        if (cpu_isar_feature(aa32_vfp_simd, ARM_CPU(uc->cpu))) {
            consort_write_fpccr(env, R_V7M_FPCCR_ASPEN_MASK | R_V7M_FPCCR_LSPEN_MASK);
        }
        if (env->pmsav7.drsr) {
            size_t size = sizeof(uint32_t) * ARM_CPU(uc->cpu)->pmsav7_dregion;

            /* Upstream forgets ARMv6-M's. */
            memset(env->pmsav7.drbar, 0, size);
            memset(env->pmsav7.drsr, 0, size);
            memset(env->pmsav7.dracr, 0, size);
        }
        /* v6-M and v7-M reset it to -1 and QEMU clears it by address 0. */
        env->v7m.ccr[M_REG_S] = env->v7m.ccr[M_REG_NS];
        uc->consort->ccr = env->v7m.ccr[M_REG_NS];
    }
    arm_rebuild_hflags(env);
}

static void consort_arm_open(struct uc_struct *uc, const struct consort_options *options)
{
    ARMCPU *cpu = ARM_CPU(uc->cpu);
    CPUARMState *env = &cpu->env;

    uc->consort->counter = &cpu_neg(uc->cpu)->consort_counter;
    uc->consort->deliver = !arm_feature(env, ARM_FEATURE_M);
    if (uc->consort->deliver) {
        /* A machine without secure firmware starts at the hypervisor's level, or at EL1. */
        bool hypervisor = options->hypervisor && arm_feature(env, ARM_FEATURE_AARCH64);

        env->features &= ~(1ull << ARM_FEATURE_EL3 | (hypervisor ? 0 : 1ull << ARM_FEATURE_EL2));
        cpu->isar.id_aa64pfr0 &= hypervisor ? ~0xf000ull : ~0xff00ull;
    }
    if (arm_feature(env, ARM_FEATURE_M)) {
        env->features &= ~(1ull << ARM_FEATURE_M_SECURITY);
        if (!arm_feature(env, ARM_FEATURE_V7) && options->mpu_regions) {
            /* ARMv6-M has no tables yet. */
            cpu->pmsav7_dregion = 8;
            env->features |= 1ull << ARM_FEATURE_PMSA;
            env->pmsav7.drbar = g_new0(uint32_t, cpu->pmsav7_dregion);
            env->pmsav7.drsr = g_new0(uint32_t, cpu->pmsav7_dregion);
            env->pmsav7.dracr = g_new0(uint32_t, cpu->pmsav7_dregion);
        }
        cpu->pmsav7_dregion = MIN(options->mpu_regions, cpu->pmsav7_dregion);
    }
    consort_arm_reset(uc);
}

static const struct consort_target consort_arm_target = {
    .open = consort_arm_open,
    .reset = consort_arm_reset,
    .run = consort_target_run,
    .reg_read = consort_arm_read,
    .reg_write = consort_arm_write,
    .sync = consort_arm_sync,
    .pc = consort_arm_pc,
    .describe = consort_arm_describe,
    .map_alias = consort_target_map_alias,
    .memory = consort_target_memory,
    .written = consort_target_written,
    .flush_memory = consort_flush_memory,
    .flush_code = consort_flush_code,
    .breakpoint = consort_target_breakpoint,
    .access_pc = consort_access_pc,
};
