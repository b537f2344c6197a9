//! The first instruction after which the registers of two runs differ.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use consort_core::Time;
use consort_core::fleet::{Fleet, FleetError, Observer};
use consort_core::trace::{Chain, Digest, Event};

use super::side::{self, Side, look};
use crate::failure::Failure;

/// Processors, and what their devices did meanwhile, are compared at the end of each span of this; where they differ, at
/// each instruction.
const SPAN: Time = Time::from_ms(1);

/// An input is seen by the program within this time, or it changes more than registers for a moment.
pub const EFFECT: Time = Time::from_ms(10);

/// What a processor shows after an instruction.
#[derive(Clone, PartialEq, Eq)]
struct State {
    instructions: u64,
    registers: Vec<(&'static str, u128)>,
}

/// Finds it, in words; nothing when no processor differs by `until`.
pub fn find(a: &Side<'_>, b: &Side<'_>, until: Time) -> Result<Option<String>, Failure> {
    let mut fleets = (a.at(Time::ZERO)?, b.at(Time::ZERO)?);
    let names = side::names(&fleets);
    let differing = |fleets: &mut (Fleet, Fleet)| -> Result<Vec<String>, FleetError> {
        let mut found = Vec::new();
        for name in &names {
            if state(&mut fleets.0, name)? != state(&mut fleets.1, name)? {
                found.push(name.clone());
            }
        }
        Ok(found)
    };
    if let Some(name) = differing(&mut fleets)?.first() {
        return Ok(Some(format!("{name} differs before its first instruction")));
    }
    let (mut begin, mut end) = (Time::ZERO, SPAN);
    // Devices whose events differ although their processors do the same.
    let mut outside = BTreeSet::new();
    while begin <= until {
        let did = (follow(&mut fleets.0, end), follow(&mut fleets.1, end));
        let mut suspects = differing(&mut fleets)?;
        for name in &names {
            let did = (did.0.get(name), did.1.get(name));
            if did.0 != did.1 && !suspects.contains(name) && !outside.contains(name) {
                suspects.push(name.clone());
            }
        }
        let mut first: Option<(Time, String)> = None;
        for name in suspects {
            let mut fleets = (a.at(begin)?, b.at(begin)?);
            match walk(&mut fleets, &name, end + EFFECT)? {
                None => drop(outside.insert(name)),
                Some(found) if first.as_ref().is_none_or(|(at, _)| found.0 < *at) => first = Some(found),
                Some(_) => {}
            }
        }
        if let Some((_, words)) = first {
            return Ok(Some(words));
        }
        (begin, end) = (end, end + SPAN);
    }
    Ok(None)
}

/// Runs on and gives a hash of what each device did, by its name.
fn follow(fleet: &mut Fleet, end: Time) -> BTreeMap<String, Digest> {
    struct Did(BTreeMap<usize, Chain>);
    impl Observer for Did {
        fn event(&mut self, device: usize, event: &Event) {
            let text = serde_json::to_string(event).unwrap_or_default();
            self.0.entry(device).or_default().add(event.at, 0, text.as_bytes());
        }
    }
    let mut did = Did(BTreeMap::new());
    fleet.run_until(end, &mut did);
    let name = |device: usize| fleet.names().get(device).cloned().unwrap_or_default();
    did.0.into_iter().map(|(device, chain)| (name(device), chain.digest())).collect()
}

/// Ends a run after one window.
struct OneWindow;

impl Observer for OneWindow {
    fn window(&mut self, _: Time) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

/// Steps a device of both runs until its registers differ, and gives when and where that was.
pub fn walk(fleets: &mut (Fleet, Fleet), name: &str, end: Time) -> Result<Option<(Time, String)>, Failure> {
    let (a, b) = fleets;
    let indices = (a.find(name)?, b.find(name)?);
    loop {
        let at = a.device(indices.0, |device| device.now()).unwrap_or_default().max(a.now());
        let place = look(a, indices.0, |debug| format!("instruction {}", side::place(debug, debug.pc())));
        let place = place.unwrap_or_default();
        match (a.step_before(indices.0, end), b.step_before(indices.1, end)) {
            // Nothing before the end of the window: the rest of the fleets follows.
            (None, None) => {
                if a.now() >= end && b.now() >= end {
                    return Ok(None);
                }
                a.run_until(end, &mut OneWindow);
                b.run_until(end, &mut OneWindow);
            }
            (Some(_), None) | (None, Some(_)) => {
                return Ok(Some((
                    at,
                    format!("{name} at {at} s, {place}: one sleeps where the other goes on"),
                )));
            }
            (Some(_), Some(_)) => {}
        }
        let (Some(own), Some(other)) = (state(a, name)?, state(b, name)?) else { return Ok(None) };
        if own != other {
            let registers = own.registers.iter().zip(&other.registers);
            let differ = registers.filter(|(own, other)| own != other);
            let lines =
                differ.map(|((register, own), (_, other))| format!("\n    {register}: {own:#x}, {other:#x}"));
            return Ok(Some((at, format!("{name} at {at} s, {place}{}", lines.collect::<String>()))));
        }
    }
}

/// Absent for a device without a processor.
fn state(fleet: &mut Fleet, name: &str) -> Result<Option<State>, FleetError> {
    let index = fleet.find(name)?;
    let instructions = fleet.stats(index).instructions;
    let registers = look(fleet, index, |debug| {
        let infos = debug.registers().iter().enumerate();
        infos.map(|(index, info)| (info.name, debug.register(index).unwrap_or(0))).collect()
    });
    Ok(registers.map(|registers| State { instructions, registers }))
}
