//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use consort_core::Time;
use consort_machines::board::Timing;

use crate::trace::TraceTarget;

/// Runs a fleet of virtual phones, watches and sensors in one deterministic virtual time.
///
/// Every device executes its real firmware, unmodified. The same fleet, inputs and seed give the same result, bit
/// for bit: the digest printed at the end says so.
#[derive(Parser, Debug)]
#[command(version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Examples:
  consort boards                                      what can be booted
  consort boot mps2-an385 firmware.elf --for 2s       one device; its UART on standard output
  consort run fleet.json --for 10s                    a whole fleet, with a summary
  consort check fleet.json                            find mistakes without running")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `consort` can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Boot firmware on one board; its UART is standard output.
    Boot(BootArgs),
    /// Run a fleet and sum it up.
    Run(RunArgs),
    /// Run scenarios: fleets that are driven and judged.
    Test(TestArgs),
    /// Run the failure that a test left behind once more.
    Replay(ReplayArgs),
    /// Find the first event at which two runs differ.
    Diff(DiffArgs),
    /// Find mistakes in fleet, scenario, board and firmware files without running them.
    Check(CheckArgs),
    /// See and steer a fleet in a window.
    Gui(GuiArgs),
    /// List the boards, or show one in detail.
    Boards(BoardsArgs),
    /// Print the JSON Schema of a file format, for editors.
    Schema(SchemaArgs),
    /// Print how editors and GDB reach the devices of a fleet.
    GdbConfig(GdbConfigArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
}

/// `consort boot`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 when the text of --until was seen or, without --until, the time passed or the \
guest ended with 0; 1 when not; 2 for bad usage or bad files.

Examples:
  consort boot mps2-an385 zephyr.elf --for 5s
  consort boot mps2-an386 app.elf --until 'login: $' --send 'root\\n'
  consort boot my-board.json boot.bin@0x0 app.hex --for 10s
  consort boot virt-a53 --kernel Image --initrd initrd.gz --disk root.ext4 --append 'console=ttyAMA0' --for 1min"
)]
pub struct BootArgs {
    /// A board by name (see `consort boards`), or a board file ending in .json.
    pub board: String,
    /// Firmware: ELF, Intel HEX, UF2, or a raw binary as FILE@ADDRESS. Several are loaded together.
    #[arg(required_unless_present = "kernel")]
    pub image: Vec<String>,
    /// Start this Linux kernel instead: an arm64 Image (with gzip or without), or a zImage on a 32-bit board.
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Give the kernel this initial RAM disk.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// Give the kernel this command line.
    #[arg(long, value_name = "TEXT", default_value = "", requires = "kernel")]
    pub append: String,
    /// Use this device tree blob instead of the one made from the board file.
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,
    /// Write the device tree blob that the guest would get to this file, and boot nothing.
    #[arg(long, value_name = "FILE")]
    pub dump_dtb: Option<PathBuf>,
    /// Put this file into the board's first drive, or into the one named in front, as in disk0=FILE.
    #[arg(long, value_name = "FILE")]
    pub disk: Vec<String>,
    /// How long to run, in virtual time.
    #[arg(long = "for", value_name = "TIME", default_value = "10s")]
    pub duration: Time,
    /// Stop as soon as the UART's output matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub until: Option<String>,
    /// Type this on the UART; \n, \r, \t, \\ and \xNN are understood. May be given several times.
    #[arg(long, value_name = "TEXT")]
    pub send: Vec<String>,
    /// Type the contents of this file on the UART, after any --send.
    #[arg(long, value_name = "FILE")]
    pub send_file: Option<PathBuf>,
    /// When to start typing, in virtual time.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub send_at: Time,
    /// Which UART to show and type on: its number on the board from 0, or its name.
    #[arg(long, value_name = "N")]
    pub uart: Option<String>,
    /// The seed of the device's random numbers.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What an instruction takes: the cycles of the core's manual, or one cycle each.
    #[arg(long, value_enum, value_name = "HOW")]
    pub timing: Option<TimingArg>,
    /// Let the guest open files below this directory (semihosting); without it, none.
    #[arg(long, value_name = "DIR")]
    pub semihosting_dir: Option<PathBuf>,
    /// What the guest is told as its command line (semihosting).
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub command_line: String,
    /// Write every event to a file: JSON lines, or with `perfetto:` before its name a timeline for
    /// ui.perfetto.dev.
    #[arg(long, value_name = "[jsonl:|perfetto:]FILE")]
    pub trace: Option<TraceTarget>,
    /// Say at the end, on standard error, how the run went.
    #[arg(long, short)]
    pub verbose: bool,
    /// Debuggers.
    #[command(flatten)]
    pub debug: GdbArgs,
}

