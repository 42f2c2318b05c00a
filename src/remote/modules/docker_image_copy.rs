//! `docker_image_copy`: has an image from elsewhere, of which only the layers travel that the host lacks.

use serde_json::json;

use super::docker_image::note;
use crate::{
    options,
    protocol::{Blob, Json},
    remote::{
        Applied, Module, Plan, Planned, Probe, Stop,
        docker::{
            Connection, Engine, Object,
            engine::{effect, with_query},
            layers::{is_containerd, present},
            reference::Reference,
        },
    },
};

options! {
    /// Copies an image to the host's Docker engine without a registry, over the connection that is open already. Only layers that the host lacks
    /// travel, compressed where that pays; the image is read once for all hosts. It comes from another host (`from`), from an archive (`path`), or
    /// from the engine of the machine where you type, which needs none otherwise. An engine that does not take an image without the layers it has gets
    /// all of it, with a warning. Layers wait on the controller's disk (`TMPDIR`, else `/var/tmp`) until the run ends.
    ///
    /// ## Example
    /// ```yaml
    /// - docker_image_copy:
    ///     name: shop/app:1.4
    ///     from: build1
    /// ```
    ///
    /// ## Returns
    /// `image`: as the engine's inspect shows it. `image_id`: its id where it comes from. `layers_present`: how many of its layers were there.
    /// `layers_sent`: how many travelled. `bytes_sent`: bytes of what travelled, as compressed; known after apply. `actions`: what was done, in words.
    pub struct DockerImageCopy {
        /// Name of the image, with or without tag; it gets the same on the host.
        name: String,
        /// Its tag when the name has none.
        tag: String = "latest",
        /// The host of the inventory whose engine has it; the machine where you type when left out.
        from: Option<String>,
        /// Instead of an engine: an archive on the controller that `docker save` made, or an OCI layout; a tar file, or a folder. One that is packed
        /// is unpacked on every run to see what it holds.
        path: Option<String> [src],
        /// Compress layers on their way where that makes them smaller.
        compress: bool = true,
        /// Only say which layers there are.
        _look: bool = false,
        /// Its id where it comes from; none while that is only foreseen.
        _image: Option<String>,
        /// When it was made.
        _created: Option<String>,
        /// Its layers from the lowest up, by what they hold.
        _layers: Vec<String>,
        /// About how many bytes each has.
        _sizes: Vec<i64>,
        /// The archive to load, without its first layers.
        _archive: Option<Blob>,
        /// How many layers that archive leaves out.
        _left_out: i64 = 0,
        ..connection: Connection,
    }
}

impl Module for DockerImageCopy {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let engine = Engine::connect(probe, &self.connection)?;
        let reference = self.reference();
        let found = engine.image(&reference)?;
        let mut plan = Plan::new();
        plan.set("actions", json!([]));
        plan.set("image", found.as_ref().map_or_else(|| json!({}), |found| found.value.clone()));
        plan.set("image_id", json!(self._image));
        told(&mut plan, self._layers.len(), 0);
        let Some(id) = &self._image else { return Ok(self.foreseen(&engine, found.as_ref(), plan)) };
        if found.as_ref().is_some_and(|found| found.value["Id"] == **id) {
            return Ok(plan);
        }
        if let Some(other) = engine.image(&Reference::parse(id, ""))? {
            self.name(&engine, found.as_ref(), &other, &mut plan);
            return Ok(plan);
        }
        let whole_only = is_containerd(&engine.get("/info")?.unwrap_or_default());
        if whole_only && found.as_ref().is_some_and(|found| self.is_same(&found.value)) {
            return Ok(plan);
        }
        let there = if whole_only { 0 } else { present(&engine, &self._layers)? };
        let lacking = self._layers.len() - there;
        told(&mut plan, there, lacking);
        if self._look {
            plan.set("lacking", lacking);
            return Ok(plan);
        }
        self.load(&engine, found.as_ref(), there, &mut plan)?;
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(last) = applied.last() else { return Ok(()) };
        let engine = Engine::connect(probe, &self.connection)?;
        let reference = self.reference();
        let image = engine.image(&reference)?.map(|image| image.value).unwrap_or_default();
        if image["Id"] != json!(self._image) && !self.is_same(&image) {
            let said = last.stdout.trim();
            return Err(Stop::failed(format!(
                "the engine loaded something else than image {}: {said}",
                reference.full()
            )));
        }
        plan.set("image", image);
        Ok(())
    }
}

