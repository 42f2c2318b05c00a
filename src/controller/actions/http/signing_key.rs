//! Signing keys of package sources: fetched as the host sees the address, and put in ASCII armour where they are not.

use std::{path::Path, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::Method;

use super::{Address, Client, Request, client::Follow, sink::drain, tls::HostTrust};
use crate::{controller::executor::Turn, protocol::Failure};

/// The most that a key holds.
const KEY_BYTES_MAX: u64 = 4 << 20;
/// How long connecting and the answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a key in ASCII armour holds.
const ARMOUR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Bytes on a line of armour: 64 letters.
const LINE_BYTES: usize = 48;

/// Fetches a key.
///
/// # Errors
/// When no server answers, or not with a key; the message says only why.
pub async fn fetch(turn: &Turn, url: &str, validate: bool) -> Result<Vec<u8>, Failure> {
    let trust = HostTrust { turn, validate, ca_path: None::<&Path>, client_cert: None, client_key: None };
    let mut client = Client::new(turn, &trust, PATIENCE);
    client.follow = Follow::All;
    let fetched = async {
        let address = Address::parse(url)?;
        let request = Request { method: Method::GET, address, headers: hyper::HeaderMap::new(), body: Bytes::new() };
        let mut answer = client.send(request).await?;
        let key = drain(&mut answer, Vec::new(), true, Some(KEY_BYTES_MAX), client.timeout, |_, _| {}).await?;
        Ok((answer.status, answer.reason.clone(), key))
    };
    match fetched.await {
        Ok((status, _, key)) if status.is_success() => Ok(key),
        Ok((status, reason, _)) => Err(Failure::new(format!("HTTP Error {}: {reason}", status.as_u16()))),
        Err(error) => {
            let error: super::HttpError = error;
            Err(Failure { message: error.to_string(), hint: error.hint() })
        }
    }
}

/// Whether a key is in ASCII armour.
#[must_use]
pub fn is_armoured(key: &[u8]) -> bool {
    key.windows(ARMOUR.len()).any(|window| window == ARMOUR.as_bytes())
}

/// A key in ASCII armour, whatever it came in.
#[must_use]
pub fn armoured(key: &[u8]) -> String {
    if is_armoured(key) {
        return String::from_utf8_lossy(key).into_owned();
    }
    let lines: String = key.chunks(LINE_BYTES).map(|bytes| format!("{}\n", STANDARD.encode(bytes))).collect();
    let sum = STANDARD.encode(&checksum(key).to_be_bytes()[1..]);
    format!("{ARMOUR}\n\n{lines}={sum}\n-----END PGP PUBLIC KEY BLOCK-----\n")
}

/// The 24 bits that close an armour (RFC 4880, 6.1).
fn checksum(bytes: &[u8]) -> u32 {
    const START: u32 = 0x00b7_04ce;
    const POLYNOMIAL: u32 = 0x0186_4cfb;
    bytes.iter().fold(START, |sum, &byte| {
        (0..8).fold(sum ^ (u32::from(byte) << 16), |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x0100_0000 == 0 { shifted } else { shifted ^ POLYNOMIAL }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armour_closes_with_the_checksum_of_the_standard() {
        // The check value of CRC-24/OPENPGP.
        assert_eq!(checksum(b"123456789"), 0x0021_cf02);
        let text = armoured(b"123456789");
        assert!(text.contains("\n\nMTIzNDU2Nzg5\n=Ic8C\n-----END"), "{text}");
        assert_eq!(armoured(text.as_bytes()), text);
    }
}
