//! Wires between pins: UART, SPI, I2C, single pins.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use super::{Delivery, Fate, Link};
use crate::component::PortKind;
use crate::rng::Rng;
use crate::time::Time;
use crate::wire::{Signal, WireKind};

/// The settings of a [`Wire`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireConfig {
    /// What it carries.
    pub kind: WireKind,
    /// How long a signal is underway.
    pub latency: Time,
    /// Ends of an SPI bus that are a pin, with the end that the pin selects while it is low.
    pub selects: Vec<(usize, usize)>,
    /// Whether its one interface talks to itself: TXD on RXD, MOSI on MISO.
    pub loops: bool,
}

/// A wire, or the wires of a bus, with an end at each of several pins or interfaces.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wire {
    config: WireConfig,
    ends: usize,
    rules: Rules,
    /// The last arrival on each path, by (from, to): signals do not overtake each other.
    last: BTreeMap<(usize, usize), Time>,
}

impl Wire {
    /// A wire with so many ends, drawing its random numbers from `rng`.
    pub fn new(config: WireConfig, ends: usize, rng: Rng) -> Self {
        let config = WireConfig { latency: config.latency.max(Time::from_ns(1)), ..config };
        Self { config, ends, rules: Rules::new(rng), last: BTreeMap::new() }
    }

    /// Who hears an end's signal.
    fn receivers(&self, from: usize) -> Vec<usize> {
        if self.config.loops {
            return vec![from];
        }
        let selects = &self.config.selects;
        match selects.iter().find(|(pin, _)| *pin == from) {
            Some((_, slave)) => vec![*slave],
            None => {
                (0..self.ends).filter(|to| *to != from && !selects.iter().any(|(pin, _)| pin == to)).collect()
            }
        }
    }

    /// What the other end hears of a signal.
    fn translated(&self, from: usize, signal: Signal) -> Option<Signal> {
        match signal {
            // A slave's own pull-up keeps it deselected while nobody drives the wire.
            Signal::Drive(drive) if self.config.selects.iter().any(|(pin, _)| *pin == from) => {
                Some(Signal::Select(drive.driven == Some(false)))
            }
            Signal::Transfer(sent) if self.config.loops => Some(Signal::Answer(sent.bytes)),
            Signal::Abort if self.config.loops => None,
            other => Some(other),
        }
    }
}

impl Link for Wire {
    fn carries(&self) -> PortKind {
        PortKind::Wire
    }

    fn latency(&self) -> Time {
        self.config.latency
    }

