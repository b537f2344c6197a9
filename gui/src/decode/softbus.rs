//! DSoftBus: discovery in CoAP (RFC 7252) on UDP port 5684, packets and frames of its TCP connections.

use super::{Layer, text, word_le};

/// Where all nodes listen.
const PORT: u16 = 5684;
/// How packets and frames begin.
const MAGIC: u32 = 0xbabe_face;

const MODULES: [(u32, &str, bool); 15] = [
    (1, "TRUST_ENGINE", true),
    (2, "HICHAIN", true),
    (3, "AUTH_SDK", true),
    (4, "HICHAIN_SYNC", true),
    (5, "CONNECTION", false),
    (6, "SESSION", false),
    (8, "AUTH_CHANNEL", true),
    (9, "AUTH_MSG", true),
    (11, "CONNECTION (standard)", false),
    (13, "PROXY", false),
    (14, "DEVICE_AUTH", false),
    (15, "P2P_LINK", false),
    (17, "UDP_INFO", false),
    (19, "TIME_SYNC", false),
    (21, "META_AUTH", false),
];

/// Whether a datagram between these ports is a discovery message.
pub fn is_discovery(from: u16, to: u16) -> bool {
    from == PORT || to == PORT
}

/// A CoAP message and the announcement in it.
pub fn discovery(data: &[u8], layers: &mut Vec<Layer>) {
    let Some((coap, path, payload)) = coap(data) else { return };
    layers.push(coap);
    let start = payload.iter().position(|byte| *byte == b'{').unwrap_or(payload.len());
    let end = payload.iter().rposition(|byte| *byte == b'}').map_or(start, |end| end + 1);
    let json: Option<serde_json::Value> =
        payload.get(start..end).and_then(|json| serde_json::from_slice(json).ok());
    let Some(serde_json::Value::Object(said)) = json else { return };
    let word =
        |name: &str| said.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned));
    let name = word("devicename").unwrap_or_default();
    let mut layer = Layer::new("DSoftBus", format!("{path} by {name}"));
    for (title, field) in [
        ("device", "deviceId"),
        ("name", "devicename"),
        ("type", "type"),
        ("mode", "mode"),
        ("address", "wlanIp"),
        ("capabilities", "capabilityBitmap"),
        ("services", "serviceData"),
        ("answer to", "coapUri"),
    ] {
        if let Some(value) = word(field) {
            layer = layer.with(title, value);
        }
    }
    layers.push(layer);
}

/// The message, its Uri-Path, its payload.
fn coap(data: &[u8]) -> Option<(Layer, String, &[u8])> {
    let (first, code) = (*data.first()?, *data.get(1)?);
    let id = super::half(data, 2)?;
    let kind = ["CON", "NON", "ACK", "RST"].get(usize::from(first >> 4 & 3))?;
    if first >> 6 != 1 {
        return None;
    }
    let method = match code {
        0 => "empty".to_owned(),
        1 => "GET".to_owned(),
        2 => "POST".to_owned(),
        3 => "PUT".to_owned(),
        4 => "DELETE".to_owned(),
        _ => format!("{}.{:02}", code >> 5, code & 0x1f),
    };
    let (mut at, mut option, mut path) = (4 + usize::from(first & 0xf), 0, Vec::new());
    while let Some(&head) = data.get(at).filter(|head| **head != 0xff) {
        at += 1;
        let mut number = |nibble: u8| match nibble {
            13 => {
                at += 1;
                Some(usize::from(*data.get(at - 1)?) + 13)
            }
            14 => {
                at += 2;
                Some(usize::from(super::half(data, at - 2)?) + 269)
            }
            15 => None,
            small => Some(usize::from(small)),
        };
        option += number(head >> 4)?;
        let length = number(head & 0xf)?;
        let value = data.get(at..at + length)?;
        at += length;
        // Uri-Path.
        if option == 11 {
            path.push(text(value, 64));
        }
    }
    let path = path.join("/");
    let layer = Layer::new("CoAP", format!("{kind} {method} {path}"))
        .with("type", *kind)
        .with("method", method)
        .with("message", id.to_string())
        .with("path", path.clone());
    Some((layer, path, data.get(at + 1..).unwrap_or_default()))
}

