//! A UART's end of a wire: what all models of UARTs share once a wire joins them to another one.

use consort_core::Time;
use consort_core::component::Cx;
use consort_core::wire::{Ear, Format, Heard, Signal};
use serde::{Deserialize, Serialize};

/// TXD, RXD, RTS and CTS of a UART that a wire may join to another.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Line {
    ear: Ear,
    /// Whether the other end's RTS is low, once it was driven; as long as it was not it counts as low.
    other: Option<bool>,
    /// The level of our RTS as last told: whether we are ready.
    ready: Option<bool>,
    /// It was said that the wire does not allow this rate.
    refused: bool,
}

impl Line {
    /// Puts a character on the wire, from `start`, which is now or as good as now.
    pub fn send(&mut self, byte: u8, start: Time, format: Format, cx: &mut Cx<'_>) {
        let Some(latency) = cx.wire(0) else { return };
        if format.length < latency {
            if !self.refused {
                let text = format!(
                    "a character takes {} ns, less than the {} ns for which this UART's wire needs to know it ahead: it \
                     is not sent; raise the link's `fastest`",
                    format.length.as_ns(),
                    latency.as_ns()
                );
                cx.unimplemented(text);
            }
            self.refused = true;
            return;
        }
        cx.signal(0, Signal::Character(format.send(byte, start)));
    }

    /// Takes a signal of the other end; `format` is how the receiver is set, where it is on. True when CTS changed.
    pub fn hear(&mut self, signal: &Signal, format: Option<Format>) -> bool {
        match (signal, format) {
            (Signal::Character(sent), Some(format)) => {
                self.ear.hear(sent, format);
                false
            }
            (Signal::Ready(ready), _) => self.other.replace(*ready).unwrap_or(true) != *ready,
            _ => false,
        }
    }

    /// When the next character is complete.
    pub fn due(&self) -> Time {
        self.ear.due()
    }

    /// The next character that is complete by now.
    pub fn take(&mut self, now: Time) -> Option<Heard> {
        self.ear.take(now)
    }

    /// Whether CTS says that the other end takes no characters.
    pub fn is_held(&self) -> bool {
        self.other == Some(false)
    }

    /// Whether the other end ever drove CTS.
    pub fn was_told(&self) -> bool {
        self.other.is_some()
    }

    /// Drives RTS; nothing is told when it has this level.
    pub fn tell_ready(&mut self, ready: bool, cx: &mut Cx<'_>) {
        if self.ready != Some(ready) && cx.wire(0).is_some() {
            self.ready = Some(ready);
            cx.signal(0, Signal::Ready(ready));
        }
    }

    /// Whether RTS was ever driven.
    pub fn has_told(&self) -> bool {
        self.ready.is_some()
    }

    /// The chip is reset or the UART switched off: what the other end does is not its affair.
    pub fn reset(&mut self) {
        self.ear = Ear::default();
    }
}
