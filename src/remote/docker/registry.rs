//! Logins to registries as `docker_login` leaves them on the host.

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose};

use crate::{
    protocol::{Json, Map},
    remote::{Probe, Stop},
};

/// The key under which logins to Docker Hub stand.
pub const HUB: &str = "https://index.docker.io/v1/";

/// Where logins stand unless something else is said.
#[must_use]
pub fn config_path(probe: &Probe<'_>) -> PathBuf {
    match probe.variable("DOCKER_CONFIG") {
        Some(directory) => PathBuf::from(directory).join("config.json"),
        None => PathBuf::from(probe.variable("HOME").unwrap_or_else(|| "/root".to_owned())).join(".docker/config.json"),
    }
}

/// The configuration; empty where there is none.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn config(probe: &Probe<'_>, path: &std::path::Path) -> Result<Map, Stop> {
    if !probe.exists(path)? {
        return Ok(Map::new());
    }
    let text = probe.read_text(path)?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    // The text may hold passwords: the error must not quote it.
    serde_json::from_str(&text).map_err(|_| Stop::failed(format!("{} is not a JSON mapping", path.display())))
}

/// The name of a registry as logins are kept under.
#[must_use]
pub fn key(registry: &str) -> String {
    let plain = registry.trim_start_matches("https://").trim_start_matches("http://");
    match plain.trim_end_matches('/') {
        "docker.io" | "index.docker.io" | "index.docker.io/v1" | "registry-1.docker.io" | "" => HUB.to_owned(),
        other => other.to_owned(),
    }
}

/// User and password of a registry, where a login is kept.
#[must_use]
pub fn login(config: &Map, registry: &str) -> Option<(String, String)> {
    let wanted = key(registry);
    let auths = config.get("auths")?.as_object()?;
    let entry = auths.iter().find(|(name, _)| key(name) == wanted).map(|(_, entry)| entry)?;
    let decoded = general_purpose::STANDARD.decode(entry["auth"].as_str()?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

/// The value of `X-Registry-Auth` for a registry, or nothing without a login.
///
/// # Errors
/// When logins are there and cannot be read.
pub fn header(probe: &Probe<'_>, registry: &str) -> Result<Option<String>, Stop> {
    let config = config(probe, &config_path(probe))?;
    Ok(login(&config, registry).map(|(user, password)| {
        let json: Json = serde_json::json!({
            "username": user, "password": password, "serveraddress": key(registry),
        });
        general_purpose::URL_SAFE.encode(json.to_string())
    }))
}

/// The value of `X-Registry-Config` with every login that is kept, or nothing without any.
///
/// # Errors
/// When logins are there and cannot be read.
pub fn all(probe: &Probe<'_>) -> Result<Option<String>, Stop> {
    let kept = logins(&config(probe, &config_path(probe))?);
    Ok((!kept.is_empty()).then(|| general_purpose::URL_SAFE.encode(Json::from(kept).to_string())))
}

/// Every login that is kept, as the engine takes them: registry to user and password.
fn logins(config: &Map) -> Map {
    let names = config.get("auths").and_then(Json::as_object).into_iter().flat_map(Map::keys).map(|name| key(name));
    names
        .filter_map(|name| {
            let (user, password) = login(config, &name)?;
            Some((name, serde_json::json!({"username": user, "password": password})))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn logins_are_found_under_every_spelling_of_the_registry() {
        let auth = general_purpose::STANDARD.encode("me:p:w");
        let config =
            json!({"auths": {"https://index.docker.io/v1/": {"auth": auth}, "https://r.example/": {"auth": auth}}});
        let config = config.as_object().unwrap();
        assert_eq!(login(config, "docker.io"), Some(("me".to_owned(), "p:w".to_owned())));
        assert_eq!(login(config, "r.example"), Some(("me".to_owned(), "p:w".to_owned())));
        assert_eq!(login(config, "other.example"), None);
        let kept = json!({"username": "me", "password": "p:w"});
        assert_eq!(serde_json::Value::from(logins(config)), json!({HUB: kept, "r.example": kept}));
    }
}
