/* The slow path of loads and stores for an engine with a run loop of ours; part of cputlb.c.
 *
 * Upstream's consults hook lists and looks the memory region up on every slow access. Here an access is RAM, or it
 * goes to the one I/O callback with its physical address. */

#if defined(TARGET_ARM)
#include "internals.h"
#endif

static void QEMU_NORETURN consort_bus_fault(CPUArchState *env, target_ulong addr, unsigned size,
                                            MMUAccessType type, int mmu_idx, uintptr_t retaddr)
{
    CPUState *cpu = env_cpu(env);
#if defined(TARGET_ARM)
    arm_cpu_do_transaction_failed(cpu, addr, addr, size, type, mmu_idx, MEMTXATTRS_UNSPECIFIED, MEMTX_ERROR,
                                  retaddr);
#elif defined(TARGET_RISCV)
    env->badaddr = addr;
    cpu->exception_index = type == MMU_INST_FETCH    ? RISCV_EXCP_INST_ACCESS_FAULT
                           : type == MMU_DATA_STORE ? RISCV_EXCP_STORE_AMO_ACCESS_FAULT
                                                    : RISCV_EXCP_LOAD_ACCESS_FAULT;
#endif
    cpu_loop_exit_restore(cpu, retaddr);
}

/* True when the run loop is the caller's caller: an access that translated code makes. An access that a device or a
 * watchpoint sees must come from its block's last instruction; the first time it does not, the block is cut there
 * and the instruction starts again. */
static void consort_prepare_io(CPUState *cpu, uintptr_t retaddr)
{
    struct consort_state *cs = cpu->uc->consort;
    const struct consort_io_slot *slot = consort_io_slot(cs, retaddr);

    cs->io_retaddr = retaddr;
    if (likely(retaddr && slot->retaddr == retaddr)) {
        cs->access_cost = slot->cost;
        return;
    }
    if (retaddr) {
        consort_end_block_here(cpu->uc, retaddr);
    }
}

static void consort_note_watch(CPUState *cpu, target_ulong addr, unsigned size, uint32_t access)
{
    struct consort_state *cs = cpu->uc->consort;
    uint32_t hits = 0;
    size_t i;

    for (i = 0; i < cs->watch_count; i++) {
        const struct consort_watch *w = &cs->watches[i];

        if (w->access == access && addr <= w->address + (w->size - 1) && w->address <= addr + (size - 1)) {
            hits |= 1u << w->slot;
        }
    }
    if (!cs->running || !hits) {
        return;
    }
    /* What is told is slot 0's, the debugger's, when it is among them. */
    if (!cs->exit.hits || ((hits & 1) && !(cs->exit.hits & 1))) {
        cs->exit.address = addr;
        cs->exit.size = size;
        cs->exit.access = access;
    }
    cs->exit.hits |= hits;
    consort_leave(cs, CONSORT_STOP_WATCHPOINT);
}

/* The widest naturally aligned piece that starts at an address. */
static inline unsigned consort_piece(target_ulong addr, unsigned left)
{
    unsigned piece = 1;

    while (piece * 2 <= left && !(addr & piece)) {
        piece *= 2;
    }
    return piece;
}

