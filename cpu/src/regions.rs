//! The blocks of guest memory of a core, and memory as a bus master sees it.

use consort_core::bus::{Addr, BusError, Memory};
use consort_core::cpu::{Region, RegionKind};

use crate::engine::Access;

/// The blocks of guest memory of a core.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regions(Vec<Region>);

impl Regions {
    pub(crate) fn add(&mut self, region: Region) {
        self.0.push(region);
    }

    fn at(&self, addr: Addr) -> Option<&Region> {
        self.0.iter().find(|region| addr >= region.base && addr - region.base < region.size)
    }

    /// Whether all of a range is memory; else the first address that is not.
    pub(crate) fn check(&self, addr: Addr, len: usize) -> Result<(), BusError> {
        let (mut addr, mut left) = (addr, len as u64);
        while left > 0 {
            let region = self.at(addr).ok_or(BusError::Unmapped(addr))?;
            let here = (region.size - (addr - region.base)).min(left);
            (addr, left) = (addr.wrapping_add(here), left - here);
        }
        Ok(())
    }

    /// Whether all of a range is RAM, within one block.
    pub(crate) fn is_ram(&self, addr: Addr, len: u64) -> bool {
        let Some(region) = self.at(addr) else { return false };
        let ram = match region.kind {
            RegionKind::Ram => true,
            RegionKind::Rom => false,
            RegionKind::Alias { target } => self.at(target).is_some_and(|of| of.kind == RegionKind::Ram),
        };
        ram && addr - region.base + len <= region.size
    }
}

/// Memory as a bus master sees it while an instruction accesses the bus.
pub(crate) struct Guest<'a, 'b> {
    pub(crate) access: &'a mut Access<'b>,
    pub(crate) regions: &'a Regions,
}

impl Memory for Guest<'_, '_> {
    fn read(&self, addr: Addr, out: &mut [u8]) -> Result<(), BusError> {
        self.regions.check(addr, out.len())?;
        self.access.read_memory(addr, out).map_err(|_| BusError::Unmapped(addr))
    }
    fn write(&mut self, addr: Addr, data: &[u8]) -> Result<(), BusError> {
        self.regions.check(addr, data.len())?;
        self.access.write_memory(addr, data).map_err(|_| BusError::Unmapped(addr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions() -> Regions {
        let mut regions = Regions::default();
        regions.add(Region { base: 0, size: 0x1000, kind: RegionKind::Rom });
        regions.add(Region { base: 0x1000, size: 0x1000, kind: RegionKind::Ram });
        regions.add(Region { base: 0x8000, size: 0x1000, kind: RegionKind::Alias { target: 0x1000 } });
        regions.add(Region { base: 0x9000, size: 0x1000, kind: RegionKind::Alias { target: 0 } });
        regions
    }

    #[test]
    fn a_range_may_span_neighbours_but_no_hole() {
        assert_eq!(regions().check(0xFF0, 0x20), Ok(()));
        assert_eq!(regions().check(0x1FFF, 2), Err(BusError::Unmapped(0x2000)));
        assert_eq!(regions().check(0x2000, 0), Ok(()));
        assert!(regions().check(u64::MAX, 2).is_err());
    }

    #[test]
    fn stacking_writes_ram_only() {
        let regions = regions();
        for (addr, ram) in
            [(0, false), (0x1000, true), (0x1FFC, true), (0x1FFD, false), (0x8000, true), (0x9000, false)]
        {
            assert_eq!(regions.is_ram(addr, 4), ram, "{addr:#x}");
        }
    }
}
