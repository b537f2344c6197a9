/* What the patched files of QEMU share: the state behind `uc->consort` and the functions that each target builds. */
#ifndef CONSORT_PRIV_H
#define CONSORT_PRIV_H

#include "consort/consort.h"
#include "glib_compat.h"

struct TCGLabel;
struct TCGOp;
struct TranslationBlock;

#define CONSORT_IO_SLOTS 256
#define CONSORT_SHORT_SLOTS 256

/* Translated blocks that the look-up table starts with room for. */
#define CONSORT_HTABLE_SIZE 1024

/* The granule of the written-page marks, whatever the core's own page size. */
#define CONSORT_DIRTY_BITS 12

/* One cycle in the counter that every block's head decrements. */
#define CONSORT_CYCLE ((int64_t)1 << 32)

/* What a kick takes from the counter: it makes any value negative and leaves what blocks still add or subtract exact. */
#define CONSORT_KICK (0x60000000 * CONSORT_CYCLE)

/* As many as TCG_MAX_INSNS. */
#define CONSORT_MAX_INSNS 512

/* An access that is known to come from the last instruction of its block, by its return address. */
struct consort_io_slot {
    uintptr_t retaddr;
    int32_t cost;
};

/* A block cut to its first `count` instructions. */
struct consort_short {
    struct TranslationBlock *whole;
    struct TranslationBlock *tb;
    uint32_t count;
};

struct consort_watch {
    uint64_t address;
    uint64_t size;
    uint32_t access;
    uint32_t slot;
};

/* Where an exception that restored no state comes from, for the count. */
enum consort_origin {
    /* The block's last instruction, which is complete. */
    CONSORT_COMPLETE,
    /* The block's last instruction, which is not complete. */
    CONSORT_INCOMPLETE,
    /* No block: the fetch of one. */
    CONSORT_FETCH,
};

/* A target's functions: QEMU's files are built once per target, uc.c once. */
struct consort_target {
    void (*open)(struct uc_struct *uc, const struct consort_options *options);
    void (*reset)(struct uc_struct *uc);
    void (*run)(struct uc_struct *uc);
    uint64_t (*reg_read)(struct uc_struct *uc, uint32_t reg);
    void (*reg_write)(struct uc_struct *uc, uint32_t reg, uint64_t value);
    /* Rebuilds what the translator caches of the registers. */
    void (*sync)(struct uc_struct *uc);
    uint64_t (*pc)(struct uc_struct *uc);
    /* Fills in what an exception is. */
    enum consort_origin (*describe)(struct uc_struct *uc, int number, struct consort_exit *exit);
    MemoryRegion *(*map_alias)(struct uc_struct *uc, uint64_t base, uint64_t size, MemoryRegion *target,
                               uint64_t offset);
    uint8_t *(*memory)(struct uc_struct *uc, uint64_t address, uint64_t *length, uint64_t *ram_address);
    void (*written)(struct uc_struct *uc, uint64_t ram_address, uint64_t length);
    void (*flush_memory)(struct uc_struct *uc);
    void (*flush_code)(struct uc_struct *uc);
    void (*breakpoint)(struct uc_struct *uc, uint64_t address, bool on);
    uint64_t (*access_pc)(struct uc_struct *uc, uintptr_t retaddr);
};

struct consort_state {
    const struct consort_target *target;
    /* In the core's state: cycles left above, instructions executed below. Every block's head subtracts its price. */
    int64_t *counter;
    /* What instructions cost; one cycle each without it. */
    struct consort_timing timing;

    /* Of the running run. */
    const struct consort_io *io;
    bool running;
    /* Cycles the run may take, and how many of them the counter was given so far. */
    uint64_t budget;
    uint64_t granted;
    /* Instructions that the counter no longer holds. */
    uint64_t counted;
    /* While kicked the counter is negative by CONSORT_KICK, so that the next block's head leaves. */
    bool kicked;
    /* The kick asks for the hidden flags to be rebuilt. */
    bool stale_flags;
    /* Leave when the current instruction is complete, with this reason. */
    uint32_t stop;
    struct consort_exit exit;
    /* An exception restored the state to its instruction: the count is already right. */
    bool restored;
    /* The run starts where the last one stopped at a breakpoint: execute that instruction. */
    bool pass_breakpoint;
    /* The next block executes one instruction (it modifies itself). */
    bool one_instruction;
    /* Where in the translated code the current I/O access comes from, and what its instruction costs. */
    uintptr_t io_retaddr;
    int32_t access_cost;
    /* The stalls of an instruction so far, which its accesses do not see, and its number. */
    uint32_t stalled;
    uint64_t stalled_at;

