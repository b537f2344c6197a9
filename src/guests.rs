//! Who else steers a run: debuggers of `--gdb`, clients of `--control`.

use std::path::{Path, PathBuf};

use consort_core::Time;
use consort_core::control::FleetInfo;
use consort_core::fleet::{Fleet, Observer, Stop};
use consort_machines::fleet_file::Loaded;
use consort_machines::scenario::Scenario;
use serde_json::json;

use crate::cli::{DoorArgs, GdbArgs};
use crate::console;
use crate::control::{self, Control};
use crate::debug::Debuggers;
use crate::failure::Failure;

/// The guests of a run, as far as they were let in.
pub struct Guests {
    debuggers: Debuggers,
    control: Option<Control>,
}

/// What a run is like for its guests.
pub struct Habits {
    /// As `--realtime`.
    pub realtime: bool,
    /// Every event is wanted, whether guests want it or not.
    pub events: bool,
    /// Where the door is, is said as JSON on standard output.
    pub json: bool,
}

impl Guests {
    /// Opens the doors that the arguments ask for, and says where they are. `programs` are the devices' files with
    /// symbols, as far as they have any; `describe` tells clients what the fleet is.
    pub fn open(
        debug: &GdbArgs,
        door: &DoorArgs,
        fleet: &mut Fleet,
        programs: Vec<Option<PathBuf>>,
        habits: &Habits,
        describe: impl FnOnce(&mut Fleet) -> FleetInfo,
    ) -> Result<Self, Failure> {
        let debuggers = Debuggers::open(debug, fleet, &programs)?;
        let Some(address) = &door.control else { return Ok(Self { debuggers, control: None }) };
        let control = Control::open(address, describe(fleet), programs, door.paused, habits.realtime)?;
        let control = control.keep_events(habits.events);
        let (address, token) = control.address();
        if habits.json {
            console::line(&json!({ "control": { "address": address, "token": token } }).to_string());
        } else {
            console::note(&format!("control at {address}#{token}"));
        }
        Ok(Self { debuggers, control: Some(control) })
    }

    /// Lets guests into a scenario's run.
    pub fn of_scenario(
        debug: &GdbArgs,
        door: &DoorArgs,
        scenario: &Scenario,
        seed: u64,
    ) -> Result<Self, Failure> {
        let Loaded { mut fleet, consoles, .. } = scenario.fleet(seed)?;
        let (file, _) = scenario.fleet_file()?;
        // The judge may need events that no client wants.
        let habits = Habits { realtime: false, events: true, json: false };
        Self::open(debug, door, &mut fleet, scenario.programs()?, &habits, |fleet| {
            control::describe(fleet, Path::new(scenario.name()), Some(&file), seed, &consoles)
        })
    }

    /// As [`Fleet::run_until`], as far as the guests let it.
    pub fn run_until(&mut self, fleet: &mut Fleet, until: Time, observer: &mut dyn Observer) -> Stop {
        match &mut self.control {
            Some(control) => control.run_until(fleet, until, observer, &mut self.debuggers),
            None => self.debuggers.run_until(fleet, until, observer),
        }
    }

    /// Whether a guest wants the run to be over.
    pub fn has_ended_it(&self) -> bool {
        self.control.as_ref().is_some_and(Control::is_ending)
    }

    /// Tells them that the run is over.
    pub fn finish(self) {
        if let Some(control) = self.control {
            control.finish();
        }
    }
}
