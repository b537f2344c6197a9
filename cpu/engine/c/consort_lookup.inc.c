/* Finding the block that an indirect jump goes to: the hottest helper of code that calls and returns; part of
 * tcg-runtime.c. */

#if defined(TARGET_ARM) && !defined(TARGET_AARCH64)
#include "internals.h"
#endif

#if defined(TARGET_ARM) && !defined(TARGET_AARCH64)
/* What cpu_get_tb_cpu_state computes for an M-profile core without the Security Extension. */
static inline uint32_t consort_m_flags(CPUARMState *env)
{
    uint32_t flags = env->hflags;

    if ((env->v7m.fpccr[M_REG_NS] & R_V7M_FPCCR_ASPEN_MASK) &&
        !(env->v7m.control[M_REG_S] & R_V7M_CONTROL_FPCA_MASK)) {
        FIELD_DP32(flags, TBFLAG_M32, NEW_FP_CTXT_NEEDED, 1, flags);
    }
    if (env->v7m.fpccr[M_REG_NS] & R_V7M_FPCCR_LSPACT_MASK) {
        FIELD_DP32(flags, TBFLAG_M32, LSPACT, 1, flags);
    }
    FIELD_DP32(flags, TBFLAG_AM32, THUMB, env->thumb, flags);
    FIELD_DP32(flags, TBFLAG_AM32, CONDEXEC, env->condexec_bits, flags);
    return flags;
}
#endif

static inline void *consort_lookup(CPUArchState *env, CPUState *cpu)
{
    struct uc_struct *uc = cpu->uc;
    uint32_t cflags = curr_cflags() | (uint32_t)cpu->cluster_index << CF_CLUSTER_SHIFT;
    target_ulong cs_base = 0, pc;
    uint32_t flags;
    TranslationBlock *tb;

#if defined(TARGET_ARM) && !defined(TARGET_AARCH64)
    if (likely(!uc->consort->deliver)) {
        pc = env->regs[15];
        flags = consort_m_flags(env);
    } else {
        cpu_get_tb_cpu_state(env, &pc, &cs_base, &flags);
    }
#else
    cpu_get_tb_cpu_state(env, &pc, &cs_base, &flags);
#endif
    tb = cpu->tb_jmp_cache[tb_jmp_cache_hash_func(uc, pc)];
    if (likely(tb && tb->pc == pc && tb->flags == flags && tb->cs_base == cs_base &&
               (tb->cflags & (CF_HASH_MASK | CF_INVALID)) == cflags)) {
        return tb->tc.ptr;
    }
    tb = tb_lookup__cpu_state(cpu, &pc, &cs_base, &flags, curr_cflags());
    return tb ? tb->tc.ptr : uc->tcg_ctx->code_gen_epilogue;
}
