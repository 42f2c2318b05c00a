//! `docker_image`: builds, pulls, loads, imports, tags, pushes, archives and removes images.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    choices, options,
    protocol::{Blob, Change, HttpRequest, Json, Map},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine, Object,
            build::{Build, Source as BuildSource},
            context,
            engine::{effect, with_query},
            pull,
            reference::Reference,
            registry, suboptions,
        },
    },
};

/// The label that says which archive an imported image was made of.
const ARCHIVE_LABEL: &str = "deployer.archive";

choices! {
    /// What is to be true of an image.
    pub enum State {
        /// There.
        Present = "present",
        /// Gone.
        Absent = "absent",
    }
}

choices! {
    /// Where an image comes from.
    pub enum Source {
        /// A folder with a Dockerfile.
        Build = "build",
        /// An archive that `docker save` made.
        Load = "load",
        /// A registry.
        Pull = "pull",
        /// It is there already.
        Local = "local",
        /// An archive of a root file system; not known to Ansible.
        Import = "import",
    }
}

options! {
    /// How an image is pulled.
    pub struct PullOptions {
        /// Platform.
        platform: Option<String>,
    }
}
suboptions!(PullOptions);

options! {
    /// Brings an image of the host's Docker engine to the described state: builds it from a folder of the controller (or of
    /// the host with `remote_src`), pulls it, loads it from an archive, or makes it of a root file system (`source: import`). An image is built again
    /// exactly when its folder, the build options or a base image changed.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image:
    ///     name: app
    ///     tag: "1"
    ///     source: build
    ///     build: { path: app/ }
    /// ```
    ///
    /// ## Returns
    /// `image`: as the engine's inspect shows it. `actions`: what was done, in words. `stdout`: what the build said.
    pub struct DockerImage {
        /// Name of the image, with or without tag.
        name: String,
        /// Its tag when the name has none.
        tag: String = "latest",
        /// Where it comes from.
        source: Option<Source>,
        /// How it is built.
        build: Option<Build>,
        /// How it is pulled.
        pull: Option<PullOptions>,
        /// The archive to load, on the host.
        load_path: Option<PathBuf>,
        /// The root file system to import, a tar file on the host.
        import_path: Option<PathBuf> [path],
        /// Dockerfile instructions for an imported image, `CMD ["/bin/sh"]` for one.
        changes: Vec<Json>,
        /// Where to save the image, on the host.
        archive_path: Option<PathBuf>,
        /// Another name for it.
        repository: Option<String>,
        /// Push it, under `repository` where that is given.
        push: bool = false,
        /// Build, pull or load again; a pull asks the registry first.
        force_source: bool = false,
        /// Give the other name even where it is another image's.
        force_tag: bool = false,
        /// Remove it although containers use it.
        force_absent: bool = false,
        /// The folder to build is on the host.
        remote_src: bool = false,
        /// What is to be true of it.
        state: State = State::Present,
        /// The folder to build, as tar archive.
        _context: Option<Blob>,
        /// Hash of the folder.
        _context_digest: Option<String>,
        /// Its files with a hash each.
        _context_files: Map,
        /// Images that the Dockerfile builds on.
        _bases: Vec<String>,
        /// The archive to load or import.
        _archive: Option<Blob>,
        /// The id of the image in that archive.
        _image_id: Option<String>,
        ..connection: Connection,
    }
}

