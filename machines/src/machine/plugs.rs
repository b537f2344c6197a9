//! Where wires to other boards end on this one.

use consort_core::Time;
use consort_core::component::NodeId;
use consort_core::wire::WireKind;

use super::bus::MachineBus;
use crate::suggest;

/// Where a wire ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plug {
    pub node: NodeId,
    pub pin: u16,
    /// The device's port for it.
    pub port: u16,
    /// How long a signal is underway.
    pub latency: Time,
}

impl MachineBus {
    /// Lets a wire end at `component` or `component.pin`.
    pub fn plug(&mut self, name: &str, kind: WireKind, port: u16, latency: Time) -> Result<String, String> {
        let (component, pin) = name.split_once('.').map_or((name, None), |(name, pin)| (name, Some(pin)));
        let fits = |node: &NodeId| {
            let model = self.component(*node);
            match kind {
                WireKind::Pin => !model.wire_pins().is_empty(),
                kind => model.wires().contains(&kind),
            }
        };
        let fitting: Vec<NodeId> =
            (0..self.nodes.len()).map(|index| NodeId(index as u16)).filter(fits).collect();
        let names: Vec<&str> =
            fitting.iter().map(|node| self.nodes[usize::from(node.0)].name.as_str()).collect();
        let place = match names.as_slice() {
            [] => return Err(format!("the board has no place where {kind} wires end")),
            [_] if component.is_empty() => Some(0),
            _ => names.iter().position(|known| *known == component),
        };
        let node = place.and_then(|place| fitting.get(place)).copied().ok_or_else(|| {
            let listed = names.join(", ");
            match component {
                "" => format!("say where on the board the {kind} wire ends: {listed}"),
                _ => format!("no {kind} wire can end at `{component}`; there is: {listed}"),
            }
        })?;
        let pins = self.component(node).wire_pins();
        let pin = match (kind, pin) {
            (WireKind::Pin, Some(pin)) => pins.iter().position(|known| *known == pin).ok_or_else(|| {
                format!("`{component}` has no pin `{pin}`{}", suggest(pin, pins.iter().copied()))
            })?,
            (WireKind::Pin, None) => {
                return Err(format!(
                    "say which pin: `{component}.{}`",
                    pins.first().copied().unwrap_or("p0")
                ));
            }
            (_, Some(pin)) => {
                return Err(format!("{kind} wires end at all of `{component}`, not at its `{pin}`"));
            }
            (_, None) => 0,
        };
        let pin = pin as u16;
        let mut name = self.nodes[usize::from(node.0)].name.clone();
        if let Some(pin) = pins.get(usize::from(pin)).filter(|_| kind == WireKind::Pin) {
            name = format!("{name}.{pin}");
        }
        if self.plugs.iter().any(|plug| (plug.node, plug.pin) == (node, pin)) {
            return Err(format!("another wire ends at `{name}` already"));
        }
        self.plugs.push(Plug { node, pin, port, latency });
        Ok(name)
    }
}
