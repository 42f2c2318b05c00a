//! Whether a password is the one whose digest PostgreSQL keeps.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::remote::modules::checksums::Algorithm;

/// More rounds than any server asks for, lest a broken entry keep us busy.
const ROUNDS_MAX: u32 = 10_000_000;

/// Whether a password, plain or already a digest, is what the server keeps for a user.
#[must_use]
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
    let mut salted = [0_u8; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, rounds, &mut salted);
    let mut client = Hmac::<Sha256>::new_from_slice(&salted).ok()?;
    client.update(b"Client Key");
    Some(Sha256::digest(client.finalize().into_bytes()).as_slice() == stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again() {
        // Salt, rounds and keys that belong to RFC 7677's exchange, whose password is `pencil`.
        let kept = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert!(is_kept("user", "pencil", Some(kept)) && !is_kept("user", "Pencil", Some(kept)));
        assert!(is_kept("user", kept, Some(kept)));
        let kept = "md51336ddf712b53e2c9f51af2f7c5af6c2";
        assert!(is_kept("joe", "pw", Some(kept)) && !is_kept("jim", "pw", Some(kept)));
        assert!(is_kept("joe", "", None) && !is_kept("joe", "", Some(kept)) && !is_kept("joe", "pw", None));
    }
}
