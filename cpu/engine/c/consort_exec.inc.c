/* The run loop with an exact budget; part of cpu-exec.c.
 *
 * Every block's head subtracts the block's price from the counter and leaves when that takes more cycles than are
 * left. The run loop then has a block translated that ends with the instruction which uses them up (and that is cached
 * like any other): its head does not ask, and the counter is zero or negative after it. Nothing else counts, so a run
 * ends at the first instruction boundary at or behind its budget, and a chain of blocks runs without coming back here.
 */

#define CONSORT_CHUNK 0x40000000

static TranslationBlock *consort_find(CPUState *cpu, uint32_t cflags)
{
    CPUArchState *env = (CPUArchState *)cpu->env_ptr;
    TranslationBlock *tb;
    target_ulong cs_base, pc;
    uint32_t flags;

    if (cflags & (CF_COUNT_MASK | CF_CONSORT_PASS)) {
        /* A short block is wanted once in a window: it must not push the whole one out of the jump cache. */
        cpu_get_tb_cpu_state(env, &pc, &cs_base, &flags);
        tb = tb_htable_lookup(cpu, pc, cs_base, flags,
                              cflags | (uint32_t)cpu->cluster_index << CF_CLUSTER_SHIFT);
        if (tb == NULL) {
            mmap_lock();
            tb = tb_gen_code(cpu, pc, cs_base, flags, cflags);
            mmap_unlock();
        }
        return tb;
    }
    tb = tb_lookup__cpu_state(cpu, &pc, &cs_base, &flags, cflags);
    if (tb == NULL) {
        mmap_lock();
        tb = tb_gen_code(cpu, pc, cs_base, flags, cflags);
        mmap_unlock();
        /* A block outside the cache is used once: its memory protection must be asked each time. */
        if (!(tb_cflags(tb) & CF_NOCACHE)) {
            cpu->tb_jmp_cache[tb_jmp_cache_hash_func(env->uc, pc)] = tb;
        }
    }
    return tb;
}

/* How many of a block's instructions it takes to use up the cycles left. */
static uint32_t consort_fitting(const TranslationBlock *tb, int32_t left)
{
    int32_t i;

    if (!tb->consort_costs) {
        return left;
    }
    for (i = 0; i < tb->consort_count && left > 0; i++) {
        left -= tb->consort_costs[i];
    }
    return i;
}

/* The block that ends with the instruction which uses up the cycles left, where the whole one would take more. */
static TranslationBlock *consort_shorten_block(CPUState *cpu, TranslationBlock *whole, uint32_t cflags)
{
    struct consort_state *cs = cpu->uc->consort;
    uint32_t count = consort_fitting(whole, consort_left(cs));
    struct consort_short *slot = consort_short_slot(cs, (uintptr_t)whole, count);
    TranslationBlock *tb = slot->tb;

    if (slot->whole == whole && slot->count == count && !((tb_cflags(tb) | cflags) & (CF_INVALID | CF_CONSORT_PASS))) {
        return tb;
    }
    tb = consort_find(cpu, cflags | count);
    if (!((tb_cflags(whole) | tb_cflags(tb)) & CF_NOCACHE) && !(cflags & CF_CONSORT_PASS)) {
        *slot = (struct consort_short){ whole, tb, count };
    }
    return tb;
}

/* An exception ends the run or, when the core takes them itself, goes to its handler. */
static void consort_take(CPUState *cpu, int number)
{
    struct consort_state *cs = cpu->uc->consort;
    struct consort_exit exit = cs->exit;
    enum consort_origin origin = cs->target->describe(cpu->uc, number, &exit);

    /* A block that chained to this fetch used up the budget: the fetch is the next run's (or grant's). */
    if (origin == CONSORT_FETCH && !cs->restored && consort_left(cs) <= 0) {
        return;
    }
    /* Where a block ends must not decide which of two reasons a run gives. */
    if (exit.stop == CONSORT_STOP_BREAKPOINT && consort_left(cs) <= 0) {
        return;
    }
    if (exit.stop == CONSORT_STOP_EXCEPTION && cs->deliver && exit.exception == CONSORT_EXCEPTION_OTHER) {
        CPUClass *cc = CPU_GET_CLASS(cpu);

        /* What traps counts as one, or a handler that traps again would never end. */
        if (cs->restored || origin == CONSORT_FETCH) {
            *cs->counter -= consort_price(cs->timing.trap, 1);
        }
        cpu->exception_index = number;
        cc->do_interrupt(cpu);
        cpu->exception_index = -1;
        cpu->interrupt_request &= ~CPU_INTERRUPT_EXITTB;
        return;
    }
    /* An instruction that raises its exception without restoring the state was counted with its block; its cycles
     * are given back in the translated code. */
    if (origin == CONSORT_INCOMPLETE && !cs->restored) {
        *cs->counter += consort_price(0, 1);
    }
    cs->exit = exit;
    cs->stop = exit.stop;
}

