//! `copy`: finds the file or tree on the controller, then has the host put it in place.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    controller::executor::{Done, Turn},
    protocol::{Blob, Json, Map, Outcome, Verdict},
    remote::{OptionSpec, modules},
};

/// Bytes of a file from which on checksums are told only where somebody reads them.
const UNREAD_BYTES: u64 = 1 << 20;

/// The manual page is the module's.
pub const DOC: &str = "Puts a file or a directory tree of the controller in place on the host.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("copy")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    let mut options = match turn.json_options() {
        Ok(options) => options,
        Err(error) => return Done::failed(error.message),
    };
    if options.contains_key("content") && options.contains_key("src") {
        return Done::failed("src and content are mutually exclusive");
    }
    if options.get("dest").is_none_or(|dest| dest.is_null() || dest == "") {
        return Done::failed("dest is required");
    }
    if turn.flag("remote_src", false) || options.contains_key("content") {
        return turn.module("copy", options, &[]).await.into();
    }
    let Some(src) = turn.text("src").filter(|src| !src.is_empty()) else {
        return Done::failed("src (or content) is required");
    };
    let path = match turn.find_file("files", &src) {
        Ok(path) => path,
        Err(failure) => return Outcome::new(Verdict::Failed(failure)).into(),
    };
    let prepared = if path.is_dir() { tree(turn, &path, &src, &mut options) } else { file(turn, &path, &mut options) };
    match prepared {
        Ok(blobs) => turn.module("copy", options, &blobs).await.into(),
        Err(message) => Done::failed(message),
    }
}

fn file(turn: &Turn, path: &Path, options: &mut Map) -> Result<Vec<Blob>, String> {
    let blob = open(turn, path)?;
    options.insert("_blob".to_owned(), Turn::blob(&blob));
    // To read a large file twice more is not worth a value that nobody sees.
    if blob.size > UNREAD_BYTES && !turn.is_read() {
        options.insert("_sums".to_owned(), json!(false));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    options.insert("_name".to_owned(), json!(name));
    options.insert("src".to_owned(), json!(path.display().to_string()));
    if options.get("mode").and_then(Json::as_str) == Some("preserve") {
        let mode =
            std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.permissions().mode();
        options.insert("mode".to_owned(), json!(format!("{:04o}", mode & 0o7777)));
    }
    Ok(vec![blob])
}

/// The content of a file; a vaulted one is decrypted.
pub(super) fn open(turn: &Turn, path: &Path) -> Result<Blob, String> {
    if turn.flag("decrypt", true) && starts_as_vault(path) {
        return Ok(turn.run.blobs.add_bytes(read(turn, path)?));
    }
    turn.run.blobs.add_file(path).map_err(|error| unreadable(path, &error))
}

/// The same as bytes.
pub(super) fn read(turn: &Turn, path: &Path) -> Result<Vec<u8>, String> {
    let content = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    if !turn.flag("decrypt", true) || !starts_as_vault(path) {
        return Ok(content);
    }
    let keyring = &turn.run.loader.keyring;
    if keyring.is_empty() {
        return Err(format!("A vault password or secret must be specified to decrypt {}", path.display()));
    }
    let plain = keyring.open(&String::from_utf8_lossy(&content));
    plain.map(|plain| plain.expose().clone()).map_err(|error| format!("{}: {error}", path.display()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

fn starts_as_vault(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0; 14];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"$ANSIBLE_VAULT"
}

fn tree(turn: &Turn, top: &Path, src: &str, options: &mut Map) -> Result<Vec<Blob>, String> {
    let follow = turn.flag("local_follow", true);
    let (mut items, mut blobs) = (Vec::new(), Vec::new());
    // Without a slash at its end the directory itself is copied, not only what it holds.
    let prefix =
        if src.ends_with('/') { PathBuf::new() } else { top.file_name().map(PathBuf::from).unwrap_or_default() };
    let walk = walkdir::WalkDir::new(top).follow_links(follow);
    // Files stand before folders, so that the first one that cannot be read is the one nearest to the top.
    for entry in walk.sort_by_key(|entry| (entry.file_type().is_dir(), entry.file_name().to_owned())) {
        let entry = match entry {
            Ok(entry) => entry,
            // A link that leads nowhere, or back to where it stands, is copied as a link.
            Err(error) => match error.path().and_then(|path| Some((path, std::fs::read_link(path).ok()?))) {
                Some((path, target)) => {
                    let path = prefix.join(path.strip_prefix(top).unwrap_or(path));
                    items.push(json!({ "kind": "symlink", "path": path, "target": target }));
                    continue;
                }
                None => return Err(error.to_string()),
            },
        };
        let below = entry.path().strip_prefix(top).unwrap_or(Path::new(""));
        let path = prefix.join(below);
        if path.as_os_str().is_empty() {
            continue;
        }
        let path = path.to_string_lossy().into_owned();
        let metadata = entry.metadata().map_err(|error| error.to_string())?;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            items.push(json!({ "kind": "directory", "path": path, "mode": mode }));
        } else if metadata.is_symlink() {
            let target = std::fs::read_link(entry.path()).map_err(|error| error.to_string())?;
            items.push(json!({ "kind": "symlink", "path": path, "target": target }));
        } else {
            let blob = open(turn, entry.path())?;
            items.push(json!({ "kind": "file", "path": path, "mode": mode, "blob": Turn::blob(&blob) }));
            blobs.push(blob);
        }
    }
    options.insert("_tree".to_owned(), json!(items));
    Ok(blobs)
}
