//! What a boot loader would do before the processor starts: a device tree made from the board file, and a kernel with
//! its initial RAM disk in memory by Linux' boot protocol.

mod blob;
mod fdt;

use std::io::Read as _;
use std::sync::Arc;

use consort_core::Addr;
use consort_core::rng::Rng;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::board::{Board, Irq, MemoryKind};
use crate::cores::application_core;
use crate::json::Document;
use crate::loader::Firmware;
use crate::machine::BuildError;
use fdt::{Cell, Node, Property, texts};

/// A file that is put into memory.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// A kernel and what it is given.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// A Linux kernel: an arm64 `Image`, with gzip or as an EFI image around one, or a 32-bit `zImage`.
    pub kernel: Option<File>,
    /// Its initial RAM disk.
    pub initrd: Option<File>,
    /// Its command line.
    pub append: String,
    /// A device tree blob instead of the one made from the board file; command line and RAM disk are put into it.
    pub tree: Option<File>,
}

/// What lies in memory before the first instruction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// Where execution begins, when not at the board's reset address.
    pub start: Option<Addr>,
    /// The device tree's address, or 0.
    pub argument: u64,
    /// Files and their places.
    pub loads: Vec<(Addr, File)>,
}

const MIB: u64 = 1 << 20;
/// No kernel is larger.
const LARGEST: u64 = 1 << 30;
/// Where Linux wants its device tree: within 2 MiB that it maps as one block.
const TREE_ALIGN: u64 = 2 * MIB;

/// RAM that the operating system may use: what has no node of its own.
fn ram(board: &Board) -> Option<(u64, u64)> {
    let memory = board.memory.values().find(|m| m.kind == MemoryKind::Ram && m.tree.is_none())?;
    Some((memory.at.0, memory.size.0))
}

/// Prepares the memory of `board`; `name` and `seed` are the device's.
pub(crate) fn prepare(
    board: &Board,
    document: &Document,
    firmware: &Firmware,
    boot: &Boot,
    name: &str,
    seed: u64,
) -> Result<Prepared, BuildError> {
    let refuse = |text: String| Err(BuildError::Firmware(text));
    if board.tree.is_none() && boot.tree.is_none() {
        if let Some(kernel) = &boot.kernel {
            return refuse(format!(
                "{}: this board has no device tree (`tree`) to start a kernel with",
                kernel.name
            ));
        }
        return Ok(Prepared::default());
    }
    let Some((base, size)) = ram(board) else {
        return refuse("the board has no RAM for a device tree".to_owned());
    };
    let Some(kernel) = &boot.kernel else {
        if let Some(file) = boot.initrd.as_ref() {
            return refuse(format!("{}: an initial RAM disk needs a kernel", file.name));
        }
        let tree = tree(board, document, boot, None, name, seed)?;
        let len = tree.bytes.len() as u64;
        let taken = firmware
            .segments()
            .any(|(_, segment)| segment.addr < base + len && base < segment.addr + segment.data.len() as u64);
        // Boot loaders look for it at the beginning of RAM; firmware that lies there is told where it is.
        let at = if taken { (base + size.saturating_sub(len)) & !(TREE_ALIGN - 1) } else { base };
        return Ok(Prepared { start: firmware.entry, argument: at, loads: vec![(at, tree)] });
    };
    let kernel = &unpacked(kernel)?;
    let place = place(kernel, board)?;
    let start = base + place.offset;
    let mut end = start + place.size;
    let mut loads = vec![(start, kernel.clone())];
    let initrd = boot.initrd.as_ref().map(|file| {
        let at = (base + (size / 2).min(128 * MIB)).max(end).next_multiple_of(4096);
        end = at + file.bytes.len() as u64;
        loads.push((at, file.clone()));
        (at, end)
    });
    let tree = tree(board, document, boot, initrd, name, seed)?;
    let argument = end.next_multiple_of(TREE_ALIGN);
    if argument + tree.bytes.len() as u64 > base + size {
        let mib = |bytes: u64| bytes / MIB;
        return refuse(format!(
            "{}: kernel, initial RAM disk and device tree end at {} MiB, the board has {} MiB of RAM",
            kernel.name,
            mib(argument + tree.bytes.len() as u64 - base) + 1,
            mib(size)
        ));
    }
    loads.push((argument, tree));
    Ok(Prepared { start: Some(start), argument, loads })
}

