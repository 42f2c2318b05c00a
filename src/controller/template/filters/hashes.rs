//! Filters that hash: checksums, UUIDs and password hashes.

use md5::Md5;
use minijinja::{Error, State, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, invalid};
use super::crypt;

pub(super) const ALL: &[Filter] = &[
    Filter::new("hash", "data hashtype", |_, args| digest(&args.text("data")?, &args.text_or("hashtype", "sha1"))),
    Filter::new("md5", "data", |_, args| digest(&args.text("data")?, "md5")),
    Filter::new("sha1", "data", |_, args| digest(&args.text("data")?, "sha1")),
    Filter::new("checksum", "data", |_, args| digest(&args.text("data")?, "sha1")),
    Filter::new("to_uuid", "string namespace", to_uuid),
    Filter::new("password_hash", "password hashtype salt salt_size rounds ident", password_hash),
];

type Outcome = Result<Value, Error>;

/// Ansible's own namespace for version 5 UUIDs.
const NAMESPACE: &str = "361E6D51-FAEC-444A-9079-341386DA8E2E";

fn hex(bytes: impl AsRef<[u8]>) -> String {
    use std::fmt::Write as _;
    bytes.as_ref().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn digest(data: &str, kind: &str) -> Outcome {
    let data = data.as_bytes();
    Ok(Value::from(match kind.to_lowercase().as_str() {
        "md5" => hex(Md5::digest(data)),
        "sha1" => hex(Sha1::digest(data)),
        "sha224" => hex(Sha224::digest(data)),
        "sha256" => hex(Sha256::digest(data)),
        "sha384" => hex(Sha384::digest(data)),
        "sha512" => hex(Sha512::digest(data)),
        _ => return Err(invalid(format!("unsupported hash type {kind}"))),
    }))
}

fn to_uuid(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let namespace = args.text_or("namespace", NAMESPACE);
    let parsed = Uuid::parse_str(&namespace).map_err(|_| {
        invalid(format!("Invalid value '{namespace}' for 'namespace': badly formed hexadecimal UUID string"))
    })?;
    Ok(Value::from(Uuid::new_v5(&parsed, args.text("string")?.as_bytes()).to_string()))
}

fn password_hash(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let kind = args.text_or("hashtype", "sha512");
    let scheme = match kind.as_str() {
        "md5" | "md5_crypt" => crypt::Scheme::Md5,
        "sha256" | "sha256_crypt" => crypt::Scheme::Sha256,
        "sha512" | "sha512_crypt" => crypt::Scheme::Sha512,
        "blowfish" | "bcrypt" => crypt::Scheme::Bcrypt,
        _ => {
            let known = "md5, blowfish, sha256, sha512";
            return Err(invalid(format!("{kind} is not in the list of supported passlib algorithms: {known}")));
        }
    };
    let settings = crypt::Settings {
        salt: args.some("salt").map(python::text).filter(|salt| !salt.is_empty()),
        salt_size: args.size("salt_size")?,
        rounds: args.int("rounds")?.filter(|rounds| *rounds > 0),
        ident: args.some("ident").map(python::text).filter(|ident| !ident.is_empty()),
    };
    crypt::hash(scheme, args.text("password")?.as_bytes(), &settings).map(Value::from)
}
