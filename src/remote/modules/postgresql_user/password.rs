//! Whether a password is the one whose digest PostgreSQL keeps.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::remote::modules::checksums::Algorithm;

/// More rounds than any server asks for, lest a broken entry keep the host busy.
const ROUNDS_MAX: u32 = 10_000_000;

/// Whether a password, plain or already a digest, is what the server keeps for a user.
pub fn is_kept(user: &str, password: &str, kept: Option<&str>) -> bool {
    let Some(kept) = kept else { return password.is_empty() };
    if password.is_empty() {
        return false;
    }
    if password == kept {
        return true;
    }
    if let Some(rest) = kept.strip_prefix("SCRAM-SHA-256$") {
        return scram(password, rest).unwrap_or(false);
    }
    kept.strip_prefix("md5").is_some_and(|sum| sum == Algorithm::Md5.bytes(format!("{password}{user}").as_bytes()))
}

/// Reads `ROUNDS:SALT$STORED:SERVER` and works the stored key out anew (RFC 5802).
fn scram(password: &str, entry: &str) -> Option<bool> {
    let (costs, keys) = entry.split_once('$')?;
    let (rounds, salt) = costs.split_once(':')?;
    let rounds: u32 = rounds.parse().ok().filter(|rounds| (1..=ROUNDS_MAX).contains(rounds))?;
    let (salt, stored) = (STANDARD.decode(salt).ok()?, STANDARD.decode(keys.split_once(':')?.0).ok()?);
    let salted = stretched(password.as_bytes(), &salt, rounds);
    Some(Sha256::digest(hmac(&salted, b"Client Key")).as_slice() == stored)
}

/// The first block of PBKDF2 with HMAC-SHA-256.
fn stretched(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut sum = last;
    for _ in 1..rounds {
        last = hmac(password, &last);
        sum.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        // RFC 4231, second test, and RFC 7914, section 11.
        let sum = hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(sum), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let sum = stretched(b"passwd", b"salt", 1);
        assert_eq!(hex(sum), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }

    #[test]
    fn a_password_is_known_again() {
        // The exchange of RFC 7677: password `pencil`.
        let stored = {
            let salted = stretched(b"pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096);
            STANDARD.encode(Sha256::digest(hmac(&salted, b"Client Key")))
        };
        let kept = format!("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==${stored}:x");
        assert_eq!(stored, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert!(is_kept("user", "pencil", Some(&kept)) && !is_kept("user", "Pencil", Some(&kept)));
        let kept = "md51336ddf712b53e2c9f51af2f7c5af6c2";
        assert!(is_kept("joe", "pw", Some(kept)) && !is_kept("jim", "pw", Some(kept)));
        assert!(is_kept("joe", "", None) && !is_kept("joe", "", Some("md5x")) && !is_kept("joe", "pw", None));
    }
}
