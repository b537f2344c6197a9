//! `--gdb`: a debugger for every device of a run, and how to start it.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use consort_core::Time;
use consort_core::fleet::{Fleet, Observer, Stop};
use consort_gdb::Hub;
use consort_machines::fleet_file::{DeviceEntry, FleetFile, ImageEntry, read_bytes};

use crate::cli::GdbArgs;
use crate::console;
use crate::failure::Failure;

/// The debugger's program; it knows the architectures of all boards.
pub const GDB: &str = "gdb-multiarch";

/// The debuggers of a run, when they were asked for.
pub struct Debuggers(Option<Hub>);

impl Debuggers {
    /// Listens as the arguments say, and tells on standard error how to connect. `programs` are the devices'
    /// files with symbols, as far as they have any.
    pub fn open(args: &GdbArgs, fleet: &Fleet, programs: &[Option<PathBuf>]) -> Result<Self, Failure> {
        let Some(base) = args.base() else { return Ok(Self(None)) };
        let mut hub = Hub::listen(args.gdb_listen, base, fleet.names(), console::warning)?;
        for name in &args.wait_gdb {
            match name.as_str() {
                "" => (0..fleet.names().len()).for_each(|device| hub.wait_for(device)),
                name => hub.wait_for(fleet.find(name)?),
            }
        }
        let width = fleet.names().iter().map(String::len).max().unwrap_or(0);
        for (index, (name, address)) in fleet.names().iter().zip(hub.addresses()).enumerate() {
            let program = programs.get(index).and_then(Option::as_deref);
            console::note(&format!("gdb {name:<width$}  {}", command(*address, program)));
        }
        Ok(Self(Some(hub)))
    }

    /// Answers debuggers while nothing runs; tells whether there can be any.
    pub fn serve(&mut self, fleet: &mut Fleet) -> bool {
        self.0.as_mut().map(|hub| hub.serve(fleet)).is_some()
    }

    /// As `Fleet::run_until`, as far as the debuggers let it.
    pub fn run_until(&mut self, fleet: &mut Fleet, until: Time, observer: &mut dyn Observer) -> Stop {
        match &mut self.0 {
            Some(hub) => hub.drive(fleet, until, observer),
            None => fleet.run_until(until, observer),
        }
    }
}

/// GDB's name for an address: none of its own for this computer.
pub fn target(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_loopback() || ip.is_unspecified() => format!(":{}", address.port()),
        IpAddr::V6(ip) => format!("[{ip}]:{}", address.port()),
        IpAddr::V4(ip) => format!("{ip}:{}", address.port()),
    }
}

/// The shell command that starts a debugger.
fn command(address: SocketAddr, program: Option<&Path>) -> String {
    let program = program.map_or(String::new(), |path| format!(" {}", quoted(&path.display().to_string())));
    format!("{GDB} -ex 'target remote {}'{program}", target(address))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./+@:,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The file of a device that most likely has its symbols: its first one with addresses of its own.
pub fn program(entry: &DeviceEntry, folder: &Path) -> Option<PathBuf> {
    let mut paths = entry.firmware.list().iter().filter_map(|image| match image {
        ImageEntry::Path(path) => Some(folder.join(path)),
        ImageEntry::Raw { .. } => None,
    });
    paths.next()
}

/// The files with symbols of a fleet's devices.
pub fn programs(fleet: &Path) -> Result<Vec<Option<PathBuf>>, Failure> {
    let file = read(fleet)?;
    let folder = fleet.parent().unwrap_or(Path::new(""));
    Ok(file.devices.values().map(|entry| program(entry, folder)).collect())
}

/// A fleet file, without what it names.
pub fn read(path: &Path) -> Result<FleetFile, Failure> {
    let name = path.display().to_string();
    let text = String::from_utf8(read_bytes(path)?)
        .map_err(|_| Failure::bad(format!("{name}: is not UTF-8 text")))?;
    Ok(FleetFile::parse(&name, &text)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_made_command_is_a_shells() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(
            command(address("127.0.0.1:3333"), Some(Path::new("bin/hub.elf"))),
            "gdb-multiarch -ex 'target remote :3333' bin/hub.elf"
        );
        assert_eq!(
            command(address("10.0.0.7:3334"), Some(Path::new("it's here.elf"))),
            r"gdb-multiarch -ex 'target remote 10.0.0.7:3334' 'it'\''s here.elf'"
        );
        assert_eq!(target(address("[2001:db8::1]:1")), "[2001:db8::1]:1");
    }
}