/// A kernel as it lies in memory: what is packed with gzip, or so within an EFI program, is unpacked.
fn unpacked(kernel: &File) -> Result<File, BuildError> {
    let refuse = |why: String| BuildError::Firmware(format!("{}: {why}", kernel.name));
    let word = |at: usize| Some(u32::from_le_bytes(*kernel.bytes.get(at..)?.first_chunk()?) as usize);
    // Linux, drivers/firmware/efi/libstub/zboot-header.S: offset and size of the payload.
    let is_efi = kernel.bytes.get(4..8) == Some(b"zimg");
    let payload = || kernel.bytes.get(word(8)?..)?.get(..word(12)?);
    let packed = if is_efi { payload().unwrap_or(&[]) } else { &kernel.bytes };
    if !packed.starts_with(&[0x1F, 0x8B]) {
        let why = "is an EFI image around a kernel that is not packed with gzip";
        return if is_efi { Err(refuse(why.to_owned())) } else { Ok(kernel.clone()) };
    }
    let mut bytes = Vec::new();
    let unpacked = GzDecoder::new(packed).take(LARGEST + 1).read_to_end(&mut bytes);
    unpacked.map_err(|error| refuse(format!("is packed with gzip, and damaged: {error}")))?;
    Ok(File { name: kernel.name.clone(), bytes: bytes.into() })
}

/// Where a kernel goes from RAM's beginning, and how much it needs there.
struct Place {
    offset: u64,
    size: u64,
}

/// Reads a kernel's header (Linux, Documentation/arch/arm64/booting.rst; arch/arm's zImage).
fn place(kernel: &File, board: &Board) -> Result<Place, BuildError> {
    let word = |at: usize| {
        let bytes = kernel.bytes.get(at..at + 8)?;
        Some(u64::from_le_bytes([
            bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
        ]))
    };
    let len = kernel.bytes.len() as u64;
    let is = |at: usize, magic: &[u8]| kernel.bytes.get(at..at + magic.len()) == Some(magic);
    let refuse = |why: &str| Err(BuildError::Firmware(format!("{}: {why}", kernel.name)));
    match application_core(&board.processor).map(|core| core.is_64()) {
        Some(true) if is(0x38, b"ARM\x64") => {
            let (offset, size) = (word(8).unwrap_or(0), word(16).unwrap_or(0));
            let offset = if size == 0 { 0x8_0000 } else { offset };
            // The first page is a boot loader's by custom; the kernel keeps its alignment.
            let offset = if offset < 4096 { offset + TREE_ALIGN } else { offset };
            if offset > LARGEST || size > LARGEST || len > LARGEST {
                return refuse("it or what its header asks for is larger than 1 GiB");
            }
            Ok(Place { offset, size: size.max(len) })
        }
        Some(false) if is(0x24, &[0x18, 0x28, 0x6F, 0x01]) => {
            // It unpacks itself to RAM's beginning, four times as long at most.
            Ok(Place { offset: 0x1_0000, size: (len * 5).max(32 * MIB) })
        }
        Some(true) => refuse("is no arm64 kernel Image (its header lacks the magic number)"),
        Some(false) => refuse("is no 32-bit zImage (its header lacks the magic number)"),
        None => refuse("this board's processor runs no Linux kernel"),
    }
}

fn tree(
    board: &Board,
    document: &Document,
    boot: &Boot,
    initrd: Option<(u64, u64)>,
    name: &str,
    seed: u64,
) -> Result<File, BuildError> {
    let file = match &boot.tree {
        Some(file) => {
            given(file, boot, initrd).map_err(|why| BuildError::Firmware(format!("{}: {why}", file.name)))?
        }
        None => {
            let root =
                root(board, boot, initrd, name, seed).map_err(|(at, error)| document.error(&at, error))?;
            let blob = fdt::flatten(&root, &[]).map_err(|error| document.error("/tree", error))?;
            File { name: "device tree".to_owned(), bytes: blob.into() }
        }
    };
    if file.bytes.len() as u64 > TREE_ALIGN {
        let why = format!("{}: a device tree of {} bytes; 2 MiB are the most", file.name, file.bytes.len());
        return Err(BuildError::Firmware(why));
    }
    Ok(file)
}

