//! Tells subscribed clients what happens, beside whoever else watches the run.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use consort_core::Time;
use consort_core::component::PortKind;
use consort_core::control::{Arrival, FleetInfo, Frame, Message, Topic};
use consort_core::device::{Port, Sent};
use consort_core::fleet::{Carried, Observer};
use consort_core::trace::{CoreEvent, Event, Kind};

use super::outbox::line_of;
use super::server::Client;

/// The bit of a topic in [`Client::topics`].
pub fn bit(topic: Topic) -> usize {
    1 << topic as usize
}

/// The observer between the fleet and everyone who watches.
pub struct Tap<'a> {
    pub inner: &'a mut dyn Observer,
    pub fleet: &'a FleetInfo,
    pub clients: &'a [Arc<Client>],
    /// Requests that wait: they end the run here, to be answered.
    pub waiting: &'a AtomicUsize,
    /// Ends the run after one window.
    pub one: bool,
    /// What the run goes on to, and whether it has come.
    pub seek: Option<&'a Seek>,
    pub found: bool,
    /// The inner observer ended the run.
    pub ended: bool,
}

/// What a run goes on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    Packet,
    /// The handler of any interrupt of a device: it has breakpoints.
    Handler(usize),
    /// An exception's entry of a device from a time on, where the handlers are not known.
    Entry(usize, Time),
}

impl Tap<'_> {
    fn tell(&self, topic: Topic, message: impl FnOnce() -> Message) {
        let mut wanting = self.clients.iter().filter(|client| {
            client.topics.load(Ordering::Relaxed) & bit(topic) != 0 && client.outbox.has_room()
        });
        let Some(first) = wanting.next() else { return };
        let line = line_of(&message());
        first.outbox.notice(&line);
        wanting.for_each(|client| client.outbox.notice(&line));
    }

    fn name(&self, device: usize) -> String {
        self.fleet.devices[device].name.clone()
    }
}

impl Observer for Tap<'_> {
    fn sent(&mut self, device: usize, port: &Port, sent: &Sent) {
        self.inner.sent(device, port, sent);
        if port.kind == PortKind::Uart {
            self.tell(Topic::Uart, || Message::Uart {
                device: self.name(device),
                port: port.name.clone(),
                at: sent.at,
                data: sent.data.to_vec(),
            });
        }
    }

    fn event(&mut self, device: usize, event: &Event) {
        self.inner.event(device, event);
        if let (Some(Seek::Entry(wanted, since)), Kind::Core(CoreEvent::Entry { .. })) =
            (self.seek, &event.kind)
        {
            self.found |= *wanted == device && event.at >= *since;
        }
        let topic = match event.kind {
            Kind::Log { .. } | Kind::Report(_) | Kind::Exit { .. } => Topic::Logs,
            Kind::Core(_) | Kind::Stimulus { .. } => Topic::Events,
            // Lines are read with a device's state; UART bytes and frames are notices of their own.
            Kind::Line { .. } | Kind::Sent { .. } | Kind::Received { .. } => return,
        };
        self.tell(topic, || Message::Event {
            device: self.name(device),
            at: event.at,
            kind: event.kind.clone(),
        });
    }

    fn carried(&mut self, link: usize, frame: &Carried<'_>) {
        self.inner.carried(link, frame);
        self.found |= self.seek == Some(&Seek::Packet);
        self.tell(Topic::Frames, || {
            let link = &self.fleet.links[link];
            let end = |index: usize| link.joins.get(index).map(|end| end.device.clone());
            let mut deliveries: Vec<_> = frame.deliveries.iter().map(Some).collect();
            let to = frame.fates.iter().map(|(to, fate)| {
                let mut own = deliveries.iter_mut().filter(|_| fate.arrives());
                let arrival = own.find(|delivery| delivery.is_some_and(|own| Some(own.to) == *to));
                let at = arrival.and_then(Option::take).map(|delivery| delivery.at);
                Arrival { device: to.and_then(end), at, fate: fate.clone() }
            });
            let to = to.collect();
            Message::Frame(Frame {
                link: link.name.clone(),
                from: end(frame.from).unwrap_or_default(),
                at: frame.at,
                data: frame.data.to_vec(),
                to,
            })
        });
    }

    fn window(&mut self, now: Time) -> ControlFlow<()> {
        if self.inner.window(now).is_break() {
            self.ended = true;
            return ControlFlow::Break(());
        }
        if self.one || self.found || self.waiting.load(Ordering::Acquire) > 0 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
