//! What a node is, as data of a fleet or board file.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::codec::cipher::AuthKey;
use super::codec::discovery::Style;
use super::net::tcp::Cut;

/// Which of the soft bus's stacks a node behaves like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The full stack of phones, pads, watches.
    #[default]
    Standard,
    /// The full stack of small devices.
    Small,
    /// The full stack of mini devices.
    Mini,
    /// The older lite stack: it is found and takes sessions, but neither seeks nor opens any.
    Lite,
}

impl Role {
    /// The most bytes of one SendBytes.
    pub const fn most_bytes(self) -> usize {
        match self {
            Self::Standard => 4 << 20,
            Self::Small => 1 << 20,
            Self::Mini => 2 << 10,
            Self::Lite => 4048,
        }
    }
    /// The most bytes of one SendMessage.
    pub const fn most_message(self) -> usize {
        match self {
            Self::Standard | Self::Small => 4 << 10,
            Self::Mini => 1 << 10,
            Self::Lite => 4048,
        }
    }
    /// The most sessions at one time.
    pub const fn most_sessions(self) -> usize {
        if matches!(self, Self::Lite) { 24 } else { 20 }
    }
    /// The most session servers.
    pub const fn most_servers(self) -> usize {
        if matches!(self, Self::Lite) { 8 } else { 32 }
    }
    /// The most services published or sought at one time.
    pub const fn most_services(self) -> usize {
        if matches!(self, Self::Lite) { 3 } else { 20 }
    }
    /// The longest packet body it takes.
    pub const fn packet_limit(self) -> usize {
        match self {
            Self::Lite => super::codec::packet::SMALL_LIMIT,
            _ => super::codec::packet::STANDARD_LIMIT,
        }
    }
    /// How it writes discovery messages.
    pub const fn style(self) -> Style {
        if matches!(self, Self::Lite) { Style::Lite } else { Style::Standard }
    }
    /// Whether its answers to a seeker want to be acknowledged: the full stack's do for the business types whose
    /// answers only applications give (soft bus, autonet, strategy).
    pub const fn answers_confirmably(self, business_type: u8) -> bool {
        match self {
            Self::Standard | Self::Small => matches!(business_type, 2 | 4 | 5),
            Self::Mini => true,
            Self::Lite => false,
        }
    }
    /// Whether it can seek, join and open sessions.
    pub const fn can_seek(self) -> bool {
        !matches!(self, Self::Lite)
    }
}

/// What kind of thing a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceType(pub u32);

impl DeviceType {
    const NAMES: [(&'static str, u32); 9] = [
        ("phone", 0x0E),
        ("pad", 0x11),
        ("tv", 0x9C),
        ("pc", 0x0C),
        ("audio", 0x0A),
        ("car", 0x83),
        ("watch", 0x6D),
        ("l0", 0xF1),
        ("l1", 0xF2),
    ];

    /// Its name, or its number in hexadecimal.
    pub fn name(self) -> String {
        let named = Self::NAMES.into_iter().find(|(_, number)| *number == self.0);
        named.map_or_else(|| format!("{:#x}", self.0), |(name, _)| name.to_owned())
    }

    /// In the words of a device information message.
    pub fn info_name(self) -> String {
        match self.0 {
            0xF1 => "DEV_L0".to_owned(),
            0xF2 => "DEV_L1".to_owned(),
            _ => self.name().to_uppercase(),
        }
    }
}

impl Default for DeviceType {
    fn default() -> Self {
        Self(0xF1)
    }
}

impl Serialize for DeviceType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for DeviceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Some((_, number)) = Self::NAMES.into_iter().find(|(name, _)| *name == text) {
            return Ok(Self(number));
        }
        let hex = text.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok());
        hex.map(Self).ok_or_else(|| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            de::Error::custom(format!(
                "`{text}` is no device type: {} or a number such as 0x6d",
                names.join(", ")
            ))
        })
    }
}

impl JsonSchema for DeviceType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeviceType".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(phone|pad|tv|pc|audio|car|watch|l0|l1|0x[0-9A-Fa-f]{1,8})$",
            "description": "phone, pad, tv, pc, audio, car, watch, l0, l1, or a number such as 0x6d."
        })
    }
}

/// What a device offers or seeks: a bit of the capability bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Capability {
    /// Calls.
    Hicall,
    /// Device profiles.
    Profile,
    /// Pictures on a home screen.
    HomevisionPic,
    /// Casting.
    CastPlus,
    /// Accessories.
    AaCapability,
    /// Device virtualisation.
    DvKit,
    /// Distributed data.
    DdmpCapability,
    /// Hardware sharing.
    OsdCapability,
    /// Sharing files.
    Share,
}

impl Capability {
    /// Its bit.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
    /// All of them together.
    pub fn bits(all: &[Self]) -> u32 {
        all.iter().fold(0, |bits, capability| bits | capability.bit())
    }
}

