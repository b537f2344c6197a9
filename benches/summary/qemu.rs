//! QEMU beside Consort: a process that runs a loop for a while when asked, and tells how far it came.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A QEMU that stands still until it is asked to run, with `-icount shift=0,sleep=off`.
pub struct Qemu {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The register that the loop counts its rounds down in, as `info registers` names it.
    counter: &'static str,
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Qemu {
    /// Starts a board with an image; `None` when this QEMU is not installed.
    pub fn start(program: &str, board: &[&str], image: &Path, counter: &'static str) -> Option<Self> {
        let mut command = Command::new(program);
        command
            .args(board)
            .args(["-S", "-display", "none", "-monitor", "none", "-serial", "none", "-nic", "none"]);
        command.args(["-qmp", "stdio", "-icount", "shift=0,sleep=off", "-kernel"]).arg(image);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut process = command.spawn().ok()?;
        let (input, output) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        let mut qemu = Self { process, input, output, counter };
        qemu.reply(|message| message.get("QMP").is_some());
        qemu.call("qmp_capabilities", json!({}));
        Some(qemu)
    }

    /// Reads messages until the one that is wanted.
    fn reply(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).unwrap();
            assert!(length > 0, "QEMU ended; its message is above");
            let message: Value = serde_json::from_str(&line).unwrap();
            if wanted(&message) {
                return message;
            }
        }
    }

    fn call(&mut self, command: &str, arguments: Value) -> Value {
        writeln!(self.input, "{}", json!({ "execute": command, "arguments": arguments })).unwrap();
        self.reply(|message| message.get("return").is_some() || message.get("error").is_some())["return"]
            .take()
    }

    /// The loop's count; it goes down.
    fn count(&mut self) -> u32 {
        let registers = self.call("human-monitor-command", json!({ "command-line": "info registers" }));
        let text = registers.as_str().unwrap_or_default();
        let after =
            text.split(self.counter).nth(1).unwrap_or_else(|| panic!("no {} in {text}", self.counter));
        let digits: String =
            after.trim_start_matches([' ', '=']).chars().take_while(char::is_ascii_hexdigit).collect();
        u64::from_str_radix(&digits, 16).unwrap() as u32
    }

    /// How long its threads have been on a processor.
    fn on_cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let nanoseconds = tasks.flatten().map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Lets it run for about `time`; the rounds that the loop went and the processor time that it took.
    pub fn run(&mut self, time: Duration) -> (f64, Duration) {
        let (count, cpu) = (self.count(), self.on_cpu());
        self.call("cont", json!({}));
        thread::sleep(time);
        self.call("stop", json!({}));
        let cpu = self.on_cpu() - cpu;
        (f64::from(count.wrapping_sub(self.count())), cpu)
    }
}

/// An image as an ELF file with one segment, which every board loads at its address.
pub fn elf(image: &[u8], base: u64, machine: u16, wide: bool) -> Vec<u8> {
    let (header, entry) = if wide { (64_u16, 56_u16) } else { (52, 32) };
    let word = |value: u64| value.to_le_bytes()[..if wide { 8 } else { 4 }].to_vec();
    let offset = u64::from(header + entry);
    let mut file = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, 1, 1];
    file.resize(16, 0);
    file.extend([2_u16, machine].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    for value in [base, u64::from(header), 0] {
        file.extend(word(value));
    }
    file.extend(0_u32.to_le_bytes());
    file.extend([header, entry, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    let size = image.len() as u64;
    // The flags stand elsewhere in the 64-bit form.
    file.extend(1_u32.to_le_bytes());
    if wide {
        file.extend(7_u32.to_le_bytes());
    }
    for value in [offset, base, base, size, size] {
        file.extend(word(value));
    }
    if !wide {
        file.extend(7_u32.to_le_bytes());
    }
    file.extend(word(0x1000));
    file.extend(image);
    file
}
