//! The archive that an engine loads an image from, put together of layers that lie in files; some may be left out.

use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use serde_json::json;

use crate::{
    protocol::image::Image,
    remote::image::scratch::{self, Window},
};

/// Tar counts in these.
const BLOCK_BYTES: u64 = 512;

/// Zeros that end a tar file.
const END_BYTES: u64 = 2 * BLOCK_BYTES;

/// What stands between the layers.
struct Mortar {
    file: Arc<File>,
    written: u64,
    parts: Vec<Window>,
}

/// The parts of the archive, one behind the other. The manifest names all layers, whether the archive has them or not.
pub(super) fn assemble(
    image: &Image,
    name: &str,
    configuration: &[u8],
    layers: &[(String, Window)],
) -> io::Result<Vec<Window>> {
    let mut mortar = Mortar { file: Arc::new(scratch::file()?), written: 0, parts: Vec::new() };
    let file_of = |digest: &str, ending: &str| format!("{}.{ending}", digest.trim_start_matches("sha256:"));
    for (diff_id, content) in layers {
        mortar.head(&file_of(diff_id, "tar"), content.size())?;
        mortar.parts.push(content.clone());
        mortar.pad(content.size())?;
    }
    let manifest = json!([{
        "Config": file_of(&image.id, "json"),
        "RepoTags": [name],
        "Layers": image.layers.iter().map(|layer| file_of(&layer.diff_id, "tar")).collect::<Vec<_>>(),
    }]);
    for (name, content) in
        [(file_of(&image.id, "json"), configuration), ("manifest.json".to_owned(), manifest.to_string().as_bytes())]
    {
        let size = content.len() as u64;
        mortar.head(&name, size)?;
        mortar.put(content)?;
        mortar.pad(size)?;
    }
    mortar.zeros(END_BYTES)?;
    Ok(mortar.parts)
}

impl Mortar {
    fn head(&mut self, name: &str, size: u64) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        self.put(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.zeros(size.next_multiple_of(BLOCK_BYTES) - size)
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        self.put(&vec![0; usize::try_from(count).unwrap_or_default()])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        let size = bytes.len() as u64;
        self.parts.push(Window::new(self.file.clone(), self.written, size));
        self.written += size;
        Ok(())
    }
}
