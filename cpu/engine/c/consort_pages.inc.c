/* What needs the page descriptors and the encoded instruction tables; part of translate-all.c. */

bool consort_page_has_code(struct uc_struct *uc, uint64_t ram_address)
{
    PageDesc *page = page_find(uc, ram_address >> TARGET_PAGE_BITS);

    return page && page->first_tb;
}

void consort_invalidate(struct uc_struct *uc, uint64_t ram_address, uint32_t size, uintptr_t retaddr)
{
    tb_invalidate_phys_page_fast(uc, NULL, ram_address, size, retaddr);
}

void consort_protect_page(struct uc_struct *uc, uint64_t ram_address)
{
    RAMBlock *block;
    ram_addr_t address = ram_address & TARGET_PAGE_MASK;

    QLIST_FOREACH(block, &uc->ram_list.blocks, next)
    {
        if (block->host && address - block->offset < block->max_length) {
            consort_reset_dirty(uc, (uintptr_t)block->host + (address - block->offset), TARGET_PAGE_SIZE);
            return;
        }
    }
}

/* The host wrote RAM: translations of the old content go. */
void consort_target_written(struct uc_struct *uc, uint64_t ram_address, uint64_t length)
{
    tb_invalidate_phys_range(uc, ram_address, ram_address + length);
}

void consort_flush_code(struct uc_struct *uc)
{
    tb_exec_unlock(uc);
    tb_flush(uc->cpu);
}

/* Which instruction of its block a return address belongs to; its address goes to `pc`. */
static int consort_find_instruction(TranslationBlock *tb, uintptr_t retaddr, uint64_t *pc)
{
    target_ulong data[TARGET_INSN_START_WORDS] = { tb->pc };
    uintptr_t host = (uintptr_t)tb->tc.ptr;
    uint8_t *p = (uint8_t *)tb->tc.ptr + tb->tc.size;
    int i, j;

    for (i = 0; i < tb->icount; i++) {
        for (j = 0; j < TARGET_INSN_START_WORDS; j++) {
            data[j] += decode_sleb128(&p);
        }
        host += decode_sleb128(&p);
        if (host > retaddr - GETPC_ADJ) {
            *pc = data[0];
            return i;
        }
    }
    return -1;
}

/* The address of the instruction that makes an access. */
uint64_t consort_access_pc(struct uc_struct *uc, uintptr_t retaddr)
{
    TranslationBlock *tb = tcg_tb_lookup(uc->tcg_ctx, retaddr);
    uint64_t pc = 0;

    if (tb && consort_find_instruction(tb, retaddr, &pc) >= 0) {
        return pc;
    }
    return uc->consort->target->pc(uc);
}

/* Makes sure that an access comes from the last instruction of its block: returns when it does; otherwise remembers
 * the instruction, drops the block and starts the instruction again, now in a block that ends with it. */
void consort_end_block_here(struct uc_struct *uc, uintptr_t retaddr)
{
    struct consort_state *cs = uc->consort;
    TranslationBlock *tb = tcg_tb_lookup(uc->tcg_ctx, retaddr);
    uint64_t pc = 0;
    int i;

    if (!tb || (i = consort_find_instruction(tb, retaddr, &pc)) < 0) {
        return;
    }
    if (i == tb->icount - 1) {
        struct consort_io_slot *slot = consort_io_slot(cs, retaddr);

        slot->retaddr = retaddr;
        slot->cost = tb->consort_costs ? tb->consort_costs[i] : 1;
        cs->access_cost = slot->cost;
        return;
    }
    cpu_restore_state_from_tb(uc->cpu, tb, retaddr, true);
    g_hash_table_insert(cs->io_pcs, (gpointer)(uintptr_t)(pc + 1), (gpointer)1);
    if (tb_cflags(tb) & CF_NOCACHE) {
        tcg_tb_remove(uc->tcg_ctx, tb);
    }
    tb_phys_invalidate(uc->tcg_ctx, tb, -1);
    cpu_loop_exit_noexc(uc->cpu);
}
