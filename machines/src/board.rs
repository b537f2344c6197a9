//! Board files: processor, memory, peripherals and parts as data.

use std::fmt;
use std::str::FromStr;

use consort_core::Addr;
use include_dir::{Dir, include_dir};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::json::{Document, JsonError};

/// Boards and chips that come with Consort.
static BOARDS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/boards");
static CHIPS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/chips");

/// An address or size: a number, or text such as `"0x4000_0000"`, `"64K"`, `"4M"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Num(pub u64);

impl fmt::Debug for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl FromStr for Num {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` is not a number such as 0x4000_0000, 64K or 4M");
        let digits = text.replace('_', "");
        let (digits, scale) = match digits.strip_suffix(['K', 'M', 'G']) {
            Some(rest) if !digits.starts_with("0x") => (
                rest.to_owned(),
                if digits.ends_with('K') {
                    1 << 10
                } else if digits.ends_with('M') {
                    1 << 20
                } else {
                    1 << 30
                },
            ),
            _ => (digits, 1),
        };
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse::<u64>(),
        };
        value.ok().and_then(|value| value.checked_mul(scale)).map(Self).ok_or_else(error)
    }
}

impl<'de> Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        match Form::deserialize(deserializer).map_err(|_| {
            de::Error::custom("expected a number, or text such as \"0x4000_0000\", \"64K\", \"4M\"")
        })? {
            Form::Number(number) => Ok(Self(number)),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{self:?}"))
    }
}

impl JsonSchema for Num {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Num".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A number, or text such as \"0x4000_0000\", \"64K\", \"4M\".",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(0x[0-9a-fA-F_]+|[0-9_]+[KMG]?)$" }
            ]
        })
    }
}

/// A machine described by data.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Board {
    /// Where the schema is, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// One sentence about the board.
    pub doc: String,
    /// A chip file whose contents this board extends (RFC 7386 merge: the board's own words win).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chip: Option<String>,
    /// The processor.
    pub processor: Processor,
    /// RAM and ROM.
    pub memory: IndexMap<String, Memory>,
    /// On-chip blocks. Where two want to act in the same instant, the first named acts first.
    #[serde(default)]
    pub peripherals: IndexMap<String, Peripheral>,
    /// Components beside the chip.
    #[serde(default)]
    pub parts: IndexMap<String, Part>,
    /// The UART that `consort boot` shows when no other is asked for; the first one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<String>,
    /// The identifiers of this board's blocks in a micro:bit universal hex file; only files that hold one
    /// board's blocks can be loaded when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hex_boards: Vec<Num>,
    /// The root of the device tree that operating systems are given; none is made without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Value>,
}

/// A processor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Processor {
    /// Which core.
    pub core: CoreKind,
    /// Core clock in Hz.
    pub clock: u64,
    /// External interrupt lines, at most 496 on Cortex-M; shared peripheral interrupts of a GIC, at most 988.
    #[serde(default = "default_interrupts")]
    pub interrupts: u16,
    /// Implemented priority bits (Cortex-M): 2 on ARMv6-M, 3 to 8 elsewhere; the core's usual number when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_bits: Option<u8>,
    /// MPU regions, 0 without an MPU.
    #[serde(default)]
    pub mpu_regions: u8,
    /// Whether there is an FPU.
    #[serde(default)]
    pub fpu: bool,
    /// Address of the vector table after reset; on Cortex-A of the first instruction.
    #[serde(default = "zero")]
    pub vectors: Num,
    /// The SysTick reference clock in Hz; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systick_reference: Option<u64>,
    /// The SYST_CALIB register.
    #[serde(default = "zero")]
    pub systick_calibration: Num,
    /// The M3 / M4 bit-band aliases at 0x22000000 and 0x42000000.
    #[serde(default)]
    pub bit_band: bool,
    /// Cycles of MULS where the chip's maker chose (Cortex-M0 and M0+): 1, the default, or 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiply_cycles: Option<u8>,
    /// Buses that make the core wait for what is behind them, by name; elsewhere accesses take the core's own cycles.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub buses: IndexMap<String, BusWaits>,
    /// Whether the chip resets itself when the processor locks up.
    #[serde(default)]
    pub lockup_resets: bool,
    /// Whether an ARMv8-A core has EL2 and starts there; PSCI is then called by SMC, else by HVC.
    #[serde(default)]
    pub hypervisor: bool,
    /// Where a Cortex-A's interrupt controller is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gic: Option<Gic>,
}

/// What an instruction takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// The cycles that the core's manual gives, with the waits of the board's memory.
    #[default]
    Cycles,
    /// One cycle each, and none for exceptions: what QEMU's `-icount` counts.
    Instructions,
}

/// Cycles that an access to peripherals behind a bus adds to its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BusWaits {
    /// First address.
    pub at: Num,
    /// Size in bytes.
    pub size: Num,
    /// A read.
    #[serde(default)]
    pub read: u8,
    /// A write.
    #[serde(default)]
    pub write: u8,
}

/// Cycles that an access to memory waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Waits {
    /// Bytes that one fetch of code brings, a power of two from 2 (8 with `prefetch`) to 128.
    pub line: u8,
    /// When an instruction's fetch goes on to the next line.
    #[serde(default)]
    pub sequential: u8,
    /// When a branch is taken.
    #[serde(default)]
    pub branch: u8,
    /// Whether the memory reads ahead: code that goes straight on then waits only in a
    /// line's last word right behind a branch (and in lines of 8 bytes with two 32-bit instructions, half as long), and
    /// a branch waits for what is being read: `sequential` in a loop of two or three instructions, elsewhere half of it.
    #[serde(default)]
    pub prefetch: bool,
    /// When a literal is loaded, or an exception uses it as its stack.
    #[serde(default)]
    pub data: u8,
    /// The same while a cache of code, which the chip has and switches, is on. It always hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<CachedWaits>,
}

/// Cycles that an access to memory behind a cache of code waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CachedWaits {
    /// When an instruction's fetch goes on to the next line.
    #[serde(default)]
    pub sequential: u8,
    /// When a branch is taken.
    #[serde(default)]
    pub branch: u8,
    /// When a literal is loaded, or an exception uses it as its stack.
    #[serde(default)]
    pub data: u8,
}

/// A GICv2's two halves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gic {
    /// The distributor's address, 4 KiB.
    pub distributor: Num,
    /// The CPU interface's address, 8 KiB.
    pub cpu_interface: Num,
}

fn zero() -> Num {
    Num(0)
}

fn default_interrupts() -> u16 {
    32
}

/// Cores Consort has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CoreKind {
    /// ARMv6-M Cortex-M0.
    CortexM0,
    /// ARMv6-M Cortex-M0+.
    CortexM0Plus,
    /// ARMv7-M Cortex-M3.
    CortexM3,
    /// ARMv7E-M Cortex-M4, with `fpu` an M4F.
    CortexM4,
    /// ARMv7E-M Cortex-M7.
    CortexM7,
    /// ARMv8-M Cortex-M33.
    CortexM33,
    /// ARMv7-A Cortex-A15.
    CortexA15,
    /// ARMv8-A Cortex-A53.
    CortexA53,
    /// ARMv8-A Cortex-A57.
    CortexA57,
    /// ARMv8-A Cortex-A72.
    CortexA72,
}

/// A block of memory.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Memory {
    /// First address, a multiple of 4 KiB.
    pub at: Num,
    /// Size in bytes, a multiple of 4 KiB.
    pub size: Num,
    /// What it is.
    #[serde(default)]
    pub kind: MemoryKind,
    /// For `alias`: the address whose memory appears here once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Num>,
    /// For `rom`: the peripheral that the guest's writes go to (a flash controller); without one they fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<String>,
    /// What every byte is at power-on (erased flash is 0xFF), default 0.
    #[serde(default)]
    pub fill: u8,
    /// Its wait states; none when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// Its node in the device tree; RAM without one is a memory node, the operating system's to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Value>,
}

/// Kinds of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// Read, write, execute.
    #[default]
    Ram,
    /// Read and execute.
    Rom,
    /// Another block's memory at a second address.
    Alias,
}

/// A peripheral's place on the chip.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Peripheral {
    /// The model, as `consort boards --models` lists them.
    pub kind: String,
    /// First address.
    pub at: Num,
    /// Size of its address range, default 4 KiB; 0 for one without registers.
    #[serde(default = "default_size")]
    pub size: Num,
    /// The model's own settings.
    #[serde(default = "no_config", skip_serializing_if = "is_empty")]
    pub config: Value,
    /// Which interrupt each of its lines drives.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub irq: IndexMap<String, Irq>,
    /// Which pins of other components its lines drive: `"gpio0.in3"`, or a list.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wires: IndexMap<String, Wires>,
    /// Its node in the device tree; `reg` and `interrupts` are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Value>,
}

fn default_size() -> Num {
    Num(0x1000)
}

fn no_config() -> Value {
    Value::Object(serde_json::Map::new())
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Where an interrupt line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Irq {
    /// External interrupt number.
    Number(u16),
    /// The non-maskable interrupt.
    Nmi(Nmi),
}

/// The word `nmi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nmi {
    /// The non-maskable interrupt.
    Nmi,
}

/// One target or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wires {
    /// `component.pin`.
    One(String),
    /// Several of them.
    Many(Vec<String>),
}