impl Module for DockerImage {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let reference = Reference::parse(&self.name, &self.tag);
        let found = engine.image(&reference)?;
        let mut plan = Plan::new();
        plan.set("actions", json!([]));
        if self.state == State::Absent {
            plan.set("image", json!({}));
            if found.is_some() {
                let path = format!("/images/{}", reference.full());
                let path = with_query(&path, &[("force", if self.force_absent { "1" } else { "0" })]);
                let mut request = engine.request("DELETE", &path, format!("remove image {}", reference.full()));
                request.accept = vec![404];
                request.effects.push(effect("image", &reference.canonical(), Json::Null));
                plan.diff(format!("image {}", reference.full()), "present\n", "absent\n");
                note(&mut plan, request);
            }
            return Ok(plan);
        }
        plan.set("image", found.as_ref().map_or_else(|| json!({}), |found| found.value.clone()));
        match self.source() {
            Source::Build => self.build(&engine, &reference, found.as_ref(), &mut plan)?,
            Source::Pull => self.pull(&engine, &reference, found.as_ref(), &mut plan)?,
            Source::Load => self.load(&engine, &reference, found.as_ref(), &mut plan)?,
            Source::Import => self.import(&engine, &reference, found.as_ref(), &mut plan)?,
            Source::Local if found.is_none() => {
                return Err(Stop::failed(format!("there is no image {} on the host", reference.full()))
                    .hint("build, load or pull it first, or say where it comes from with `source`"));
            }
            Source::Local => {}
        }
        let fresh = !plan.changes.is_empty();
        let tagged = self.tag(&engine, &reference, found.as_ref(), fresh, &mut plan)?;
        self.archive(&engine, &reference, found.as_ref(), fresh, &mut plan)?;
        if self.push {
            Self::push(&engine, &tagged.unwrap_or(reference), &mut plan)?;
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if applied.is_empty() || self.state == State::Absent {
            return Ok(());
        }
        let engine = Engine::connect(probe, &self.connection)?;
        let reference = Reference::parse(&self.name, &self.tag);
        let image = engine.image(&reference)?;
        if image.is_none() && matches!(self.source(), Source::Load) {
            let said = applied.last().map(|applied| applied.stdout.trim().to_owned()).unwrap_or_default();
            return Err(Stop::failed(format!("the archive does not hold the image {}: {said}", reference.full())));
        }
        plan.set("image", image.map_or_else(|| json!({}), |image| image.value));
        for (change, applied) in plan.changes.iter().zip(applied) {
            let Change::Http(request) = change else { continue };
            if request.path.contains("/push") && applied.stdout.contains("Pushed") {
                plan.changed = Some(true);
            } else if request.path.contains("/build?") {
                plan.result.insert("stdout".to_owned(), json!(applied.stdout));
            }
        }
        Ok(())
    }
}

/// Plans a request and tells of it.
pub(super) fn note(plan: &mut Plan, request: HttpRequest) {
    if let Some(Json::Array(actions)) = plan.result.get_mut("actions") {
        actions.push(json!(request.summary));
    }
    plan.push(Change::Http(request));
}