static uint64_t consort_load_piece(CPUArchState *env, target_ulong addr, unsigned size, int mmu_idx,
                                   uintptr_t retaddr, bool code_read)
{
    CPUState *cpu = env_cpu(env);
    struct uc_struct *uc = env->uc;
    struct consort_state *cs = uc->consort;
    const MMUAccessType type = code_read ? MMU_INST_FETCH : MMU_DATA_LOAD;
    const size_t tlb_off = code_read ? offsetof(CPUTLBEntry, addr_code) : offsetof(CPUTLBEntry, addr_read);
    uintptr_t index = tlb_index(env, mmu_idx, addr);
    CPUTLBEntry *entry = tlb_entry(env, mmu_idx, addr);
    target_ulong tlb_addr = code_read ? entry->addr_code : entry->addr_read;
    uint64_t value = 0;
    void *host;

    if (!tlb_hit(uc, tlb_addr, addr)) {
        if (!victim_tlb_hit(env, mmu_idx, index, tlb_off, addr & TARGET_PAGE_MASK)) {
            tlb_fill(cpu, addr, size, type, mmu_idx, retaddr);
            entry = tlb_entry(env, mmu_idx, addr);
        }
        tlb_addr = code_read ? entry->addr_code : entry->addr_read;
    }
    if (unlikely(tlb_addr & TLB_WATCHPOINT) && !code_read && consort_watches(cs, addr, size)) {
        consort_prepare_io(cpu, retaddr);
        consort_note_watch(cpu, addr, size, CONSORT_ACCESS_READ);
    }
    if (tlb_addr & TLB_MMIO) {
        hwaddr paddr = entry->paddr | (addr & ~TARGET_PAGE_MASK);

        if (code_read || !cs->running) {
            consort_bus_fault(env, addr, size, type, mmu_idx, retaddr);
        }
        consort_prepare_io(cpu, retaddr);
        if (!cs->io->read(cs->io->opaque, paddr, size, &value)) {
            consort_bus_fault(env, addr, size, type, mmu_idx, retaddr);
        }
        return value;
    }
    host = (void *)((uintptr_t)addr + entry->addend);
    switch (size) {
    case 1:
        return ldub_p(host);
    case 2:
        return (uint16_t)lduw_le_p(host);
    case 4:
        return (uint32_t)ldl_le_p(host);
    default:
        return ldq_le_p(host);
    }
}

static uint64_t consort_load(CPUArchState *env, target_ulong addr, TCGMemOpIdx oi, uintptr_t retaddr, MemOp op,
                             bool code_read)
{
    unsigned size = memop_size(op);
    unsigned a_bits = get_alignment_bits(get_memop(oi));
    int mmu_idx = get_mmuidx(oi);
    uint64_t value = 0;
    unsigned done = 0;

    if (addr & ((1 << a_bits) - 1)) {
        cpu_unaligned_access(env_cpu(env), addr, code_read ? MMU_INST_FETCH : MMU_DATA_LOAD, mmu_idx, retaddr);
    }
    if (likely(!(addr & (size - 1)))) {
        value = consort_load_piece(env, addr, size, mmu_idx, retaddr, code_read);
        return memop_big_endian(op) ? bswap64(value) >> (64 - size * 8) : value;
    }
    while (done < size) {
        unsigned piece = consort_piece(addr + done, size - done);

        value |= consort_load_piece(env, addr + done, piece, mmu_idx, retaddr, code_read) << (done * 8);
        done += piece;
    }
    if (memop_big_endian(op)) {
        value = bswap64(value) >> (64 - size * 8);
    }
    return value;
}

static void consort_store_piece(CPUArchState *env, target_ulong addr, unsigned size, uint64_t value, int mmu_idx,
                                uintptr_t retaddr)
{
    CPUState *cpu = env_cpu(env);
    struct uc_struct *uc = env->uc;
    struct consort_state *cs = uc->consort;
    uintptr_t index = tlb_index(env, mmu_idx, addr);
    CPUTLBEntry *entry = tlb_entry(env, mmu_idx, addr);
    target_ulong tlb_addr = tlb_addr_write(entry);
    void *host;

    if (!tlb_hit(uc, tlb_addr, addr)) {
        if (!victim_tlb_hit(env, mmu_idx, index, offsetof(CPUTLBEntry, addr_write), addr & TARGET_PAGE_MASK)) {
            tlb_fill(cpu, addr, size, MMU_DATA_STORE, mmu_idx, retaddr);
            index = tlb_index(env, mmu_idx, addr);
            entry = tlb_entry(env, mmu_idx, addr);
        }
        tlb_addr = tlb_addr_write(entry);
    }
    if (unlikely(tlb_addr & TLB_WATCHPOINT) && consort_watches(cs, addr, size)) {
        consort_prepare_io(cpu, retaddr);
        consort_note_watch(cpu, addr, size, CONSORT_ACCESS_WRITE);
    }
    if (tlb_addr & (TLB_MMIO | TLB_DISCARD_WRITE)) {
        hwaddr paddr = entry->paddr | (addr & ~TARGET_PAGE_MASK);

        if (!cs->running) {
            consort_bus_fault(env, addr, size, MMU_DATA_STORE, mmu_idx, retaddr);
        }
        consort_prepare_io(cpu, retaddr);
        if (!cs->io->write(cs->io->opaque, paddr, size, value)) {
            consort_bus_fault(env, addr, size, MMU_DATA_STORE, mmu_idx, retaddr);
        }
        return;
    }
    if (tlb_addr & TLB_NOTDIRTY) {
        notdirty_write(cpu, addr, size, &env_tlb(env)->d[mmu_idx].iotlb[index], retaddr, entry);
    }
    host = (void *)((uintptr_t)addr + entry->addend);
    switch (size) {
    case 1:
        stb_p(host, value);
        break;
    case 2:
        stw_le_p(host, value);
        break;
    case 4:
        stl_le_p(host, value);
        break;
    default:
        stq_le_p(host, value);
        break;
    }
}

