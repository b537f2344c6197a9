//! What GDB is told of a device: its registers ("Target Descriptions") and its memory ("Memory Map Format").

use std::fmt::Write as _;

use consort_core::Addr;
use consort_core::cpu::{RegisterInfo, Role};

/// GDB's name for the architecture that the registers belong to.
fn architecture(registers: &[RegisterInfo]) -> &'static str {
    let has = |prefix: &str| registers.iter().any(|register| register.feature.starts_with(prefix));
    let wide = registers.iter().any(|register| register.role == Role::ProgramCounter && register.bits == 64);
    match () {
        () if has("org.gnu.gdb.aarch64") => "aarch64",
        () if has("org.gnu.gdb.riscv") && wide => "riscv:rv64",
        () if has("org.gnu.gdb.riscv") => "riscv:rv32",
        () => "arm",
    }
}

/// `target.xml`.
pub(crate) fn target_xml(registers: &[RegisterInfo]) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n\
         <architecture>{}</architecture>\n",
        architecture(registers)
    );
    // Writing to a string cannot fail.
    for (number, register) in registers.iter().enumerate() {
        let before = number.checked_sub(1).map(|before| registers[before].feature);
        if before != Some(register.feature) {
            let end = if before.is_some() { "</feature>\n" } else { "" };
            let _ = writeln!(out, "{end}<feature name=\"{}\">", register.feature);
            if register.feature == AARCH64_FPU {
                out.push_str(&vector_types());
            }
        }
        let kind = match (register.role, register.bits) {
            (Role::ProgramCounter, _) => "code_ptr",
            (Role::StackPointer, _) => "data_ptr",
            (Role::Float, 64) => "ieee_double",
            (_, 128) if register.feature == AARCH64_FPU => VECTOR,
            (_, 128) => "uint128",
            _ => "int",
        };
        let group = if register.role == Role::Float { " group=\"float\"" } else { "" };
        let _ = writeln!(
            out,
            "<reg name=\"{}\" bitsize=\"{}\" regnum=\"{number}\" type=\"{kind}\"{group}/>",
            register.name, register.bits
        );
    }
    out.push_str(if registers.is_empty() { "</target>\n" } else { "</feature>\n</target>\n" });
    out
}

/// The feature of AArch64's vector registers, and their type in it.
const AARCH64_FPU: &str = "org.gnu.gdb.aarch64.fpu";
const VECTOR: &str = "vector";

/// The ways to look at a vector register, named as GDB itself names them: `$v0.s.f[1]`.
fn vector_types() -> String {
    let mut out = String::new();
    let mut views = String::new();
    for (view, kinds) in [
        ("d", [("f", "ieee_double"), ("u", "uint64"), ("s", "int64")].as_slice()),
        ("s", &[("f", "ieee_single"), ("u", "uint32"), ("s", "int32")]),
        ("h", &[("u", "uint16"), ("s", "int16")]),
        ("b", &[("u", "uint8"), ("s", "int8")]),
        ("q", &[("u", "uint128"), ("s", "int128")]),
    ] {
        let count = match view {
            "d" => 2,
            "s" => 4,
            "h" => 8,
            "b" => 16,
            _ => 1,
        };
        let mut fields = String::new();
        for (field, kind) in kinds {
            let _ = writeln!(out, "<vector id=\"{view}{field}\" type=\"{kind}\" count=\"{count}\"/>");
            let _ = write!(fields, "<field name=\"{field}\" type=\"{view}{field}\"/>");
        }
        let _ = writeln!(out, "<union id=\"{view}\">{fields}</union>");
        let _ = write!(views, "<field name=\"{view}\" type=\"{view}\"/>");
    }
    let _ = writeln!(out, "<union id=\"{VECTOR}\">{views}</union>");
    out
}

/// The memory map: what is not writable is flash, which GDB then loads with `vFlash` packets; what is no memory
/// is given as RAM, or GDB would refuse to read peripherals.
pub(crate) fn memory_map_xml(regions: &[(Addr, u64, bool)], wide: bool) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map V1.0//EN\" \
         \"http://sourceware.org/gdb/gdb-memory-map.dtd\">\n<memory-map>\n",
    );
    let mut regions = regions.to_vec();
    regions.sort_unstable();
    let end = if wide { u128::from(u64::MAX) + 1 } else { 1 << 32 };
    let mut next = 0u128;
    let ram = |from: u128, to: u128, out: &mut String| {
        if to > from {
            let _ = writeln!(out, "<memory type=\"ram\" start=\"{from:#x}\" length=\"{:#x}\"/>", to - from);
        }
    };
    for (base, size, _) in regions.iter().filter(|(_, _, writable)| !writable) {
        let (from, to) = (u128::from(*base), u128::from(*base) + u128::from(*size));
        if from < next {
            continue;
        }
        ram(next, from, &mut out);
        let _ = writeln!(
            out,
            "<memory type=\"flash\" start=\"{from:#x}\" length=\"{size:#x}\">\
             <property name=\"blocksize\">{FLASH_BLOCK:#x}</property></memory>"
        );
        next = to;
    }
    ram(next, end, &mut out);
    out.push_str("</memory-map>\n");
    out
}

/// Regions are multiples of this; GDB erases in such blocks.
const FLASH_BLOCK: u64 = 0x1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_grouped_by_feature_in_order() {
        let register = |name, feature, role, bits| RegisterInfo { name, bits, feature, role };
        let xml = target_xml(&[
            register("r0", "org.gnu.gdb.arm.m-profile", Role::General, 32),
            register("pc", "org.gnu.gdb.arm.m-profile", Role::ProgramCounter, 32),
            register("d0", "org.gnu.gdb.arm.vfp", Role::Float, 64),
        ]);
        let body = xml.split_once("<architecture>").unwrap().1;
        assert_eq!(
            body,
            "arm</architecture>\n<feature name=\"org.gnu.gdb.arm.m-profile\">\n\
             <reg name=\"r0\" bitsize=\"32\" regnum=\"0\" type=\"int\"/>\n\
             <reg name=\"pc\" bitsize=\"32\" regnum=\"1\" type=\"code_ptr\"/>\n\
             </feature>\n<feature name=\"org.gnu.gdb.arm.vfp\">\n\
             <reg name=\"d0\" bitsize=\"64\" regnum=\"2\" type=\"ieee_double\" group=\"float\"/>\n\
             </feature>\n</target>\n"
        );
    }

    #[test]
    fn the_memory_map_leaves_no_hole() {
        let xml = memory_map_xml(&[(0x2000_0000, 0x1000, true), (0, 0x4000, false)], false);
        assert!(xml.contains("<memory type=\"flash\" start=\"0x0\" length=\"0x4000\">"));
        assert!(xml.contains("<memory type=\"ram\" start=\"0x4000\" length=\"0xffffc000\"/>"));
        assert_eq!(xml.matches("<memory ").count(), 2);
    }
}
