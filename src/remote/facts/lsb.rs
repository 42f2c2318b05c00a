//! What the Linux Standard Base's file or command says.

use crate::protocol::{Json, Map};

use super::{Gathering, assignments};

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["lsb"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let mut lsb = Map::new();
    let mut put = |name: &str, value: &str| {
        lsb.insert(name.to_owned(), Json::from(value));
    };
    if let Some(said) = facts.says(&["lsb_release", "-a"]) {
        for line in said.lines() {
            match line.split_once(':') {
                Some(("Distributor ID", value)) => put("id", value.trim()),
                Some(("Description", value)) => put("description", value.trim()),
                Some(("Release", value)) => put("release", value.trim()),
                Some(("Codename", value)) => put("codename", value.trim()),
                _ => {}
            }
        }
    } else if let Some(text) = facts.text("/etc/lsb-release") {
        for (key, value) in assignments(&text) {
            match key {
                "DISTRIB_ID" => put("id", &value),
                "DISTRIB_DESCRIPTION" => put("description", &value),
                "DISTRIB_RELEASE" => put("release", &value),
                "DISTRIB_CODENAME" => put("codename", &value),
                _ => {}
            }
        }
    }
    if let Some(release) = lsb.get("release").and_then(Json::as_str) {
        let major = release.split('.').next().unwrap_or_default().to_owned();
        lsb.insert("major_release".to_owned(), major.into());
    }
    facts.set("lsb", lsb);
}