impl Wires {
    /// All targets.
    pub fn targets(&self) -> &[String] {
        match self {
            Self::One(target) => std::slice::from_ref(target),
            Self::Many(targets) => targets,
        }
    }
}

/// A component beside the chip.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// The model.
    pub kind: String,
    /// The I2C or SPI controllers it hangs on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// The model's own settings.
    #[serde(default = "no_config", skip_serializing_if = "is_empty")]
    pub config: Value,
    /// Which pins of other components its lines drive.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub wires: IndexMap<String, Wires>,
    /// Which interrupts its lines drive.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub irq: IndexMap<String, Irq>,
}

/// The JSON Schema of board files, with the settings of every model.
pub fn schema() -> schemars::Schema {
    let mut generator = schemars::SchemaGenerator::default();
    let mut schema = generator.root_schema_for::<Board>();
    for section in ["Peripheral", "Part"] {
        // What `config` may hold depends on `kind`.
        let rules: Vec<Value> = consort_peripherals::models()
            .iter()
            .map(|model| {
                let config = (model.schema)(&mut generator);
                serde_json::json!({
                    "if": { "properties": { "kind": { "const": model.kind } }, "required": ["kind"] },
                    "then": { "properties": { "kind": { "description": model.doc }, "config": config } }
                })
            })
            .collect();
        if let Some(definition) =
            schema.pointer_mut(&format!("/$defs/{section}")).and_then(Value::as_object_mut)
        {
            definition.insert("allOf".to_owned(), Value::Array(rules));
        }
    }
    let definitions = generator.take_definitions(true);
    if let Some(all) = schema.pointer_mut("/$defs").and_then(Value::as_object_mut) {
        for (name, definition) in definitions {
            all.entry(name).or_insert(definition);
        }
    }
    schema
}

