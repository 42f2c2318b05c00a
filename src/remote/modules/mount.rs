//! `mount`: file systems that are mounted now and at boot.

use std::path::{Path, PathBuf};

use crate::{
    choices, options,
    protocol::{Attributes, Change, Content, Effect, Json, Run},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

mod table;

use table::Line;

options! {
    /// Keeps a line of `/etc/fstab` and mounts or unmounts what it names.
    ///
    /// ## Example
    /// ```yaml
    /// - mount:
    ///     src: /dev/vdb1
    ///     path: /var/lib/postgresql
    ///     fstype: ext4
    ///     state: mounted
    /// ```
    ///
    /// ## Returns
    /// `name`, `src`, `fstype`, `opts`, `dump`, `passno`, `fstab`.
    pub struct Mount {
        /// Where.
        path: PathBuf [name],
        /// What.
        src: Option<String>,
        /// Type of the file system.
        fstype: Option<String>,
        /// Options, with commas.
        opts: String = "defaults",
        /// Whether it is mounted at boot; `noauto` otherwise.
        boot: bool = true,
        /// The fifth field.
        dump: String = "0",
        /// The sixth field.
        passno: String = "0",
        /// The table.
        fstab: PathBuf = "/etc/fstab",
        /// What it should be.
        state: State,
    }
}

choices! {
    /// What a mount should be.
    pub enum State {
        /// Mounted and in the table.
        Mounted = "mounted",
        /// In the table.
        Present = "present",
        /// Not mounted; the table stays as it is.
        Unmounted = "unmounted",
        /// Neither mounted nor in the table, and its directory is gone.
        Absent = "absent",
        /// Not in the table; what is mounted stays.
        AbsentFromFstab = "absent_from_fstab",
        /// Mounted anew with the options of the table.
        Remounted = "remounted",
    }
}

impl Module for Mount {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let path = self.path.to_string_lossy().into_owned();
        let mut plan = Plan::new();
        plan.set("name", path.as_str());
        plan.set("src", self.src.clone());
        plan.set("fstype", self.fstype.clone());
        plan.set("opts", self.opts.as_str());
        plan.set("dump", self.dump.as_str());
        plan.set("passno", self.passno.as_str());
        plan.set("fstab", self.fstab.to_string_lossy().into_owned());
        let mounted = self.is_mounted(probe, &path)?;
        match self.state {
            State::Mounted | State::Present => {
                let listed = self.plan_table(probe, Some(&self.line(&path)?), &path, &mut plan)?;
                if self.state == State::Mounted {
                    if !probe.exists(&self.path)? {
                        plan.push(Change::Directory { path: self.path.clone(), attributes: Attributes::default() });
                    }
                    if !mounted {
                        plan.push(self.mount(&[&path], &path, true));
                    } else if listed {
                        plan.push(self.mount(&["-o", "remount", &path], &path, true));
                    }
                }
            }
            State::Unmounted if mounted => plan.push(self.mount(&[], &path, false)),
            State::Unmounted => {}
            State::Absent | State::AbsentFromFstab => {
                self.plan_table(probe, None, &path, &mut plan)?;
                if self.state == State::Absent {
                    if mounted {
                        plan.push(self.mount(&[], &path, false));
                    }
                    if probe.exists(&self.path)? {
                        // rmdir, so that nothing is lost that was hidden below the mount.
                        let run = Run::new(["rmdir", "--", &path]).effect(Effect::new("file", &path, Json::Null));
                        plan.push(Change::Run(run));
                    }
                }
            }
            State::Remounted if mounted => plan.push(self.mount(&["-o", "remount", &path], &path, true)),
            State::Remounted => return Err(Stop::failed(format!("{path} is not mounted, so it cannot be remounted"))),
        }
        Ok(plan)
    }
}

