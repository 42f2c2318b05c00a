//! `fetch`: brings a file from a host to the controller.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    controller::{
        executor::{Done, Turn},
        state::lock,
    },
    options,
    protocol::{Failure, Map, Outcome, Verdict},
    remote::{OptionSpec, Options},
};

options! {
    /// Brings a file from a host to the controller, into a folder for each host unless `flat` is set.
    ///
    /// ## Example
    /// ```yaml
    /// - fetch:
    ///     src: /etc/ssh/ssh_host_ed25519_key.pub
    ///     dest: host_keys/
    /// ```
    ///
    /// ## Returns
    /// `dest`, `checksum`, `remote_checksum`.
    pub struct Fetch {
        /// The file on the host.
        src: String,
        /// Where to put it on the controller.
        dest: String,
        /// Put it at `dest` itself.
        flat: bool = false,
        /// Fail when it is not there.
        fail_on_missing: bool = true,
        /// Compare checksums afterwards.
        validate_checksum: bool = true,
    }
}

/// The manual page.
pub const DOC: &str = Fetch::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    Fetch::spec()
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    if turn.check {
        return Outcome::left_out("check mode not (yet) supported for this module").into();
    }
    let (Some(src), Some(dest)) = (turn.text("src"), turn.text("dest")) else {
        return Done::failed("src and dest are required");
    };
    let look = Map::from_iter([
        ("path".to_owned(), json!(src)),
        ("follow".to_owned(), json!(true)),
        ("checksum_algorithm".to_owned(), json!("sha1")),
    ]);
    let seen = turn.module("stat", look, &[]).await;
    if matches!(seen.verdict, Verdict::Failed(_) | Verdict::Unknown(_)) {
        return seen.into();
    }
    let stat = seen.result.get("stat").cloned().unwrap_or_default();
    let src = stat.get("path").and_then(serde_json::Value::as_str).map_or(src, str::to_owned);
    let is = |name: &str| stat.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let missing = if !is("exists") {
        Some(format!("the remote file does not exist: {src}"))
    } else if is("isdir") {
        Some(format!("remote file is a directory, fetch cannot work on directories: {src}"))
    } else {
        None
    };
    if let Some(message) = missing {
        if turn.flag("fail_on_missing", true) {
            return Done::failed(message);
        }
        let mut outcome = Outcome::new(Verdict::Unchanged);
        outcome.result.insert("msg".to_owned(), json!(format!("{message}, not transferring, ignored")));
        outcome.result.insert("file".to_owned(), json!(src));
        return outcome.into();
    }
    let checksum = stat.get("checksum").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    let path = destination(turn, &src, &dest);
    let mut outcome = Outcome::new(Verdict::Unchanged);
    for (name, value) in [
        ("dest", path.display().to_string()),
        ("checksum", checksum.clone()),
        ("remote_checksum", checksum.clone()),
        ("file", src.clone()),
    ] {
        outcome.result.insert(name.to_owned(), json!(value));
    }
    if sha1_of(&path).is_some_and(|own| own == checksum) {
        return outcome.into();
    }
    outcome.verdict = Verdict::Changed;
    match bring(turn, &src, &path).await {
        Ok(()) => outcome.into(),
        Err(failure) => Outcome::new(Verdict::Failed(failure)).into(),
    }
}

fn destination(turn: &Turn, src: &str, dest: &str) -> PathBuf {
    let base = turn.batch.play.play.folder.join(dest);
    let name = Path::new(src).file_name().map(PathBuf::from).unwrap_or_default();
    if turn.flag("flat", false) {
        if dest.ends_with('/') { base.join(name) } else { base }
    } else {
        base.join(&turn.host).join(src.trim_start_matches('/'))
    }
}

async fn bring(turn: &Turn, src: &str, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(failed)?);
    let link = turn.run.link(&turn.way.host);
    let session = {
        let mut link = link.lock().await;
        turn.way.session(&turn.run, &mut link).await
    };
    let session = session.map_err(|lost| match lost {
        crate::controller::executor::reach::Lost::Unreachable(failure) => {
            *lock(&turn.unreachable) = Some(failure.clone());
            failure
        }
        crate::controller::executor::reach::Lost::Refused(failure)
        | crate::controller::executor::reach::Lost::NoUser(failure) => failure,
        crate::controller::executor::reach::Lost::NoHelper(reason) => {
            Failure::new(format!("fetch needs the helper: {reason}"))
        }
    })?;
    session.read(src, &mut file).await.map_err(|error| Failure { message: error.to_string(), hint: error.hint() })?;
    file.sync_all().await.map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn sha1_of(path: &Path) -> Option<String> {
    use sha1::{Digest, Sha1};
    let mut file = std::fs::File::open(path).ok()?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).ok()? {
            0 => return Some(crate::remote::machine::hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}
