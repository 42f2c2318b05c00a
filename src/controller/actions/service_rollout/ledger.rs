//! The releases that a host has had: a file on the host, replaced whole.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    controller::{actions::http::on_host, executor::Turn},
    protocol::{Failure, Map, Outcome, Verdict},
};

/// Where hosts keep what they know of services.
const FOLDER: &str = "/var/lib/deployer/rollouts";

/// What a host knows of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The release that serves.
    pub active: Option<String>,
    /// All that are known, in the order in which they were first brought here.
    pub releases: Vec<Release>,
}

/// A release on a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub release: String,
    /// SHA-256 of what its containers are made of.
    pub digest: String,
    /// Its image by name, and by the engine's id.
    pub image: String,
    /// The id.
    pub image_id: String,
    /// The slot it was started in.
    pub slot: String,
    /// When it was last switched to (RFC 3339).
    pub since: String,
    /// Whether it did not come up, or was gone back from.
    pub failed: bool,
    /// The task's options, to bring it back with. They may hold secrets: so may the file, which only root reads.
    pub options: Map,
}

impl Ledger {
    /// The release of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Release> {
        self.releases.iter().find(|release| release.release == name)
    }

    /// The release that serves.
    #[must_use]
    pub fn serving(&self) -> Option<&Release> {
        self.active.as_ref().and_then(|name| self.find(name))
    }

    /// The one to go back to: the last before the present one that has worked.
    #[must_use]
    pub fn before(&self) -> Option<&Release> {
        let at = self
            .active
            .as_ref()
            .and_then(|name| self.releases.iter().position(|release| release.release == *name))
            .unwrap_or(self.releases.len());
        self.releases[..at].iter().rev().find(|release| !release.failed)
    }

    /// With a release that has come to serve. One that is gone back to keeps its place in the order.
    #[must_use]
    pub fn switched(&self, release: Release, back: bool) -> Self {
        let mut ledger = self.clone();
        ledger.active = Some(release.release.clone());
        ledger.put(release, back);
        ledger
    }

    /// With a release that has not come to serve.
    #[must_use]
    pub fn failed(&self, release: Release) -> Self {
        let mut ledger = self.clone();
        // What has served before is not forgotten over a failed attempt to bring it back.
        if ledger.find(&release.release).is_none_or(|known| known.failed) {
            ledger.put(Release { failed: true, ..release }, false);
        }
        ledger
    }

    fn put(&mut self, release: Release, in_place: bool) {
        match self.releases.iter().position(|known| known.release == release.release) {
            Some(at) if in_place => self.releases[at] = release,
            Some(at) => {
                self.releases.remove(at);
                self.releases.push(release);
            }
            None => self.releases.push(release),
        }
    }

    /// Lets go of the oldest releases that do not serve: of those that have worked `keep` stay, of those that failed the last one, to
    /// be looked at. Gives those that went.
    pub fn prune(&mut self, keep: usize) -> Vec<Release> {
        let (mut worked, mut failed) = (keep, 1);
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for release in std::mem::take(&mut self.releases).into_iter().rev() {
            let room = if release.failed { &mut failed } else { &mut worked };
            if self.active.as_ref() == Some(&release.release) {
                kept.push(release);
            } else if *room > 0 {
                *room -= 1;
                kept.push(release);
            } else {
                gone.push(release);
            }
        }
        kept.reverse();
        self.releases = kept;
        gone
    }
}

/// The lock that keeps two rollouts of a service apart.
#[must_use]
pub fn lock_path(service: &str) -> String {
    format!("{FOLDER}/{service}/lock")
}

fn path(service: &str) -> String {
    format!("{FOLDER}/{service}/releases.json")
}

/// Reads a host's ledger; nothing where it has none.
///
/// # Errors
/// When it cannot be read.
pub async fn read(turn: &Turn, service: &str) -> Result<Option<Ledger>, Failure> {
    let path = path(service);
    if on_host::stat(turn, &path).await?.is_none() {
        return Ok(None);
    }
    let content = on_host::slurp(turn, &path).await?;
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        Failure::new(format!("{path} is no ledger of releases: {error}"))
            .hint("move it away to begin a new one; containers that run are found all the same")
    })
}