impl Board {
    /// The names of the boards that come with Consort, sorted.
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<_> = BOARDS.files().filter_map(|file| file.path().file_stem()?.to_str()).collect();
        names.sort_unstable();
        names
    }

    /// The text of a board that comes with Consort.
    pub fn source(name: &str) -> Option<&'static str> {
        BOARDS.get_file(format!("{name}.json"))?.contents_utf8()
    }

    /// A board that comes with Consort, by name.
    pub fn builtin(name: &str) -> Option<Result<(Self, Document), JsonError>> {
        let text = Self::source(name)?;
        Some(Self::parse(&format!("{name}.json"), text))
    }

    /// Reads a board file, with its chip merged in, and checks what can be checked without building it.
    pub fn parse(file: &str, text: &str) -> Result<(Self, Document), JsonError> {
        let document = Document::parse(file, text)?;
        let mut merged = document.value.clone();
        if let Some(chip) = document.value.get("chip") {
            let name = chip.as_str().ok_or_else(|| document.error("/chip", "a chip is named by text"))?;
            let source = CHIPS.get_file(format!("{name}.json")).and_then(|file| file.contents_utf8());
            let source = source.ok_or_else(|| {
                let names: Vec<_> =
                    CHIPS.files().filter_map(|file| file.path().file_stem()?.to_str()).collect();
                document.error("/chip", format!("there is no chip `{name}`; there are: {}", names.join(", ")))
            })?;
            let mut base = Document::parse(&format!("{name}.json"), source)?.value;
            json_patch::merge(&mut base, &merged);
            merged = base;
        }
        let board: Self = document.read_value(&merged)?;
        board.check(&document)?;
        Ok((board, document))
    }

    fn check(&self, document: &Document) -> Result<(), JsonError> {
        let mut ranges: Vec<(Addr, u64, String)> = Vec::new();
        let memory = self.memory.iter().map(|(name, m)| (m.at, m.size, format!("/memory/{name}"), true));
        let blocks =
            self.peripherals.iter().map(|(name, p)| (p.at, p.size, format!("/peripherals/{name}"), false));
        for (at, size, pointer, is_memory) in memory.chain(blocks) {
            let end = at.0.checked_add(size.0);
            if (size.0 == 0 && is_memory) || end.is_none_or(|end| end > 1 << 48) {
                return Err(document
                    .error(&pointer, format!("{size:?} bytes at {at:?} do not fit the address space")));
            }
            if is_memory && (at.0 % 0x1000 != 0 || size.0 % 0x1000 != 0) {
                return Err(document.error(
                    &pointer,
                    format!("memory at {at:?}, {size:?} bytes: both must be multiples of 4 KiB"),
                ));
            }
            if size.0 > 1 << 32 {
                return Err(document.error(&pointer, format!("{size:?} bytes are more than 4 GiB")));
            }
            if size.0 == 0 {
                continue;
            }
            if let Some((.., other)) =
                ranges.iter().find(|(start, len, _)| at.0 < start + len && *start < at.0 + size.0)
            {
                return Err(document.error(
                    &pointer,
                    format!("overlaps {}", other.trim_start_matches('/').replace('/', " ")),
                ));
            }
            ranges.push((at.0, size.0, pointer));
        }
        for (name, memory) in &self.memory {
            let pointer = format!("/memory/{name}");
            match (memory.kind, memory.of) {
                (MemoryKind::Alias, None) => {
                    return Err(
                        document.error(&pointer, "an alias needs `of`: the address whose memory it shows")
                    );
                }
                (MemoryKind::Alias, Some(of)) => {
                    let end = of.0.saturating_add(memory.size.0);
                    let inside = self
                        .memory
                        .values()
                        .any(|m| m.kind != MemoryKind::Alias && m.at <= of && end <= m.at.0 + m.size.0);
                    if !inside {
                        return Err(document.error(
                            &pointer,
                            format!("{of:?} is not inside one block of memory as long as this alias"),
                        ));
                    }
                }
                (_, Some(_)) => return Err(document.error(&pointer, "`of` belongs to aliases only")),
                _ => {}
            }
            if let Some(waits) = memory.waits {
                let least = if waits.prefetch { 8 } else { 2 };
                if !waits.line.is_power_of_two() || !(least..=128).contains(&waits.line) {
                    let problem = format!("a line is a power of two from {least} to 128, not {}", waits.line);
                    return Err(document.error(&format!("{pointer}/waits/line"), problem));
                }
            }
            if let Some(writes) = &memory.writes
                && !self.peripherals.contains_key(writes)
            {
                return Err(document
                    .error(&format!("{pointer}/writes"), format!("there is no peripheral `{writes}`")));
            }
        }
        if let Some(name) = self.parts.keys().find(|name| self.peripherals.contains_key(*name)) {
            return Err(
                document.error(&format!("/parts/{name}"), format!("a peripheral is called `{name}` too"))
            );
        }
        if let Some(console) = &self.console
            && !self.peripherals.contains_key(console)
        {
            return Err(document.error("/console", format!("there is no peripheral `{console}`")));
        }
        consort_core::Clock::new(self.processor.clock)
            .map_err(|error| document.error("/processor/clock", error.to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_that_comes_with_consort_is_valid() {
        assert!(Board::names().contains(&"mps2-an385"));
        for name in Board::names() {
            if let Err(error) = Board::builtin(name).unwrap() {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn faults_in_boards_are_named() {
        let board = |memory: &str, rest: &str| {
            let text = format!(
                r#"{{"doc": "x", "processor": {{"core": "cortex-m3", "clock": 1000}}, "memory": {{{memory}}} {rest}}}"#
            );
            Board::parse("b.json", &text).err().map(|error| error.message).unwrap_or_default()
        };
        let ram = r#""a": {"at": "0x0", "size": "8K"}"#;
        assert_eq!(board(ram, ""), "");
        assert_eq!(board(&format!(r#"{ram}, "b": {{"at": "4K", "size": "4K"}}"#), ""), "overlaps memory a");
        assert!(board(r#""a": {"at": 1, "size": "8K"}"#, "").contains("multiples of 4 KiB"));
        assert!(board(r#""a": {"at": 0, "size": 0}"#, "").contains("do not fit"));
        assert!(board(r#""a": {"at": "0xFFFFFFFFFFFFF000", "size": "8K"}"#, "").contains("do not fit"));
        let alias = r#""b": {"at": "8K", "size": "4K", "kind": "alias", "of": "0xFFFFFFFFFFFFFFFF"}"#;
        assert!(board(&format!("{ram}, {alias}"), "").contains("is not inside one block"));
        let waits =
            |waits: &str| board(&format!(r#""a": {{"at": 0, "size": "8K", "waits": {{{waits}}}}}"#), "");
        assert_eq!(waits(r#""line": 8, "prefetch": true"#), "");
        assert!(waits(r#""line": 4, "prefetch": true"#).contains("from 8 to 128, not 4"));
        assert!(waits(r#""line": 12"#).contains("from 2 to 128, not 12"));
        assert!(board(ram, r#", "chip": "z80""#).contains("no chip `z80`"));
        assert!(board(ram, r#", "console": "u""#).contains("no peripheral `u`"));
        assert!(board(ram, r#", "colour": 1"#).contains("unknown field `colour`"));
    }
}
