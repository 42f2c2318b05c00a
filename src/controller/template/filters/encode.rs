//! Filters that encode: base64, URLs.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, invalid, is_list, items};

pub(super) const ALL: &[Filter] = &[
    Filter::new("b64encode", "string encoding urlsafe", b64encode),
    Filter::new("b64decode", "string encoding urlsafe", b64decode),
    Filter::new("urlencode", "value", urlencode),
    Filter::new("urldecode", "value", urldecode),
    Filter::new("urlsplit", "value query alias", urlsplit),
];

type Outcome = Result<Value, Error>;

fn engine(url_safe: bool) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(if url_safe { &URL_SAFE } else { &STANDARD }, config)
}

/// Bytes of a string in one of the encodings named by `encoding=`.
fn encoded(value: &Value, encoding: &str) -> Result<Vec<u8>, Error> {
    if value.kind() == ValueKind::Bytes {
        return Ok(value.as_bytes().unwrap_or_default().to_vec());
    }
    let text = python::text(value);
    match encoding.to_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" => Ok(text.into_bytes()),
        "utf-16-le" | "utf-16le" => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf-16-be" | "utf-16be" => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "utf-16" => Ok([0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()),
        "ascii" | "us-ascii" if text.is_ascii() => Ok(text.into_bytes()),
        "latin-1" | "latin1" | "iso-8859-1" => text
            .chars()
            .map(|character| u8::try_from(u32::from(character)))
            .collect::<Result<_, _>>()
            .map_err(|_| unfit(encoding)),
        "ascii" | "us-ascii" => Err(unfit(encoding)),
        _ => Err(invalid(format!("unknown encoding: {encoding}"))),
    }
}

fn unfit(encoding: &str) -> Error {
    invalid(format!("'{encoding}' codec can't encode the text"))
}

/// The text of bytes in one of the encodings named by `encoding=`.
pub fn decoded(bytes: Vec<u8>, encoding: &str) -> Result<String, Error> {
    let wide = |bytes: &[u8], pair: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| pair([unit[0], unit[1]])).collect();
        String::from_utf16(&units).map_err(|_| unreadable(encoding))
    };
    match encoding.to_lowercase().replace('_', "-").replace("iso8859", "iso-8859").as_str() {
        "utf-8" | "utf8" => String::from_utf8(bytes).map_err(|_| unreadable(encoding)),
        "ascii" | "us-ascii" if bytes.is_ascii() => String::from_utf8(bytes).map_err(|_| unreadable(encoding)),
        "ascii" | "us-ascii" => Err(unreadable(encoding)),
        "utf-16-le" | "utf-16le" => wide(&bytes, u16::from_le_bytes),
        "utf-16-be" | "utf-16be" => wide(&bytes, u16::from_be_bytes),
        "utf-16" => match bytes.as_slice() {
            [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
            [0xff, 0xfe, rest @ ..] | rest => wide(rest, u16::from_le_bytes),
        },
        "latin-1" | "latin1" | "iso-8859-1" => Ok(bytes.into_iter().map(char::from).collect()),
        _ => Err(invalid(format!("unknown encoding: {encoding}"))),
    }
}

fn unreadable(encoding: &str) -> Error {
    invalid(format!("'{encoding}' codec can't decode the decoded bytes"))
}

fn b64encode(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let bytes = encoded(args.need("string")?, &args.text_or("encoding", "utf-8"))?;
    Ok(Value::from(engine(args.flag("urlsafe")).encode(bytes)))
}

fn b64decode(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("string")?;
    // Characters outside the alphabet, line breaks above all, are passed over.
    let url_safe = args.flag("urlsafe");
    let extra: &[char] = if url_safe { &['-', '_', '+', '/'] } else { &['+', '/'] };
    let mut clean: String = text
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || extra.contains(character) || *character == '=')
        .collect();
    if url_safe {
        clean = clean.replace('+', "-").replace('/', "_");
    }
    let end = clean.find('=').map_or(clean.len(), |first| first);
    let padding = (4 - end % 4) % 4;
    if clean.len() < end + padding {
        return Err(invalid("Incorrect padding"));
    }
    clean.truncate(end + padding);
    let bytes = engine(url_safe).decode(clean).map_err(|error| invalid(error.to_string()))?;
    decoded(bytes, &args.text_or("encoding", "utf-8")).map(Value::from)
}

