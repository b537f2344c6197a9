/* The RISC-V targets' registers and exceptions; part of unicorn.c there. */

#include "consort/consort_priv.h"
#include "exec/exec-all.h"

#define CONSORT_LINES (MIP_MSIP | MIP_MTIP | MIP_MEIP | MIP_SEIP)

static CPURISCVState *consort_env(struct uc_struct *uc)
{
    return &RISCV_CPU(uc->cpu)->env;
}

/* A CSR as machine mode sees it. */
static target_ulong consort_csr(CPURISCVState *env, uint32_t number, target_ulong value, target_ulong mask)
{
    target_ulong priv = env->priv, old = 0;

    env->priv = PRV_M;
    env->debugger = true;
    riscv_csrrw(env, number, &old, value, mask);
    env->debugger = false;
    env->priv = priv;
    return old;
}

static uint64_t consort_riscv_read(struct uc_struct *uc, uint32_t reg)
{
    CPURISCVState *env = consort_env(uc);

    if (reg >= CONSORT_REG_X0 && reg < CONSORT_REG_X0 + 32) {
        return env->gpr[reg - CONSORT_REG_X0];
    }
    if (reg >= CONSORT_REG_F0 && reg < CONSORT_REG_F0 + 32) {
        return env->fpr[reg - CONSORT_REG_F0];
    }
    if (reg >= CONSORT_REG_CSR && reg < CONSORT_REG_CSR + 0x1000) {
        return consort_csr(env, reg - CONSORT_REG_CSR, 0, 0);
    }
    switch (reg) {
    case CONSORT_REG_PC64:
        return env->pc;
    case CONSORT_REG_PRIVILEGE:
        return env->priv;
    case CONSORT_REG_INTERRUPTS:
        return env->mip & CONSORT_LINES;
    case CONSORT_REG_EXCLUSIVE_ADDRESS:
        return env->load_res;
    case CONSORT_REG_EXCLUSIVE_VALUE:
        return env->load_val;
    }
    return 0;
}

static void consort_riscv_write(struct uc_struct *uc, uint32_t reg, uint64_t value)
{
    CPURISCVState *env = consort_env(uc);

    if (reg > CONSORT_REG_X0 && reg < CONSORT_REG_X0 + 32) {
        env->gpr[reg - CONSORT_REG_X0] = value;
        return;
    }
    if (reg >= CONSORT_REG_F0 && reg < CONSORT_REG_F0 + 32) {
        env->fpr[reg - CONSORT_REG_F0] = value;
        return;
    }
    if (reg >= CONSORT_REG_CSR && reg < CONSORT_REG_CSR + 0x1000) {
        consort_csr(env, reg - CONSORT_REG_CSR, value, ~(target_ulong)0);
        return;
    }
    switch (reg) {
    case CONSORT_REG_PC64:
        env->pc = value & ~(uint64_t)1;
        return;
    case CONSORT_REG_PRIVILEGE:
        if (value == PRV_U || value == PRV_S || value == PRV_M) {
            env->priv = value;
            consort_flush_memory(uc);
        }
        return;
    case CONSORT_REG_INTERRUPTS:
        riscv_cpu_update_mip(RISCV_CPU(uc->cpu), CONSORT_LINES, value);
        return;
    case CONSORT_REG_EXCLUSIVE_ADDRESS:
        env->load_res = value;
        return;
    case CONSORT_REG_EXCLUSIVE_VALUE:
        env->load_val = value;
        return;
    }
}

static void consort_riscv_sync(struct uc_struct *uc)
{
    /* Nothing is cached: a block's flags are computed at each look-up. */
}

static uint64_t consort_riscv_pc(struct uc_struct *uc)
{
    return consort_env(uc)->pc;
}

static enum consort_origin consort_riscv_describe(struct uc_struct *uc, int number, struct consort_exit *exit)
{
    exit->stop = CONSORT_STOP_EXCEPTION;
    exit->exception = CONSORT_EXCEPTION_OTHER;
    exit->number = number;
    exit->syndrome = 0;
    exit->address = consort_env(uc)->badaddr;
    switch (number) {
    case EXCP_HLT:
        exit->stop = CONSORT_STOP_WFI;
        return CONSORT_COMPLETE;
    case EXCP_DEBUG:
        exit->stop = CONSORT_STOP_BREAKPOINT;
        return CONSORT_COMPLETE;
    case RISCV_EXCP_INST_ACCESS_FAULT:
    case RISCV_EXCP_INST_PAGE_FAULT:
        return CONSORT_FETCH;
    }
    return CONSORT_INCOMPLETE;
}

static void consort_riscv_reset(struct uc_struct *uc)
{
    CPURISCVState *env = consort_env(uc);

    memset(env->gpr, 0, sizeof(env->gpr));
    memset(env->fpr, 0, sizeof(env->fpr));
    env->mstatus = 0;
    env->mip = env->mie = 0;
    env->miclaim = CONSORT_LINES & ~MIP_SEIP;
    env->medeleg = env->mideleg = 0;
    env->mtvec = env->mepc = env->mcause = env->mbadaddr = env->mscratch = 0;
    env->stvec = env->sepc = env->scause = env->sbadaddr = env->sscratch = 0;
    env->satp = 0;
    env->mcounteren = env->scounteren = 0;
    uc->cpu->interrupt_request = 0;
    uc->consort->instret = 0;
    uc->consort->cycles = 0;
    cpu_reset(uc->cpu);
    env->pc = 0;
    consort_flush_memory(uc);
}

static void consort_riscv_open(struct uc_struct *uc, const struct consort_options *options)
{
    uc->consort->counter = &cpu_neg(uc->cpu)->consort_counter;
    uc->consort->deliver = true;
    consort_riscv_reset(uc);
}

static const struct consort_target consort_riscv_target = {
    .open = consort_riscv_open,
    .reset = consort_riscv_reset,
    .run = consort_target_run,
    .reg_read = consort_riscv_read,
    .reg_write = consort_riscv_write,
    .sync = consort_riscv_sync,
    .pc = consort_riscv_pc,
    .describe = consort_riscv_describe,
    .map_alias = consort_target_map_alias,
    .memory = consort_target_memory,
    .written = consort_target_written,
    .flush_memory = consort_flush_memory,
    .flush_code = consort_flush_code,
    .breakpoint = consort_target_breakpoint,
    .access_pc = consort_access_pc,
};
