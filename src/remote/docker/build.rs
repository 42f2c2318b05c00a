//! What a task may say about building an image, and the request that builds it.

use std::path::PathBuf;

use serde_json::json;

use super::{
    engine::{Engine, effect, with_query},
    mounts::texts,
    reference::Reference,
    registry, sizes, suboptions,
};
use crate::{
    options,
    protocol::{HttpRequest, Json, Map},
    remote::{Stop, machine::digest},
};

/// The label that says what an image was built of.
pub const CONTEXT_LABEL: &str = "deployer.context";

/// The label that lists the files of the context with a short hash each, so that a diff can name what changed.
pub const FILES_LABEL: &str = "deployer.files";

/// The label that says which images it was built on.
pub const BASES_LABEL: &str = "deployer.bases";

/// The longest list of files that is kept in a label, in bytes.
const FILES_LABEL_BYTES_MAX: usize = 32 << 10;

options! {
    /// Limits while an image is built.
    pub struct Limits {
        /// Most memory.
        memory: Option<String>,
        /// Most memory and swap together; `-1` is unlimited.
        memswap: Option<String>,
        /// Share of the processors.
        cpushares: Option<i64>,
        /// Which processors.
        cpusetcpus: Option<String>,
    }
}

options! {
    /// How an image is built.
    pub struct Build {
        /// The folder it is built of.
        path: PathBuf,
        /// Its Dockerfile, relative to the folder.
        dockerfile: Option<String>,
        /// Build arguments; proxies and the text of a CA bundle go here too.
        args: Map,
        /// Labels.
        labels: Map,
        /// Stage to build.
        target: Option<String>,
        /// Network of the commands that run while it is built.
        network: Option<String>,
        /// More lines of /etc/hosts there, NAME: IP.
        etc_hosts: Map,
        /// Size of /dev/shm there.
        shm_size: Option<String>,
        /// Platform.
        platform: Option<String>,
        /// Images whose layers may be used.
        cache_from: Vec<String>,
        /// Build every layer anew.
        nocache: bool = false,
        /// Ask the registry for newer base images.
        pull: bool = false,
        /// Remove containers that were made for the build.
        rm: bool = true,
        /// Limits while it is built.
        container_limits: Option<Limits>,
        /// Seconds that Ansible waits for the engine; a build is awaited here as long as it says something.
        http_timeout: Option<i64>,
        /// Take proxies from the configuration of the docker command.
        use_config_proxy: Option<bool>,
    }
}
suboptions!(Build, Limits);

/// What the image is to be built of, as far as it is known beforehand.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Hash of the folder's content.
    pub digest: String,
    /// Its files with a hash each; empty when unknown.
    pub files: Map,
    /// Ids of the images it is built on, by name; only those on the host.
    pub bases: Map,
}

impl Build {
    /// The hash of everything that decides what comes out.
    #[must_use]
    pub fn digest(&self, source: &Source) -> String {
        let said =
            json!(
                [source.digest, self.dockerfile, texts(&self.args), texts(&self.labels), self.target, self.platform,]
            );
        digest(said.to_string().as_bytes())
    }

    /// Labels that the image gets.
    #[must_use]
    pub fn labels(&self, source: &Source) -> Map {
        let mut labels = texts(&self.labels);
        labels.insert(CONTEXT_LABEL.to_owned(), json!(self.digest(source)));
        let files = json!(source.files).to_string();
        // Empty ones are said too: labels of a base image that was built here would come through.
        let files = if files.len() <= FILES_LABEL_BYTES_MAX { files } else { "{}".to_owned() };
        labels.insert(FILES_LABEL.to_owned(), json!(files));
        labels.insert(BASES_LABEL.to_owned(), json!(json!(source.bases).to_string()));
        labels
    }

    /// Why an image is not what would be built now; empty when it is.
    #[must_use]
    pub fn differences(&self, source: &Source, image: &Json) -> Vec<String> {
        let label = |name: &str| image["Config"]["Labels"][name].as_str();
        let map = |name: &str| label(name).and_then(|text| serde_json::from_str::<Map>(text).ok()).unwrap_or_default();
        let mut told = Vec::new();
        match label(CONTEXT_LABEL) {
            Some(built) if built == self.digest(source) => {}
            Some(_) => {
                let before = map(FILES_LABEL);
                if !before.is_empty() && !source.files.is_empty() {
                    told.extend(files(&before, &source.files));
                }
                if told.is_empty() {
                    told.push("build folder or options changed".to_owned());
                }
            }
            None => told.push("it was not built by deployer, or not from this folder".to_owned()),
        }
        for (name, id) in map(BASES_LABEL) {
            if source.bases.get(&name).is_some_and(|now| *now != id) {
                told.push(format!("base image {name} changed"));
            }
        }
        told
    }

