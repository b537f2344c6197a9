//! A minute of a watch on a table, its screen off: sixteen looks at the accelerometer and one advertisement a
//! second.

use std::path::Path;

use consort_core::Time;
use consort_core::fleet::{Fleet, Pace};
use consort_machines::fleet_file::{FleetFile, Overrides};
use serde_json::json;

use crate::figure::{Figure, ROUNDS, timed};

const DARK: Time = Time::from_secs(15);
const MINUTE: Time = Time::from_secs(60);

fn watch() -> Fleet {
    let firmware = format!("{}/firmware/bin/pinetime.elf", env!("CARGO_MANIFEST_DIR"));
    let file = json!({ "devices": { "watch": { "board": "pinetime", "firmware": firmware } } });
    let (file, document) = FleetFile::parse("watch", &file.to_string()).unwrap();
    let mut fleet = file.build(&document, Path::new("/"), &Overrides::default()).unwrap().fleet;
    fleet.set_pace(Pace { threads: 1, quantum: Time::from_secs(1) });
    fleet
}

/// Times real time.
pub fn idle(figures: &mut Vec<Figure>) {
    let rounds = (0..ROUNDS).map(|_| {
        let mut fleet = watch();
        fleet.run_until(DARK, &mut ());
        let time = timed(|| {
            fleet.run_until(DARK + MINUTE, &mut ());
        });
        let dark =
            fleet.device(0, |watch| watch.picture("screen")).flatten().is_some_and(|p| p.backlight == 0);
        assert!(dark, "the screen is off");
        MINUTE.as_secs_f64() / time.as_secs_f64()
    });
    figures.push(Figure::new("watch/idle-minute", "x", rounds.collect()));
}
