//! Volumes and mounts as people write them, and as the engine takes them.

use serde_json::json;

use super::{sizes, suboptions};
use crate::{
    choices, options,
    protocol::{Json, Map},
};

choices! {
    /// Kinds of mount.
    pub enum MountKind {
        /// A path of the host.
        Bind = "bind",
        /// A named pipe (Windows).
        Pipe = "npipe",
        /// Memory.
        Tmpfs = "tmpfs",
        /// A volume.
        Volume = "volume",
    }
}

options! {
    /// Something that is mounted into a container.
    pub struct Mount {
        /// Where in the container.
        target: String,
        /// Path or volume; none for memory and anonymous volumes.
        source: Option<String>,
        /// What is mounted.
        r#type: MountKind = MountKind::Volume,
        /// Not writable in the container.
        read_only: Option<bool>,
        /// `default`, `consistent`, `cached` or `delegated`.
        consistency: Option<String>,
        /// `private`, `rprivate`, `shared`, `rshared`, `slave` or `rslave`.
        propagation: Option<String>,
        /// Leave a new volume empty instead of filling it from the image.
        no_copy: Option<bool>,
        /// Labels of a new volume.
        labels: Map,
        /// Driver of a new volume.
        volume_driver: Option<String>,
        /// Options of that driver.
        volume_options: Map,
        /// Size of memory.
        tmpfs_size: Option<String>,
        /// Mode of memory, octal.
        tmpfs_mode: Option<String>,
        /// Make the path of the host when it is missing.
        create_mountpoint: Option<bool>,
    }
}
suboptions!(Mount);

impl Mount {
    /// The engine's form.
    ///
    /// # Errors
    /// Sizes and modes that are none, and a missing source.
    pub fn body(&self) -> Result<Json, String> {
        let mut body = json!({"Target": self.target, "Type": crate::remote::Choice::word(self.r#type)});
        match (&self.source, self.r#type) {
            (Some(source), _) => body["Source"] = json!(source),
            (None, MountKind::Bind | MountKind::Pipe) => {
                return Err(format!("the mount at {} needs a source", self.target));
            }
            (None, _) => {}
        }
        if let Some(read_only) = self.read_only {
            body["ReadOnly"] = json!(read_only);
        }
        if let Some(consistency) = &self.consistency {
            body["Consistency"] = json!(consistency);
        }
        if let Some(propagation) = &self.propagation {
            body["BindOptions"]["Propagation"] = json!(propagation);
        }
        if let Some(create) = self.create_mountpoint {
            body["BindOptions"]["CreateMountpoint"] = json!(create);
        }
        if let Some(no_copy) = self.no_copy {
            body["VolumeOptions"]["NoCopy"] = json!(no_copy);
        }
        if !self.labels.is_empty() {
            body["VolumeOptions"]["Labels"] = texts(&self.labels).into();
        }
        if let Some(driver) = &self.volume_driver {
            body["VolumeOptions"]["DriverConfig"] = json!({"Name": driver, "Options": texts(&self.volume_options)});
        }
        if let Some(size) = &self.tmpfs_size {
            body["TmpfsOptions"]["SizeBytes"] = json!(sizes::bytes(size)?);
        }
        if let Some(mode) = &self.tmpfs_mode {
            let bits = u32::from_str_radix(mode, 8).map_err(|_| format!("tmpfs_mode `{mode}` is not octal"))?;
            body["TmpfsOptions"]["Mode"] = json!(bits);
        }
        Ok(body)
    }
}

/// A mapping with all values as text, as labels and driver options are.
#[must_use]
pub fn texts(map: &Map) -> Map {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Null => String::new(),
        other => other.to_string(),
    };
    map.iter().map(|(key, value)| (key.clone(), Json::String(text(value)))).collect()
}

/// Splits `volumes` into the engine's `Binds` and the paths of anonymous volumes.
///
/// # Errors
/// What is no volume, and paths that appear twice.
pub fn volumes(volumes: &[String], home: Option<&str>) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut binds, mut anonymous, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for volume in volumes {
        let parts: Vec<&str> = volume.split(':').collect();
        let target = match parts.as_slice() {
            [target] => {
                anonymous.push((*target).to_owned());
                *target
            }
            [target, mode] if is_mode(mode) => {
                anonymous.push((*target).to_owned());
                *target
            }
            [source, target] => {
                binds.push(format!("{}:{target}:rw", host(source, home)?));
                *target
            }
            [source, target, mode] if is_mode(mode) => {
                binds.push(format!("{}:{target}:{mode}", host(source, home)?));
                *target
            }
            _ => return Err(format!("`{volume}` is no volume; write SOURCE:TARGET or SOURCE:TARGET:ro")),
        };
        if !target.starts_with('/') {
            return Err(format!("`{volume}` has no absolute path in the container"));
        }
        if targets.contains(&target) {
            return Err(format!("two volumes are mounted at {target}"));
        }
        targets.push(target);
    }
    Ok((binds, anonymous))
}

fn host(source: &str, home: Option<&str>) -> Result<String, String> {
    if source == "~" || source.starts_with("~/") {
        return home
            .map(|home| format!("{home}{}", &source[1..]))
            .ok_or_else(|| format!("`{source}`: no home folder is known on the host"));
    }
    if source.starts_with('.') {
        return Err(format!("`{source}` is relative; paths of the host are absolute"));
    }
    Ok(source.to_owned())
}

fn is_mode(text: &str) -> bool {
    const MODES: &[&str] = &[
        "rw",
        "ro",
        "z",
        "Z",
        "consistent",
        "delegated",
        "cached",
        "rprivate",
        "private",
        "rshared",
        "shared",
        "rslave",
        "slave",
        "nocopy",
    ];
    text.split(',').all(|word| MODES.contains(&word))
}

/// Binds in the form they are compared in: every one with a mode.
#[must_use]
pub fn comparable_binds(binds: &Json) -> Json {
    let one = |bind: &str| if bind.matches(':').count() < 2 { format!("{bind}:rw") } else { bind.to_owned() };
    binds.as_array().into_iter().flatten().filter_map(Json::as_str).map(one).collect::<Vec<_>>().into()
}

/// Mounts in the form they are compared in: what the engine leaves out when it is false is left out.
#[must_use]
pub fn comparable_mounts(mounts: &Json) -> Json {
    let one = |mount: &Json| {
        let mut mount = mount.clone();
        if let Json::Object(fields) = &mut mount {
            fields.retain(|_, value| !value.is_null() && *value != false && *value != "" && *value != json!({}));
        }
        mount
    };
    mounts.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(volume: &str) -> Result<(Vec<String>, Vec<String>), String> {
        volumes(&[volume.to_owned()], Some("/root"))
    }

    #[test]
    fn volumes_are_binds_or_anonymous() {
        assert_eq!(split("data:/var/lib"), Ok((vec!["data:/var/lib:rw".to_owned()], vec![])));
        assert_eq!(split("~/x:/y:ro"), Ok((vec!["/root/x:/y:ro".to_owned()], vec![])));
        assert_eq!(split("/y"), Ok((vec![], vec!["/y".to_owned()])));
        assert!(split("./x:/y").is_err() && split("a:b").is_err() && split("a:/b:what").is_err());
        assert!(volumes(&["a:/x".to_owned(), "b:/x".to_owned()], None).is_err());
    }
}
