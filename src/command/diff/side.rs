//! One of the two runs: it can begin again, as often as it is needed.

use consort_core::Time;
use consort_core::device::Debug;
use consort_core::fleet::{Fleet, FleetError};
use consort_core::trace::Digest;
use consort_machines::scenario::FailureFile;

use crate::failure::Failure;

/// A run that can begin again.
pub struct Side<'a> {
    file: &'a FailureFile,
    folder: tempfile::TempDir,
}

impl<'a> Side<'a> {
    /// The run of a failure file.
    pub fn new(file: &'a FailureFile) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        file.unpack(folder.path())?;
        Ok(Self { file, folder })
    }

    /// The fleet as it is at this time.
    pub fn at(&self, now: Time) -> Result<Fleet, Failure> {
        let mut fleet = self.file.fleet(self.folder.path())?.fleet;
        fleet.want_events(true);
        fleet.run_until(now, &mut ());
        Ok(fleet)
    }
}

/// The names of the devices that both have.
pub fn names((a, b): &(Fleet, Fleet)) -> Vec<String> {
    a.names().iter().filter(|name| b.names().contains(name)).cloned().collect()
}

/// Looks at a device's processor; absent for a device without one.
pub fn look<R>(fleet: &mut Fleet, device: usize, look: impl FnOnce(&dyn Debug) -> R) -> Option<R> {
    fleet.device(device, |device| device.debug().map(|debug| look(debug))).flatten()
}

/// The digest of a device's events and whole state.
pub fn digest(fleet: &mut Fleet, name: &str) -> Result<Digest, Failure> {
    let (index, now) = (fleet.find(name)?, fleet.now());
    let digest = fleet.device(index, |device| {
        device.settle(now);
        device.digest()
    });
    digest.transpose().map_err(FleetError::from)?.ok_or_else(|| FleetError::NoDevice(name.to_owned()).into())
}

/// An address with the symbol that holds it.
pub fn place(debug: &dyn Debug, addr: consort_core::Addr) -> String {
    match debug.symbol_at(addr) {
        Some((symbol, 0)) => format!("{addr:#010x} <{symbol}>"),
        Some((symbol, offset)) => format!("{addr:#010x} <{symbol}+{offset}>"),
        None => format!("{addr:#010x}"),
    }
}
