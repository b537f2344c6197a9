//! IEEE 802.15.4 frames (2020 edition, clause 7), with what 6LoWPAN (RFC 4944, 6282) begins them with.

use super::{Layer, half_le, reversed};

/// What follows the start-of-frame delimiter: length, then frame with check sequence.
pub fn frame(bits: &[u8], layers: &mut Vec<Layer>) {
    let length = usize::from(bits.first().copied().unwrap_or(0) & 0x7f);
    let data = bits.get(1..).unwrap_or_default();
    let data = &data[..data.len().min(length)];
    if mac(data, layers).is_none() {
        layers.push(Layer::new("802.15.4", "cut short"));
    }
}

fn mac(data: &[u8], layers: &mut Vec<Layer>) -> Option<()> {
    let control = half_le(data, 0)?;
    let kind =
        ["beacon", "data", "acknowledgement", "command", "reserved", "multipurpose", "fragment", "extended"];
    let kind = kind[usize::from(control & 7)];
    let (suppressed, compressed) = (control >> 8 & 1 != 0, control >> 6 & 1 != 0);
    let mut at = 2;
    let mut layer = Layer::new("802.15.4", kind).with("type", kind);
    if !suppressed {
        let number = data.get(at)?;
        layer = layer.with("sequence", number.to_string());
        layer.info += &format!(" {number}");
        at += 1;
    }
    let (mut ends, mut pan) = (Vec::new(), None);
    for (mode, is_source) in [(control >> 10 & 3, false), (control >> 14 & 3, true)] {
        let size = match mode {
            2 => 2,
            3 => 8,
            _ => continue,
        };
        if !(is_source && compressed) || pan.is_none() {
            pan = Some(half_le(data, at)?);
            at += 2;
        }
        let address = reversed(data.get(at..at + size)?);
        at += size;
        let address = if size == 2 { address.replace(':', "") } else { address };
        layer = layer.with(if is_source { "from" } else { "to" }, address.clone());
        ends.push((is_source, address));
    }
    if let Some(pan) = pan {
        layer = layer.with("PAN", format!("{pan:#06x}"));
    }
    match ends.as_slice() {
        [(_, to), (_, from)] => layer.info += &format!(" {from} → {to}"),
        [(true, from)] => layer.info += &format!(" of {from}"),
        [(false, to)] => layer.info += &format!(" to {to}"),
        _ => {}
    }
    layer = layer.with("acknowledgement", if control >> 5 & 1 != 0 { "wanted" } else { "not wanted" });
    layers.push(layer);
    let payload = data.get(at..data.len().saturating_sub(2)).unwrap_or_default();
    if control & 7 == 1 && control >> 3 & 1 == 0 {
        lowpan(payload, layers);
    }
    Some(())
}

fn lowpan(data: &[u8], layers: &mut Vec<Layer>) {
    let Some(first) = data.first() else { return };
    let info = match first {
        0x41 => "IPv6, not compressed".to_owned(),
        0x60..=0x7f => {
            let next = data.get(1).map_or("", |second| match (first >> 2 & 1, second) {
                (1, _) => ", next header compressed",
                _ => "",
            });
            format!("IPv6 header compressed{next}, {} bytes", data.len())
        }
        0xc0..=0xc7 => format!("first fragment of {} bytes", fragment(data)),
        0xe0..=0xe7 => format!(
            "fragment of {} bytes at {}",
            fragment(data),
            usize::from(data.get(4).copied().unwrap_or(0)) * 8
        ),
        0x80..=0xbf => "mesh".to_owned(),
        _ => return,
    };
    layers.push(Layer::new("6LoWPAN", info));
}

fn fragment(data: &[u8]) -> u16 {
    super::half(data, 0).unwrap_or(0) & 0x7ff
}

#[cfg(test)]
mod tests {
    fn said(frame: &[u8]) -> Vec<String> {
        let mut layers = Vec::new();
        super::frame(frame, &mut layers);
        layers.into_iter().map(|layer| format!("{} {}", layer.protocol, layer.info)).collect()
    }

    #[test]
    fn data_with_compressed_headers_is_told() {
        // Data, short addresses, one PAN; then a compressed IPv6 header and the check sequence.
        let frame = [15, 0x61, 0x88, 7, 0x23, 0x00, 0xff, 0xff, 0x34, 0x12, 0x7a, 0x33, 0, 0, 0xaa, 0xbb];
        assert_eq!(said(&frame), ["802.15.4 data 7 1234 → ffff", "6LoWPAN IPv6 header compressed, 4 bytes"]);
    }

    #[test]
    fn acknowledgements_have_only_a_number() {
        assert_eq!(said(&[5, 2, 0, 9, 0, 0]), ["802.15.4 acknowledgement 9"]);
        assert_eq!(said(&[5, 2]), ["802.15.4 cut short"]);
    }
}
