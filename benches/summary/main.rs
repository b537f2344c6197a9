//! Measures Consort, and QEMU beside it in the same run: a table for people, `target/bench/summary.json` for
//! machines. Nothing here is part of a run's result, so the host's clock may be read.
//!
//! `cargo bench --bench summary -- [--quick] [GROUP...]` measures the groups whose names contain one of the words.
//! Rounds of what is compared take turns and medians count, so that a busy machine disturbs all alike; times are
//! processor times but for threads and windows on two of them.
#![expect(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

mod breakpoints;
mod engine;
mod figure;
mod fleet;
mod nrf;
mod phone;
mod qemu;
mod softbus;
mod watch;

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use figure::{Figure, Goal};

fn main() {
    // Cargo passes --bench.
    let quick = std::env::args().any(|arg| arg == "--quick");
    let filter: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&dir).unwrap();
    let time = Duration::from_millis(if quick { 50 } else { 300 });

    let mut figures = Vec::new();
    let mut group = |name: &str, measure: &dyn Fn(&mut Vec<Figure>)| {
        if filter.is_empty() || filter.iter().any(|word| name.contains(word.as_str())) {
            measure(&mut figures);
        }
    };
    // Memory first, while the process is small.
    group("size", &|figures| fleet::size(figures));
    group("beacons", &nrf::beacons);
    group("engine-many", &|figures| engine::many(figures, time));
    group("engine-speed", &|figures| engine::speed(figures, &dir, time));
    group("engine-costs", &|figures| engine::costs(figures, time));
    group("speed", &|figures| fleet::speed(figures, &dir));
    group("timing", &|figures| fleet::timing(figures));
    group("breakpoints", &breakpoints::measure);
    group("mmio", &|figures| fleet::mmio(figures));
    group("windows", &|figures| fleet::windows(figures));
    group("threads", &|figures| fleet::threads(figures));
    group("sleepers", &|figures| fleet::sleepers(figures));
    group("frames", &|figures| {
        fleet::frames(figures);
        softbus::throughput(figures);
    });
    group("watch", &watch::idle);
    group("phone", &phone::starts);

    print(&figures);
    let path = dir.join("summary.json");
    std::fs::write(&path, serde_json::to_string_pretty(&rows(&figures)).unwrap() + "\n").unwrap();
    println!("\nalso in {}", path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(&path).display());
}

fn print(figures: &[Figure]) {
    let head = ["figure", "median", "", "lowest to highest", "ratio", "goal"];
    println!("{:<28} {:>10} {:<5} {:>22} {:>13}  {}", head[0], head[1], head[2], head[3], head[4], head[5]);
    for figure in figures {
        let (low, high) = figure.range();
        let range = format!("{low:.2} to {high:.2}");
        let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let goal = match (figure.goal, figure.is_met()) {
            (Some(goal), Some(met)) => {
                let bound = match goal {
                    Goal::Ratio(least) => format!("at least {least:.2}"),
                    Goal::AtMost(most) => format!("at most {most:.2}"),
                    Goal::AtLeast(least) => format!("at least {least:.1} {}", figure.unit),
                    Goal::Below(bound) => format!("below {bound} {}", figure.unit),
                };
                format!("{bound}{}", if met { "" } else { ": missed" })
            }
            _ => String::new(),
        };
        let (name, value, unit) = (&figure.name, figure.value(), figure.unit);
        println!("{name:<28} {value:>10.2} {unit:<5} {range:>22} {ratio:>13}  {goal}");
    }
}

fn rows(figures: &[Figure]) -> Vec<serde_json::Value> {
    let row = |figure: &Figure| {
        let (lowest, highest) = figure.range();
        json!({
            "name": figure.name, "value": figure.value(), "unit": figure.unit, "ratio": figure.ratio,
            "lowest": lowest, "highest": highest,
            "met": figure.is_met(),
        })
    };
    figures.iter().map(row).collect()
}
