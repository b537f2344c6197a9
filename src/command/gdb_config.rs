//! `consort gdb-config`: how editors and GDB reach the devices of a fleet.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{GdbConfigArgs, GdbConfigKind};
use crate::console;
use crate::debug::{GDB, program, read, target};
use crate::failure::Failure;

struct Device {
    name: String,
    address: SocketAddr,
    program: Option<PathBuf>,
}

/// Prints one of the files, or writes both.
pub fn run(args: &GdbConfigArgs) -> Result<ExitCode, Failure> {
    let file = read(&args.fleet)?;
    let folder = args.fleet.parent().unwrap_or(Path::new(""));
    let mut devices = Vec::new();
    for (index, (name, entry)) in file.devices.iter().enumerate() {
        let port = u16::try_from(index).ok().and_then(|index| args.gdb.checked_add(index));
        let port = port.ok_or_else(|| Failure::bad(format!("there is no port left for `{name}`")))?;
        let address = SocketAddr::new(args.gdb_listen, port);
        // Editors and GDB start where they like.
        let program = program(entry, folder).map(std::path::absolute).transpose();
        let program = program.map_err(|error| Failure::bad(format!("no current directory: {error}")))?;
        devices.push(Device { name: name.clone(), address, program });
    }
    let launch = serde_json::to_string_pretty(&launch(&devices, &args.fleet))?;
    let init = init(&devices);
    match (args.kind, &args.write) {
        (_, Some(folder)) => {
            write(&folder.join(".vscode"), "launch.json", &(launch + "\n"))?;
            write(folder, "consort.gdb", &init)?;
        }
        (GdbConfigKind::Launch, None) => console::line(&launch),
        (GdbConfigKind::Init, None) => console::bytes(init.as_bytes()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Never over a file that somebody may have written by hand.
fn write(folder: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| Failure::bad(format!("{}: {error}", path.display()));
    if path.exists() {
        return Err(Failure::bad(format!("{}: is there already; move it away first", path.display())));
    }
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)).map_err(failed)?;
    console::note(&format!("wrote {}", path.display()));
    Ok(())
}

/// Cortex-Debug's configurations: one per device, and one that starts them all, chained behind the first.
fn launch(devices: &[Device], fleet: &Path) -> Value {
    let configuration = |device: &Device, name: String| {
        json!({
            "name": name,
            "type": "cortex-debug",
            "request": "attach",
            "servertype": "external",
            "gdbPath": GDB,
            "gdbTarget": target_with_host(device.address),
            "executable": device.program.as_ref().map(|path| path.display().to_string()),
            "cwd": "${workspaceFolder}",
        })
    };
    let mut configurations: Vec<Value> =
        devices.iter().map(|device| configuration(device, format!("consort: {}", device.name))).collect();
    if let [first, others @ ..] = devices
        && !others.is_empty()
    {
        let mut all = configuration(first, format!("consort: all of {}", fleet.display()));
        let chained: Vec<Value> = others
            .iter()
            .map(|device| json!({ "name": format!("consort: {}", device.name), "detached": false }))
            .collect();
        all["chainedConfigurations"] = json!({ "enabled": true, "launches": chained });
        configurations.push(all);
    }
    json!({ "version": "0.2.0", "configurations": configurations })
}

/// Cortex-Debug wants a host.
fn target_with_host(address: SocketAddr) -> String {
    let target = target(address);
    if target.starts_with(':') { format!("localhost{target}") } else { target }
}

/// A path as GDB's commands read it: in quotes, where there is something to quote.
fn argument(path: &Path) -> String {
    let path = path.display().to_string();
    if path.contains([' ', '\t', '"', '\'', '\\']) {
        format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        path
    }
}

/// A script for GDB: one command per device, `consort-NAME`.
fn init(devices: &[Device]) -> String {
    let mut out = String::from("# Use: gdb-multiarch -x consort.gdb, then one of the commands below.\n");
    for device in devices {
        let file =
            device.program.as_ref().map_or(String::new(), |path| format!("  file {}\n", argument(path)));
        let name = &device.name;
        // A command's name knows fewer characters than a device's.
        let word: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        out.push_str(&format!(
            "\ndefine consort-{word}\n{file}  target remote {}\nend\ndocument consort-{word}\n\
             Debug the device {name}.\nend\n",
            target(device.address)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, port: u16) -> Device {
        let program = Some(PathBuf::from(format!("bin/{name}.elf")));
        Device { name: name.to_owned(), address: ([127, 0, 0, 1], port).into(), program }
    }

    #[test]
    fn the_last_configuration_starts_all() {
        let launch = launch(&[device("hub", 3333), device("watch", 3334)], Path::new("fleet.json"));
        let configurations = launch["configurations"].as_array().unwrap();
        assert_eq!(configurations.len(), 3);
        assert_eq!(configurations[1]["gdbTarget"], "localhost:3334");
        assert_eq!(configurations[2]["chainedConfigurations"]["launches"][0]["name"], "consort: watch");
    }

    #[test]
    fn gdb_gets_a_command_per_device() {
        let text = init(&[device("wach.1", 3333)]);
        assert!(text.contains("define consort-wach_1\n  file bin/wach.1.elf\n  target remote :3333\nend\n"));
        let text = init(&[device("my \"own\"", 3333)]);
        assert!(text.contains("\n  file \"bin/my \\\"own\\\".elf\"\n"), "{text}");
    }
}
