//! Files on the host that web requests look at and leave behind, and the headers that speak of them.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{HeaderMap, header};
use serde_json::json;

use super::client::header_value;
use crate::{
    controller::executor::Turn,
    protocol::{Blob, Failure, Json, Map, Outcome, Verdict},
};

/// What `stat` says of a path on the host; none when nothing is there.
///
/// # Errors
/// When the host cannot say.
pub async fn stat(turn: &Turn, path: &str) -> Result<Option<Map>, Failure> {
    let options = Map::from_iter([
        ("path".to_owned(), json!(path)),
        ("follow".to_owned(), json!(true)),
        ("get_checksum".to_owned(), json!(false)),
    ]);
    let outcome = turn.module("stat", options, &[]).await;
    if let Verdict::Failed(failure) = outcome.verdict {
        return Err(failure);
    }
    let stat = outcome.result.get("stat").and_then(Json::as_object);
    Ok(stat.filter(|stat| stat.get("exists") == Some(&Json::Bool(true))).cloned())
}

/// What a file on the host holds.
///
/// # Errors
/// When it cannot be read.
pub async fn slurp(turn: &Turn, path: &str) -> Result<Vec<u8>, Failure> {
    let outcome = turn.module("slurp", Map::from_iter([("src".to_owned(), json!(path))]), &[]).await;
    if let Verdict::Failed(failure) = outcome.verdict {
        return Err(failure);
    }
    let content = outcome.result.get("content").and_then(Json::as_str);
    let content = content.ok_or_else(|| Failure::new(format!("what {path} holds is not known yet")))?;
    STANDARD.decode(content).map_err(|error| Failure::new(format!("{path}: {error}")))
}

/// Asks for what has changed since a file on the host was written.
pub fn only_if_newer(headers: &mut HeaderMap, stat: &Map) {
    let seconds = stat.get("mtime").and_then(Json::as_f64).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "whole seconds are what the header holds")]
    let time =
        jiff::Timestamp::from_second(seconds as i64).map(|time| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Ok(time) = time
        && let Ok(value) = header_value(&time)
    {
        headers.insert(header::IF_MODIFIED_SINCE, value);
    }
}

/// The name that a server gives to what it sends; never one that leads elsewhere.
#[must_use]
pub fn disposition(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_DISPOSITION)?;
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    let name = text.split(';').map(str::trim).find_map(|part| part.strip_prefix("filename="))?;
    let name = name.trim_matches('"').rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    (!name.is_empty() && name != "." && name != "..").then_some(name)
}

/// Has the host put content in place, with the mode, owner and group that the task asks for; the result gets what `copy` says.
pub async fn place(turn: &Turn, given: &Map, dest: &str, blob: &Blob, mut so_far: Outcome) -> Outcome {
    let kept = ["mode", "owner", "group", "unsafe_writes", "backup"];
    let mut options: Map = given
        .iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    options.insert("dest".into(), json!(dest));
    options.insert("follow".into(), json!(true));
    options.insert("_blob".into(), Turn::blob(blob));
    let placed = turn.module("copy", options, std::slice::from_ref(blob)).await;
    so_far.verdict = placed.verdict;
    so_far.diffs = placed.diffs;
    so_far.warnings.extend(placed.warnings);
    so_far.predicted = placed.predicted;
    for (name, value) in placed.result {
        if !matches!(name.as_str(), "msg" | "src") {
            so_far.result.insert(name, value);
        }
    }
    so_far
}