    /// The request that builds; the caller adds where the archive comes from.
    ///
    /// # Errors
    /// Sizes that are none.
    pub fn request(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        source: &Source,
    ) -> Result<HttpRequest, Stop> {
        let bytes = |text: &Option<String>| -> Result<Option<String>, Stop> {
            let read = |text: &String| if text == "-1" { Ok(-1) } else { sizes::bytes(text) };
            Ok(text.as_ref().map(read).transpose().map_err(Stop::failed)?.map(|bytes| bytes.to_string()))
        };
        let flag = |on: bool| Some(if on { "1" } else { "0" }.to_owned());
        let labels = self.labels(source);
        let limits = self.container_limits.as_ref();
        let mut query = vec![
            ("t", Some(reference.full())),
            ("labels", Some(json!(labels).to_string())),
            ("buildargs", (!self.args.is_empty()).then(|| json!(texts(&self.args)).to_string())),
            ("dockerfile", self.dockerfile.clone()),
            ("target", self.target.clone()),
            ("networkmode", self.network.clone()),
            ("platform", self.platform.clone()),
            ("shmsize", bytes(&self.shm_size)?),
            ("cachefrom", (!self.cache_from.is_empty()).then(|| json!(self.cache_from).to_string())),
            ("nocache", flag(self.nocache)),
            ("pull", self.pull.then(|| "1".to_owned())),
            ("rm", flag(self.rm)),
            ("forcerm", flag(self.rm)),
            ("memory", limits.map(|limits| bytes(&limits.memory)).transpose()?.flatten()),
            ("memswap", limits.map(|limits| bytes(&limits.memswap)).transpose()?.flatten()),
            ("cpushares", limits.and_then(|limits| limits.cpushares).map(|shares| shares.to_string())),
            ("cpusetcpus", limits.and_then(|limits| limits.cpusetcpus.clone())),
        ];
        for (name, ip) in texts(&self.etc_hosts) {
            query.push(("extrahosts", Some(format!("{name}:{}", ip.as_str().unwrap_or_default()))));
        }
        let query: Vec<(&str, &str)> =
            query.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let mut request =
            engine.request("POST", &with_query("/build", &query), format!("build image {}", reference.full()));
        request.stream = true;
        // The engine asks every registry that a Dockerfile names; which ones is known to it alone.
        let logins = registry::all(engine.probe())?;
        request.headers.extend(logins.map(|logins| ("X-Registry-Config".to_owned(), logins)));
        let predicted = json!({"Id": null, "RepoTags": [reference.full()], "Config": {"Labels": labels}});
        request.effects.push(effect("image", &reference.canonical(), predicted));
        Ok(request)
    }
}

/// Names files that came, went or changed.
fn files(before: &Map, after: &Map) -> Vec<String> {
    let changed = after.iter().filter_map(|(path, hash)| match before.get(path) {
        Some(known) if known == hash => None,
        Some(_) => Some(format!("{path} changed")),
        None => Some(format!("{path} is new")),
    });
    let gone = before.keys().filter(|path| !after.contains_key(*path)).map(|path| format!("{path} is gone"));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::Options;

    fn build(options: &Json) -> Build {
        Build::parse(options.as_object().unwrap()).unwrap()
    }

    fn source(files: &Json) -> Source {
        let files = files.as_object().unwrap().clone();
        Source { digest: json!(files).to_string(), files, bases: Map::new() }
    }

    #[test]
    fn an_image_is_up_to_date_until_a_file_or_an_argument_changes() {
        let plain = build(&json!({"path": "/x"}));
        let now = source(&json!({"app.py": "1", "wsgi.py": "1"}));
        let image = json!({"Config": {"Labels": plain.labels(&now)}});
        assert!(plain.differences(&now, &image).is_empty());
        let later = source(&json!({"app.py": "2", "new.py": "1"}));
        assert_eq!(plain.differences(&later, &image), ["app.py changed", "new.py is new", "wsgi.py is gone"]);
        let other = build(&json!({"path": "/x", "args": {"A": 1}}));
        assert_eq!(other.differences(&now, &image), ["build folder or options changed"]);
        assert_eq!(plain.differences(&now, &json!({"Config": {"Labels": null}})).len(), 1);
    }

    #[test]
    fn a_base_image_counts_once_it_was_known() {
        let plain = build(&json!({"path": "/x"}));
        let mut now = source(&json!({"a": "1"}));
        let image = json!({"Config": {"Labels": plain.labels(&now)}});
        now.bases.insert("base:1".to_owned(), json!("sha256:new"));
        assert!(plain.differences(&now, &image).is_empty());
        let image = json!({"Config": {"Labels": plain.labels(&now)}});
        now.bases.insert("base:1".to_owned(), json!("sha256:newer"));
        assert_eq!(plain.differences(&now, &image), ["base image base:1 changed"]);
    }
}