impl DockerImageCopy {
    /// The name it has here and there.
    #[must_use]
    pub fn reference(&self) -> Reference {
        Reference::parse(&self.name, &self.tag)
    }

    /// What is true later, in a check that is ahead of the image.
    fn foreseen(&self, engine: &Engine<'_, '_>, found: Option<&Object>, mut plan: Plan) -> Plan {
        let reference = self.reference();
        for unknown in ["image", "image_id", "layers_present", "layers_sent", "bytes_sent"] {
            plan.result.shift_remove(unknown);
        }
        plan.later = Some("the image is made by a task before this one".to_owned());
        if found.is_some_and(|found| found.predicted) {
            return plan;
        }
        Self::differs(&reference, found, "(known after apply)\n".to_owned(), &mut plan);
        let mut request = engine.request("POST", "/images/load?quiet=0", format!("copy image {}", reference.full()));
        request.effects.push(effect(
            "image",
            &reference.canonical(),
            json!({"Id": null, "RepoTags": [reference.full()]}),
        ));
        note(&mut plan, request);
        plan
    }

    fn load(&self, engine: &Engine<'_, '_>, found: Option<&Object>, there: usize, plan: &mut Plan) -> Result<(), Stop> {
        let (reference, total) = (self.reference(), self._layers.len());
        let mut request = engine.request("POST", "/images/load?quiet=0", format!("copy image {}", reference.full()));
        request.stream = true;
        request.upload.clone_from(&self._archive);
        let predicted = json!({"Id": self._image, "RepoTags": [reference.full()]});
        request.effects.push(effect("image", &reference.canonical(), predicted));
        let mut sent = total - there;
        let amount = if let Some(archive) = &self._archive {
            sent = total - usize::try_from(self._left_out).unwrap_or(0).min(total);
            told(plan, there, sent);
            plan.set("bytes_sent", archive.size);
            format!("{} bytes", archive.size)
        } else if engine.probe().predicting() {
            plan.result.shift_remove("bytes_sent");
            plan.later = Some("how many bytes travel is known once they are compressed".to_owned());
            let about: i64 = self._sizes.iter().skip(there).sum();
            if about > 0 { format!("about {about} bytes before compression") } else { "of unknown size".to_owned() }
        } else {
            return Err(Stop::failed("docker_image_copy was called without an archive"));
        };
        let id = self._image.as_deref().unwrap_or_default();
        let travel = if sent == 1 { "1 layer travels".to_owned() } else { format!("{sent} layers travel") };
        Self::differs(&reference, found, format!("{id}\n{travel} of {total}, {amount}\n"), plan);
        note(plan, request);
        Ok(())
    }

    /// The image is there under another name, or under none.
    fn name(&self, engine: &Engine<'_, '_>, found: Option<&Object>, other: &Object, plan: &mut Plan) {
        let reference = self.reference();
        let id = self._image.as_deref().unwrap_or_default();
        let path =
            with_query(&format!("/images/{id}/tag"), &[("repo", &reference.repository), ("tag", &reference.tag)]);
        let mut request = engine.request("POST", &path, format!("name the image {}", reference.full()));
        request.effects.push(effect("image", &reference.canonical(), other.value.clone()));
        Self::differs(&reference, found, format!("{id}\n"), plan);
        note(plan, request);
    }

    fn differs(reference: &Reference, found: Option<&Object>, after: String, plan: &mut Plan) {
        let before = found.map_or_else(
            || "absent\n".to_owned(),
            |found| format!("{}\n", found.value["Id"].as_str().unwrap_or("(known after apply)")),
        );
        plan.diff(format!("image {}", reference.full()), before, after);
    }

    /// Where ids do not tell: the same layers, made at the same moment.
    fn is_same(&self, image: &Json) -> bool {
        let own = image["RootFS"]["Layers"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let created = self._created.as_deref().filter(|created| !created.is_empty());
        own.eq(self._layers.iter().map(String::as_str)) && created.is_some_and(|created| image["Created"] == *created)
    }
}

/// What of the image travels, before the bytes are known.
fn told(plan: &mut Plan, there: usize, lacking: usize) {
    plan.set("layers_present", there);
    plan.set("layers_sent", lacking);
    plan.set("bytes_sent", 0);
}