    /* The core takes its exceptions and interrupts itself (all but M-profile, whose NVIC is outside). */
    bool deliver;
    /* Instructions executed and cycles taken in all runs before this one. */
    uint64_t instret;
    uint64_t cycles;

    /* Options that the translator reads; changing one flushes the translations. */
    bool trap_divide_by_zero;
    bool trap_unaligned;

    /* M-profile: the bits that BASEPRI has, and whether ARMv6-M has unprivileged execution. */
    uint8_t priority_mask;
    bool unprivileged;

    bool watch_unmask;
    bool negative_priority;
    uint32_t ccr;
    bool flush_code_later;

    /* Addresses of instructions seen to reach a device. */
    GHashTable *io_pcs;
    struct consort_io_slot io_last[CONSORT_IO_SLOTS];
    /* Blocks that ended a budget: the next windows often end in the same ones. */
    struct consort_short shorts[CONSORT_SHORT_SLOTS];

    struct consort_watch *watches;
    size_t watch_count;

    /* One byte per page of RAM address space; NULL until consort_clean. */
    uint8_t *dirty;
    size_t dirty_pages;

    /* Of the block being translated: its current instruction must be its last. */
    bool ends_block;
    struct TCGLabel *exit_label;
    struct TCGOp *price_op;
    struct consort_cost insn;
    uint8_t costs[CONSORT_MAX_INSNS];
    /* The memory that its instructions' costs depend on, from here to there. */
    uint64_t looked_from, looked_at;
};

/* What cycles and instructions subtract from the counter. */
static inline int64_t consort_price(int32_t cycles, int32_t instructions)
{
    return cycles * CONSORT_CYCLE - instructions;
}

/* Cycles left; zero or less ends the run. */
static inline int32_t consort_left(const struct consort_state *cs)
{
    return (int32_t)((cs->kicked ? *cs->counter + CONSORT_KICK : *cs->counter) >> 32);
}

/* Makes the next block's head return to the run loop. */
static inline void consort_kick(struct consort_state *cs)
{
    if (!cs->kicked) {
        cs->kicked = true;
        *cs->counter -= CONSORT_KICK;
    }
}

static inline void consort_unkick(struct consort_state *cs)
{
    if (cs->kicked) {
        cs->kicked = false;
        *cs->counter += CONSORT_KICK;
    }
}

/* Called when the state is restored to an instruction in a block's middle. */
static inline void consort_give_back(struct consort_state *cs, int64_t price)
{
    *cs->counter += price;
    cs->restored = true;
}

/* Ends the run after the current instruction, which must be the last of its block. */
static inline void consort_leave(struct consort_state *cs, uint32_t stop)
{
    if (cs->running && cs->stop == CONSORT_STOP_NONE) {
        cs->stop = stop;
        consort_kick(cs);
    }
}

/* Instructions of this run begun so far, and cycles taken. */
static inline uint64_t consort_begun(const struct consort_state *cs)
{
    return cs->counted + (uint32_t)*cs->counter;
}

static inline uint64_t consort_taken(const struct consort_state *cs)
{
    return cs->granted - (int64_t)consort_left(cs);
}

static inline struct consort_io_slot *consort_io_slot(struct consort_state *cs, uintptr_t retaddr)
{
    /* Neighbours and code a power of two apart must spread alike. */
    return &cs->io_last[((uint64_t)retaddr * 0x9e3779b97f4a7c15) >> 32 & (CONSORT_IO_SLOTS - 1)];
}

static inline struct consort_short *consort_short_slot(struct consort_state *cs, uintptr_t whole, uint32_t count)
{
    return &cs->shorts[(((uint64_t)whole + count) * 0x9e3779b97f4a7c15) >> 32 & (CONSORT_SHORT_SLOTS - 1)];
}

static inline bool consort_is_io_pc(const struct consort_state *cs, uint64_t pc)
{
    return cs->io_pcs && g_hash_table_lookup(cs->io_pcs, (gpointer)(uintptr_t)(pc + 1)) != NULL;
}

static inline void consort_forget_code(struct consort_state *cs)
{
    memset(cs->io_last, 0, sizeof(cs->io_last));
    memset(cs->shorts, 0, sizeof(cs->shorts));
}