fn hex<const N: usize>(text: &str, separator: Option<char>) -> Option<[u8; N]> {
    let plain: String = text.chars().filter(|c| Some(*c) != separator).collect();
    let expected = 2 * N + if separator.is_some() { N - 1 } else { 0 };
    if text.len() != expected || plain.len() != 2 * N || !plain.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(plain.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// A MAC address, written `02:00:00:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&bytes.join(":"))
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex(&text, Some(':')).filter(|mac: &[u8; 6]| mac[0] & 1 == 0).map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{text}` is not a station's MAC address such as 02:00:00:00:00:01"))
        })
    }
}

impl JsonSchema for Mac {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mac".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$",
            "description": "A MAC address: 02:00:00:00:00:01."
        })
    }
}

/// A key of 16 bytes, written in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub AuthKey);

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex(&text, None)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("`{text}` is not a key: 32 hexadecimal digits")))
    }
}

impl JsonSchema for Key {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Key".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Fa-f]{32}$",
            "description": "A key of 128 bits in hexadecimal."
        })
    }
}

fn yes() -> bool {
    true
}

/// Pre-provisioned trust: a peer this node is paired with, and the key both were given. It stands in for
/// HiChain's PIN pairing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trusted {
    /// The peer's UDID; `*` for every device that has no entry of its own.
    pub udid: String,
    /// The key of the authenticated connection.
    pub key: Key,
    /// Whether the peer is expected to answer the trust exchange (module 3). A stub of HiChain that only takes the
    /// key does not: the node goes on after 100 ms instead of 3 s.
    #[serde(default = "yes")]
    pub answers: bool,
}

fn default_prefix() -> u8 {
    24
}

fn default_mac() -> Mac {
    Mac([2, 0, 0, 0, 0, 2])
}

fn default_ip() -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 0, 2)
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name for people; a scripted node's is the device's when empty, an adapter's is made of the MAC address.
    #[serde(default)]
    pub name: String,
    /// Which stack it behaves like.
    #[serde(default)]
    pub role: Role,
    /// What it is.
    #[serde(default)]
    pub device_type: DeviceType,
    /// Its unique device identifier, usually 64 hexadecimal digits; made of the MAC address when empty.
    #[serde(default)]
    pub udid: String,
    /// Its MAC address.
    #[serde(default = "default_mac")]
    pub mac: Mac,
    /// Its IPv4 address.
    #[serde(default = "default_ip")]
    pub ip: Ipv4Addr,
    /// Bits of the subnet mask, 8 to 30.
    #[serde(default = "default_prefix")]
    #[schemars(range(min = 8, max = 30))]
    pub prefix: u8,
    /// Peers it trusts.
    #[serde(default)]
    pub trust: Vec<Trusted>,
    /// The largest TCP payload it sends, to try peers with split messages.
    #[serde(default)]
    pub largest_segment: Option<u16>,
    /// How long it holds data back, to try peers with coalesced messages.
    #[serde(default)]
    pub hold: Option<consort_core::Time>,
    /// Whether it has the lite stack's known flaws, to try what its peers make of them: it takes what one segment
    /// brought for one frame, loses a packet whose beginning came with the one before, takes frames again that it had,
    /// and seals with the key it agreed on last, whoever with.
    #[serde(default)]
    pub flaws: bool,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            role: Role::default(),
            device_type: DeviceType::default(),
            udid: String::new(),
            mac: default_mac(),
            ip: default_ip(),
            prefix: default_prefix(),
            trust: Vec::new(),
            largest_segment: None,
            hold: None,
            flaws: false,
        }
    }
}

impl NodeConfig {
    /// Its UDID, given or made.
    pub fn udid(&self) -> String {
        if !self.udid.is_empty() {
            return self.udid.clone();
        }
        let mac: String = self.mac.0.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{mac:0>64}")
    }

    /// The trust in a device.
    pub fn trusted(&self, udid: &str) -> Option<&Trusted> {
        let entry = |name: &str| self.trust.iter().find(|trusted| trusted.udid == name);
        entry(udid).or_else(|| entry("*"))
    }

    /// Its name, given or made.
    pub fn name(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let [.., high, low] = self.mac.0;
        format!("node-{}", u16::from_be_bytes([high, low]))
    }

    pub(super) fn cut(&self) -> Cut {
        Cut { largest: self.largest_segment, hold: self.hold }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_mistakes_named() {
        let config: NodeConfig = serde_json::from_str(
            r#"{"name": "watch-1", "role": "mini", "device-type": "watch", "mac": "02:00:00:00:00:0a",
                "trust": [{"udid": "A", "key": "000102030405060708090a0b0c0d0e0f"}]}"#,
        )
        .unwrap();
        assert_eq!(config.device_type, DeviceType(0x6D));
        assert_eq!(config.trust[0].key.0[15], 15);
        assert_eq!(config.udid().len(), 64);
        assert!(config.udid().ends_with("0000020000000 00A".replace(' ', "").as_str()));
        for bad in [
            r#"{"device-type": "toaster"}"#,
            r#"{"mac": "01:00:00:00:00:00"}"#,
            r#"{"mac": "0200:00:00:00:0000"}"#,
            r#"{"trust": [{"udid": "A", "key": "00"}]}"#,
            r#"{"no-such-word": 1}"#,
        ] {
            assert!(serde_json::from_str::<NodeConfig>(bad).is_err(), "{bad}");
        }
        let saved = consort_core::state::to_bytes(&config).unwrap();
        assert_eq!(consort_core::state::from_bytes::<NodeConfig>(&saved).unwrap(), config);
    }
}
