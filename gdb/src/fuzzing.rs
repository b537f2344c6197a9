//! Debuggers that say any bytes, without sockets.

use std::net::Ipv4Addr;

use consort_core::Time;
use consort_core::fleet::{Fleet, Stop};
use crossbeam::channel;

use crate::fake::Fake;
use crate::hub::Hub;
use crate::net::{Caller, Incoming, Line};

/// Lets the debuggers of two devices say these pieces and vanish; the fleet must get to its end all the same. Gives
/// the bytes they were answered.
pub fn debuggers_say(pieces: &[(bool, &[u8])]) -> usize {
    const END: Time = Time::from_ms(5);
    let devices = ["one", "two"].map(|name| (name.to_owned(), Fake::boxed()));
    let Ok(mut fleet) = Fleet::new(devices.into()) else { return 0 };
    let (sender, incoming) = channel::unbounded();
    let mut hub = Hub::over(vec![(Ipv4Addr::LOCALHOST, 3333).into(); 2], incoming, None);
    let caller = |second: bool| Caller { device: second.into(), id: u64::from(second) };
    let lines = [false, true].map(|second| {
        let (line, letters) = Line::to_test();
        let _ = sender.send(Incoming::Connected(caller(second), line));
        letters
    });
    for (second, bytes) in pieces {
        let _ = sender.send(Incoming::Bytes(caller(*second), bytes.to_vec()));
    }
    for second in [false, true] {
        let _ = sender.send(Incoming::Closed(caller(second)));
    }
    assert_eq!(hub.drive(&mut fleet, END, &mut ()), Stop::Reached, "debuggers held the fleet for good");
    lines.iter().flat_map(|letters| letters.try_iter()).map(|letter| letter.len()).sum()
}
