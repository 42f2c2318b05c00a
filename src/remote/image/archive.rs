//! An image in an archive: what `docker save` writes or an OCI layout, in a tar file or a folder.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    gzip,
    scratch::{self, Window},
    tarball::Tarball,
};
use crate::{
    protocol::{
        Failure, Json,
        image::{Image, Layer},
    },
    remote::{docker::reference::Reference, machine::digest},
};

/// The largest manifest or configuration that is read, in bytes; real ones have some thousand.
const JSON_BYTES_MAX: u64 = 16 << 20;

/// Where OCI layouts say what an image is called; the first is what engines write, with the registry in front.
const NAMES: &[&str] = &["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// An archive that is open.
pub(super) enum Archive {
    Tar(Tarball),
    Folder(PathBuf),
}

/// An image in it.
pub(super) struct Held {
    pub(super) image: Image,
    pub(super) configuration: Vec<u8>,
    /// What the layers are called in the archive.
    pub(super) layers: Vec<String>,
}

impl Archive {
    /// Opens an archive, a packed one as well.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let mut whole = Window::whole(File::open(path)?)?;
        if gzip::is_packed(&whole)? {
            let unpacked = scratch::file()?;
            gzip::unpack(whole, &unpacked)?;
            whole = Window::whole(unpacked)?;
        }
        Tarball::index(whole).map(Self::Tar)
    }

    /// The archive that a file holds.
    pub(super) fn of(file: File) -> io::Result<Self> {
        Tarball::index(Window::whole(file)?).map(Self::Tar)
    }

    /// What an entry holds.
    pub(super) fn content(&self, name: &str) -> Result<Window, Failure> {
        let found = match self {
            Self::Tar(tarball) => tarball.content(name),
            Self::Folder(folder) => File::open(folder.join(name)).ok().and_then(|file| Window::whole(file).ok()),
        };
        found.ok_or_else(|| Failure::new(format!("the archive lacks {name}")))
    }

    /// The image of that name, or the only one.
    pub(super) fn image(&self, name: &str) -> Result<Held, Failure> {
        let wanted = Reference::parse(name, "latest").canonical();
        let (configuration, layers) = match self.json("manifest.json") {
            Ok(manifest) => saved(&manifest, &wanted)?,
            Err(_) => self.layout(&wanted)?,
        };
        let configuration = self.bytes(&configuration)?;
        let known: Json =
            serde_json::from_slice(&configuration).map_err(|_| unreadable("the image's configuration"))?;
        let diff_ids: Vec<&str> =
            known["rootfs"]["diff_ids"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        if diff_ids.len() != layers.len() || !diff_ids.iter().all(|id| is_digest(id)) {
            return Err(unreadable("the image's list of layers"));
        }
        let sized = |(name, id): (&String, &&str)| {
            Ok(Layer { diff_id: (*id).to_owned(), size: self.content(name).map(|content| content.size())? })
        };
        let image = Image {
            id: format!("sha256:{}", digest(&configuration)),
            created: known["created"].as_str().unwrap_or_default().to_owned(),
            layers: layers.iter().zip(&diff_ids).map(sized).collect::<Result<_, Failure>>()?,
        };
        Ok(Held { image, configuration, layers })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let mut content = self.content(name)?;
        if content.size() > JSON_BYTES_MAX {
            return Err(unreadable(name));
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
        Ok(bytes)
    }

    fn json(&self, name: &str) -> Result<Json, Failure> {
        serde_json::from_slice(&self.bytes(name)?).map_err(|_| unreadable(name))
    }

    /// Configuration and layers by the index of an OCI layout.
    fn layout(&self, wanted: &str) -> Result<(String, Vec<String>), Failure> {
        let index = self.json("index.json").map_err(|_| {
            Failure::new("the archive holds neither manifest.json nor index.json")
                .hint("make it with `docker save`, or as an OCI layout")
        })?;
        let mut manifests: Vec<&Json> = index["manifests"].as_array().into_iter().flatten().collect();
        let named: Vec<&Json> = manifests.iter().copied().filter(|manifest| is_called(manifest, wanted)).collect();
        if named.is_empty() {
            manifests.retain(|manifest| manifest["annotations"][NAMES[0]].is_null());
        } else {
            manifests = named;
        }
        let mut inner = self.json(&blob(only(&manifests, wanted)?)?)?;
        if inner["manifests"].is_array() {
            // One image for several platforms; what is said of how it was made is for none.
            let platforms: Vec<&Json> = inner["manifests"].as_array().into_iter().flatten().collect();
            let real: Vec<&Json> =
                platforms.into_iter().filter(|manifest| manifest["platform"]["os"] != "unknown").collect();
            inner = self.json(&blob(only(&real, wanted)?)?)?;
        }
        let layers = inner["layers"].as_array().into_iter().flatten().map(blob).collect::<Result<_, _>>()?;
        Ok((blob(&inner["config"])?, layers))
    }
}

/// Configuration and layers by the manifest that `docker save` writes.
fn saved(manifest: &Json, wanted: &str) -> Result<(String, Vec<String>), Failure> {
    let images: Vec<&Json> = manifest.as_array().into_iter().flatten().collect();
    let tags = |image: &Json| -> Vec<String> {
        image["RepoTags"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    };
    let named =
        images.iter().find(|image| tags(image).iter().any(|tag| Reference::parse(tag, "latest").canonical() == wanted));
    let image = match (named, images.as_slice()) {
        (Some(image), _) => *image,
        // One that says what it is called is not given another name behind the user's back.
        (None, [image]) if tags(image).is_empty() => *image,
        (None, _) => {
            let held: Vec<String> = images.iter().flat_map(|image| tags(image)).collect();
            return Err(Failure::new(format!("the archive holds no image {wanted}"))
                .hint(format!("it holds {}", if held.is_empty() { "none".to_owned() } else { held.join(", ") })));
        }
    };
    let configuration = image["Config"].as_str().ok_or_else(|| unreadable("manifest.json"))?;
    let layers = image["Layers"].as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned);
    Ok((configuration.to_owned(), layers.collect()))
}

fn is_called(manifest: &Json, wanted: &str) -> bool {
    let tag = wanted.rsplit_once(':').map_or("", |(_, tag)| tag);
    NAMES
        .iter()
        .filter_map(|key| manifest["annotations"][key].as_str())
        .any(|name| Reference::parse(name, "latest").canonical() == wanted || name == tag)
}

fn only<'j>(manifests: &[&'j Json], wanted: &str) -> Result<&'j Json, Failure> {
    match manifests {
        [manifest] => Ok(manifest),
        [] => Err(Failure::new(format!("the archive holds no image {wanted}"))),
        several => Err(Failure::new(format!("{} images in the archive may be {wanted}", several.len()))
            .hint("make an archive of one image for one platform")),
    }
}

/// Where an OCI layout keeps what a descriptor describes.
fn blob(descriptor: &Json) -> Result<String, Failure> {
    let digest = descriptor["digest"].as_str().filter(|digest| is_digest(digest));
    digest.map(|digest| format!("blobs/{}", digest.replacen(':', "/", 1))).ok_or_else(|| unreadable("index.json"))
}

/// It becomes part of a path: nothing but a digest will do.
fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    })
}

fn unreadable(what: &str) -> Failure {
    Failure::new(format!("cannot make sense of {what}"))
}
