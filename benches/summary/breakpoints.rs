//! What breakpoints cost that are set but never reached.

use std::collections::BTreeSet;
use std::path::Path;

use consort_core::device::Halt;
use consort_core::fleet::{Fleet, Pace, Stop};
use consort_core::{Addr, Time};
use consort_machines::board::Board;
use consort_machines::fleet_file::load_images;

use crate::figure::{Figure, ROUNDS, timed};
use crate::fleet::{fleet, image};

const END: Time = Time::from_secs(600);

fn set(fleet: &mut Fleet, at: &[Addr]) {
    fleet.device(0, |device| device.debug().unwrap().set_breakpoints(at));
}

/// Places between instructions that the program executes, at which it never stops.
fn untouched(path: &Path) -> Vec<Addr> {
    let (board, _) = Board::builtin("mps2-an385").unwrap().unwrap();
    let firmware = load_images(&[(path.to_owned(), None)], &board).unwrap();
    let (_, code) = firmware.segments().next().unwrap();
    let mut places: BTreeSet<Addr> = (code.addr..code.end()).step_by(2).collect();
    let mut fleet = fleet(&[path], Pace::default());
    loop {
        set(&mut fleet, &places.iter().copied().collect::<Vec<_>>());
        match fleet.run_until(END, &mut ()) {
            Stop::Halted(halts) => {
                assert_eq!(halts, [(0, Halt::Breakpoint)]);
                let pc = fleet.device(0, |device| device.debug().unwrap().pc()).unwrap();
                assert!(places.remove(&pc));
            }
            _ => return places.into_iter().collect(),
        }
    }
}

/// Millions of instructions per second with 0, 1 and 100 breakpoints.
pub fn measure(figures: &mut Vec<Figure>) {
    let path = image("branchy-fixed");
    let places = untouched(&path);
    let counts = [0, 1, 100];
    assert!(places.len() >= counts[2], "the program has {} places", places.len());
    // Spread over the code.
    let chosen = |count: usize| -> Vec<Addr> {
        (0..count).map(|index| places[index * places.len() / count]).collect()
    };
    let mut rounds = counts.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (count, rounds) in counts.into_iter().zip(&mut rounds) {
            let mut fleet = fleet(&[&path], Pace::default());
            set(&mut fleet, &chosen(count));
            let time = timed(|| assert_eq!(fleet.run_until(END, &mut ()), Stop::Reached));
            rounds.push(fleet.stats(0).instructions as f64 / time.as_secs_f64() / 1e6);
        }
    }
    for (count, rounds) in counts.into_iter().zip(rounds) {
        figures.push(Figure::new(format!("branchy/{count}-breakpoints"), "MIPS", rounds));
    }
}
