//! An image of an engine on this machine: what it is, and all of it in a file without a name.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use super::{gzip, scratch};
use crate::{
    protocol::{
        Failure, Json,
        image::{Image, Layer},
    },
    remote::{
        docker::{
            client::{message_of, not_reached},
            http::{self, Answer, Body},
            layers::is_containerd,
            reference::Reference,
        },
        machine::{real::Real, system::System},
    },
};

/// Bytes after which it is told that the engine is at work still; whoever has gone is noticed then, too.
const SIGN_BYTES: u64 = 8 << 20;

/// The image of that name, without reading any of it. Nothing where only its archive tells: an engine that keeps images in
/// containerd does not call them by their configuration.
pub(super) fn describe(socket: &Path, name: &str) -> Result<Option<Image>, Failure> {
    let info = json(socket, "/info")?.unwrap_or_default();
    let full = Reference::parse(name, "latest").full();
    let found = json(socket, &format!("/images/{full}/json"))?.ok_or_else(|| {
        Failure::new(format!("there is no image {full} in the engine at {}", socket.display()))
            .hint("build, load or pull it there first, or say where it is with `from` or `path`")
    })?;
    if is_containerd(&info) {
        return Ok(None);
    }
    let id = found["Id"].as_str().unwrap_or_default().to_owned();
    let history = json(socket, &format!("/images/{id}/history"))?.unwrap_or_default();
    let mut sizes: Vec<u64> =
        history.as_array().into_iter().flatten().filter_map(|step| step["Size"].as_u64()).collect();
    sizes.reverse();
    let diff_ids: Vec<&str> =
        found["RootFS"]["Layers"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    // Steps that made no layer have no size, and nor have empty layers: of one kind or the other there are none then.
    if sizes.len() != diff_ids.len() {
        sizes.retain(|size| *size > 0);
    }
    let known = sizes.len() == diff_ids.len();
    let layers = diff_ids
        .iter()
        .enumerate()
        .map(|(at, diff_id)| Layer { diff_id: (*diff_id).to_owned(), size: if known { sizes[at] } else { 0 } });
    Ok(Some(Image { id, created: found["Created"].as_str().unwrap_or_default().to_owned(), layers: layers.collect() }))
}

/// Has the engine write an image out; `sign` hears how many bytes there are so far.
pub(super) fn save(socket: &Path, name: &str, sign: &mut dyn FnMut(u64) -> io::Result<()>) -> Result<File, Failure> {
    let failed = |error: io::Error| {
        let failure = Failure::new(format!("cannot write image {name} out: {error}"));
        match error.kind() {
            io::ErrorKind::StorageFull => failure.hint("free space there, or set TMPDIR to a folder that has more"),
            _ => failure,
        }
    };
    let mut answer = ask(socket, &format!("/images/{name}/get"))?;
    if answer.status != 200 {
        return Err(Failure::new(message_of(&answer.text().map_err(failed)?)));
    }
    let mut file = scratch::file().map_err(failed)?;
    let (mut bytes, mut told) = (0, 0);
    gzip::copy(&mut answer.body, &mut |piece| {
        file.write_all(piece)?;
        bytes += piece.len() as u64;
        if bytes - told >= SIGN_BYTES {
            told = bytes;
            sign(bytes)?;
        }
        Ok(())
    })
    .map_err(failed)?;
    Ok(file)
}

fn json(socket: &Path, path: &str) -> Result<Option<Json>, Failure> {
    let answer = ask(socket, path)?;
    let status = answer.status;
    let body = answer.text().map_err(|error| Failure::new(format!("the Docker engine stopped answering: {error}")))?;
    match status {
        200 => serde_json::from_str(&body).map(Some).map_err(|error| Failure::new(format!("{path}: {error}"))),
        404 => Ok(None),
        _ => Err(Failure::new(format!("cannot read {path} from the Docker engine: {}", message_of(&body)))),
    }
}

fn ask(socket: &Path, path: &str) -> Result<Answer, Failure> {
    let asked =
        Real::new().dial(socket).and_then(|stream| http::send(stream, "GET", path, [], Body::Empty, &mut |_| {}));
    asked.map_err(|error| {
        let (message, hint) = not_reached(&socket.display().to_string(), &error);
        Failure::new(message).hint(hint)
    })
}