/// `consort run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 when the time passed, 1 when a device could not go on, 2 for bad usage or bad \
files.

Examples:
  consort run fleet.json --for 30s --threads 2
  consort run fleet.json --save half.consort --at 15s       keep the state of virtual time 15s
  consort run fleet.json --restore half.consort --for 30s   go on from there; same digest"
)]
pub struct RunArgs {
    /// The fleet file.
    pub fleet: PathBuf,
    /// Run until this virtual time.
    #[arg(long = "for", value_name = "TIME", default_value = "10s")]
    pub duration: Time,
    /// Host threads that run devices; changes nothing but the speed.
    #[arg(long, value_name = "N", default_value_t = default_threads())]
    pub threads: usize,
    /// Longest window between two exchanges of frames; changes nothing but the speed. The links' smallest latency
    /// bounds it anyway.
    #[arg(long, value_name = "TIME", default_value = "10ms")]
    pub quantum: Time,
    /// Replace the fleet file's seed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// What an instruction takes: the cycles of the core's manual, or one cycle each. Replaces the fleet file's
    /// choice, which is cycles.
    #[arg(long, value_enum, value_name = "HOW")]
    pub timing: Option<TimingArg>,
    /// Run no faster than real time.
    #[arg(long)]
    pub realtime: bool,
    /// Write every event to a file: JSON lines, or with `perfetto:` before its name a timeline for
    /// ui.perfetto.dev.
    #[arg(long, value_name = "[jsonl:|perfetto:]FILE")]
    pub trace: Option<TraceTarget>,
    /// Write the frames of all links, with what faults did to them, to DIR/frames.pcapng, for Wireshark.
    #[arg(long, value_name = "DIR")]
    pub pcap: Option<PathBuf>,
    /// Print the conversation on the soft bus, decrypted with the keys of the fleet file, and what the devices
    /// make of it: who is found, sessions, bytes and messages.
    #[arg(long)]
    pub softbus: bool,
    /// Print JSON, one object a line: UART lines, then the summary.
    #[arg(long)]
    pub json: bool,
    /// Print the summary only, not the devices' UARTs.
    #[arg(long, short)]
    pub quiet: bool,
    /// Save the state to this file, at the time of --at.
    #[arg(long, value_name = "FILE", requires = "at")]
    pub save: Option<PathBuf>,
    /// When to save; the run goes on afterwards.
    #[arg(long, value_name = "TIME", requires = "save")]
    pub at: Option<Time>,
    /// Begin from a state that --save wrote, for the same fleet file.
    #[arg(long, value_name = "FILE")]
    pub restore: Option<PathBuf>,
    /// Write what was done to the run (typing, buttons, faults) to this file as a scenario, and beside it as a
    /// journal.
    #[arg(long, value_name = "FILE.scenario.json")]
    pub record: Option<PathBuf>,
    /// Give the inputs of a journal that --record wrote.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// Let guests open files below this directory (semihosting); without it, none.
    #[arg(long, value_name = "DIR")]
    pub semihosting_dir: Option<PathBuf>,
    /// Write pictures of all screens to this directory, as DEVICE.PART.SECONDS.png: at the end, and with --every
    /// in between.
    #[arg(long, value_name = "DIR")]
    pub screenshots: Option<PathBuf>,
    /// How often to take pictures; a picture like the one before it is not written again.
    #[arg(long, value_name = "TIME", requires = "screenshots")]
    pub every: Option<Time>,
    /// At the end, write what memories beside the chips hold (flash) to this directory, as DEVICE.PART.bin.
    #[arg(long, value_name = "DIR")]
    pub contents: Option<PathBuf>,
    /// Other programs.
    #[command(flatten)]
    pub door: DoorArgs,
    /// Debuggers.
    #[command(flatten)]
    pub debug: GdbArgs,
}

