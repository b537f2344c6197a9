//! AES-GCM with a 12-byte IV in front and a 16-byte tag behind, without associated data.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm, Nonce};

use super::{CodecError, word};

/// Bytes of an initialisation vector.
pub const IV: usize = 12;
/// Bytes of a tag.
pub const TAG: usize = 16;
/// What sealing adds to a data frame.
pub const DATA_OVERHEAD: usize = IV + TAG;
/// What sealing adds to an encrypted packet: the key index too.
pub const PACKET_OVERHEAD: usize = 4 + IV + TAG;

/// Key of an authenticated connection.
pub type AuthKey = [u8; 16];
/// Key of a session.
pub type SessionKey = [u8; 32];

fn seal<C>(key: &[u8], iv: [u8; IV], plain: &[u8]) -> Vec<u8>
where
    C: Aead + KeyInit + aes_gcm::aead::AeadCore<NonceSize = aes_gcm::aead::consts::U12>,
{
    // Only lengths far beyond the limits of every caller make encryption fail; an empty body is refused by
    // every receiver.
    C::new_from_slice(key)
        .ok()
        .and_then(|cipher| cipher.encrypt(&Nonce::from(iv), plain).ok())
        .unwrap_or_default()
}

fn open<C>(key: &[u8], body: &[u8]) -> Result<Vec<u8>, CodecError>
where
    C: Aead + KeyInit + aes_gcm::aead::AeadCore<NonceSize = aes_gcm::aead::consts::U12>,
{
    let (iv, sealed) = body.split_first_chunk::<IV>().ok_or(CodecError::Short("an encrypted body"))?;
    let cipher = C::new_from_slice(key).map_err(|_| CodecError::Decrypt)?;
    cipher.decrypt(&Nonce::from(*iv), sealed).map_err(|_| CodecError::Decrypt)
}

/// Seals a packet's body: `key index | IV | ciphertext | tag`.
pub fn seal_packet(key: &AuthKey, index: u32, iv: [u8; IV], plain: &[u8]) -> Vec<u8> {
    let mut body = index.to_le_bytes().to_vec();
    body.extend_from_slice(&iv);
    body.extend_from_slice(&seal::<Aes128Gcm>(key, iv, plain));
    body
}

/// The key index in front of a packet's encrypted body.
pub fn key_index(body: &[u8]) -> Result<u32, CodecError> {
    word(body, 0).ok_or(CodecError::Short("an encrypted body"))
}

/// Opens a packet's body.
pub fn open_packet(key: &AuthKey, body: &[u8]) -> Result<Vec<u8>, CodecError> {
    let body = body.get(4..).ok_or(CodecError::Short("an encrypted body"))?;
    open::<Aes128Gcm>(key, body)
}

/// Seals the body of a data frame: `IV | ciphertext | tag`.
pub fn seal_data(key: &SessionKey, iv: [u8; IV], plain: &[u8]) -> Vec<u8> {
    let mut body = iv.to_vec();
    body.extend_from_slice(&seal::<Aes256Gcm>(key, iv, plain));
    body
}

/// Opens the body of a data frame.
pub fn open_data(key: &SessionKey, body: &[u8]) -> Result<Vec<u8>, CodecError> {
    open::<Aes256Gcm>(key, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealing_is_aes_gcm() {
        // NIST's GCM test case 2 (AES-128) and 14 (AES-256): one block of zeros under zeros.
        let packet = seal_packet(&[0; 16], 7, [0; 12], &[0; 16]);
        assert_eq!(packet[..4], [7, 0, 0, 0]);
        let expected =
            [0x03, 0x88, 0xDA, 0xCE, 0x60, 0xB6, 0xA3, 0x92, 0xF3, 0x28, 0xC2, 0xB9, 0x71, 0xB2, 0xFE, 0x78];
        assert_eq!(packet[16..32], expected);
        assert_eq!(packet.len(), 16 + PACKET_OVERHEAD);
        let data = seal_data(&[0; 32], [0; 12], &[0; 16]);
        assert_eq!(data[12..16], [0xCE, 0xA7, 0x40, 0x3D]);
        assert_eq!(data.len(), 16 + DATA_OVERHEAD);
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let mut packet = seal_packet(&[1; 16], 1, [2; 12], b"reading");
        assert_eq!(open_packet(&[1; 16], &packet).unwrap(), b"reading");
        assert_eq!(open_packet(&[2; 16], &packet), Err(CodecError::Decrypt));
        packet[20] ^= 1;
        assert_eq!(open_packet(&[1; 16], &packet), Err(CodecError::Decrypt));
    }
}