impl DockerImage {
    /// Nothing but a name.
    pub(super) fn named(name: &str, tag: &str, connection: &Connection) -> Self {
        Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
            source: None,
            build: None,
            pull: None,
            load_path: None,
            import_path: None,
            changes: Vec::new(),
            archive_path: None,
            repository: None,
            push: false,
            force_source: false,
            force_tag: false,
            force_absent: false,
            remote_src: false,
            state: State::Present,
            _context: None,
            _context_digest: None,
            _context_files: Map::new(),
            _bases: Vec::new(),
            _archive: None,
            _image_id: None,
            connection: connection.clone(),
        }
    }

    /// Where it comes from; what else is given says it too.
    fn source(&self) -> Source {
        self.source.unwrap_or(match self {
            Self { build: Some(_), .. } => Source::Build,
            Self { load_path: Some(_), .. } => Source::Load,
            Self { import_path: Some(_), .. } => Source::Import,
            _ => Source::Local,
        })
    }

    fn told(reference: &Reference, found: Option<&Object>, why: &[String], plan: &mut Plan) {
        let name = format!("image {}", reference.full());
        match found {
            None => plan.diff(name, "absent\n", "present\n"),
            Some(found) => {
                let id = found.value["Id"].as_str().unwrap_or("(known after apply)");
                plan.diff(name, format!("{id}\n"), format!("(known after apply)\n{}\n", why.join("\n")));
            }
        }
    }

    fn build(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let Some(build) = &self.build else {
            return Err(Stop::failed("source: build needs `build` with the `path` of a folder"));
        };
        let probe = engine.probe();
        let folder = self._context.is_none().then(|| context::read(probe, build)).transpose()?;
        let mut source = match (&self._context, &folder) {
            (Some(blob), _) => BuildSource {
                digest: self._context_digest.clone().unwrap_or_else(|| blob.sha256.clone()),
                files: self._context_files.clone(),
                bases: Map::new(),
            },
            (None, Some(folder)) => BuildSource { digest: folder.digest(), files: folder.files(), bases: Map::new() },
            (None, None) => BuildSource::default(),
        };
        let named = folder.as_ref().map(|folder| folder.bases.clone()).unwrap_or_default();
        for base in self._bases.iter().chain(&named) {
            if let Some(image) = engine.image(&Reference::parse(base, "latest"))? {
                // A base that is only predicted has no id yet, which differs from whatever was noted.
                source.bases.insert(base.clone(), image.value["Id"].clone());
            }
        }
        let differences = found.map(|found| build.differences(&source, &found.value)).unwrap_or_default();
        if found.is_some() && differences.is_empty() && !self.force_source {
            return Ok(());
        }
        Self::told(reference, found, &differences, plan);
        let mut request = build.request(engine, reference, &source)?;
        match folder {
            None => {
                request.upload.clone_from(&self._context);
                note(plan, request);
            }
            Some(folder) => {
                let home = PathBuf::from(probe.variable("HOME").unwrap_or_else(|| "/root".to_owned()));
                let (pack, archive) = folder.pack(&build.path, &home);
                plan.push(Change::Run(pack));
                request.upload_path = Some(archive);
                request.discard_upload = true;
                note(plan, request);
            }
        }
        if probe.predicting() {
            plan.set("image", json!({"Id": null, "RepoTags": [reference.full()]}));
        }
        Ok(())
    }

    fn pull(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let due = match found {
            None => true,
            Some(found) => self.force_source && !found.predicted && pull::is_newer(engine, reference, &found.value)?,
        };
        if due {
            Self::told(reference, found, &["the registry has another one".to_owned()], plan);
            let platform = self.pull.as_ref().and_then(|pull| pull.platform.as_deref());
            note(plan, pull::request(engine, reference, platform)?);
        }
        Ok(())
    }

    fn load(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let id = match (&self._image_id, &self._archive, &self.load_path) {
            (Some(id), ..) => Some(id.clone()),
            (None, Some(_), _) => None,
            (None, None, Some(path)) => {
                let held = manifest(engine.probe(), path)?;
                held.into_iter().find(|(name, _)| *name == reference.full()).map(|(_, id)| id)
            }
            (None, None, None) => {
                return Err(Stop::failed("source: load needs `load_path`, an archive that `docker save` made"));
            }
        };
        let same = |found: &Object| id.as_ref().is_none_or(|id| found.value["Id"] == **id);
        if found.is_some_and(same) && !self.force_source {
            return Ok(());
        }
        Self::told(reference, found, &["the archive holds another one".to_owned()], plan);
        let mut request = engine.request("POST", "/images/load?quiet=0", format!("load image {}", reference.full()));
        self.attach(&mut request, self.load_path.as_deref());
        let predicted = json!({"Id": id, "RepoTags": [reference.full()]});
        request.effects.push(effect("image", &reference.canonical(), predicted));
        note(plan, request);
        Ok(())
    }

    fn import(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let probe = engine.probe();
        let content = match (&self._archive, &self.import_path) {
            (Some(blob), _) => blob.sha256.clone(),
            (None, Some(path)) => match probe.sha256(path) {
                Err(Stop::Unknown(_)) if probe.predicting() => "(known after apply)".to_owned(),
                other => other?,
            },
            (None, None) => {
                return Err(Stop::failed("source: import needs `import_path`, a tar file of a root file system"));
            }
        };
        let changes: Vec<String> = self
            .changes
            .iter()
            .map(|change| change.as_str().map_or_else(|| change.to_string(), str::to_owned))
            .collect();
        let digest = crate::remote::machine::digest(json!([content, changes]).to_string().as_bytes());
        if found.is_some_and(|found| found.value["Config"]["Labels"][ARCHIVE_LABEL] == *digest) && !self.force_source {
            return Ok(());
        }
        Self::told(reference, found, &["the archive or its changes differ".to_owned()], plan);
        let label = format!("LABEL {ARCHIVE_LABEL}={digest}");
        let mut query =
            vec![("fromSrc", "-"), ("repo", reference.repository.as_str()), ("tag", reference.tag.as_str())];
        query.extend(changes.iter().chain([&label]).map(|change| ("changes", change.as_str())));
        query.extend(
            self.pull.as_ref().and_then(|pull| pull.platform.as_deref()).map(|platform| ("platform", platform)),
        );
        let path = with_query("/images/create", &query);
        let mut request = engine.request("POST", &path, format!("import image {}", reference.full()));
        self.attach(&mut request, self.import_path.as_deref());
        let predicted =
            json!({"Id": null, "RepoTags": [reference.full()], "Config": {"Labels": {ARCHIVE_LABEL: digest}}});
        request.effects.push(effect("image", &reference.canonical(), predicted));
        note(plan, request);
        Ok(())
    }

    fn attach(&self, request: &mut HttpRequest, path: Option<&Path>) {
        request.stream = true;
        match &self._archive {
            Some(blob) => request.upload = Some(blob.clone()),
            None => request.upload_path = path.map(Path::to_owned),
        }
    }

    /// Gives the other name; says which one it is.
    fn tag(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        fresh: bool,
        plan: &mut Plan,
    ) -> Result<Option<Reference>, Stop> {
        let Some(repository) = &self.repository else { return Ok(None) };
        let other = Reference::parse(repository, &self.tag);
        let there = engine.image(&other)?;
        let same = there
            .as_ref()
            .is_some_and(|there| !fresh && found.is_some_and(|found| found.value["Id"] == there.value["Id"]));
        if same || (there.is_some() && !self.force_tag && !fresh) {
            return Ok(Some(other));
        }
        let path = with_query(
            &format!("/images/{}/tag", reference.full()),
            &[("repo", &other.repository), ("tag", &other.tag)],
        );
        let mut request = engine.request("POST", &path, format!("tag image {} as {}", reference.full(), other.full()));
        let predicted = found.filter(|_| !fresh).map_or_else(|| json!({"Id": null}), |found| found.value.clone());
        request.effects.push(effect("image", &other.canonical(), predicted));
        plan.diff(
            format!("image {}", other.full()),
            if there.is_some() { "another image\n" } else { "absent\n" },
            format!("{}\n", reference.full()),
        );
        note(plan, request);
        Ok(Some(other))
    }

    /// Pushes what the registry does not have; where it cannot be asked, the push itself tells.
    fn push(engine: &Engine<'_, '_>, reference: &Reference, plan: &mut Plan) -> Result<(), Stop> {
        let due = !plan.changes.is_empty();
        let image = engine.image(reference)?.filter(|image| !image.predicted && !due);
        let pushed = image.map_or(Ok(false), |image| pull::is_pushed(engine, reference, &image.value));
        if matches!(pushed, Ok(true)) {
            return Ok(());
        }
        plan.diff(format!("image {} in its registry", reference.full()), "another or none\n", "as on the host\n");
        note(plan, push_request(engine, reference)?);
        if pushed.is_err() && !engine.probe().predicting() {
            plan.changed = Some(due);
        }
        Ok(())
    }

    fn archive(
        &self,
        engine: &Engine<'_, '_>,
        reference: &Reference,
        found: Option<&Object>,
        fresh: bool,
        plan: &mut Plan,
    ) -> Result<(), Stop> {
        let Some(path) = &self.archive_path else { return Ok(()) };
        let there = engine.probe().exists(path)?;
        if there && !fresh {
            let id = archived(engine.probe(), path)?;
            if id.is_some() && id.as_deref() == found.and_then(|found| found.value["Id"].as_str()) {
                return Ok(());
            }
        }
        let mut request = engine.request(
            "GET",
            &format!("/images/{}/get", reference.full()),
            format!("save image {} to {}", reference.full(), path.display()),
        );
        request.save_to = Some(path.clone());
        request.effects.push(crate::protocol::Effect::new("file", &path.display().to_string(), json!("file")));
        plan.diff(
            path.display().to_string(),
            if there { "another image\n" } else { "" },
            format!("{}\n", reference.full()),
        );
        note(plan, request);
        Ok(())
    }
}

