//! What modules that edit a file in place share: opening it through links, and writing it back with care.

use std::path::{Path, PathBuf};

use super::{
    attributes::{self, FileAttributes},
    directories,
    replacement::{self, Care},
};
use crate::{
    options,
    protocol::{Change, Content, Failure, Json, Map},
    remote::{
        Plan, Planned, Probe, Stop,
        machine::{
            probe::Found,
            system::{FileKind, Stat},
        },
    },
};

options! {
    /// How an edited file is written back.
    pub struct Editing {
        /// The file to edit.
        path: std::path::PathBuf [dest destfile name],
        /// Keep the old version beside the new one.
        backup: bool = false,
        /// A command that has to accept the new version first, with `%s` for its path. No shell runs it.
        validate: Option<String>,
        ..attributes: FileAttributes
    }
}

/// A file before it is edited.
pub struct Original {
    /// Where it is, links followed.
    pub path: PathBuf,
    /// What it holds; nothing when it does not exist.
    pub content: Vec<u8>,
    stat: Option<Stat>,
}

impl Original {
    /// Whether the file is there at all.
    pub const fn exists(&self) -> bool {
        self.stat.is_some()
    }

    /// The lines, each with its end.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.content.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    }
}

impl Editing {
    /// Reads the file.
    ///
    /// # Errors
    /// When it is a directory, or its content is not known yet.
    pub fn open(&self, probe: &Probe<'_>) -> Found<Original> {
        let path = probe.resolve(&self.path)?.unwrap_or_else(|| self.path.clone());
        let stat = probe.stat_followed(&path)?;
        if stat.is_some_and(|stat| stat.kind == FileKind::Directory) {
            return Err(refused(256, format!("Path {} is a directory !", self.path.display())));
        }
        let content = if stat.is_some() { probe.read(&path)? } else { Vec::new() };
        Ok(Original { path, content, stat })
    }

    /// The failure for a file that has to be there.
    pub fn missing(&self, probe: &Probe<'_>) -> Stop {
        probe.lacks(refused(257, format!("Path {} does not exist !", self.path.display())))
    }

    /// Plans to write `content` where it differs, and to set attributes where they do. `message` says what was done to the content.
    ///
    /// # Errors
    /// As [`replacement::replace`].
    pub fn finish(
        &self,
        mut plan: Plan,
        probe: &Probe<'_>,
        original: &Original,
        content: Vec<u8>,
        message: &str,
    ) -> Planned {
        let path = &original.path;
        let rewritten = original.stat.is_none() || content != original.content;
        let attributes = match &original.stat {
            Some(stat) => self.attributes.differing(probe, stat)?,
            None => self.attributes.fresh(probe, attributes::new_file_bits(probe), false)?,
        };
        let restricted = original.stat.is_some() && !attributes::nothing(&attributes);
        if rewritten {
            if original.stat.is_none() {
                make_parents(&mut plan, probe, path)?;
            }
            let care = Care {
                backup: self.backup,
                validate: self.validate.as_deref(),
                in_place: self.attributes.unsafe_writes,
            };
            let content = Content::from_bytes(content);
            replacement::replace(&mut plan, probe, path, original.stat.as_ref(), content, attributes, care)?;
        } else if let Some(stat) = &original.stat {
            attributes::adjust(&mut plan, probe, path, stat, &self.attributes)?;
        }
        let mut said = if rewritten { message.to_owned() } else { String::new() };
        if restricted {
            said.push_str(if said.is_empty() { "" } else { " and " });
            said.push_str("ownership, perms or SE linux context changed");
        }
        plan.set("msg", said);
        plan.set("path", self.path.to_string_lossy());
        Ok(plan)
    }
}

fn make_parents(plan: &mut Plan, probe: &Probe<'_>, path: &Path) -> Found<()> {
    for directory in directories::missing(probe, directories::parent(path))? {
        let attributes = FileAttributes::none().fresh(probe, attributes::new_directory_bits(probe), true)?;
        plan.push(Change::Directory { path: directory, attributes });
    }
    Ok(())
}

fn refused(code: i64, message: String) -> Stop {
    Stop::Failed(Failure::new(message), Map::from_iter([("rc".to_owned(), Json::from(code))]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::rehearsal::Rehearsal},
    };

    #[test]
    fn what_a_package_may_bring_is_unknown_to_those_who_edit_or_read_it() {
        let path = "/etc/redis/redis.conf";
        let calls = [
            ("lineinfile", json!({"path": path, "line": "bind ::1"})),
            ("blockinfile", json!({"path": path, "block": "bind ::1"})),
            ("replace", json!({"path": path, "regexp": "^bind.*", "replace": "bind ::1"})),
            ("slurp", json!({"src": path})),
            ("copy", json!({"src": path, "dest": "/tmp/", "remote_src": true})),
            ("assemble", json!({"src": "/etc/redis/conf.d", "dest": "/tmp/conf"})),
            (
                "authorized_key",
                json!({"user": "redis", "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqjwBtnT6fzHzAnHjGx6TI3jKNpmdyTT0Wx6zHUF4rV"}),
            ),
            ("command", json!({"argv": ["true"], "chdir": "/etc/redis"})),
        ];
        let mut host = Rehearsal::on(Fake::new());
        for (module, options) in &calls {
            let verdict = host.check(module, options.clone()).verdict;
            assert!(matches!(verdict, Verdict::Failed(_)), "{module} without a package: {verdict:?}");
        }
        host.assume("package", "redis-server", json!("7.0"));
        for (module, options) in &calls {
            let verdict = host.check(module, options.clone()).verdict;
            assert!(
                matches!(&verdict, Verdict::Unknown(reason) if reason.contains("unless a package brings it")),
                "{module}: {verdict:?}"
            );
        }
    }
}
