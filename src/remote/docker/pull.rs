//! Pulling images: whether the registry has another one, and the request that brings it.

use super::{
    engine::{Engine, effect, encode, with_query},
    reference::Reference,
    registry,
};
use crate::{
    protocol::{HttpRequest, Json},
    remote::Stop,
};

/// The request that pulls an image, with the host's login to its registry.
///
/// # Errors
/// When logins are kept on the host and cannot be read.
pub fn request(engine: &Engine<'_, '_>, reference: &Reference, platform: Option<&str>) -> Result<HttpRequest, Stop> {
    let tag = reference.digest.as_deref().unwrap_or(&reference.tag);
    let mut query = vec![("fromImage", reference.repository.as_str()), ("tag", tag)];
    query.extend(platform.map(|platform| ("platform", platform)));
    let mut request =
        engine.request("POST", &with_query("/images/create", &query), format!("pull image {}", reference.full()));
    request.headers.extend(
        registry::header(engine.probe(), reference.registry())?.map(|auth| ("X-Registry-Auth".to_owned(), auth)),
    );
    request.stream = true;
    request.effects.push(effect(
        "image",
        &reference.canonical(),
        serde_json::json!({"Id": null, "RepoTags": [reference.full()]}),
    ));
    Ok(request)
}

/// Whether the registry's image is another one than the host's.
///
/// # Errors
/// When the registry does not answer or has no such image.
pub fn is_newer(engine: &Engine<'_, '_>, reference: &Reference, image: &Json) -> Result<bool, Stop> {
    if let Some(digest) = &reference.digest {
        return Ok(!has_digest(image, digest));
    }
    let found = offered(engine, reference)
        .map_err(|stop| stop.hint("pull only what is missing (`pull: missing`) where no registry can be reached"))?;
    match found {
        Some(digest) => Ok(!has_digest(image, &digest)),
        None => Err(Stop::failed(format!("the registry knows no image {}", reference.full()))),
    }
}

/// Whether the registry has the host's image under this name.
///
/// # Errors
/// When the registry does not answer.
pub fn is_pushed(engine: &Engine<'_, '_>, reference: &Reference, image: &Json) -> Result<bool, Stop> {
    Ok(offered(engine, reference)?.is_some_and(|digest| has_digest(image, &digest)))
}

/// The digest of the registry's image of this name, where there is one.
///
/// # Errors
/// When the registry does not answer.
pub fn offered(engine: &Engine<'_, '_>, reference: &Reference) -> Result<Option<String>, Stop> {
    let auth = registry::header(engine.probe(), reference.registry())?;
    let headers = auth.as_deref().map(|auth| [("X-Registry-Auth", auth)]);
    let path = format!("/distribution/{}/json", encode(&reference.full()).replace("%2F", "/").replace("%3A", ":"));
    let found = engine.get_with(&path, headers.as_ref().map_or(&[][..], |headers| headers))?;
    Ok(found.and_then(|found| found["Descriptor"]["digest"].as_str().map(str::to_owned)))
}

fn has_digest(image: &Json, digest: &str) -> bool {
    let digests = image["RepoDigests"].as_array().into_iter().flatten();
    digests.filter_map(Json::as_str).any(|known| known.ends_with(digest))
}
