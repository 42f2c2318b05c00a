//! Images in archives of every kind, read the way a controller asks for them.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{ARCHIVE, serve};
use crate::{
    protocol::{
        frame,
        image::{Ask, Image, Tell},
    },
    remote::machine::digest,
};

/// A folder with what an archive is made of.
struct Pieces(tempfile::TempDir);

impl Pieces {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, content: &[u8]) -> &Self {
        let path = self.0.path().join("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The folder itself.
    fn folder(&self) -> PathBuf {
        self.0.path().join("in")
    }

    /// A tar file of it.
    fn tar(&self, flags: &[&str]) -> PathBuf {
        let path = self.0.path().join("image.tar");
        let made = Command::new("tar")
            .args(flags)
            .arg("-cf")
            .arg(&path)
            .arg("-C")
            .arg(self.folder())
            .arg(".")
            .status()
            .unwrap();
        assert!(made.success());
        path
    }

    /// The entry that an OCI layout keeps under its digest; answers how it is described.
    fn blob(&self, content: &[u8]) -> serde_json::Value {
        let hex = digest(content);
        self.put(&format!("blobs/sha256/{hex}"), content);
        json!({"digest": format!("sha256:{hex}"), "size": content.len()})
    }
}

/// The configuration of an image with these layers.
fn configuration(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", digest(layer))).collect();
    json!({"created": "2026-01-02T03:04:05Z", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string()
        .into_bytes()
}

/// What is told of an image in an archive, and what each question is answered with.
fn asked(path: &Path, name: &str, asks: &[Ask]) -> (Tell, Vec<Result<Vec<u8>, String>>) {
    let mut input = Vec::new();
    for ask in asks {
        frame::encode(ask, &[], &mut input).unwrap();
    }
    let mut output = Vec::new();
    let words = [ARCHIVE.to_owned(), path.display().to_string(), name.to_owned()];
    serve(&words, &mut Cursor::new(input), &mut output).unwrap();
    let mut told = Cursor::new(output);
    let (first, _) = frame::read::<Tell>(&mut told).unwrap().unwrap();
    let (mut answers, mut content) = (Vec::new(), Vec::new());
    while let Some((tell, piece)) = frame::read::<Tell>(&mut told).unwrap() {
        match tell {
            Tell::Piece => content.extend(piece),
            Tell::End => answers.push(Ok(std::mem::take(&mut content))),
            Tell::Failed(failure) => answers.push(Err(failure.message)),
            other => panic!("{other:?}"),
        }
    }
    (first, answers)
}

fn image(tell: Tell) -> Image {
    match tell {
        Tell::Image(image) => image,
        other => panic!("{other:?}"),
    }
}

const BASE: &[u8] = b"base";
const TOP: &[u8] = b"top";

/// As `docker save` writes it: layers in folders, the manifest last.
fn saved() -> Pieces {
    let pieces = Pieces::new();
    let configuration = configuration(&[BASE, TOP]);
    let long = format!("{}/{}", "a".repeat(60), "b".repeat(60));
    let manifest = json!([{
        "Config": "config.json", "RepoTags": ["shop/app:1"], "Layers": [format!("{long}/layer.tar"), "b/layer.tar"],
    }, {
        "Config": "config.json", "RepoTags": ["shop/other:1"], "Layers": [],
    }]);
    pieces.put(&format!("{long}/layer.tar"), BASE).put("c/layer.tar", TOP).put("config.json", &configuration);
    // A layer that stands for two is there once.
    fs::create_dir(pieces.folder().join("b")).unwrap();
    std::os::unix::fs::symlink("../c/layer.tar", pieces.folder().join("b/layer.tar")).unwrap();
    pieces.put("manifest.json", manifest.to_string().as_bytes());
    pieces
}

#[test]
fn an_archive_of_docker_save_gives_its_image_and_layers() {
    let asks = [
        Ask::Layer { number: 1, compress: false },
        Ask::Configuration,
        Ask::Layer { number: 0, compress: true },
        Ask::Layer { number: 2, compress: true },
    ];
    let pieces = saved();
    for flags in [None, Some("--format=gnu"), Some("--format=posix"), Some("--format=ustar"), Some("--gzip")] {
        let path = flags.map_or_else(|| pieces.folder(), |flag| pieces.tar(&[flag]));
        let (told, answers) = asked(&path, "docker.io/shop/app:1", &asks);
        let image = image(told);
        let configuration = configuration(&[BASE, TOP]);
        assert_eq!(image.id, format!("sha256:{}", digest(&configuration)));
        assert_eq!(image.created, "2026-01-02T03:04:05Z");
        let layers: Vec<(&str, u64)> = image.layers.iter().map(|layer| (layer.diff_id.as_str(), layer.size)).collect();
        let named = |layer: &[u8]| format!("sha256:{}", digest(layer));
        assert_eq!(layers, [(named(BASE).as_str(), 4), (named(TOP).as_str(), 3)]);
        let expected: Vec<Result<Vec<u8>, String>> =
            vec![Ok(TOP.to_vec()), Ok(configuration), Ok(BASE.to_vec()), Err("the image has no such layer".to_owned())];
        assert_eq!(answers, expected, "{flags:?}");
    }
}

#[test]
fn an_oci_layout_gives_the_image_of_that_name_packed_layers_as_they_are() {
    let packed = b"\x1f\x8b packed".as_slice();
    let pieces = Pieces::new();
    let configuration = configuration(&[BASE]);
    let manifest = json!({"config": pieces.blob(&configuration), "layers": [pieces.blob(packed)]});
    let manifest = pieces.blob(manifest.to_string().as_bytes());
    // An index in the index, as builders write it who say how they built.
    let mut real = manifest.clone();
    real["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let inner = json!({"manifests": [real, {"digest": "sha256:no", "platform": {"os": "unknown"}}]});
    let mut inner = pieces.blob(inner.to_string().as_bytes());
    inner["annotations"] = json!({"org.opencontainers.image.ref.name": "2"});
    let mut other = manifest;
    other["annotations"] = json!({"io.containerd.image.name": "docker.io/shop/other:1"});
    pieces.put("index.json", json!({"manifests": [other, inner]}).to_string().as_bytes());
    for path in [pieces.folder(), pieces.tar(&[])] {
        for name in ["shop/app:2", "shop/other:1"] {
            let (told, answers) = asked(&path, name, &[Ask::Layer { number: 0, compress: true }]);
            assert_eq!(image(told).id, format!("sha256:{}", digest(&configuration)));
            assert_eq!(answers, [Ok(packed.to_vec())]);
        }
        // What has no full name of its own may be it.
        let (told, _) = asked(&path, "shop/app:3", &[]);
        assert_eq!(image(told).layers.len(), 1);
    }
}

#[test]
fn a_layer_is_compressed_where_that_makes_it_smaller_and_nowhere_else() {
    let text = b"the same line again and again\n".repeat(20_000);
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[1]
    })
    .take(600_000)
    .collect();
    let pieces = Pieces::new();
    let manifest = json!([{"Config": "c.json", "RepoTags": null, "Layers": ["text.tar", "noise.tar"]}]);
    pieces.put("text.tar", &text).put("noise.tar", &noise).put("c.json", &configuration(&[&text, &noise]));
    pieces.put("manifest.json", manifest.to_string().as_bytes());
    let asks = [(0, true), (0, false), (1, true)].map(|(number, compress)| Ask::Layer { number, compress });
    let (_, answers) = asked(&pieces.tar(&[]), "whatever:1", &asks);
    let [packed, plain, incompressible] = answers.try_into().unwrap();
    let packed = packed.unwrap();
    assert!(packed.starts_with(b"\x1f\x8b") && packed.len() < text.len() / 10, "{} bytes", packed.len());
    let path = pieces.folder().join("packed.gz");
    fs::write(&path, packed).unwrap();
    assert_eq!(Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout, text);
    assert_eq!((plain.unwrap(), incompressible.unwrap()), (text, noise));
}

#[test]
fn what_is_no_image_is_refused_in_words() {
    let refused = |path: &Path, name: &str| match asked(path, name, &[]).0 {
        Tell::Failed(failure) => format!("{} {}", failure.message, failure.hint.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let pieces = saved();
    let message = refused(&pieces.tar(&[]), "shop/app:2");
    assert!(message.contains("no image shop/app:2") && message.contains("shop/app:1, shop/other:1"), "{message}");
    let message = refused(&pieces.tar(&[]), "shop/other:1");
    assert!(message.contains("list of layers"), "{message}");
    let named = Pieces::new();
    named.put("manifest.json", br#"[{"Config": "c.json", "RepoTags": ["shop/app:1"], "Layers": []}]"#);
    let message = refused(&named.folder(), "shop/other:1");
    assert!(message.contains("no image shop/other:1"), "{message}");
    let index = json!({"manifests": [{"digest": "x"}, {"digest": "y"}]}).to_string();
    let several = Pieces::new();
    let message = refused(&several.put("index.json", index.as_bytes()).folder(), "a:1");
    assert!(message.contains("2 images in the archive may be a:1"), "{message}");
    fs::write(pieces.folder().join("noise"), "no tar".repeat(1000)).unwrap();
    let message = refused(&pieces.folder().join("noise"), "a:1");
    assert!(message.contains("no tar file"), "{message}");
    let empty = Pieces::new();
    empty.put("x", b"");
    let message = refused(&empty.tar(&[]), "a:1");
    assert!(message.contains("neither manifest.json nor index.json"), "{message}");
    let message = refused(Path::new("/nowhere.tar"), "a:1");
    assert!(message.contains("cannot read the archive /nowhere.tar"), "{message}");
}