static void consort_store(CPUArchState *env, target_ulong addr, uint64_t value, TCGMemOpIdx oi, uintptr_t retaddr,
                          MemOp op)
{
#ifdef TARGET_ARM
    /* TARGET_PAGE_MASK reads it. */
    struct uc_struct *uc = env->uc;
#endif
    unsigned size = memop_size(op);
    unsigned a_bits = get_alignment_bits(get_memop(oi));
    int mmu_idx = get_mmuidx(oi);
    unsigned done = 0;

    if (addr & ((1 << a_bits) - 1)) {
        cpu_unaligned_access(env_cpu(env), addr, MMU_DATA_STORE, mmu_idx, retaddr);
    }
    if (memop_big_endian(op)) {
        value = bswap64(value) >> (64 - size * 8);
    }
    if (likely(!(addr & (size - 1)))) {
        consort_store_piece(env, addr, size, value, mmu_idx, retaddr);
        return;
    }
    /* A store that spans two pages must not write half of itself and then fault. */
    if (((addr + size - 1) ^ addr) & TARGET_PAGE_MASK) {
        target_ulong second = (addr + size - 1) & TARGET_PAGE_MASK;

        probe_access(env, addr, second - addr, MMU_DATA_STORE, mmu_idx, retaddr);
        probe_access(env, second, addr + size - second, MMU_DATA_STORE, mmu_idx, retaddr);
    }
    while (done < size) {
        unsigned piece = consort_piece(addr + done, size - done);

        consort_store_piece(env, addr + done, piece, value >> (done * 8), mmu_idx, retaddr);
        done += piece;
    }
}

/* A store to RAM whose entry is marked clean: code was translated there, or a snapshot wants to see it. */
static void consort_notdirty(CPUState *cpu, vaddr addr, unsigned size, ram_addr_t ram_address, uintptr_t retaddr)
{
    struct uc_struct *uc = cpu->uc;
    struct consort_state *cs = uc->consort;
    size_t page = ram_address >> CONSORT_DIRTY_BITS;

    if (consort_page_has_code(uc, ram_address)) {
        consort_invalidate(uc, ram_address, size, retaddr);
    }
    if (page < cs->dirty_pages) {
        cs->dirty[page] = 1;
    }
    if (!consort_page_is_clean(uc, ram_address)) {
        tlb_set_dirty(cpu, addr);
    }
}

bool consort_page_is_clean(struct uc_struct *uc, uint64_t ram_address)
{
    struct consort_state *cs = uc->consort;
    size_t page = ram_address >> CONSORT_DIRTY_BITS;

    return (page < cs->dirty_pages && !cs->dirty[page]) || consort_page_has_code(uc, ram_address);
}

/* Stores to a page of RAM become slow wherever it is mapped. */
void consort_reset_dirty(struct uc_struct *uc, uintptr_t host, uintptr_t length)
{
    tlb_reset_dirty(uc->cpu, host, length);
}

void consort_flush_memory(struct uc_struct *uc)
{
    tlb_flush(uc->cpu);
}