/// What a piece of a TCP connection begins with, when that is DSoftBus.
pub fn stream(data: &[u8], layers: &mut Vec<Layer>) {
    if word_le(data, 0) != Some(MAGIC) {
        return;
    }
    if let Some(layer) = packet(data).or_else(|| frame(data)) {
        layers.push(layer);
    }
}

/// Connections of authentication and of session requests: a header of 24 bytes.
fn packet(data: &[u8]) -> Option<Layer> {
    let (module, low, high) = (word_le(data, 4)?, word_le(data, 8)?, word_le(data, 12)?);
    let (flag, length) = (word_le(data, 16)?, word_le(data, 20)?);
    let (_, name, plain) = MODULES.iter().find(|(number, ..)| *number == module)?;
    if flag > 1 || length as usize > 64 * 1024 {
        return None;
    }
    let seq = u64::from(high) << 32 | u64::from(low);
    let what = if flag == 1 { "reply" } else { "request" };
    let body = data.get(24..).unwrap_or_default();
    let said = if *plain { text(body, 120) } else { "encrypted".to_owned() };
    Some(
        Layer::new("DSoftBus", format!("{name} {what} {seq}, {length} bytes, {said}"))
            .with("module", format!("{module} {name}"))
            .with("sequence", seq.to_string())
            .with("flag", format!("{flag} ({what})"))
            .with("length", length.to_string())
            .with("body", said),
    )
}

/// Connections of open sessions: a header of 16 bytes, then IV, ciphertext and tag.
fn frame(data: &[u8]) -> Option<Layer> {
    let (seq, flag, length) = (word_le(data, 4)?, word_le(data, 8)?, word_le(data, 12)?);
    let what = match flag {
        0 => "bytes",
        1 => "acknowledgement",
        2 => "message",
        3..=7 => "file",
        8 => "message, not waited for",
        _ => return None,
    };
    let content = length.checked_sub(28)?;
    Some(
        Layer::new("DSoftBus", format!("session {what} {seq}, {content} bytes encrypted"))
            .with("sequence", seq.to_string())
            .with("flag", format!("{flag} ({what})"))
            .with("length", format!("{length} ({content} of content)")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[u32], rest: &[u8]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).chain(rest.iter().copied()).collect()
    }

    fn said(data: &[u8]) -> Option<String> {
        let mut layers = Vec::new();
        stream(data, &mut layers);
        layers.pop().map(|layer| layer.info)
    }

    #[test]
    fn packets_and_frames_are_told_apart() {
        let plain = words(&[MAGIC, 1, 7, 0, 1, 2], b"{}");
        assert_eq!(said(&plain).as_deref(), Some("TRUST_ENGINE reply 7, 2 bytes, {}"));
        let sealed = words(&[MAGIC, 6, 1, 0, 0, 300], &[9; 300]);
        assert_eq!(said(&sealed).as_deref(), Some("SESSION request 1, 300 bytes, encrypted"));
        let data = words(&[MAGIC, 3, 2, 33], &[1; 33]);
        assert_eq!(said(&data).as_deref(), Some("session message 3, 5 bytes encrypted"));
        assert_eq!(said(&words(&[0x1234, 1, 7, 0, 1, 2], b"{}")), None);
    }

    #[test]
    fn announcements_are_told() {
        let mut data = vec![0x50, 2, 0x12, 0x34, 0x39];
        data.extend(b"10.0.0.99");
        data.push(0x8d);
        data.push(2);
        data.extend(b"device_discover");
        data.push(0xff);
        data.extend(br#"{"devicename":"watch","wlanIp":"10.0.0.2"}"#);
        data.push(0);
        let mut layers = Vec::new();
        discovery(&data, &mut layers);
        assert_eq!(layers[0].info, "NON POST device_discover");
        assert_eq!(layers[1].info, "device_discover by watch");
        assert!(layers[1].fields.contains(&("address", "10.0.0.2".to_owned())));
    }
}
