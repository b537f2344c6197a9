/* The public entry points; part of uc.c. */

#include "consort/consort_priv.h"

static void consort_free(struct consort_state *cs)
{
    if (cs) {
        g_hash_table_destroy(cs->io_pcs);
        free(cs->watches);
        free(cs->dirty);
        free(cs);
    }
}

uc_err consort_attach(uc_engine *uc, const struct consort_options *options)
{
    struct consort_state *cs;
    uc_err err;

    if (uc->init_done) {
        return UC_ERR_ARG;
    }
    cs = calloc(1, sizeof(*cs));
    if (!cs) {
        return UC_ERR_NOMEM;
    }
    cs->io_pcs = g_hash_table_new(NULL, NULL);
    cs->priority_mask = 0xff00 >> options->priority_bits;
    cs->unprivileged = options->unprivileged;
    cs->timing.system = cs->timing.trap = 1;
    uc->consort = cs;
    uc->tcg_buffer_size = options->translation_buffer;
    /* No address ends a run. */
    uc->use_exits = 1;
    err = uc_init_engine(uc);
    if (err != UC_ERR_OK) {
        return err;
    }
    if (!cs->target) {
        return UC_ERR_ARCH;
    }
    cs->target->open(uc, options);
    return UC_ERR_OK;
}

void consort_reset(uc_engine *uc)
{
    uc->consort->target->reset(uc);
}

uc_err consort_map_alias(uc_engine *uc, uint64_t base, uint64_t target, uint64_t size)
{
    MemoryRegion *mr;
    uc_err err = mem_map_check(uc, base, size, UC_PROT_ALL);

    if (err != UC_ERR_OK) {
        return err;
    }
    mr = uc->memory_mapping(uc, target);
    if (!mr || !mr->ram || target - mr->addr > int128_get64(mr->size) - size || size > int128_get64(mr->size)) {
        return UC_ERR_ARG;
    }
    return mem_map(uc, uc->consort->target->map_alias(uc, base, size, mr, target - mr->addr));
}

/* Copies between the host and RAM or ROM: all of it, or nothing when some of it is neither. */
static uc_err consort_mem_access(uc_engine *uc, uint64_t address, uint8_t *bytes, uint64_t size, bool write)
{
    struct consort_state *cs = uc->consort;
    uint64_t done, piece, ram_address;

    for (done = 0; done < size; done += piece) {
        if (!cs->target->memory(uc, address + done, &piece, &ram_address)) {
            return write ? UC_ERR_WRITE_UNMAPPED : UC_ERR_READ_UNMAPPED;
        }
    }
    for (done = 0; done < size; done += piece) {
        uint8_t *host = cs->target->memory(uc, address + done, &piece, &ram_address);

        piece = MIN(piece, size - done);
        if (!write) {
            memcpy(bytes + done, host, piece);
            continue;
        }
        memcpy(host, bytes + done, piece);
        cs->target->written(uc, ram_address, piece);
        if (cs->dirty) {
            uint64_t page;

            for (page = ram_address >> CONSORT_DIRTY_BITS;
                 page <= (ram_address + piece - 1) >> CONSORT_DIRTY_BITS && page < cs->dirty_pages; page++) {
                cs->dirty[page] = 1;
            }
        }
    }
    return UC_ERR_OK;
}

void consort_clean(uc_engine *uc)
{
    struct consort_state *cs = uc->consort;
    RAMBlock *block;
    uint64_t end = 0;

    QLIST_FOREACH(block, &uc->ram_list.blocks, next)
    {
        if (block->offset + block->max_length > end) {
            end = block->offset + block->max_length;
        }
    }
    free(cs->dirty);
    cs->dirty_pages = (end + (1 << CONSORT_DIRTY_BITS) - 1) >> CONSORT_DIRTY_BITS;
    cs->dirty = calloc(cs->dirty_pages ? cs->dirty_pages : 1, 1);
    if (!cs->dirty) {
        cs->dirty_pages = 0;
    }
    cs->target->flush_memory(uc);
}

bool consort_is_dirty(uc_engine *uc, uint64_t address)
{
    struct consort_state *cs = uc->consort;
    uint64_t length, ram_address;

    if (!cs->target->memory(uc, address, &length, &ram_address)) {
        return false;
    }
    ram_address >>= CONSORT_DIRTY_BITS;
    return !cs->dirty || ram_address >= cs->dirty_pages || cs->dirty[ram_address];
}

uint64_t consort_reg_read(uc_engine *uc, uint32_t reg)
{
    switch (reg) {
    case CONSORT_REG_INSTRET:
        return uc->consort->instret;
    case CONSORT_REG_CYCLES:
        return uc->consort->cycles;
    default:
        return uc->consort->target->reg_read(uc, reg);
    }
}