/// `--control`.
#[derive(Args, Debug)]
pub struct DoorArgs {
    /// Let other programs see and steer the run, at HOST:PORT of this computer or at a path (a Unix socket):
    /// `consort gui --attach` is one.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = "127.0.0.1:0")]
    pub control: Option<String>,
    /// Wait for a client of --control to let the run begin.
    #[arg(long, requires = "control")]
    pub paused: bool,
}

/// `--timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimingArg {
    /// What the core's manual gives, with the waits of the board's memory.
    Cycles,
    /// One cycle each, and none for exceptions, as QEMU's -icount counts.
    Instructions,
}

impl From<TimingArg> for Timing {
    fn from(timing: TimingArg) -> Self {
        match timing {
            TimingArg::Cycles => Self::Cycles,
            TimingArg::Instructions => Self::Instructions,
        }
    }
}

/// `--gdb` and what belongs to it.
#[derive(Args, Debug)]
pub struct GdbArgs {
    /// Let a GDB debug each device, on consecutive ports from this one (3333 when none is given, free ones for 0).
    #[arg(long, value_name = "BASE_PORT", num_args = 0..=1, default_missing_value = "3333")]
    pub gdb: Option<u16>,
    /// Hold the fleet at its beginning until the debugger of this device (of every device when none is named)
    /// continues; may be given several times.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    pub wait_gdb: Vec<String>,
    /// The address to listen on for debuggers. They can do anything: think before you open this to others.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub gdb_listen: IpAddr,
}

impl GdbArgs {
    /// The first port, when debuggers are wanted.
    pub fn base(&self) -> Option<u16> {
        self.gdb.or((!self.wait_gdb.is_empty()).then_some(DEFAULT_GDB_PORT))
    }

    /// The same arguments once more, for another run of this program.
    pub fn words(&self) -> Vec<String> {
        let Some(base) = self.base() else { return Vec::new() };
        let waits = self.wait_gdb.iter().map(|name| format!("--wait-gdb={name}"));
        [format!("--gdb={base}"), format!("--gdb-listen={}", self.gdb_listen)]
            .into_iter()
            .chain(waits)
            .collect()
    }
}

/// Where debuggers look when nothing else was said.
const DEFAULT_GDB_PORT: u16 = 3333;

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(8))
}

/// `consort test`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 when all scenarios passed, 1 when one failed, 2 for bad usage or bad files.

Examples:
  consort test scenarios/                        everything below a folder
  consort test scenarios/ -j 2 --junit out.xml   on two threads, with a report for CI
  consort test login.scenario.json --seeds 1..50 the same with fifty seeds"
)]
pub struct TestArgs {
    /// Scenario files, or folders to search for files ending in .scenario.json.
    #[arg(required = true)]
    pub path: Vec<PathBuf>,
    /// How many scenarios run at once; changes nothing but the speed.
    #[arg(long, short, value_name = "N", default_value_t = default_threads())]
    pub jobs: usize,
    /// Only scenarios whose path matches this regular expression.
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,
    /// Run each scenario with these seeds instead of its own: `7`, or the first and the last, `1..50`.
    #[arg(long, value_name = "A..B")]
    pub seeds: Option<SeedRange>,
    /// What an instruction takes: the cycles of the core's manual, or one cycle each.
    #[arg(long, value_enum, value_name = "HOW")]
    pub timing: Option<TimingArg>,
    /// Run only the I-th of N equal parts, to spread a suite over machines.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Write a JUnit XML report to this file.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Where failures leave their trace, frames, UART logs and failure file.
    #[arg(long, value_name = "DIR", default_value = "consort-artifacts")]
    pub artifacts: PathBuf,
    /// Write the frames of every run, passed or not, to DIR/SCENARIO/frames.pcapng, for Wireshark.
    #[arg(long, value_name = "DIR")]
    pub pcap: Option<PathBuf>,
    /// Begin no further scenario after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// List what would run.
    #[arg(long)]
    pub list: bool,
    /// Only 0 is possible: a run that failed fails again.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..1), hide = true)]
    pub retries: u32,
    /// Other programs, for one scenario alone.
    #[command(flatten)]
    pub door: DoorArgs,
    /// Debuggers, for one scenario alone.
    #[command(flatten)]
    pub debug: GdbArgs,
}

