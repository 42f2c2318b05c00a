//! Bodies of requests: JSON, forms, and forms with files.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::protocol::{Json, Map};

/// What stays as it is in a form; a space becomes `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value as JSON; text that already is the body stays as it is.
#[must_use]
pub fn json(body: &Json) -> String {
    match body {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `a=1&b=2` from a mapping, or from a list of pairs; lists as values repeat their key.
///
/// # Errors
/// When it is neither.
pub fn form(body: &Json) -> Result<String, String> {
    let pairs: Vec<(String, &Json)> = match body {
        Json::String(text) => return Ok(text.clone()),
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Json::Array(items) => items
            .iter()
            .map(|item| match item.as_array().map(Vec::as_slice) {
                Some([key, value]) => Ok((text(key), value)),
                _ => Err(no_pair(item)),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err("failed to parse body as form_urlencoded: a mapping or a list of pairs is needed".into()),
    };
    let encode = |text: &str| utf8_percent_encode(text, FORM).to_string().replace("%20", "+");
    let mut parts = Vec::new();
    for (key, value) in pairs {
        match value {
            Json::Array(values) => {
                parts.extend(values.iter().map(|value| format!("{}={}", encode(&key), encode(&text(value)))));
            }
            value => parts.push(format!("{}={}", encode(&key), encode(&text(value)))),
        }
    }
    Ok(parts.join("&"))
}

/// Why an item is no pair, with the words that playbooks know from Python.
fn no_pair(item: &Json) -> String {
    let held = match item {
        Json::Array(values) => values.len(),
        Json::Object(values) => values.len(),
        Json::String(text) => text.chars().count(),
        _ => return "failed to parse body as form_urlencoded: a list has to hold pairs".to_owned(),
    };
    let problem = if held > 2 {
        "too many values to unpack (expected 2)".to_owned()
    } else {
        format!("not enough values to unpack (expected 2, got {held})")
    };
    format!("failed to parse body as form_urlencoded: {problem}")
}

/// A file in a form with files.
pub struct Part {
    /// Its field.
    pub field: String,
    /// Its name, where it is a file.
    pub file_name: Option<String>,
    /// Its type.
    pub mime_type: String,
    /// Base64 or as it is.
    pub base64: bool,
    /// What it holds.
    pub content: Vec<u8>,
}

/// The type and the bytes of `multipart/form-data`.
#[must_use]
pub fn multipart(parts: &[Part]) -> (String, Vec<u8>) {
    let boundary = format!("deployer-{}", uuid::Uuid::new_v4().simple());
    let mut body = Vec::new();
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "%22").replace(['\r', '\n'], " ");
    for part in parts {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quote(&part.field));
        if let Some(name) = &part.file_name {
            head.extend(["; filename=\"", &quote(name), "\""]);
        }
        head.push_str("\r\n");
        if part.file_name.is_some() || part.mime_type != "text/plain" {
            head.extend(["Content-Type: ", &part.mime_type.replace(['\r', '\n'], " "), "\r\n"]);
        }
        if part.base64 {
            head.push_str("Content-Transfer-Encoding: base64\r\n");
        }
        head.push_str("\r\n");
        body.extend_from_slice(head.as_bytes());
        if part.base64 {
            body.extend_from_slice(STANDARD.encode(&part.content).as_bytes());
        } else {
            body.extend_from_slice(&part.content);
        }
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// Reads the fields of `form-multipart`: text, or a mapping with `content` or `filename`, which `read` finds.
///
/// # Errors
/// When a field is neither, or its file cannot be read.
pub fn parts(body: &Json, read: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<Vec<Part>, String> {
    let Json::Object(fields) = body else {
        return Err("failed to parse body as form-multipart: a mapping is needed".into());
    };
    fields
        .iter()
        .map(|(field, value)| match value {
            Json::Object(about) => described(field, about, &read),
            Json::String(text) => Ok(Part {
                field: field.clone(),
                file_name: None,
                mime_type: "text/plain".into(),
                base64: false,
                content: text.clone().into_bytes(),
            }),
            other => {
                let kind = match other {
                    Json::Array(_) => "list",
                    Json::Bool(_) => "bool",
                    Json::Null => "NoneType",
                    number if number.is_f64() => "float",
                    _ => "int",
                };
                let problem =
                    "failed to parse body as form-multipart: value must be a string, or mapping, cannot be type";
                Err(format!("{problem} {kind}"))
            }
        })
        .collect()
}

fn described(field: &str, about: &Map, read: &impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<Part, String> {
    let word = |name: &str| about.get(name).filter(|value| !value.is_null()).map(text);
    let file = word("filename");
    let content = match (word("content"), &file) {
        (Some(content), _) => content.into_bytes(),
        (None, Some(file)) => read(file)?,
        (None, None) => return Err(format!("field {field}: at least one of filename or content must be provided")),
    };
    // What is read from a file goes as base64 unless it is said otherwise, and lines of text end as the format has it.
    let from_file = word("content").is_none();
    let base64 = match word("multipart_encoding").as_deref() {
        None => from_file,
        Some("7or8bit") => false,
        Some("base64") => true,
        Some(other) => return Err(format!("field {field}: multipart_encoding {other} is neither base64 nor 7or8bit")),
    };
    let content = match String::from_utf8(content) {
        Ok(text) if from_file && !base64 => text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes(),
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let name = file.as_deref().and_then(|file| file.rsplit('/').next()).map(str::to_owned);
    let fallback = if name.is_some() { "application/octet-stream" } else { "text/plain" };
    let mime_type = word("mime_type").unwrap_or_else(|| fallback.to_owned());
    Ok(Part { field: field.to_owned(), file_name: name, mime_type, base64, content })
}

/// A value as a form writes it.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        // As Python writes them, which is what servers have been getting.
        Json::Bool(true) => "True".into(),
        Json::Bool(false) => "False".into(),
        Json::Null => "None".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form(&json!({"a b": "ä&=", "n": [1, 2], "t": true})).unwrap(), "a+b=%C3%A4%26%3D&n=1&n=2&t=True");
        assert_eq!(form(&json!([["k", "v"], ["k", "w"]])).unwrap(), "k=v&k=w");
        assert_eq!(form(&json!("ready=made")).unwrap(), "ready=made");
        assert!(form(&json!([["k"]])).is_err());
    }

    #[test]
    fn files_travel_in_forms() {
        let body = json!({"note": "hi", "file": {"filename": "/tmp/x.bin", "mime_type": "image/png"}, "b": {"content": "z", "filename": "n", "multipart_encoding": "base64"}});
        let parts = parts(&body, |name| Ok(format!("<{name}>").into_bytes())).unwrap();
        let (kind, bytes) = multipart(&parts);
        let boundary = kind.split_once("boundary=").unwrap().1;
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches(boundary).count(), 4);
        assert!(text.contains("name=\"note\"\r\n\r\nhi\r\n"));
        assert!(text.contains("filename=\"x.bin\"\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nPC90bXAveC5iaW4+\r\n"));
        assert!(text.contains("Content-Transfer-Encoding: base64\r\n\r\neg==\r\n"));
        assert!(text.ends_with(&format!("--{boundary}--\r\n")));
    }
}