/* Takes stock between blocks; false ends the run. */
static bool consort_go_on(CPUState *cpu)
{
    struct uc_struct *uc = cpu->uc;
    struct consort_state *cs = uc->consort;

    consort_unkick(cs);
    if (cpu->exception_index >= 0) {
        int number = cpu->exception_index;

        cpu->exception_index = -1;
        if (number != EXCP_INTERRUPT) {
            consort_take(cpu, number);
        }
    }
    cs->restored = false;
    cs->stalled = 0;
    if (cs->flush_code_later) {
        cs->flush_code_later = false;
        tb_flush(cpu);
    }
    if (cs->stale_flags) {
        cs->stale_flags = false;
        cs->target->sync(uc);
    }
    if (cs->stop != CONSORT_STOP_NONE) {
        return false;
    }
    if (consort_left(cs) <= 0) {
        uint64_t more = cs->budget - cs->granted;

        if (more < CONSORT_CHUNK) {
            if ((int64_t)more + consort_left(cs) <= 0) {
                cs->stop = CONSORT_STOP_BUDGET;
                return false;
            }
        } else {
            more = CONSORT_CHUNK;
        }
        cs->counted += (uint32_t)*cs->counter;
        *cs->counter = (consort_left(cs) + (int64_t)more) * CONSORT_CYCLE;
        cs->granted += more;
    }
    if (cs->deliver && cpu->interrupt_request) {
        CPUClass *cc = CPU_GET_CLASS(cpu);

        cc->cpu_exec_interrupt(cpu, cpu->interrupt_request);
        cpu->exception_index = -1;
        cpu->interrupt_request &= ~CPU_INTERRUPT_EXITTB;
    }
    return true;
}

void consort_target_run(struct uc_struct *uc)
{
    CPUState *cpu = uc->cpu;
    struct consort_state *cs = uc->consort;

    cpu->exception_index = -1;
    cpu->halted = 0;
    cpu->exit_request = 0;
    uc->nested_level = 1;
    tb_exec_lock(uc);

    /* Exceptions, and blocks that must be left in their middle, come back here. */
    sigsetjmp(uc->jmp_bufs[0], 0);

    for (;;) {
        TranslationBlock *last = NULL;
        int last_exit = 0;

        cpu = uc->cpu;
        cs = uc->consort;
        if (!consort_go_on(cpu)) {
            break;
        }
        for (;;) {
            uint32_t cflags = curr_cflags();
            TranslationBlock *tb;
            uintptr_t ret;

            /* Until that instruction is complete: it may start again, to end its block or to modify it. */
            if (unlikely(cs->pass_breakpoint)) {
                cs->pass_breakpoint = consort_begun(cs) == 0;
                cflags |= cs->pass_breakpoint ? CF_CONSORT_PASS : 0;
                last = NULL;
            }
            if (unlikely(cs->one_instruction)) {
                cflags |= 1;
                last = NULL;
            }
            tb = consort_find(cpu, cflags);
            if (unlikely(tb->consort_cycles > consort_left(cs)) && !(tb_cflags(tb) & CF_COUNT_MASK)) {
                tb = consort_shorten_block(cpu, tb, cflags);
                last = NULL;
            }
            cs->one_instruction = false;
            /* A jump to a block that spans two pages, or that is used once, cannot be made direct. */
            if (last && tb->page_addr[1] == -1 && !(tb_cflags(tb) & CF_NOCACHE) &&
                !(tb_cflags(last) & CF_NOCACHE)) {
                tb_exec_unlock(uc);
                tb_add_jump(last, last_exit, tb);
                tb_exec_lock(uc);
            }

        execute:
            ret = tcg_qemu_tb_exec(((CPUArchState *)cpu->env_ptr), tb->tc.ptr);
            last = (TranslationBlock *)(ret & ~TB_EXIT_MASK);
            last_exit = ret & TB_EXIT_MASK;
            if (unlikely(last_exit == TB_EXIT_REQUESTED)) {
                /* This block's head left: it did not start. */
                CPUClass *cc = CPU_GET_CLASS(cpu);

                if (cc->synchronize_from_tb) {
                    cc->synchronize_from_tb(cpu, last);
                } else {
                    cc->set_pc(cpu, last->pc);
                }
                *cs->counter += consort_price(last->consort_cycles, last->consort_count);
                /* Nothing but the budget's end: it is in this block. */
                if (likely(!cs->kicked && consort_left(cs) > 0 && cs->granted == cs->budget &&
                           !(cs->deliver && cpu->interrupt_request))) {
                    tb = consort_shorten_block(cpu, last, curr_cflags());
                    last = NULL;
                    goto execute;
                }
                last = NULL;
                break;
            }
            if (unlikely(cs->kicked || consort_left(cs) <= 0)) {
                break;
            }
            /* What may unmask an interrupt ends its block without a successor. */
            if (unlikely(!last && cpu->interrupt_request && cs->deliver)) {
                break;
            }
        }
    }
    tb_exec_unlock(uc);
    uc->nested_level = 0;
}

void consort_target_breakpoint(struct uc_struct *uc, uint64_t address, bool on)
{
    if (on) {
        cpu_breakpoint_insert(uc->cpu, address, BP_GDB, NULL);
    } else {
        cpu_breakpoint_remove(uc->cpu, address, BP_GDB);
    }
}
