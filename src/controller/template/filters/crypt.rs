//! Password hashes as the user database keeps them.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use md5::Md5;
use minijinja::Error;
use sha_crypt::Params;
use sha2::Digest;

use super::arguments::invalid;

/// A way to hash a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `$1$`.
    Md5,
    /// `$5$`.
    Sha256,
    /// `$6$`.
    Sha512,
    /// `$2b$`.
    Bcrypt,
}

/// What may be chosen.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The salt; a random one if absent.
    pub salt: Option<String>,
    /// Characters of a random salt.
    pub salt_size: Option<usize>,
    /// Rounds, or for bcrypt their logarithm.
    pub rounds: Option<i64>,
    /// The bcrypt variant: `2a`, `2b`, `2y`.
    pub ident: Option<String>,
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Hashes a password. Fails on a salt with foreign characters or of the wrong length, and on rounds out of bounds.
pub fn hash(scheme: Scheme, password: &[u8], settings: &Settings) -> Result<String, Error> {
    if password.contains(&0) {
        return Err(invalid("Could not hash the secret."));
    }
    let (longest, default_size) = match scheme {
        Scheme::Md5 => (8, 8),
        Scheme::Sha256 | Scheme::Sha512 => (16, 16),
        Scheme::Bcrypt => (22, 22),
    };
    let salt =
        settings.salt.clone().unwrap_or_else(|| random_salt(settings.salt_size.unwrap_or(default_size).min(longest)));
    let fits = if scheme == Scheme::Bcrypt { salt.len() == longest } else { salt.len() <= longest };
    if !fits || !salt.bytes().all(|byte| ALPHABET.contains(&byte)) {
        return Err(invalid(format!(
            "Could not hash the secret. The salt must be at most {longest} characters of ./0-9A-Za-z"
        )));
    }
    match scheme {
        Scheme::Md5 => Ok(format!("$1${salt}${}", md5(password, salt.as_bytes()))),
        Scheme::Bcrypt => bcrypt(password, &salt, settings),
        Scheme::Sha256 | Scheme::Sha512 => {
            let rounds = settings.rounds.unwrap_or(if scheme == Scheme::Sha512 { 656_000 } else { 535_000 });
            let rounds = u32::try_from(rounds).ok().filter(|rounds| (1000..=999_999_999).contains(rounds));
            let rounds = rounds
                .ok_or_else(|| invalid("Could not hash the secret. Rounds must lie between 1000 and 999999999"))?;
            let params = Params::new(rounds).map_err(|_| invalid("Could not hash the secret."))?;
            let named = if rounds == 5000 { String::new() } else { format!("rounds={rounds}$") };
            let (ident, digest) = if scheme == Scheme::Sha256 {
                ("5", sha256_text(&sha_crypt::sha256_crypt(password, salt.as_bytes(), params)))
            } else {
                ("6", sha512_text(&sha_crypt::sha512_crypt(password, salt.as_bytes(), params)))
            };
            Ok(format!("${ident}${named}{salt}${digest}"))
        }
    }
}

fn random_salt(size: usize) -> String {
    (0..size).map(|_| char::from(ALPHABET[usize::from(rand::random::<u8>() & 63)])).collect()
}

fn bcrypt(password: &[u8], salt: &str, settings: &Settings) -> Result<String, Error> {
    let config = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_encode_padding(false);
    let config = config.with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone);
    let raw = GeneralPurpose::new(&BCRYPT, config).decode(salt).ok().and_then(|raw| <[u8; 16]>::try_from(raw).ok());
    let raw = raw.ok_or_else(|| invalid("Could not hash the secret. The salt is not one of bcrypt"))?;
    let version = match settings.ident.as_deref().unwrap_or("2b").trim_matches('$') {
        "2a" => bcrypt::Version::TwoA,
        "2b" => bcrypt::Version::TwoB,
        "2y" => bcrypt::Version::TwoY,
        other => return Err(invalid(format!("Could not hash the secret. Unknown ident '{other}'"))),
    };
    let cost = u32::try_from(settings.rounds.unwrap_or(12)).unwrap_or(0);
    let parts = bcrypt::hash_with_salt(password, cost, raw)
        .map_err(|error| invalid(format!("Could not hash the secret. {error}")))?;
    Ok(parts.format_for_version(version))
}

/// Up to four characters of 24 bits, lowest bits first.
fn push_bits(out: &mut String, bytes: [u8; 3], count: usize) {
    let mut bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
    for _ in 0..count {
        out.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
}

fn sha256_text(digest: &[u8; 32]) -> String {
    let (mut out, mut triple) = (String::new(), [0, 10, 20]);
    for _ in 0..10 {
        push_bits(&mut out, triple.map(|index: usize| digest[index]), 4);
        triple = [triple[2] + 1, triple[0] + 1, triple[1] + 1];
    }
    push_bits(&mut out, [0, digest[31], digest[30]], 3);
    out
}

fn sha512_text(digest: &[u8; 64]) -> String {
    let (mut out, mut triple) = (String::new(), [0, 21, 42]);
    for _ in 0..21 {
        push_bits(&mut out, triple.map(|index: usize| digest[index]), 4);
        triple = [triple[1] + 1, triple[2] + 1, triple[0] + 1];
    }
    push_bits(&mut out, [0, 0, digest[63]], 2);
    out
}

fn md5(password: &[u8], salt: &[u8]) -> String {
    let inner = Md5::digest([password, salt, password].concat());
    let mut first = Md5::new();
    first.update(password);
    first.update(b"$1$");
    first.update(salt);
    for chunk in password.chunks(16) {
        first.update(&inner[..chunk.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0][..] } else { &password[..1] });
        length >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        next.update(if round & 1 == 1 { password } else { &digest[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if round & 1 == 1 { &digest[..] } else { password });
        digest = next.finalize();
    }
    let mut out = String::new();
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push_bits(&mut out, [digest[high], digest[middle], digest[low]], 4);
    }
    push_bits(&mut out, [0, 0, digest[11]], 2);
    out
}
