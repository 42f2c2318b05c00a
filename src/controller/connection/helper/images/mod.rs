//! Images on their way to several hosts: told once for each task, each layer read once in a run.

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

pub use reader::{Heard, ImageReader};

use super::{Blobs, SessionError};
use crate::{
    protocol::{Blob, Failure, image::Image},
    remote::image::scratch::{self, Window},
};

mod archive;
mod reader;

type Shelf<K, V> = Mutex<HashMap<K, Arc<OnceCell<V>>>>;

/// What is known of images, and their layers as far as they were read. Those are files without names, which go with the run.
#[derive(Default)]
pub struct Images {
    sources: Mutex<HashMap<String, (u64, Arc<OnceCell<Arc<Source>>>)>>,
    layers: Shelf<(String, bool), Window>,
}

/// An image where it comes from.
pub struct Source {
    /// What it is.
    pub image: Image,
    reader: tokio::sync::Mutex<ImageReader>,
    archives: Shelf<Order, Blob>,
}

/// What an archive of an image is to be like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// What the image is called there.
    pub name: String,
    /// How many of its layers stay out, from the lowest up.
    pub left_out: usize,
    /// Whether layers are compressed where that makes them smaller.
    pub compress: bool,
}

impl Images {
    /// The image that `open` finds, found once for all who ask in the same round: another task may find another one there.
    ///
    /// # Errors
    /// Those of `open`.
    pub async fn source<E>(
        &self,
        key: &str,
        round: u64,
        open: impl Future<Output = Result<(ImageReader, Image), E>>,
    ) -> Result<Arc<Source>, E> {
        let cell = {
            let mut sources = lock(&self.sources);
            let known = sources.get(key).filter(|(of, _)| *of == round).map(|(_, cell)| cell.clone());
            known.unwrap_or_else(|| {
                let cell = Arc::new(OnceCell::new());
                sources.insert(key.to_owned(), (round, cell.clone()));
                cell
            })
        };
        let found = cell.get_or_try_init(async || {
            let (reader, image) = open.await?;
            let reader = tokio::sync::Mutex::new(reader);
            Ok(Arc::new(Source { image, reader, archives: Shelf::default() }))
        });
        found.await.cloned()
    }
}

impl Source {
    /// The image as an archive that engines load, made once for all hosts that lack the same layers.
    ///
    /// # Errors
    /// When it cannot be read where it comes from, or not be kept here.
    pub async fn archive(
        &self,
        images: &Images,
        blobs: &Blobs,
        order: &Order,
        heard: Heard<'_>,
    ) -> Result<Blob, SessionError> {
        let cell = lock(&self.archives).entry(order.clone()).or_default().clone();
        let made = cell.get_or_try_init(async || {
            let mut layers = Vec::new();
            for (number, layer) in self.image.layers.iter().enumerate().skip(order.left_out) {
                // The same layer may be there twice, an empty one for instance; engines look for one by its name.
                if layers.iter().any(|(diff_id, _)| *diff_id == layer.diff_id) {
                    continue;
                }
                let cell = lock(&images.layers).entry((layer.diff_id.clone(), order.compress)).or_default().clone();
                let content = cell.get_or_try_init(async || self.layer(number, order.compress, heard).await).await?;
                layers.push((layer.diff_id.clone(), content.clone()));
            }
            let configuration = self.reader.lock().await.configuration(heard).await?;
            let parts = archive::assemble(&self.image, &order.name, &configuration, &layers).map_err(unkept)?;
            blobs.add_parts(parts).await.map_err(unkept)
        });
        made.await.cloned()
    }

    async fn layer(&self, number: usize, compress: bool, heard: Heard<'_>) -> Result<Window, SessionError> {
        let file = scratch::file().map_err(unkept)?;
        let mut to = tokio::fs::File::from_std(file);
        self.reader.lock().await.layer(number, compress, &mut to, heard).await?;
        Window::whole(to.into_std().await).map_err(unkept)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what becomes of an error")]
fn unkept(error: io::Error) -> SessionError {
    SessionError::Failed(
        Failure::new(format!("cannot keep the layers of the image on the controller: {error}"))
            .hint("set TMPDIR to a folder that has more space"),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
