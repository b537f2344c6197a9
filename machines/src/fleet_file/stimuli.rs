//! Stimuli in fleet files: outside inputs at their times.

use consort_core::Time;
use consort_core::component::{PortKind, Value};
use consort_core::device::Action;
use consort_core::fleet::{Fleet, Stimulus, StimulusKind};
use consort_core::radio::Position;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::device_index;

/// An outside input at its time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StimulusEntry {
    /// When.
    pub at: Time,
    /// On which device.
    pub device: String,
    /// Text for a UART.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Which UART the text goes to; the board's console when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// `component.channel` to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// What to set it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
    /// Instead of `to`: a curve of `[time after at, number]` in order of time, with straight lines between.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(Time, f64)>,
    /// How often the curve's value is set, default 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Time>,
    /// Reset and power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerAction>,
    /// Where the device is carried, in metres: its radios are heard from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// What can be done to a device's power and reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerAction {
    /// The reset pin.
    Reset,
    /// Power off.
    Off,
    /// Power on.
    On,
}

/// Moving a device that nobody can hear is a mistake.
pub(crate) fn has_antenna(fleet: &Fleet, device: usize) -> Result<(), String> {
    if fleet.ports(device).iter().any(|port| port.kind == PortKind::Radio) {
        return Ok(());
    }
    Err(format!("`{}` has no radio: where it is changes nothing", fleet.names()[device]))
}

/// A curve longer than this is a mistake.
const MOST_POINTS: usize = 100_000;

impl StimulusEntry {
    pub(super) fn stimuli(&self, fleet: &Fleet, consoles: &[Option<u16>]) -> Result<Vec<Stimulus>, String> {
        let index = device_index(fleet, &self.device)?;
        let action = match (&self.send, &self.set, self.power, self.position) {
            (Some(text), None, None, None) => {
                let port = match &self.port {
                    Some(port) => port.clone(),
                    None => {
                        let console = consoles[index].ok_or("the device has no UART")?;
                        fleet.ports(index)[usize::from(console)].name.clone()
                    }
                };
                Action::Send { port, data: text.clone().into_bytes() }
            }
            (None, Some(target), None, None) => {
                let (component, channel) = target
                    .split_once('.')
                    .ok_or("`set` names component.channel, such as \"fpgaio.button0\"")?;
                let values = match &self.to {
                    Some(value) if self.curve.is_empty() => vec![(self.at, value.clone())],
                    None if !self.curve.is_empty() => self.points()?,
                    _ => return Err("`set` needs `to`: the value, or `curve`".to_owned()),
                };
                let stimulus = |(at, value)| {
                    let (component, channel) = (component.to_owned(), channel.to_owned());
                    let action = Action::Set { component, channel, value };
                    Stimulus { at, what: StimulusKind::Device(self.device.clone(), action) }
                };
                return Ok(values.into_iter().map(stimulus).collect());
            }
            (None, None, Some(PowerAction::Reset), None) => Action::Reset,
            (None, None, Some(PowerAction::Off), None) => Action::PowerOff,
            (None, None, Some(PowerAction::On), None) => Action::PowerOn,
            (None, None, None, Some(to)) => {
                has_antenna(fleet, index)?;
                return Ok(vec![Stimulus { at: self.at, what: StimulusKind::Move(self.device.clone(), to) }]);
            }
            _ => return Err("a stimulus does one thing: `send`, `set`, `power` or `position`".to_owned()),
        };
        Ok(vec![Stimulus { at: self.at, what: StimulusKind::Device(self.device.clone(), action) }])
    }

    /// The values of the curve at its points and every so often between them.
    fn points(&self) -> Result<Vec<(Time, Value)>, String> {
        let every = self.every.unwrap_or(Time::from_ms(100));
        if every < Time::from_us(1) {
            return Err("`every` is at least 1us".to_owned());
        }
        if self.curve.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err("the points of `curve` are not in order of time".to_owned());
        }
        let set = |after: Time, number: f64| (self.at + after, Value::Number(number));
        let mut values = Vec::new();
        for pair in self.curve.windows(2) {
            let ((from, low), (to, high)) = (pair[0], pair[1]);
            let mut after = from;
            while after < to {
                let part = (after - from).as_ps() as f64 / (to - from).as_ps() as f64;
                values.push(set(after, low + (high - low) * part));
                if values.len() > MOST_POINTS {
                    return Err(format!("the curve has more than {MOST_POINTS} values: make `every` longer"));
                }
                after += every;
            }
        }
        values.extend(self.curve.last().map(|(after, number)| set(*after, *number)));
        Ok(values)
    }
}
