/* What the instructions of a block cost; part of translate-all.c. */

/* The price of a block's instructions from one on. */
static int64_t consort_price_from(const TranslationBlock *tb, int first)
{
    int32_t cycles = 0;
    int i;

    if (!tb->consort_costs) {
        return consort_price(tb->consort_count - first, tb->consort_count - first);
    }
    for (i = first; i < tb->consort_count; i++) {
        cycles += tb->consort_costs[i];
    }
    return consort_price(cycles, tb->consort_count - first);
}

/* Keeps the costs of the block just translated behind its other tables, which end at `size`; returns where they end
 * now, or -1 when the buffer is full. */
static int consort_keep_costs(struct uc_struct *uc, TranslationBlock *tb, uint8_t *tables, int size)
{
    if (tb->consort_cycles == tb->consort_count) {
        tb->consort_costs = NULL;
        return size;
    }
    if (tables + size + tb->consort_count > (uint8_t *)uc->tcg_ctx->code_gen_highwater) {
        return -1;
    }
    memcpy(tables + size, uc->consort->costs, tb->consort_count);
    tb->consort_costs = tables + size;
    return size + tb->consort_count;
}
