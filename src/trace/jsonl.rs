//! Every event as a JSON object on a line of its own.

use consort_core::trace::Event;
use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    device: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

/// An event of a device.
pub fn line(device: &str, event: &Event) -> String {
    serde_json::to_string(&Line { device, event }).unwrap_or_default()
}
