//! Compares a fleet's state and times with what a step expects.

use consort_core::Time;
use consort_core::fleet::Fleet;

use super::file::{Count, Expect, ExpectTime, Operand};
use super::matcher::{Names, fill};
use super::plan::{Target, number};

/// A comparison that failed, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compared {
    pub expected: String,
    pub found: String,
}

/// What was found: a number, or text of a captured value.
enum Found {
    Number(i128),
    Text(String),
}

/// Compares a device's state, or a captured value.
pub(super) fn state(
    fleet: &mut Fleet,
    device: Option<usize>,
    target: &Target,
    expect: &Expect,
    names: &Names,
) -> Result<(), Compared> {
    let what = describe(fleet, device, target, expect);
    let cannot = |found: String| Compared { expected: format!("to read {what}"), found };
    let found = read(fleet, device, target, expect, names).map_err(cannot)?;
    let found = match (found, &expect.mask) {
        (Found::Number(value), Some(mask)) => Found::Number(value & i128::from(mask.0)),
        (found, _) => found,
    };
    type Test = fn(i128, i128) -> bool;
    let tests: [(&Option<Operand>, &str, Test); 4] = [
        (&expect.is, "", |found, wanted| found == wanted),
        (&expect.not, "not ", |found, wanted| found != wanted),
        (&expect.at_least, "at least ", |found, wanted| found >= wanted),
        (&expect.at_most, "at most ", |found, wanted| found <= wanted),
    ];
    for (operand, words, test) in tests {
        let Some(operand) = operand else { continue };
        let wanted = match operand {
            Operand::Number(number) => number.to_string(),
            Operand::Text(text) => fill(text, names, str::to_owned).map_err(cannot)?,
        };
        let as_number = |text: &str| number(text);
        let holds = match (&found, as_number(&wanted)) {
            (Found::Number(found), Some(wanted)) => test(*found, wanted),
            (Found::Text(found), wanted_number) => match (as_number(found), wanted_number) {
                (Some(found), Some(wanted)) => test(found, wanted),
                _ => match words {
                    "" => *found == wanted,
                    "not " => *found != wanted,
                    _ => false,
                },
            },
            (Found::Number(_), None) => false,
        };
        if !holds {
            let found = match &found {
                Found::Number(value) if (0..=9).contains(value) => value.to_string(),
                Found::Number(value) if *value < 0 => value.to_string(),
                Found::Number(value) => format!("{value} ({value:#x})"),
                Found::Text(text) => format!("`{text}`"),
            };
            return Err(Compared { expected: format!("{what} is {words}{wanted}"), found });
        }
    }
    Ok(())
}

fn describe(fleet: &Fleet, device: Option<usize>, target: &Target, expect: &Expect) -> String {
    let name = device.map_or("", |device| fleet.names()[device].as_str());
    match target {
        Target::Memory { at, size } => match &expect.symbol {
            Some(symbol) => {
                let offset = expect.offset.filter(|offset| offset.0 != 0);
                let offset = offset.map_or(String::new(), |offset| format!("+{:#x}", offset.0));
                format!("{name}'s `{symbol}`{offset} ({size} bytes at {at:#010x})")
            }
            None => format!("{name}'s memory at {at:#010x} ({size} bytes)"),
        },
        Target::Register { peripheral, register } => format!("{name}'s {peripheral}.{register}"),
        Target::Core(register) => format!("{name}'s register {register}"),
        Target::Pin(pin) => format!("{name}'s {pin}"),
        Target::Count(count) => {
            let count = match count {
                Count::Instructions => "executed instructions",
                Count::Exceptions => "taken exceptions",
                Count::Sent => "sent frames",
                Count::Received => "received frames",
            };
            format!("{name}'s number of {count}")
        }
        Target::Value(text) => format!("the value `{text}`"),
    }
}

fn read(
    fleet: &mut Fleet,
    device: Option<usize>,
    target: &Target,
    expect: &Expect,
    names: &Names,
) -> Result<Found, String> {
    if let Target::Value(text) = target {
        return fill(text, names, str::to_owned).map(Found::Text);
    }
    let index = device.ok_or("no device")?;
    if let Target::Count(count) = target {
        let stats = fleet.stats(index);
        return Ok(Found::Number(i128::from(match count {
            Count::Instructions => stats.instructions,
            Count::Exceptions => stats.exceptions,
            Count::Sent => stats.sent,
            Count::Received => stats.received,
        })));
    }
    let read = fleet.device(index, |device| {
        if let Target::Pin(pin) = target {
            let level = device.lines().into_iter().find(|(name, _)| name == pin).map(|(_, level)| level);
            return level.map(i128::from).ok_or_else(|| "there is no such output".to_owned());
        }
        let debug = device.debug().ok_or("the device has no processor")?;
        match target {
            Target::Memory { at, size } => {
                let mut bytes = [0; 8];
                let bytes = &mut bytes[..usize::from(*size).min(8)];
                debug.read(*at, bytes).map_err(|error| error.to_string())?;
                let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | i128::from(*byte));
                let top = 1i128 << (8 * bytes.len() - 1);
                Ok(if expect.signed && value & top != 0 { value - 2 * top } else { value })
            }
            Target::Register { peripheral, register } => {
                let views = debug.peripherals();
                let view = views.iter().find(|view| view.name == *peripheral);
                let value =
                    view.and_then(|view| view.registers.iter().find(|(known, _)| known.name == register));
                let value = value.and_then(|(_, value)| *value);
                value.map(i128::from).ok_or_else(|| "the register cannot be read without effect".to_owned())
            }
            Target::Core(register) => {
                let index = debug.registers().iter().position(|known| known.name == register);
                let value = index.and_then(|index| debug.register(index));
                value.map(|value| value as i128).ok_or_else(|| "there is no such register".to_owned())
            }
            Target::Pin(_) | Target::Count(_) | Target::Value(_) => {
                Err("not a state of the device".to_owned())
            }
        }
    });
    read.unwrap_or_else(|| Err("no such device".to_owned())).map(Found::Number)
}

/// Compares the time between two marks.
pub(super) fn times(expect: &ExpectTime, from: Time, to: Time) -> Result<(), Compared> {
    let between = format!(
        "from {} to {}",
        expect.from.as_deref().map_or("the beginning".to_owned(), |mark| format!("`{mark}`")),
        expect.to.as_deref().map_or("now".to_owned(), |mark| format!("`{mark}`"))
    );
    if to < from {
        let found = format!("the second came first: {from} s and {to} s");
        return Err(Compared { expected: format!("a time {between}"), found });
    }
    let span = to.since(from);
    let found = format!("{span} s ({from} s to {to} s)");
    match (expect.at_least, expect.at_most) {
        (Some(least), _) if span < least => {
            Err(Compared { expected: format!("at least {} {between}", least.to_text()), found })
        }
        (_, Some(most)) if span > most => {
            Err(Compared { expected: format!("at most {} {between}", most.to_text()), found })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_bounded_on_both_sides() {
        let expect = |least: Option<u64>, most: Option<u64>| ExpectTime {
            from: None,
            to: None,
            at_least: least.map(Time::from_ms),
            at_most: most.map(Time::from_ms),
        };
        let span = |expect: &ExpectTime| times(expect, Time::from_ms(3), Time::from_ms(8)).is_ok();
        assert!(span(&expect(Some(5), Some(5))));
        assert!(!span(&expect(Some(6), None)));
        assert!(!span(&expect(None, Some(4))));
        assert!(times(&expect(None, Some(9)), Time::from_ms(8), Time::from_ms(3)).is_err());
    }
}