/* The QEMU watch flags of a range: 1 for reads, 2 for writes. */
static inline int consort_watches(const struct consort_state *cs, uint64_t address, uint64_t size)
{
    int flags = 0;
    size_t i;

    for (i = 0; i < cs->watch_count; i++) {
        const struct consort_watch *w = &cs->watches[i];

        if (address <= w->address + (w->size - 1) && w->address <= address + (size - 1)) {
            flags |= w->access == CONSORT_ACCESS_WRITE ? 2 : 1;
        }
    }
    return flags;
}

static inline uint32_t consort_priority_mask(const struct consort_state *cs)
{
    return cs ? cs->priority_mask : 0xff;
}

/* The counters of cycles and of retired instructions as the current instruction, which must be its block's last and
 * access a system register, sees them. */
static inline uint64_t consort_counted(const struct consort_state *cs, bool cycles)
{
    if (cycles) {
        return cs->running ? cs->cycles + consort_taken(cs) - cs->timing.system : cs->cycles;
    }
    return cs->running ? cs->instret + consort_begun(cs) - 1 : cs->instret;
}

/* Asks what the instruction being translated costs. */
static inline void consort_ask_cost(struct consort_state *cs, uint64_t pc, uint32_t code, const uint8_t *page,
                                    uint32_t page_size, bool conditional)
{
    if (cs->timing.cost) {
        const struct consort_insn insn = { pc, code, page, page_size, conditional };

        cs->timing.cost(cs->timing.opaque, &insn, &cs->insn);
    }
}

/* A system register that the machine has. */
static inline bool consort_system_read(struct consort_state *cs, uint32_t number, uint64_t *value)
{
    cs->access_cost = cs->timing.system;
    return cs->running && cs->io->system_read(cs->io->opaque, number, value);
}

static inline void consort_system_write(struct consort_state *cs, uint32_t number, uint64_t value)
{
    cs->access_cost = cs->timing.system;
    if (cs->running) {
        cs->io->system_write(cs->io->opaque, number, value);
    }
}

#ifdef UNICORN_ARCH_POSTFIX
#define CONSORT_GLUE2(a, b) a##b
#define CONSORT_GLUE(a, b) CONSORT_GLUE2(a, b)
#define CONSORT_NAME(name) CONSORT_GLUE(name, UNICORN_ARCH_POSTFIX)
#define consort_target_run CONSORT_NAME(consort_target_run)
#define consort_access_pc CONSORT_NAME(consort_access_pc)
#define consort_protect_page CONSORT_NAME(consort_protect_page)
#define consort_page_is_clean CONSORT_NAME(consort_page_is_clean)
#define consort_page_has_code CONSORT_NAME(consort_page_has_code)
#define consort_invalidate CONSORT_NAME(consort_invalidate)
#define consort_end_block_here CONSORT_NAME(consort_end_block_here)
#define consort_target_map_alias CONSORT_NAME(consort_target_map_alias)
#define consort_target_memory CONSORT_NAME(consort_target_memory)
#define consort_target_written CONSORT_NAME(consort_target_written)
#define consort_flush_memory CONSORT_NAME(consort_flush_memory)
#define consort_flush_code CONSORT_NAME(consort_flush_code)
#define consort_target_breakpoint CONSORT_NAME(consort_target_breakpoint)
#define consort_reset_dirty CONSORT_NAME(consort_reset_dirty)

void consort_target_run(struct uc_struct *uc);
uint64_t consort_access_pc(struct uc_struct *uc, uintptr_t retaddr);
void consort_protect_page(struct uc_struct *uc, uint64_t ram_address);
bool consort_page_is_clean(struct uc_struct *uc, uint64_t ram_address);
bool consort_page_has_code(struct uc_struct *uc, uint64_t ram_address);
void consort_invalidate(struct uc_struct *uc, uint64_t ram_address, uint32_t size, uintptr_t retaddr);
void consort_end_block_here(struct uc_struct *uc, uintptr_t retaddr);
MemoryRegion *consort_target_map_alias(struct uc_struct *uc, uint64_t base, uint64_t size, MemoryRegion *target,
                                       uint64_t offset);
uint8_t *consort_target_memory(struct uc_struct *uc, uint64_t address, uint64_t *length, uint64_t *ram_address);
void consort_target_written(struct uc_struct *uc, uint64_t ram_address, uint64_t length);
void consort_flush_memory(struct uc_struct *uc);
void consort_flush_code(struct uc_struct *uc);
void consort_target_breakpoint(struct uc_struct *uc, uint64_t address, bool on);
void consort_reset_dirty(struct uc_struct *uc, uintptr_t host, uintptr_t length);
#endif

#endif
