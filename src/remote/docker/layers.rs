//! Which layers of an image an engine has already: it keeps each on top of the ones below it, so only the first ones count.

use super::Engine;
use crate::{protocol::Json, remote::Stop};

/// How many of these layers, from the lowest up, some image of the engine begins with.
///
/// # Errors
/// When the engine refuses or stops answering.
pub fn present(engine: &Engine<'_, '_>, layers: &[String]) -> Result<usize, Stop> {
    let mut most = 0;
    for image in engine.list("/images/json")? {
        if most == layers.len() {
            break;
        }
        let Some(id) = image["Id"].as_str() else { continue };
        // It may have been removed meanwhile.
        let Some(image) = engine.get(&format!("/images/{id}/json"))? else { continue };
        most = most.max(shared(&image, layers));
    }
    Ok(most)
}

/// How many of these layers an image begins with.
fn shared(image: &Json, layers: &[String]) -> usize {
    let own = image["RootFS"]["Layers"].as_array().into_iter().flatten();
    own.zip(layers).take_while(|(own, wanted)| own.as_str() == Some(wanted)).count()
}

/// Whether an engine keeps its images in containerd, by what it says of itself. There a layer cannot be left out of an
/// archive, and an image is not called by the digest of its configuration.
#[must_use]
pub fn is_containerd(info: &Json) -> bool {
    let status = info["DriverStatus"].as_array().into_iter().flatten().filter_map(Json::as_array).flatten();
    status.filter_map(Json::as_str).any(|word| word.starts_with("io.containerd.snapshotter"))
}
