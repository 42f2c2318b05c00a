//! The vault file format, versions 1.1 and 1.2: AES-256-CTR, HMAC-SHA256, PBKDF2 with 10,000 rounds.

use aes::Aes256;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{Secret, VaultError};

/// What every vault begins with.
/// How every encrypted text begins.
pub const MAGIC: &str = "$ANSIBLE_VAULT;";
/// Fixed by the format.
const ROUNDS: u32 = 10_000;
/// Fixed by the format: cipher key, authentication key and counter, cut from one derivation.
const DERIVED: usize = 32 + 32 + 16;
/// The cipher's block, to which the format pads.
const BLOCK: usize = 16;
/// Hexadecimal digits per line, as written by everything that writes vaults.
const LINE: usize = 80;
/// Bytes of salt when writing.
const SALT: usize = 32;

/// Whether the text is a vault.
#[must_use]
pub fn is_vault(text: &str) -> bool {
    text.starts_with(MAGIC)
}

/// The id in the header; `default` where the header has none, as Ansible says.
#[must_use]
pub fn vault_id(text: &str) -> &str {
    let header = text.lines().next().unwrap_or_default();
    header.split(';').nth(3).map_or("default", str::trim)
}

/// Opens a vault. A wrong password and a damaged text look the same: [`VaultError::WrongPassword`].
pub fn decrypt(text: &str, password: &Secret<Vec<u8>>) -> Result<Secret<Vec<u8>>, VaultError> {
    let (header, body) = text.split_once('\n').ok_or(VaultError::Malformed("nothing follows the header"))?;
    check_header(header)?;
    let digits: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    let envelope = unhex(digits.as_bytes())?;
    let mut parts = envelope.splitn(3, |byte| *byte == b'\n');
    let (Some(salt), Some(digest), Some(sealed)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(VaultError::Malformed("salt, digest and content are not all there"));
    };
    let (salt, digest, sealed) = (unhex(salt)?, unhex(digest)?, unhex(sealed)?);

    let keys = derive(password, &salt);
    let wrong = || VaultError::WrongPassword { id: vault_id(text).to_owned(), tried: Vec::new() };
    authenticator(&keys, &sealed).verify_slice(&digest).map_err(|_| wrong())?;
    let mut plain = Zeroizing::new(sealed);
    cipher(&keys).apply_keystream(&mut plain);
    let padding = usize::from(*plain.last().ok_or(VaultError::Malformed("the content is empty"))?);
    if padding == 0 || padding > BLOCK || padding > plain.len() {
        return Err(VaultError::Malformed("the padding is wrong"));
    }
    let length = plain.len() - padding;
    plain.truncate(length);
    Ok(Secret::new(std::mem::take(&mut *plain)))
}

/// Writes a vault: version 1.2 with an id, 1.1 without, ending in a newline.
#[must_use]
pub fn encrypt(plain: &[u8], password: &Secret<Vec<u8>>, id: Option<&str>) -> String {
    let salt: [u8; SALT] = rand::random();
    let keys = derive(password, &salt);
    let padding = BLOCK - plain.len() % BLOCK;
    let mut sealed = plain.to_vec();
    sealed.extend(std::iter::repeat_n(u8::try_from(padding).unwrap_or_default(), padding));
    cipher(&keys).apply_keystream(&mut sealed);
    let digest = authenticator(&keys, &sealed).finalize().into_bytes();

    let envelope = [hex(&salt), hex(&digest), hex(&sealed)].join("\n");
    let mut text = match id.filter(|id| *id != "default") {
        Some(id) => format!("{MAGIC}1.2;AES256;{id}\n"),
        None => format!("{MAGIC}1.1;AES256\n"),
    };
    let digits = hex(envelope.as_bytes());
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text
}

fn check_header(header: &str) -> Result<(), VaultError> {
    let fields: Vec<&str> = header.trim_end().split(';').map(str::trim).collect();
    match fields.as_slice() {
        ["$ANSIBLE_VAULT", "1.1" | "1.2", "AES256", ..] => Ok(()),
        ["$ANSIBLE_VAULT", rest @ ..] => Err(VaultError::Unsupported(rest.join(";"))),
        _ => Err(VaultError::Malformed("the header is missing")),
    }
}

fn derive(password: &Secret<Vec<u8>>, salt: &[u8]) -> Zeroizing<[u8; DERIVED]> {
    let mut keys = Zeroizing::new([0; DERIVED]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, ROUNDS, &mut *keys);
    keys
}

fn cipher(keys: &[u8; DERIVED]) -> Ctr128BE<Aes256> {
    let (mut key, mut counter) = (Zeroizing::new([0; 32]), [0; BLOCK]);
    key.copy_from_slice(&keys[..32]);
    counter.copy_from_slice(&keys[64..]);
    Ctr128BE::new((&*key).into(), (&counter).into())
}

fn authenticator(keys: &[u8; DERIVED], sealed: &[u8]) -> Hmac<Sha256> {
    let mut key = Zeroizing::new([0; 64]);
    // HMAC pads a key shorter than its block with zeros, so this equals a 32-byte key and cannot fail on length.
    key[..32].copy_from_slice(&keys[32..64]);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*key).into());
    mac.update(sealed);
    mac
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(digits: &[u8]) -> Result<Vec<u8>, VaultError> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().ok_or(VaultError::Malformed("it is not made of hexadecimal digits"))
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
