//! The loop of a helper that reads an image: first what it is, then each part that is asked for.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    ARCHIVE, ENGINE,
    archive::{Archive, Held},
    engine, gzip,
    scratch::Window,
};
use crate::protocol::{
    Failure, frame,
    image::{Ask, Image, Tell},
};

/// An image that can be read.
struct Source {
    image: Image,
    /// Where it is still to be had from.
    engine: Option<PathBuf>,
    /// All of it, once any of it has been asked for.
    held: Option<(Archive, Held)>,
}

/// Reads an image for whoever asks on `input`, until that ends.
///
/// # Errors
/// When the connection breaks or carries something that is no frame.
pub fn serve(words: &[String], input: &mut dyn Read, output: &mut dyn Write) -> io::Result<()> {
    let (mut input, mut output) = (input, output);
    let mut source = match open(words, &mut output) {
        Ok(source) => source,
        Err(failure) => return frame::write(&mut output, &Tell::Failed(failure), &[]),
    };
    frame::write(&mut output, &Tell::Image(source.image.clone()), &[])?;
    while let Some((ask, _)) = frame::read::<Ask>(&mut input)? {
        let told = source.content(&ask, &mut output).and_then(|content| send(content, &ask, &mut output));
        let last = told.map_or_else(Tell::Failed, |()| Tell::End);
        frame::write(&mut output, &last, &[])?;
    }
    Ok(())
}

fn open(words: &[String], output: &mut impl Write) -> Result<Source, Failure> {
    match words {
        [kind, path, name] if kind == ARCHIVE => {
            let archive = Archive::open(Path::new(path))
                .map_err(|error| Failure::new(format!("cannot read the archive {path}: {error}")))?;
            let held = archive.image(name)?;
            Ok(Source { image: held.image.clone(), engine: None, held: Some((archive, held)) })
        }
        [kind, socket, name] if kind == ENGINE => {
            let socket = PathBuf::from(socket);
            if let Some(image) = engine::describe(&socket, name)? {
                return Ok(Source { image, engine: Some(socket), held: None });
            }
            let (archive, held) = save(&socket, name, output)?;
            Ok(Source { image: held.image.clone(), engine: None, held: Some((archive, held)) })
        }
        _ => Err(Failure::new("this is no place of an image")),
    }
}

fn save(socket: &Path, name: &str, output: &mut impl Write) -> Result<(Archive, Held), Failure> {
    let file = engine::save(socket, name, &mut |bytes| frame::write(output, &Tell::Saved { bytes }, &[]))?;
    let archive = Archive::of(file).map_err(|error| Failure::new(format!("cannot read what was saved: {error}")))?;
    let held = archive.image(name)?;
    Ok((archive, held))
}

impl Source {
    /// What was asked for, and how to call it in messages.
    fn content(&mut self, ask: &Ask, output: &mut impl Write) -> Result<Content, Failure> {
        if self.held.is_none() {
            let socket = self.engine.as_deref().unwrap_or(Path::new(""));
            // By its id: the name may be another image's by now.
            let (archive, held) = save(socket, &self.image.id, output)?;
            let same = |held: &Held| {
                held.image.layers.iter().zip(&self.image.layers).all(|(one, other)| one.diff_id == other.diff_id)
            };
            if held.image.id != self.image.id || !same(&held) {
                return Err(Failure::new(format!("what the engine saved is not image {}", self.image.id)));
            }
            self.held = Some((archive, held));
        }
        let lacking = || Failure::new("the image has no such layer");
        let (archive, held) = self.held.as_ref().ok_or_else(lacking)?;
        match ask {
            Ask::Configuration => Ok(Content::Bytes(held.configuration.clone())),
            Ask::Layer { number, .. } => {
                archive.content(held.layers.get(*number).ok_or_else(lacking)?).map(Content::Window)
            }
        }
    }
}

enum Content {
    Bytes(Vec<u8>),
    Window(Window),
}

fn send(content: Content, ask: &Ask, output: &mut impl Write) -> Result<(), Failure> {
    let mut put = |piece: &[u8]| frame::write(output, &Tell::Piece, piece);
    let sent = match content {
        Content::Bytes(bytes) => put(&bytes),
        Content::Window(window) => {
            let compress = matches!(ask, Ask::Layer { compress: true, .. });
            let packs = compress && !gzip::is_packed(&window).unwrap_or(true) && gzip::pays(&window);
            if packs { gzip::pack(window, &mut put) } else { gzip::copy(&mut { window }, &mut put) }
        }
    };
    sent.map_err(|error| Failure::new(format!("cannot read a layer: {error}")))
}
