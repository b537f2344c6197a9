//! Rust bindings of the public headers and of our own, under the names the safe `unicorn-engine` crate expects.

use std::fs;
use std::path::Path;

use bindgen::callbacks::{EnumVariantValue, ParseCallbacks};

/// Enumerations whose values are or-ed together.
const FLAGS: &str = "uc_hook_type|uc_tcg_op_flag|uc_prot|uc_mode|uc_context_content|uc_control_type";

/// Types renamed one by one; families (`uc_arm_reg`, `uc_cpu_arm` ...) follow a rule.
const TYPES: &[(&str, &str)] = &[
    ("uc_err", "uc_error"),
    ("uc_query_type", "Query"),
    ("uc_tlb_type", "TlbType"),
    ("uc_mem_type", "MemType"),
    ("uc_tb", "TranslationBlock"),
    ("uc_arch", "Arch"),
    ("uc_mode", "Mode"),
    ("uc_mem_region", "MemRegion"),
    ("uc_prot", "Prot"),
    ("uc_hook_type", "HookType"),
    ("uc_tlb_entry", "TlbEntry"),
    ("uc_control_type", "ControlType"),
    ("uc_context_content", "ContextMode"),
    ("uc_tcg_op_code", "TcgOpCode"),
    ("uc_tcg_op_flag", "TcgOpFlag"),
];

/// Variants' prefixes that are not the upper-case name of their enumeration.
const PREFIXES: &[(&str, &str)] = &[
    ("query_type", "QUERY"),
    ("tlb_type", "TLB"),
    ("control_type", "CTL"),
    ("context_content", "CTL_CONTEXT"),
    ("mem_type", "MEM"),
    ("mem_region", "MEM"),
    ("hook_type", "HOOK"),
    ("x86_insn", "X86_INS"),
    ("tcg_op_code", "TCG_OP"),
    ("tcg_op_flag", "TCG_OP_FLAG"),
];

/// Writes the bindings and the registry crate's own helper code beside them.
pub fn generate(tree: &Path, bindings: &Path) -> Result<(), String> {
    bindgen::Builder::default()
        .header(tree.join("include/unicorn/unicorn.h").to_string_lossy())
        .header(tree.join("include/consort/consort.h").to_string_lossy())
        .clang_arg(format!("-I{}", tree.join("include").display()))
        .layout_tests(false)
        .allowlist_type("^uc.*|^consort_.*")
        .allowlist_function("^uc_.*|^consort_.*")
        .allowlist_var("^uc.*|^CONSORT_.*")
        .default_enum_style(bindgen::EnumVariation::Rust { non_exhaustive: false })
        .constified_enum("consort_.*")
        .bitfield_enum(FLAGS)
        .prepend_enum_name(false)
        .parse_callbacks(Box::new(Names))
        .derive_ord(true)
        .derive_eq(true)
        .use_core()
        .generate()
        .map_err(|e| format!("bindgen: {e}"))?
        .write_to_file(bindings)
        .map_err(|e| format!("cannot write {}: {e}", bindings.display()))?;

    // The registry crate's library is its bindings plus hand-written methods; the methods are used as they are.
    let upstream = tree.join("bindings/rust/sys/src/lib.rs");
    let text =
        fs::read_to_string(&upstream).map_err(|e| format!("cannot read {}: {e}", upstream.display()))?;
    let methods: String = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("#![") && !line.starts_with("mod ") && !line.starts_with("pub use "))
        .collect();
    let target = bindings.with_file_name("methods.rs");
    fs::write(&target, methods).map_err(|e| format!("cannot write {}: {e}", target.display()))
}

#[derive(Debug)]
struct Names;

impl ParseCallbacks for Names {
    fn item_name(&self, name: &str) -> Option<String> {
        if let Some((_, rust)) = TYPES.iter().find(|(c, _)| *c == name) {
            return Some((*rust).to_owned());
        }
        let plain = name.strip_prefix("uc_")?;
        if let Some(family) = plain.strip_prefix("cpu_") {
            return Some(format!("{}CpuModel", camel(family)));
        }
        if let Some(family) = plain.strip_suffix("_reg") {
            return Some(format!("Register{}", family.replace('_', "").to_uppercase()));
        }
        plain.strip_suffix("_insn").map(|family| format!("{}Insn", camel(family)))
    }

    fn enum_variant_name(
        &self,
        enum_name: Option<&str>,
        variant: &str,
        _value: EnumVariantValue,
    ) -> Option<String> {
        let of = enum_name?.strip_prefix("enum uc_")?;
        let prefix = PREFIXES
            .iter()
            .find(|(c, _)| *c == of)
            .map_or_else(|| of.to_uppercase(), |(_, prefix)| (*prefix).to_owned());
        let short = variant.strip_prefix(&format!("UC_{prefix}_"))?.to_uppercase();
        // A Rust name cannot start with a digit.
        let digit = short.starts_with(|c: char| c.is_ascii_digit());
        Some(match of {
            "mode" if matches!(short.as_str(), "16" | "32" | "64") => format!("MODE_{short}"),
            "ppc_reg" | "mips_reg" if short.parse::<u32>().is_ok() => format!("R{short}"),
            _ if digit && of.contains("cpu") => format!("Model_{short}"),
            _ => short,
        })
    }
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}