    fn transmit(
        &mut self,
        from: usize,
        at: Time,
        data: &Arc<[u8]>,
        out: &mut Vec<Delivery>,
        fates: &mut Vec<(Option<usize>, Fate)>,
    ) {
        let Ok((_, signal)) = Signal::decode(data) else { return };
        let Some(signal) = self.translated(from, signal) else { return };
        let bits = signal.data_bits();
        for to in self.receivers(from) {
            let verdict = match self.rules.judge(from, to, at, bits.max(1)) {
                Ok(verdict) => verdict,
                Err(rule) => {
                    fates.push((Some(to), Fate::Dropped { rule }));
                    continue;
                }
            };
            let later = |time: Time| time + verdict.delay;
            let mut signal = signal.clone().map_times(later);
            let mut fate = verdict.late.map_or(Fate::Delivered, |rule| Fate::Late { rule });
            if let Some((rule, bit)) = verdict.corrupt.filter(|_| bits > 0) {
                signal = signal.flipped(bit);
                fate = Fate::Corrupted { rule };
            }
            let there = later(at) + self.config.latency;
            let last = self.last.entry((from, to)).or_default();
            let arrival = there.max(signal.end().unwrap_or(Time::ZERO)).max(*last);
            *last = arrival;
            out.push(Delivery { to, at: arrival, data: signal.encode(from as u8) });
            fates.push((Some(to), fate));
        }
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn rules_mut(&mut self) -> &mut Rules {
        &mut self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{Fault, Rule};
    use crate::wire::{Drive, Format, Parity, Transfer};

    fn wire(kind: WireKind, ends: usize, selects: &[(usize, usize)], loops: bool) -> Wire {
        let latency = kind.latency(kind.usual_rate());
        let config = WireConfig { kind, latency, selects: selects.to_vec(), loops };
        Wire::new(config, ends, Rng::new(1, "wire"))
    }

    fn send(wire: &mut Wire, from: usize, at: Time, signal: &Signal) -> Vec<(usize, Time, Signal)> {
        let (mut out, mut fates) = (Vec::new(), Vec::new());
        wire.transmit(from, at, &signal.encode(0), &mut out, &mut fates);
        assert!(fates.len() >= out.len());
        let read = |delivery: Delivery| {
            let (told, signal) = Signal::decode(&delivery.data).unwrap();
            assert_eq!(usize::from(told), from);
            (delivery.to, delivery.at, signal)
        };
        out.into_iter().map(read).collect()
    }

    fn character(at: Time) -> Signal {
        let length = Time::from_us(100);
        Signal::Character(Format { length, data: 8, parity: Parity::None, stops: 1 }.send(0x41, at))
    }

    #[test]
    fn a_character_is_there_when_it_ends() {
        let mut wire = wire(WireKind::Uart, 2, &[], false);
        let at = Time::from_ms(1);
        let arrived = send(&mut wire, 1, at, &character(at));
        assert_eq!(arrived, [(0, at + Time::from_us(100), character(at))]);
        assert_eq!(wire.latency(), Time::from_us(9));
        let flow = send(&mut wire, 1, at, &Signal::Ready(true));
        assert_eq!(flow[0].1, at + Time::from_us(100), "in order");
    }

    #[test]
    fn faults_lose_delay_and_damage() {
        let rule = |fault| Rule { after: Time::ZERO, before: Time::MAX, from: None, to: None, fault };
        let at = Time::from_ms(1);
        let mut cut = wire(WireKind::Uart, 2, &[], false);
        cut.rules_mut().add(rule(Fault::Cut));
        assert!(send(&mut cut, 0, at, &character(at)).is_empty());
        let mut late = wire(WireKind::Uart, 2, &[], false);
        late.rules_mut().add(rule(Fault::Delay(Time::from_ms(2))));
        let then = at + Time::from_ms(2);
        assert_eq!(send(&mut late, 0, at, &character(at)), [(1, then + Time::from_us(100), character(then))]);
        let mut noisy = wire(WireKind::Uart, 2, &[], false);
        noisy.rules_mut().add(rule(Fault::Corrupt(1_000_000)));
        let damaged = send(&mut noisy, 0, at, &character(at));
        let (Signal::Character(old), [(_, _, Signal::Character(new))]) = (character(at), damaged.as_slice())
        else {
            panic!("no character");
        };
        assert_eq!((old.levels ^ new.levels).count_ones(), 1);
        assert_eq!((old.levels ^ new.levels) & !0x1FE, 0, "a data bit");
    }

    #[test]
    fn pins_of_an_spi_bus_select_their_slave() {
        // Ends: master, slave, slave, the two pins.
        let mut wire = wire(WireKind::Spi, 5, &[(3, 1), (4, 2)], false);
        let (at, low) = (Time::from_us(5), Drive { driven: Some(false), pull: None });
        let there = at + wire.latency();
        assert_eq!(send(&mut wire, 4, at, &Signal::Drive(low)), [(2, there, Signal::Select(true))]);
        let released = send(&mut wire, 3, at, &Signal::Drive(Drive::default()));
        assert_eq!(released, [(1, there, Signal::Select(false))]);
        let (start, end) = (at, at + Time::from_us(8));
        let transfer = Signal::Transfer(Transfer { start, end, mode: 0, bytes: vec![1] });
        let to: Vec<usize> = send(&mut wire, 0, at, &transfer).iter().map(|(to, ..)| *to).collect();
        assert_eq!(to, [1, 2]);
    }

    #[test]
    fn a_loop_answers_itself() {
        let mut wire = wire(WireKind::Spi, 2, &[], true);
        let at = Time::from_us(5);
        let transfer = Transfer { start: at, end: at + Time::from_us(8), mode: 0, bytes: vec![1, 2] };
        let answer = send(&mut wire, 0, at, &Signal::Transfer(transfer));
        assert_eq!(answer, [(0, at + wire.latency(), Signal::Answer(vec![1, 2]))]);
    }
}
