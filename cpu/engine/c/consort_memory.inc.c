/* RAM at a second address, and the host's view of guest memory; part of memory.c. */

static void consort_alias_destructor(MemoryRegion *mr)
{
    /* The block belongs to the target. */
    memory_region_filter_subregions(mr, 0);
}

MemoryRegion *consort_target_map_alias(struct uc_struct *uc, uint64_t base, uint64_t size, MemoryRegion *target,
                                       uint64_t offset)
{
    MemoryRegion *mr = g_new0(MemoryRegion, 1);

    memory_region_init(uc, mr, size);
    mr->ram = true;
    mr->readonly = target->readonly;
    mr->perms = target->perms;
    mr->terminates = true;
    mr->destructor = consort_alias_destructor;
    mr->ram_block = target->ram_block;
    mr->consort_offset = target->consort_offset + offset;
    memory_region_add_subregion_overlap(uc->system_memory, base, mr, uc->snapshot_level);
    tlb_flush(uc->cpu);
    return mr;
}

uint8_t *consort_target_memory(struct uc_struct *uc, uint64_t address, uint64_t *length, uint64_t *ram_address)
{
    hwaddr xlat = 0;
    hwaddr len = ~(hwaddr)0 - address;
    MemoryRegion *mr;

    mr = address_space_translate(&uc->address_space_memory, address, &xlat, &len, false, MEMTXATTRS_UNSPECIFIED);
    if (!memory_region_is_ram(mr)) {
        return NULL;
    }
    *length = int128_get64(mr->size) - xlat;
    *ram_address = memory_region_get_ram_addr(mr) + xlat;
    return (uint8_t *)memory_region_get_ram_ptr(mr) + xlat;
}