/// A device tree that the user brought, with what the kernel is given in its `chosen` node.
fn given(file: &File, boot: &Boot, initrd: Option<(u64, u64)>) -> Result<File, String> {
    let why = |error| format!("is no device tree blob: {error}");
    let mut tree = blob::read(&file.bytes).map_err(why)?;
    if boot.append.is_empty() && initrd.is_none() {
        return Ok(file.clone());
    }
    let nodes = &mut tree.root.children;
    let known = nodes.iter().position(|node| node.name == "chosen");
    let mut chosen = known.map_or_else(|| Node::new("chosen", ""), |at| nodes.remove(at));
    give(&mut chosen, boot, initrd);
    nodes.insert(known.unwrap_or(0), chosen);
    let bytes = fdt::flatten(&tree.root, &tree.reservations)?.into();
    Ok(File { name: file.name.clone(), bytes })
}

/// Writes command line and RAM disk into the node `chosen`.
fn give(chosen: &mut Node, boot: &Boot, initrd: Option<(u64, u64)>) {
    if !boot.append.is_empty() {
        chosen.set("bootargs", texts([boot.append.as_str()]));
    }
    if let Some((start, end)) = initrd {
        for (name, address) in [("linux,initrd-start", start), ("linux,initrd-end", end)] {
            chosen.set(name, Property::Cells(pair(address).map(Cell::Number).to_vec()));
        }
    }
}

fn pair(number: u64) -> [u32; 2] {
    [(number >> 32) as u32, number as u32]
}

/// The nodes of processor, memory and components; a fault's place in the board file with its text.
fn root(
    board: &Board,
    boot: &Boot,
    initrd: Option<(u64, u64)>,
    name: &str,
    seed: u64,
) -> Result<Node, (String, String)> {
    let mut root = Node::new("", "").cells("#address-cells", &[2]).cells("#size-cells", &[2]);
    root.set("interrupt-parent", Property::Cells(vec![Cell::Reference("gic".to_owned())]));
    let mut extra = Node::default();
    if let Some(words) = &board.tree {
        extra.extend(words).map_err(|error| ("/tree".to_owned(), error))?;
    }
    for (name, property) in extra.properties {
        root.set(&name, property);
    }
    let (mut memories, mut devices, mut console) = (Vec::new(), Vec::new(), None);
    for (name, memory) in &board.memory {
        let at = memory.at.0;
        let [a, b] = pair(at);
        let [c, d] = pair(memory.size.0);
        let node = |node: Node| node.cells("reg", &[a, b, c, d]);
        match (&memory.tree, memory.kind) {
            (Some(words), _) => {
                let mut child = node(Node::new(node_name(words, name, at), name));
                child.extend(words).map_err(|error| (format!("/memory/{name}/tree"), error))?;
                memories.push(child);
            }
            (None, MemoryKind::Ram) => {
                memories.push(node(Node::new(format!("memory@{at:x}"), name)).text("device_type", "memory"));
            }
            (None, _) => {}
        }
    }
    for (name, peripheral) in &board.peripherals {
        let Some(words) = &peripheral.tree else { continue };
        let at = peripheral.at.0;
        let mut child = Node::new(node_name(words, name, at), name);
        child.extend(words).map_err(|error| (format!("/peripherals/{name}/tree"), error))?;
        if !child.has("reg") {
            let ([a, b], [c, d]) = (pair(at), pair(peripheral.size.0));
            child = child.cells("reg", &[a, b, c, d]);
        }
        let numbers = peripheral.irq.values().filter_map(|irq| match irq {
            Irq::Number(number) => Some(u32::from(*number)),
            Irq::Nmi(_) => None,
        });
        // Shared peripheral interrupts, active high.
        let interrupts: Vec<u32> = numbers.flat_map(|number| [0, number, 4]).collect();
        if !interrupts.is_empty() && !child.has("interrupts") {
            child = child.cells("interrupts", &interrupts);
        }
        if board.console.as_ref() == Some(name) {
            console = Some(format!("/{}", child.name));
        }
        devices.push(child);
    }
    root.children.push(chosen(boot, console, initrd, name, seed));
    root.children.extend(memories);
    root.children.extend(processor(board));
    root.children.extend(devices);
    root.children.extend(extra.children);
    Ok(root)
}