void consort_reg_write(uc_engine *uc, uint32_t reg, uint64_t value)
{
    struct consort_state *cs = uc->consort;

    switch (reg) {
    case CONSORT_REG_INSTRET:
        cs->instret = value;
        break;
    case CONSORT_REG_CYCLES:
        cs->cycles = value;
        break;
    default:
        cs->target->reg_write(uc, reg, value);
    }
    if (reg == CONSORT_REG_PC || reg == CONSORT_REG_PC64) {
        cs->pass_breakpoint = false;
    }
    if (cs->running) {
        /* Blocks are chained by the state they were translated for: look it up anew. */
        consort_kick(cs);
    }
}

void consort_set_timing(uc_engine *uc, const struct consort_timing *timing)
{
    struct consort_state *cs = uc->consort;

    cs->timing = *timing;
    if (cs->running) {
        /* Code in use is dropped between two blocks. */
        consort_kick(cs);
    }
    cs->flush_code_later = true;
}

void consort_run(uc_engine *uc, const struct consort_io *io, uint64_t budget, struct consort_exit *exit)
{
    struct consort_state *cs = uc->consort;

    cs->io = io;
    cs->running = true;
    cs->budget = budget;
    cs->granted = 0;
    cs->counted = 0;
    cs->kicked = false;
    *cs->counter = 0;
    cs->stop = CONSORT_STOP_NONE;
    cs->restored = false;
    cs->one_instruction = false;
    memset(&cs->exit, 0, sizeof(cs->exit));

    cs->target->run(uc);

    cs->running = false;
    cs->io = NULL;
    cs->pass_breakpoint = cs->stop == CONSORT_STOP_BREAKPOINT;
    *exit = cs->exit;
    exit->stop = cs->stop;
    exit->executed = consort_begun(cs);
    exit->cycles = consort_taken(cs);
    cs->instret += exit->executed;
    cs->cycles += exit->cycles;
}

uint64_t consort_executed(uc_engine *uc)
{
    return consort_begun(uc->consort) - 1;
}

uint64_t consort_cycles(uc_engine *uc)
{
    const struct consort_state *cs = uc->consort;

    return consort_taken(cs) - cs->access_cost - (cs->stalled_at == consort_begun(cs) ? cs->stalled : 0);
}

uint64_t consort_pc(uc_engine *uc)
{
    return uc->consort->target->access_pc(uc, uc->consort->io_retaddr);
}

void consort_stop_after(uc_engine *uc)
{
    consort_leave(uc->consort, CONSORT_STOP_REQUESTED);
}

void consort_shorten(uc_engine *uc, uint64_t total)
{
    struct consort_state *cs = uc->consort;
    uint64_t now = consort_cycles(uc);

    if (!cs->running || total >= cs->budget) {
        return;
    }
    cs->budget = total > now ? total : now;
    if (cs->granted > cs->budget) {
        *cs->counter -= (int64_t)(cs->granted - cs->budget) * CONSORT_CYCLE;
        cs->granted = cs->budget;
    }
}

void consort_stall(uc_engine *uc, uint32_t cycles)
{
    struct consort_state *cs = uc->consort;

    if (!cs->running) {
        return;
    }
    if (cs->stalled_at != consort_begun(cs)) {
        cs->stalled_at = consort_begun(cs);
        cs->stalled = 0;
    }
    cs->stalled += cycles;
    *cs->counter -= cycles * CONSORT_CYCLE;
}

void consort_watch_unmask(uc_engine *uc, bool on)
{
    uc->consort->watch_unmask = on;
}

void consort_breakpoint(uc_engine *uc, uint64_t address, bool on)
{
    uc->consort->target->breakpoint(uc, address, on);
}

void consort_watchpoint(uc_engine *uc, uint32_t slot, uint64_t address, uint64_t size, uint32_t access, bool on)
{
    struct consort_state *cs = uc->consort;
    size_t i;

    if (size == 0) {
        return;
    }
    if (on) {
        struct consort_watch *grown = realloc(cs->watches, (cs->watch_count + 1) * sizeof(*grown));

        if (!grown) {
            return;
        }
        cs->watches = grown;
        grown[cs->watch_count++] = (struct consort_watch){ address, size, access, slot };
    } else {
        for (i = 0; i < cs->watch_count; i++) {
            struct consort_watch *w = &cs->watches[i];

            if (w->slot == slot && w->address == address && w->size == size && w->access == access) {
                *w = cs->watches[--cs->watch_count];
                break;
            }
        }
    }
    cs->target->flush_memory(uc);
}