/// Seeds from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// More seeds than this are a slip of the keyboard.
const MAX_SEEDS: u64 = 1_000_000;

impl std::str::FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last && last - first < MAX_SEEDS => Ok(Self { first, last }),
            (Ok(_), Ok(_)) => Err(format!("at most {MAX_SEEDS} seeds, the smaller first")),
            _ => Err("expected a number, or two with .. between, such as 1..50".to_owned()),
        }
    }
}

/// A part of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("expected I/N with I from 1 to N, such as 2/3".to_owned()),
        }
    }
}

/// `consort replay`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 when it fails exactly as it did, or --until came first; 1 when it does not; 2 for bad \
usage or bad files."
)]
pub struct ReplayArgs {
    /// A failure file (failure.consort) that `consort test` left behind.
    pub file: PathBuf,
    /// Stop at this virtual time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Time>,
    /// Give the recorded inputs only, without judging.
    #[arg(long)]
    pub inputs_only: bool,
    /// Write every event to a file: JSON lines, or with `perfetto:` before its name a timeline for
    /// ui.perfetto.dev.
    #[arg(long, value_name = "[jsonl:|perfetto:]FILE")]
    pub trace: Option<TraceTarget>,
    /// Do not show the devices' UARTs.
    #[arg(long, short)]
    pub quiet: bool,
    /// Other programs.
    #[command(flatten)]
    pub door: DoorArgs,
    /// Debuggers.
    #[command(flatten)]
    pub debug: GdbArgs,
}

/// `consort diff`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit status: 0 when there is no difference, 1 when there is, 2 for bad usage or bad files."
)]
pub struct DiffArgs {
    /// A trace (--trace) or a failure file.
    pub a: PathBuf,
    /// The other.
    pub b: PathBuf,
    /// How many equal events before the difference are shown.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub context: usize,
}

/// `consort gui`.
#[derive(Args, Debug)]
pub struct GuiArgs {
    /// The fleet file to run and show; examples to choose from when absent.
    pub fleet: Option<PathBuf>,
    /// Show a run that `consort run --control` opened instead: what it printed.
    #[arg(long, value_name = "ADDRESS#TOKEN", conflicts_with = "fleet")]
    pub attach: Option<String>,
    /// Debuggers.
    #[command(flatten)]
    pub debug: GdbArgs,
}

/// `consort check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Fleet files, scenario files, board files (all .json) or firmware images.
    #[arg(required = true)]
    pub file: Vec<PathBuf>,
}

/// `consort boards`.
#[derive(Args, Debug)]
pub struct BoardsArgs {
    /// A board to show in detail.
    pub name: Option<String>,
    /// List the models that board files can name instead.
    #[arg(long, conflicts_with = "name")]
    pub models: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `consort schema`.
#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// Which format.
    pub kind: SchemaKind,
}

/// File formats with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Fleet files.
    Fleet,
    /// Board files.
    Board,
    /// Scenario files.
    Scenario,
}

/// `consort gdb-config`.
#[derive(Args, Debug)]
pub struct GdbConfigArgs {
    /// The fleet file.
    pub fleet: PathBuf,
    /// What to print.
    #[arg(value_enum, default_value_t = GdbConfigKind::Launch)]
    pub kind: GdbConfigKind,
    /// Write both below this directory instead, where they are not there yet.
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// The port of the first device, as given to `consort run --gdb`.
    #[arg(long, value_name = "BASE_PORT", default_value_t = DEFAULT_GDB_PORT)]
    pub gdb: u16,
    /// The address of the computer that runs the fleet.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub gdb_listen: IpAddr,
}

/// What `consort gdb-config` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GdbConfigKind {
    /// A .vscode/launch.json for Cortex-Debug.
    Launch,
    /// A script for GDB with a command per device.
    Init,
}

/// `consort completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}