/// The id of the first image in an archive, where its manifest can be read.
fn archived(probe: &Probe<'_>, path: &Path) -> Result<Option<String>, Stop> {
    Ok(manifest(probe, path)?.into_iter().next().map(|(_, id)| id))
}

/// Names and ids of the images in an archive; empty where its manifest cannot be read, or not yet.
///
/// # Errors
/// When there is no archive.
pub(super) fn manifest(probe: &Probe<'_>, path: &Path) -> Result<Vec<(String, String)>, Stop> {
    if !probe.exists(path)? {
        return Err(Stop::failed(format!("there is no archive {} on the host", path.display())));
    }
    let path = path.display().to_string();
    let Ok(output) = probe.query(&["tar", "-xOf", &path, "manifest.json"]) else { return Ok(Vec::new()) };
    let manifest: Json = serde_json::from_str(&output.stdout).unwrap_or_default();
    let mut held = Vec::new();
    for image in manifest.as_array().into_iter().flatten() {
        let config = image["Config"].as_str().unwrap_or_default();
        let hex = config.trim_end_matches(".json").rsplit('/').next().unwrap_or_default();
        let tags = image["RepoTags"].as_array().into_iter().flatten().filter_map(Json::as_str);
        held.extend(tags.filter(|_| hex.len() == 64).map(|tag| (tag.to_owned(), format!("sha256:{hex}"))));
    }
    Ok(held)
}

fn push_request(engine: &Engine<'_, '_>, reference: &Reference) -> Result<HttpRequest, Stop> {
    let path = with_query(&format!("/images/{}/push", reference.repository), &[("tag", &reference.tag)]);
    let mut request = engine.request("POST", &path, format!("push image {}", reference.full()));
    // The engine insists on a login, be it empty.
    let auth = registry::header(engine.probe(), reference.registry())?.unwrap_or_else(|| "e30=".to_owned());
    request.headers.insert("X-Registry-Auth".to_owned(), auth);
    request.stream = true;
    Ok(request)
}