/// Percent-encodes everything but letters, digits, `_.-~` and the given others.
pub(super) fn percent_encoded(text: &str, safe: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn urlencode(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let pairs = match value.kind() {
        ValueKind::Map => python::pairs(value),
        _ if is_list(value) => {
            let mut pairs = Vec::new();
            for item in items(value)? {
                let [key, value] = items(&item)?.try_into().map_err(|_| invalid("urlencode() needs pairs"))?;
                pairs.push((key, value));
            }
            pairs
        }
        _ => return Ok(Value::from(percent_encoded(&python::text(value), "/"))),
    };
    let quote = |value: &Value| percent_encoded(&python::text(value), "").replace("%20", "+");
    let parts: Vec<String> = pairs.iter().map(|(key, value)| format!("{}={}", quote(key), quote(value))).collect();
    Ok(Value::from(parts.join("&")))
}

/// Undoes percent-encoding; bytes that are not UTF-8 become replacement characters.
fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn urldecode(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    Ok(Value::from(percent_decoded(&args.text("value")?.replace('+', " "))))
}

/// The parts of a URL, cut where `urllib.parse.urlsplit` cuts.
#[derive(Debug, Default)]
pub(in super::super) struct Url {
    pub scheme: String,
    pub netloc: String,
    pub path: String,
    pub query: String,
    pub fragment: String,
}

impl Url {
    pub(in super::super) fn split(text: &str) -> Result<Self, Error> {
        let clean: String = text
            .trim_start_matches(|character: char| character <= ' ')
            .chars()
            .filter(|character| !matches!(character, '\t' | '\r' | '\n'))
            .collect();
        let mut rest = clean.as_str();
        let mut url = Self::default();
        if let Some((scheme, tail)) = rest.split_once(':') {
            let known = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
            if scheme.starts_with(|character: char| character.is_ascii_alphabetic()) && scheme.chars().all(known) {
                url.scheme = scheme.to_lowercase();
                rest = tail;
            }
        }
        if let Some(tail) = rest.strip_prefix("//") {
            let end = tail.find(['/', '?', '#']).unwrap_or(tail.len());
            tail[..end].clone_into(&mut url.netloc);
            rest = &tail[end..];
            if url.netloc.contains('[') != url.netloc.contains(']') {
                return Err(invalid("Invalid IPv6 URL"));
            }
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        fragment.clone_into(&mut url.fragment);
        path.clone_into(&mut url.path);
        query.clone_into(&mut url.query);
        Ok(url)
    }

    /// User, password, host and port of the network location.
    fn authority(&self) -> Result<[Value; 4], Error> {
        let none = || Value::from(());
        let (user, host) =
            self.netloc.rsplit_once('@').map_or((None, self.netloc.as_str()), |(user, host)| (Some(user), host));
        let (name, password) = user.map_or((None, None), |user| {
            user.split_once(':').map_or((Some(user), None), |(name, password)| (Some(name), Some(password)))
        });
        let (host, port) = match host.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some((inner, tail)) => (inner, tail.strip_prefix(':')),
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port = match port.filter(|port| !port.is_empty()) {
            Some(port) => Value::from(
                port.parse::<u16>()
                    .map_err(|_| invalid(format!("Port could not be cast to integer value as '{port}'")))?,
            ),
            None => none(),
        };
        let host = if host.is_empty() { none() } else { Value::from(host.to_lowercase()) };
        Ok([name.map_or_else(none, Value::from), password.map_or_else(none, Value::from), host, port])
    }
}

fn urlsplit(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let url = Url::split(&args.text("value")?)?;
    let [username, password, hostname, port] = url.authority()?;
    let parts = Value::from_pairs([
        ("fragment", Value::from(url.fragment)),
        ("hostname", hostname),
        ("netloc", Value::from(url.netloc)),
        ("password", password),
        ("path", Value::from(url.path)),
        ("port", port),
        ("query", Value::from(url.query)),
        ("scheme", Value::from(url.scheme)),
        ("username", username),
    ]);
    let wanted = args.text_or("query", "");
    if wanted.is_empty() {
        return Ok(parts);
    }
    let part = parts.get_attr(&wanted)?;
    if part.is_undefined() {
        return Err(invalid(format!("urlsplit: unknown URL component: {wanted}")));
    }
    Ok(part)
}