/// Replaces a host's ledger, or foresees that.
///
/// # Errors
/// When it cannot be written.
pub async fn write(turn: &Turn, service: &str, ledger: &Ledger) -> Result<(), Failure> {
    let folder = json!({ "path": format!("{FOLDER}/{service}"), "state": "directory", "mode": "0700" });
    carried(turn.module("file", map(folder), &[]).await)?;
    let text = serde_json::to_vec_pretty(ledger).map_err(|error| Failure::new(error.to_string()))?;
    let blob = turn.run.blobs.add_bytes(text);
    let options = json!({ "dest": path(service), "mode": "0600", "_blob": Turn::blob(&blob) });
    carried(turn.module("copy", map(options), std::slice::from_ref(&blob)).await).map(drop)
}

/// The services that a host has had releases of.
///
/// # Errors
/// When the host cannot say.
pub async fn services(turn: &Turn) -> Result<Vec<String>, Failure> {
    let options = json!({ "paths": FOLDER, "patterns": "releases.json", "recurse": true, "depth": 2 });
    let found = carried(turn.module("find", map(options), &[]).await)?;
    let files = found.result.get("files").and_then(|files| files.as_array()).cloned().unwrap_or_default();
    let name = |file: &serde_json::Value| {
        let path = file["path"].as_str()?.strip_prefix(FOLDER)?.strip_suffix("/releases.json")?;
        Some(path.trim_matches('/').to_owned())
    };
    let mut names: Vec<String> = files.iter().filter_map(name).collect();
    names.sort();
    Ok(names)
}

/// Options as a mapping.
#[must_use]
pub fn map(options: serde_json::Value) -> Map {
    match options {
        serde_json::Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// An outcome that is no failure.
///
/// # Errors
/// The failure.
pub fn carried(outcome: Outcome) -> Result<Outcome, Failure> {
    match outcome.verdict {
        Verdict::Failed(failure) => Err(failure),
        _ => Ok(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(name: &str) -> Release {
        Release { release: name.to_owned(), ..Release::default() }
    }

    fn names(releases: &[Release]) -> Vec<&str> {
        releases.iter().map(|release| release.release.as_str()).collect()
    }

    fn three() -> Ledger {
        ["a", "b", "c"].iter().fold(Ledger::default(), |ledger, name| ledger.switched(release(name), false))
    }

    #[test]
    fn going_back_twice_goes_back_two_releases() {
        let ledger = three();
        assert_eq!(ledger.serving().unwrap().release, "c");
        assert_eq!(ledger.before().unwrap().release, "b");
        let back = ledger.switched(release("b"), true);
        assert_eq!(names(&back.releases), ["a", "b", "c"]);
        assert_eq!(back.before().unwrap().release, "a");
    }

    #[test]
    fn a_release_that_failed_is_never_gone_back_to() {
        let ledger = three().failed(release("d")).switched(release("e"), false);
        assert_eq!(names(&ledger.releases), ["a", "b", "c", "d", "e"]);
        assert_eq!(ledger.before().unwrap().release, "c");
        // A failed attempt to bring an old one back does not spoil it.
        assert!(!three().failed(release("a")).find("a").unwrap().failed);
    }

    #[test]
    fn the_oldest_go_and_the_present_one_stays() {
        let mut ledger = three().switched(release("a"), true);
        assert_eq!(names(&ledger.prune(1)), ["b"]);
        assert_eq!(names(&ledger.releases), ["a", "c"]);
        assert_eq!(names(&ledger.prune(1)), [""; 0]);
    }

    #[test]
    fn releases_that_failed_drive_out_none_that_worked() {
        let mut ledger = three().failed(release("d")).failed(release("e"));
        assert_eq!(names(&ledger.prune(2)), ["d"]);
        assert_eq!(names(&ledger.releases), ["a", "b", "c", "e"]);
    }
}