impl Mount {
    fn line(&self, path: &str) -> Result<Line, Stop> {
        let (Some(source), Some(kind)) = (&self.src, &self.fstype) else {
            return Err(Stop::failed("state is mounted or present but all of the following are missing: src, fstype"));
        };
        let noauto = self.opts.split(',').any(|option| option == "noauto");
        let options = if self.boot || noauto { self.opts.clone() } else { format!("{},noauto", self.opts) };
        Ok(Line {
            source: source.clone(),
            path: path.to_owned(),
            kind: kind.clone(),
            options,
            dump: self.dump.clone(),
            pass: self.passno.clone(),
        })
    }

    /// Whether the table has to change.
    fn plan_table(&self, probe: &Probe<'_>, line: Option<&Line>, path: &str, plan: &mut Plan) -> Found<bool> {
        let there = probe.exists(&self.fstab)?;
        let before = if there { probe.read_text(&self.fstab)? } else { String::new() };
        let after = table::with(&before, path, line);
        if after == before {
            return Ok(false);
        }
        plan.diff(self.fstab.to_string_lossy(), before, &*after);
        plan.push(Change::Write {
            path: self.fstab.clone(),
            content: Content::Text(after),
            attributes: Attributes { mode: (!there).then_some(0o644), ..Attributes::default() },
            in_place: false,
        });
        Ok(true)
    }

    fn is_mounted(&self, probe: &Probe<'_>, path: &str) -> Found<bool> {
        if let Some(mounted) = probe.assumed("mount", path) {
            return Ok(!mounted.is_null());
        }
        let mounts = Path::new("/proc/mounts");
        if !probe.exists(mounts)? {
            return Ok(false);
        }
        Ok(probe.read_text(mounts)?.lines().filter_map(Line::parse).any(|line| Path::new(&line.path) == self.path))
    }

    fn mount(&self, words: &[&str], path: &str, up: bool) -> Change {
        let mut argv = if up { vec!["mount"] } else { vec!["umount", "--", path] };
        let fstab = self.fstab.to_string_lossy();
        if up && fstab != "/etc/fstab" {
            argv.extend(["-T", &fstab]);
        }
        argv.extend(words);
        let value = if up { true.into() } else { Json::Null };
        Change::Run(Run::new(argv).effect(Effect::new("mount", path, value)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    #[test]
    fn a_mount_is_listed_and_made_once() {
        let host = Fake::new()
            .file("/etc/fstab", "# ours\nUUID=1 / ext4 errors=remount-ro 0 1\n")
            .file("/proc/mounts", "/dev/vda / ext4 rw 0 0\n")
            .command(&["mount", "/data"], 0, "");
        let mut trial = Trial::new(host);
        let options = json!({"path": "/data", "src": "/dev/vdb", "fstype": "ext4", "state": "mounted"});
        assert_eq!(trial.check("mount", options.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("mount", options.clone()).verdict, Verdict::Unchanged);
        let mut trial = Trial::new(trial.host);
        trial.apply("mount", options);
        let table = "# ours\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/vdb /data ext4 defaults 0 0\n";
        assert_eq!(trial.host.text("/etc/fstab").unwrap(), table);
        assert_eq!(trial.commands(), ["mount /data"]);
    }

    #[test]
    fn what_is_absent_leaves_the_table_and_is_unmounted() {
        let host = Fake::new()
            .file("/etc/fstab", "/dev/vdb\t/data ext4\n/dev/vdc /more ext4\n")
            .file("/proc/mounts", "/dev/vdb /data ext4 rw 0 0\n")
            .file("/data/x", "")
            .respond(|_| Some(crate::remote::machine::system::Output::default()));
        let mut trial = Trial::new(host);
        trial.apply("mount", json!({"path": "/data", "state": "absent"}));
        assert_eq!(trial.host.text("/etc/fstab").unwrap(), "/dev/vdc /more ext4\n");
        assert_eq!(trial.commands(), ["umount -- /data", "rmdir -- /data"]);
    }
}
