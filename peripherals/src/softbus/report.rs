//! What a node's events are called in the trace: `docs/softbus.md` lists the words.

use std::collections::BTreeMap;

use super::error::ApiError;
use super::node::{Event, Node, SessionId, type_name};

/// The most of a payload that a report shows.
const SHOWN: usize = 256;

/// A payload as text, cut where it is long.
fn shown(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(&data[..data.len().min(SHOWN)]);
    let more = if data.len() > SHOWN { "..." } else { "" };
    format!("{text}{more}")
}

fn outcome(result: &Result<(), ApiError>) -> String {
    result.as_ref().map_or_else(ToString::to_string, |()| "ok".to_owned())
}

/// The word for an event, and its details by name.
pub(super) fn report(node: &Node, event: &Event) -> (&'static str, BTreeMap<String, String>) {
    let session = |id: &SessionId| {
        let name = node.session_name(*id).unwrap_or_default().to_owned();
        vec![("session", id.0.to_string()), ("name", name)]
    };
    let payload = |id: &SessionId, data: &[u8]| {
        let mut details = session(id);
        details.extend([("length", data.len().to_string()), ("data", shown(data))]);
        details
    };
    let (what, details) = match event {
        Event::Published { id } => ("published", vec![("service", id.to_string())]),
        Event::Discovering { id } => ("discovering", vec![("service", id.to_string())]),
        Event::Found(found) => (
            "found",
            vec![
                ("udid", found.udid.clone()),
                ("name", found.name.clone()),
                ("type", type_name(found.device_type)),
                ("ip", found.ip.to_string()),
                ("capability", format!("{:#x}", found.capability)),
            ],
        ),
        Event::Joined { udid, result } => {
            ("joined", vec![("udid", udid.clone()), ("result", outcome(result))])
        }
        Event::Online { udid, name, ip } => {
            ("online", vec![("udid", udid.clone()), ("name", name.clone()), ("ip", ip.to_string())])
        }
        Event::Offline { udid } => ("offline", vec![("udid", udid.clone())]),
        Event::Left { udid, result } => ("left", vec![("udid", udid.clone()), ("result", outcome(result))]),
        Event::SessionOpened { id, name, udid, incoming, result } => (
            "session-opened",
            vec![
                ("session", id.0.to_string()),
                ("name", name.clone()),
                ("udid", udid.clone()),
                ("by", if *incoming { "peer" } else { "this" }.to_owned()),
                ("result", outcome(result)),
            ],
        ),
        Event::SessionClosed { id, name } => {
            ("session-closed", vec![("session", id.0.to_string()), ("name", name.clone())])
        }
        Event::Bytes { id, data } => ("bytes", payload(id, data)),
        Event::Message { id, data } => ("message", payload(id, data)),
        Event::MessageSent { id, seq, result } => {
            let mut details = session(id);
            details.extend([("number", seq.to_string()), ("result", outcome(result))]);
            ("message-sent", details)
        }
        Event::Malformed { from, what } => {
            let from = from.map_or_else(|| "the wire".to_owned(), |from| from.to_string());
            ("malformed", vec![("from", from), ("problem", what.clone())])
        }
    };
    (what, details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