/// `$node` is what the tree calls a component that the board file calls otherwise.
fn node_name(words: &Value, name: &str, at: u64) -> String {
    let base = words.get("$node").and_then(Value::as_str).unwrap_or(name);
    format!("{base}@{at:x}")
}

fn chosen(boot: &Boot, console: Option<String>, initrd: Option<(u64, u64)>, name: &str, seed: u64) -> Node {
    let mut chosen = Node::new("chosen", "chosen");
    if let Some(console) = console {
        chosen = chosen.text("stdout-path", &console);
    }
    give(&mut chosen, boot, initrd);
    // The guest's entropy, and where its kernel lies: other for each device and seed, the same in each run.
    let mut rng = Rng::new(seed, &format!("{name}.device-tree"));
    let seeds: Vec<u32> = (0..8).map(|_| rng.next_u64() as u32).collect();
    chosen.cells("rng-seed", &seeds).cells("kaslr-seed", &pair(rng.next_u64()))
}

fn processor(board: &Board) -> Vec<Node> {
    let Some(core) = application_core(&board.processor) else { return Vec::new() };
    let timers =
        if core.is_64() { &["arm,armv8-timer", "arm,armv7-timer"][..] } else { &["arm,armv7-timer"] };
    let core = format!("arm,{}", core.name());
    let mut cpus = Node::new("cpus", "cpus").cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    cpus.children.push(
        Node::new("cpu@0", "cpu0").text("device_type", "cpu").text("compatible", &core).cells("reg", &[0]),
    );
    let mut psci = Node::new("psci", "psci");
    psci.set("compatible", texts(["arm,psci-1.0", "arm,psci-0.2", "arm,psci"]));
    let mut timer = Node::new("timer", "timer");
    timer.set("compatible", texts(timers.iter().copied()));
    // Secure, non-secure, virtual, hypervisor: private interrupts 13, 14, 11 and 10, active high.
    let timer = timer
        .cells("interrupts", &[1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x104, 1, 10, 0x104])
        .empty("always-on");
    let mut nodes =
        vec![cpus, psci.text("method", if board.processor.hypervisor { "smc" } else { "hvc" }), timer];
    if let Some(gic) = board.processor.gic {
        let ([a, b], [c, d]) = (pair(gic.distributor.0), pair(gic.cpu_interface.0));
        nodes.push(
            Node::new(format!("intc@{:x}", gic.distributor.0), "gic")
                .text("compatible", "arm,cortex-a15-gic")
                .cells("#interrupt-cells", &[3])
                .empty("interrupt-controller")
                .cells("#address-cells", &[0])
                .cells("reg", &[a, b, 0, 0x1000, c, d, 0, 0x2000]),
        );
    }
    nodes
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn file(bytes: Vec<u8>) -> File {
        File { name: "kernel".to_owned(), bytes: bytes.into() }
    }

    #[test]
    fn packed_kernels_are_unpacked() {
        let plain: Vec<u8> = (0..5000_u32).flat_map(u32::to_le_bytes).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&plain).unwrap();
        let packed = encoder.finish().unwrap();
        let mut efi = b"MZ\0\0zimg".to_vec();
        efi.extend(64_u32.to_le_bytes());
        efi.extend((packed.len() as u32).to_le_bytes());
        efi.resize(64, 0);
        efi.extend(&packed);
        efi.extend([7; 100]);
        for bytes in [plain.clone(), packed.clone(), efi.clone()] {
            assert_eq!(*unpacked(&file(bytes)).unwrap().bytes, plain);
        }
        for cut in [packed[..packed.len() / 2].to_vec(), efi[..100].to_vec(), efi[..10].to_vec()] {
            assert!(unpacked(&file(cut)).is_err());
        }
    }
}
