//! The summary of a run.

use consort_core::Time;
use consort_core::device::Activity;
use consort_core::fleet::Fleet;
use serde::Serialize;

use crate::failure::Failure;

/// How a run went.
#[derive(Serialize)]
pub struct Summary {
    /// Virtual seconds run.
    pub virtual_seconds: f64,
    /// Host seconds it took.
    pub wall_seconds: f64,
    /// Virtual over host time.
    pub times_real_time: f64,
    /// Per device.
    pub devices: Vec<DeviceSummary>,
    /// Frames that links took.
    pub frames: u64,
    /// Windows run.
    pub windows: u64,
    /// The seed in force.
    pub seed: u64,
    /// The run's digest.
    pub digest: String,
}

/// How a device's run went.
#[derive(Serialize)]
pub struct DeviceSummary {
    /// Its name.
    pub name: String,
    /// Instructions executed.
    pub instructions: u64,
    /// Millions of instructions per host second of the whole run.
    pub mips: f64,
    /// Exceptions taken.
    pub exceptions: u64,
    /// Frames sent and received.
    pub sent: u64,
    /// Frames received.
    pub received: u64,
    /// What it was doing at the end.
    pub activity: Activity,
}

impl Summary {
    /// Sums up a fleet that ran from `begin` to now in `wall_seconds`.
    pub fn new(fleet: &mut Fleet, begin: Time, wall_seconds: f64, seed: u64) -> Result<Self, Failure> {
        let virtual_seconds = fleet.now().since(begin).as_secs_f64();
        let names = fleet.names().to_vec();
        let devices = names.into_iter().enumerate().map(|(index, name)| {
            let stats = fleet.stats(index);
            DeviceSummary {
                name,
                instructions: stats.instructions,
                mips: stats.instructions as f64 / wall_seconds / 1e6,
                exceptions: stats.exceptions,
                sent: stats.sent,
                received: stats.received,
                activity: fleet.device(index, |device| device.activity()).unwrap_or(Activity::Off),
            }
        });
        let devices = devices.collect();
        let totals = fleet.totals();
        Ok(Self {
            virtual_seconds,
            wall_seconds,
            times_real_time: virtual_seconds / wall_seconds,
            devices,
            frames: totals.frames,
            windows: totals.windows,
            seed,
            digest: fleet.digest()?.to_string(),
        })
    }

    /// As lines for people.
    pub fn lines(&self) -> Vec<String> {
        let width = self.devices.iter().map(|device| device.name.len()).max().unwrap_or(0).max(6);
        let mut lines = vec![format!(
            "{:<width$} {:>15} {:>8} {:>11} {:>7} {:>9}  at the end",
            "device", "instructions", "MIPS", "exceptions", "sent", "received"
        )];
        for device in &self.devices {
            let activity = match device.activity {
                Activity::Running => "running",
                Activity::Asleep => "asleep",
                Activity::LockedUp => "locked up",
                Activity::Exited => "exited",
                Activity::Off => "off",
            };
            lines.push(format!(
                "{:<width$} {:>15} {:>8.1} {:>11} {:>7} {:>9}  {activity}",
                device.name,
                grouped(device.instructions),
                device.mips,
                grouped(device.exceptions),
                grouped(device.sent),
                grouped(device.received),
            ));
        }
        lines.push(format!(
            "{:.6} s virtual in {:.3} s wall: {:.1} x real time; {} frames on links, {} windows",
            self.virtual_seconds,
            self.wall_seconds,
            self.times_real_time,
            grouped(self.frames),
            grouped(self.windows),
        ));
        lines.push(format!("seed {}, digest {}", self.seed, self.digest));
        lines
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\'');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_are_grouped() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_234_567), "1'234'567");
    }
}
