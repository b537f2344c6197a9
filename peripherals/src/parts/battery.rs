//! A lithium battery with its charger: a voltage for a converter, and two pins that say what the charger does.

use consort_core::Time;
use consort_core::component::{Channel, Component, Cx, Model, Part, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::{Curve, Points};

/// The battery.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatteryConfig {
    /// Its voltage: `[["0s", 4.1], ["3600s", 3.7]]`; 3.9 V when absent.
    #[serde(default)]
    pub voltage: Points,
    /// The voltage divider before the converter, default 1.
    #[serde(default = "one")]
    pub divider: u8,
}

fn one() -> u8 {
    1
}

/// Above this, in mV, the charger ends charging.
const FULL: i64 = 4_180;
/// A changing voltage is told this often.
const STEP: Time = Time::from_secs(1);

/// The battery; lines `volts` (analog, divided), `charging` and `power` (both low while true), channels
/// `voltage` (V) and `plugged`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Battery {
    divider: u8,
    /// In mV.
    voltage: Curve,
    plugged: bool,
    told: Option<i64>,
    seen: Time,
}

impl Battery {
    fn tell(&mut self, cx: &mut Cx<'_>) {
        self.seen = cx.now();
        let millivolts = self.voltage.at(cx.now());
        if self.told != Some(millivolts) {
            self.told = Some(millivolts);
            cx.volts(0, millivolts * 1_000 / i64::from(self.divider.max(1)));
        }
        cx.drive(1, !(self.plugged && millivolts < FULL));
        cx.drive(2, !self.plugged);
        match self.voltage.steady_until(cx.now()) {
            Time::MAX => cx.no_wake(),
            at => cx.wake_at(at + STEP),
        }
    }
}

impl Model for Battery {
    const KIND: &'static str = "battery";
    const DOC: &'static str =
        "A battery with its charger: a voltage to measure, pins for charging and power.";
    type Config = BatteryConfig;
    fn new(config: BatteryConfig) -> Self {
        Self {
            divider: config.divider,
            voltage: Curve::new(&config.voltage, 1_000.0, 3_900),
            plugged: false,
            told: None,
            seen: Time::ZERO,
        }
    }
}

impl Component for Battery {
    fn lines(&self) -> &'static [&'static str] {
        &["volts", "charging", "power"]
    }

    fn channels(&self) -> Vec<Channel> {
        vec![
            Channel::number("voltage", "the battery's voltage", (2.5, 4.5), "V"),
            Channel::switch("plugged", "the charger has power"),
        ]
    }

    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.told = None;
        self.tell(cx);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
    }

    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        let known = self.channels().into_iter().find(|known| known.name == channel);
        known.ok_or_else(|| SetError::NoChannel(channel.to_owned()))?.check(value)?;
        match value {
            Value::Number(volts) => self.voltage.set((volts * 1_000.0).round() as i64, cx.now()),
            Value::Bool(plugged) => self.plugged = *plugged,
            _ => {}
        }
        self.tell(cx);
        Ok(())
    }

    fn get(&self, channel: &str) -> Option<Value> {
        match channel {
            "voltage" => Some(Value::Number(self.voltage.at(self.seen) as f64 / 1_000.0)),
            "plugged" => Some(Value::Bool(self.plugged)),
            _ => None,
        }
    }
}

impl Part for Battery {}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn the_charger_tells_what_it_does() {
        let config = r#"{ "divider": 2, "voltage": [["10s", 4.1], ["20s", 4.2]] }"#;
        let mut rig = Rig::new(Battery::new(serde_json::from_str(config).unwrap()));
        assert_eq!(
            (rig.volts.last(), rig.line("charging"), rig.line("power")),
            (Some(&(0, 2_050_000)), true, true)
        );
        rig.with(|part, cx| part.set("plugged", &Value::Bool(true), cx)).unwrap();
        assert_eq!((rig.line("charging"), rig.line("power")), (false, false));
        rig.run_for(Time::from_secs(60));
        assert_eq!(
            (rig.volts.last(), rig.line("charging"), rig.line("power")),
            (Some(&(0, 2_100_000)), true, false)
        );
        assert_eq!(rig.wake, Time::MAX);
    }
}
