//! A push button on a pin, with its pull resistor.

use consort_core::component::{Channel, Component, Cx, Model, Part, SetError, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the button is wired.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonConfig {
    /// Whether the pin is high while the button is pressed; default false: it pulls the pin to ground.
    #[serde(default)]
    pub active_high: bool,
    /// Whether pressing does something only while pin `enable` is high; default false.
    #[serde(default)]
    pub enabled_by_pin: bool,
}

/// A button; line `pin`, pin `enable`, channel `pressed`. A pull resistor keeps the pin at the other level.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Button {
    config: ButtonConfig,
    pressed: bool,
    enabled: bool,
}

impl Button {
    fn drive(&self, cx: &mut Cx<'_>) {
        let closed = self.pressed && (self.enabled || !self.config.enabled_by_pin);
        cx.drive(0, closed == self.config.active_high);
    }
}

impl Model for Button {
    const KIND: &'static str = "button";
    const DOC: &'static str = "A push button that pulls a pin low (or high) while pressed.";
    type Config = ButtonConfig;
    fn new(config: ButtonConfig) -> Self {
        Self { config, pressed: false, enabled: false }
    }
}

impl Component for Button {
    fn lines(&self) -> &'static [&'static str] {
        &["pin"]
    }
    fn pins(&self) -> &'static [&'static str] {
        &["enable"]
    }
    fn channels(&self) -> Vec<Channel> {
        vec![Channel::switch("pressed", "somebody presses it")]
    }
    fn reset(&mut self, cx: &mut Cx<'_>) {
        self.enabled = false;
        self.drive(cx);
    }
    fn input(&mut self, _: u16, level: bool, cx: &mut Cx<'_>) {
        self.enabled = level;
        self.drive(cx);
    }
    fn set(&mut self, channel: &str, value: &Value, cx: &mut Cx<'_>) -> Result<(), SetError> {
        match (channel, value) {
            ("pressed", Value::Bool(pressed)) => {
                self.pressed = *pressed;
                self.drive(cx);
                Ok(())
            }
            ("pressed", _) => {
                Err(SetError::BadValue { channel: channel.to_owned(), expected: "true or false".to_owned() })
            }
            _ => Err(SetError::NoChannel(channel.to_owned())),
        }
    }
    fn get(&self, channel: &str) -> Option<Value> {
        (channel == "pressed").then_some(Value::Bool(self.pressed))
    }
}

impl Part for Button {}

#[cfg(test)]
mod tests {
    use super::*;
    use consort_core::testing::Rig;

    #[test]
    fn pressing_pulls_the_pin_low() {
        let mut rig = Rig::new(Button::new(ButtonConfig::default()));
        assert!(rig.line("pin"));
        rig.with(|button, cx| button.set("pressed", &Value::Bool(true), cx)).unwrap();
        assert!(!rig.line("pin"));
        assert!(rig.with(|button, cx| button.set("pressed", &Value::Number(1.0), cx)).is_err());
    }

    #[test]
    fn a_button_may_need_its_supply() {
        let config = ButtonConfig { active_high: true, enabled_by_pin: true };
        let mut rig = Rig::new(Button::new(config));
        rig.with(|button, cx| button.set("pressed", &Value::Bool(true), cx)).unwrap();
        assert!(!rig.line("pin"));
        rig.input(0, true);
        assert!(rig.line("pin"));
    }
}
