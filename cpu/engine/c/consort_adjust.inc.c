/* What instructions cost beyond a constant, for the Arm translator; part of translate.c. */

/* Adds cycles to those left. */
static void consort_add(DisasContext *s, TCGv_i64 price)
{
    TCGContext *tcg_ctx = s->uc->tcg_ctx;
    const int offset = (int)offsetof(ArchCPU, neg.consort_counter) - (int)offsetof(ArchCPU, env);
    TCGv_i64 left = tcg_temp_new_i64(tcg_ctx);

    tcg_gen_ld_i64(tcg_ctx, left, tcg_ctx->cpu_env, offset);
    tcg_gen_add_i64(tcg_ctx, left, left, price);
    tcg_gen_st_i64(tcg_ctx, left, tcg_ctx->cpu_env, offset);
    tcg_temp_free_i64(tcg_ctx, left);
}

static void consort_add_constant(DisasContext *s, int cycles)
{
    if (cycles) {
        TCGv_i64 price = tcg_const_i64(s->uc->tcg_ctx, cycles * CONSORT_CYCLE);

        consort_add(s, price);
        tcg_temp_free_i64(s->uc->tcg_ctx, price);
    }
}

/* The instruction raises an exception instead of being executed, without restoring the state. A core that takes its
 * exceptions itself pays for it. */
static void consort_incomplete(DisasContext *s)
{
    if (s->uc->consort && !s->uc->consort->deliver) {
        consort_add_constant(s, s->uc->consort->insn.cost);
    }
}

/* The branch is taken: the head charged what it costs to go on. */
static void consort_taken_branch(DisasContext *s)
{
    if (s->uc->consort) {
        consort_add_constant(s, -s->uc->consort->insn.taken);
    }
}

/* The condition failed: the head charged the instruction as executed. `inside` its block the code that executed it
 * comes from above, and meets this path again at the label. */
static void consort_skipped(DisasContext *s, bool inside)
{
    TCGContext *tcg_ctx = s->uc->tcg_ctx;

    if (!s->uc->consort || !s->uc->consort->insn.skipped) {
        return;
    }
    if (inside) {
        TCGLabel *executed = gen_new_label(tcg_ctx);

        tcg_gen_br(tcg_ctx, executed);
        gen_set_label(tcg_ctx, s->condlabel);
        s->condlabel = executed;
    }
    consort_add_constant(s, s->uc->consort->insn.skipped);
}

/* A division ends early when its quotient is short. */
static void consort_divide(DisasContext *s, TCGv_i32 dividend, TCGv_i32 divisor, bool is_unsigned)
{
    TCGContext *tcg_ctx = s->uc->tcg_ctx;
    TCGv_i32 bits, zeros, bound;
    TCGv_i64 price;

    if (!s->uc->consort || !s->uc->consort->insn.short_quotient) {
        return;
    }
    bits = tcg_temp_new_i32(tcg_ctx);
    zeros = tcg_temp_new_i32(tcg_ctx);
    if (is_unsigned) {
        tcg_gen_clzi_i32(tcg_ctx, bits, divisor, 32);
        tcg_gen_clzi_i32(tcg_ctx, zeros, dividend, 32);
    } else {
        tcg_gen_abs_i32(tcg_ctx, bits, divisor);
        tcg_gen_clzi_i32(tcg_ctx, bits, bits, 32);
        tcg_gen_abs_i32(tcg_ctx, zeros, dividend);
        tcg_gen_clzi_i32(tcg_ctx, zeros, zeros, 32);
    }
    /* The quotient has at most one bit more than the dividend has over the divisor; 31 - bits are saved. */
    tcg_gen_sub_i32(tcg_ctx, bits, zeros, bits);
    tcg_gen_addi_i32(tcg_ctx, bits, bits, 31);
    bound = tcg_const_i32(tcg_ctx, 0);
    tcg_gen_smax_i32(tcg_ctx, bits, bits, bound);
    tcg_gen_movi_i32(tcg_ctx, bound, 32);
    tcg_gen_smin_i32(tcg_ctx, bits, bits, bound);
    tcg_temp_free_i32(tcg_ctx, bound);
    tcg_gen_muli_i32(tcg_ctx, bits, bits, s->uc->consort->insn.short_quotient);
    tcg_gen_shri_i32(tcg_ctx, bits, bits, 5);
    price = tcg_temp_new_i64(tcg_ctx);
    tcg_gen_extu_i32_i64(tcg_ctx, price, bits);
    tcg_gen_shli_i64(tcg_ctx, price, price, 32);
    consort_add(s, price);
    tcg_temp_free_i64(tcg_ctx, price);
    tcg_temp_free_i32(tcg_ctx, zeros);
    tcg_temp_free_i32(tcg_ctx, bits);
}

static void consort_price_thumb(DisasContext *s, CPUARMState *env)
{
#ifdef TARGET_ARM
    /* TARGET_PAGE_MASK and TARGET_PAGE_SIZE read it. */
    struct uc_struct *uc = s->uc;
#endif
    struct consort_state *cs = s->uc->consort;
    const uint8_t *page = NULL;
    void *here;

    if (!cs || !cs->timing.cost) {
        return;
    }
    if (get_page_addr_code_hostp(env, s->pc_curr, &here) != -1) {
        page = (const uint8_t *)here - (s->pc_curr & ~TARGET_PAGE_MASK);
    }
    consort_ask_cost(cs, s->pc_curr, s->insn, page, page ? TARGET_PAGE_SIZE : 0, s->condexec_mask != 0);
    if (page) {
        const uint64_t first = s->pc_curr & TARGET_PAGE_MASK;
        const uint64_t from = s->pc_curr - MIN(s->pc_curr - first, cs->insn.looked_back);
        const uint64_t to = MIN(s->base.pc_next + cs->insn.looked_ahead, first + TARGET_PAGE_SIZE);

        cs->looked_from = MIN(cs->looked_from, from);
        cs->looked_at = MAX(cs->looked_at, to);
    }
}
