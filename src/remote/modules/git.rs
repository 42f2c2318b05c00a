//! `git`: a copy of a repository at a version.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    options,
    protocol::{Change, Effect, Json, Run},
    remote::{Applied, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

mod remote;

use remote::Target;

options! {
    /// Clones a repository, or brings a clone to a branch, tag or commit.
    ///
    /// A password in the address of the repository is used but neither shown nor stored on the host.
    ///
    /// ## Example
    /// ```yaml
    /// - git:
    ///     repo: https://example.com/rates.git
    ///     dest: /srv/rates
    ///     version: v1.2
    /// ```
    ///
    /// ## Returns
    /// `before` and `after`, the commits; `remote_url_changed`.
    pub struct Git {
        /// Address of the repository.
        repo: String [name],
        /// Where the copy is.
        dest: Option<PathBuf>,
        /// Branch, tag or full commit; `HEAD` is the remote's default branch.
        version: String = "HEAD",
        /// What the remote is called in the copy.
        remote: String = "origin",
        /// Something more to fetch.
        refspec: Option<String>,
        /// A local repository to borrow from while cloning.
        reference: Option<String>,
        /// Throw away local modifications.
        force: bool = false,
        /// Fetch only so many commits.
        depth: Option<i64>,
        /// Clone where there is no copy.
        clone: bool = true,
        /// Bring an existing copy up to date.
        update: bool = true,
        /// Require a valid signature of the commit.
        verify_commit: bool = false,
        /// Trust the host key of a server that was never seen before.
        accept_hostkey: bool = false,
        /// The same.
        accept_newhostkey: bool = false,
        /// A private key on the host.
        key_file: Option<PathBuf>,
        /// More options for ssh.
        ssh_opts: Option<String>,
        /// Another git.
        executable: Option<PathBuf>,
        /// A copy without files.
        bare: bool = false,
        /// Submodules too.
        recursive: bool = true,
        /// Only the history of this version.
        single_branch: bool = false,
        /// Submodules at the tip of the branch they track.
        track_submodules: bool = false,
        /// Umask while git works, octal.
        umask: Option<String>,
        /// Keep git's own files elsewhere.
        separate_git_dir: Option<PathBuf>,
    }
}

impl Module for Git {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let Some(dest) = &self.dest else {
            if self.clone {
                return Err(Stop::failed("the destination directory must be specified unless clone=no"));
            }
            let mut plan = Plan::new();
            plan.set("before", Json::Null);
            plan.set("after", self.ask_remote(probe)?.commit());
            return Ok(plan);
        };
        let program = self.executable.as_ref().map_or_else(|| "git".into(), |path| path.display().to_string());
        let mut plan = Plan::new();
        if probe.program(&program)?.is_none() {
            if probe.predicting() && probe.all_assumed("package").next().is_some() {
                // git itself comes with an earlier task, so what the remote has is only known then.
                plan.push(Change::Run(self.cloned(self.command(&["clone"]), dest, None)));
                return Ok(plan);
            }
            return Err(Stop::failed("git is not on this host").hint("install it first: `package: name=git`"));
        }
        let before = self.head(probe, dest)?;
        plan.set("before", before.clone());
        plan.set("remote_url_changed", false);
        match before {
            None if !self.clone => {
                plan.set("after", self.ask_remote(probe)?.commit());
                plan.changed = Some(true);
            }
            None => self.plan_clone(probe, dest, &mut plan)?,
            Some(before) => self.plan_update(probe, dest, &before, &mut plan)?,
        }
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        if let Some(dest) = &self.dest
            && !plan.changes.is_empty()
            && let Some(head) = self.head(probe, dest)?
        {
            plan.set("after", head);
        }
        Ok(())
    }
}

impl Git {
    /// The commit that the copy is at; `None` when there is no copy.
    fn head(&self, probe: &Probe<'_>, dest: &std::path::Path) -> Found<Option<String>> {
        let path = dest.to_string_lossy();
        if let Some(value) = probe.assumed("git", &path).filter(|value| !value.is_null()) {
            return Ok(Some(value["head"].as_str().unwrap_or_default().to_owned()));
        }
        let sign = if self.bare { dest.join("HEAD") } else { dest.join(".git") };
        if !probe.exists(&sign)? {
            return Ok(None);
        }
        let version = if self.bare && self.version != "HEAD" { self.version.as_str() } else { "HEAD" };
        let output = probe.query_run(&self.command(&["-C", &path, "rev-parse", &format!("{version}^{{commit}}")]))?;
        if !output.success() && output.stderr.contains("dubious ownership") {
            return Err(Stop::failed(format!("{path} belongs to another user, so git does not touch it"))
                .hint("run the task as its owner with `become_user`"));
        }
        // A copy without commits has no head, and that is no commit either.
        Ok(Some(if output.success() { output.stdout.trim().to_owned() } else { String::new() }))
    }

    fn cloned(&self, run: Run, dest: &std::path::Path, head: Option<&str>) -> Run {
        let path = dest.to_string_lossy();
        let sign = if self.bare { dest.join("HEAD") } else { dest.join(".git") };
        run.effect(Effect::new("file", &path, "directory".into()))
            .effect(Effect::new("file", &sign.to_string_lossy(), "directory".into()))
            .effect(Effect::new("git", &path, json!({"head": head})))
    }

    fn plan_clone(&self, probe: &Probe<'_>, dest: &std::path::Path, plan: &mut Plan) -> Found<()> {
        let target = self.ask_remote(probe)?;
        let (address, path) = (self.address(), dest.to_string_lossy());
        let mut words = vec!["clone".to_owned()];
        words.extend(if self.bare {
            vec!["--bare".to_owned()]
        } else {
            vec!["--origin".to_owned(), self.remote.clone()]
        });
        let named = match &target {
            Target::Branch { name, .. } | Target::Tag { name, .. } => {
                words.extend(["--branch".to_owned(), name.clone()]);
                true
            }
            _ => false,
        };
        // Only what has a name can be fetched without its history.
        if let Some(depth) = self.depth.filter(|_| named) {
            words.push(format!("--depth={depth}"));
        }
        if self.single_branch && named {
            words.push("--single-branch".to_owned());
        }
        if let Some(reference) = &self.reference {
            words.extend(["--reference".to_owned(), reference.clone()]);
        }
        if let Some(directory) = &self.separate_git_dir {
            words.push(format!("--separate-git-dir={}", directory.display()));
        }
        words.extend(["--".to_owned(), address, path.clone().into_owned()]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut run = self.cloned(self.command(&words), dest, Some(target.commit()));
        run.progress = true;
        plan.push(Change::Run(run));
        if !named {
            self.push_fetch(plan, &path, &target);
            if !self.bare {
                self.push(plan, &["-C", &path, "checkout", "--force", target.commit()]);
            }
        }
        self.finish(plan, &path, "", &target);
        Ok(())
    }

    fn plan_update(&self, probe: &Probe<'_>, dest: &std::path::Path, before: &str, plan: &mut Plan) -> Found<()> {
        let path = dest.to_string_lossy();
        plan.set("after", before);
        let assumed = probe.assumed("git", &path).is_some();
        let mut modified = false;
        if !self.bare && !assumed {
            let status = probe.query_run(&self.command(&["-C", &path, "status", "--porcelain", "-uno"]))?;
            modified = !status.stdout.trim().is_empty();
            if modified && !self.force && self.update {
                return Err(Stop::failed(format!("local modifications exist in the destination: {path} (force=no)"))
                    .hint("commit or discard them on the host, or set `force: true`"));
            }
        }
        let address = self.address();
        if !assumed {
            let url =
                probe.query_run(&self.command(&["-C", &path, "config", &format!("remote.{}.url", self.remote)]))?;
            if url.stdout.trim() != address {
                let verb = if url.success() { "set-url" } else { "add" };
                self.push(plan, &["-C", &path, "remote", verb, &self.remote, &address]);
                plan.set("remote_url_changed", url.success());
            }
        }
        if !self.update {
            return Ok(());
        }
        let target = self.ask_remote(probe)?;
        if target.commit() == before && !modified {
            return Ok(());
        }
        self.push_fetch(plan, &path, &target);
        if !self.bare {
            match &target {
                Target::Branch { name, .. } => {
                    let tracked = format!("{}/{name}", self.remote);
                    self.push(plan, &["-C", &path, "checkout", "--force", "-B", name, &tracked]);
                }
                _ => self.push(plan, &["-C", &path, "checkout", "--force", target.commit()]),
            }
        }
        if let Some(Change::Run(run)) = plan.changes.last_mut() {
            run.effects.push(Effect::new("git", &path, json!({"head": target.commit()})));
        }
        self.finish(plan, &path, before, &target);
        Ok(())
    }

    fn push_fetch(&self, plan: &mut Plan, path: &str, target: &Target) {
        let mut words = vec!["-C".to_owned(), path.to_owned(), "fetch".to_owned(), "--force".to_owned()];
        if let Some(depth) = self.depth.filter(|_| !matches!(target, Target::Commit(_))) {
            words.push(format!("--depth={depth}"));
        }
        words.push(self.remote.clone());
        if self.bare {
            // A bare clone has no remote of its own name until one is added.
            words.pop();
            words.push(self.address());
            words.extend(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned));
        } else {
            words.push(match target {
                Target::Branch { name, .. } => format!("+refs/heads/{name}:refs/remotes/{}/{name}", self.remote),
                Target::Tag { name, .. } => format!("+refs/tags/{name}:refs/tags/{name}"),
                Target::Reference { name, .. } => name.clone(),
                Target::Commit(_) => format!("+refs/heads/*:refs/remotes/{}/*", self.remote),
            });
        }
        words.extend(self.refspec.clone());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.push(plan, &words);
    }

    fn finish(&self, plan: &mut Plan, path: &str, before: &str, target: &Target) {
        if self.recursive && !self.bare {
            let mut words = vec!["-C", path, "submodule", "update", "--init", "--recursive"];
            words.extend(self.force.then_some("--force"));
            words.extend(self.track_submodules.then_some("--remote"));
            self.push(plan, &words);
        }
        if self.verify_commit {
            self.push(plan, &["-C", path, "verify-commit", target.commit()]);
        }
        plan.set("after", target.commit());
        let line = |commit: &str| if commit.is_empty() { String::new() } else { format!("{commit}\n") };
        plan.diff(path, line(before), line(target.commit()));
    }

    fn push(&self, plan: &mut Plan, words: &[&str]) {
        plan.push(Change::Run(self.command(words)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    const LISTED: &str = "ref: refs/heads/main\tHEAD\naaa\tHEAD\naaa\trefs/heads/main\nbbb\trefs/tags/v1\n";

    fn host() -> Fake {
        Fake::new().program("/usr/bin/git").command(&["git"], 0, "").command(&["git", "ls-remote"], 0, LISTED)
    }

    fn copy(status: &str) -> Fake {
        host()
            .file("/srv/r/.git/HEAD", "")
            .command(&["git", "-C", "/srv/r", "rev-parse"], 0, "aaa\n")
            .command(&["git", "-C", "/srv/r", "status"], 0, status)
            .command(&["git", "-C", "/srv/r", "config"], 0, "https://h/r.git\n")
    }

    #[test]
    fn cloning_is_predicted_and_then_taken_as_done() {
        let mut trial = Trial::new(host());
        let options = json!({"repo": "https://u:pw@h/r.git", "dest": "/srv/r", "depth": 1});
        let outcome = trial.check("git", options.clone());
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["after"], "aaa");
        assert_eq!(trial.check("git", options.clone()).verdict, Verdict::Unchanged);
        let mut trial = Trial::new(host());
        trial.apply("git", options);
        assert!(trial.commands().iter().all(|line| !line.contains("pw")), "{:?}", trial.commands());
        let clone = "git clone --origin origin --branch main --depth=1 -- https://h/r.git /srv/r";
        assert!(trial.commands().contains(&clone.to_owned()));
    }

    #[test]
    fn a_copy_at_the_version_is_left_alone() {
        let options = json!({"repo": "https://h/r.git", "dest": "/srv/r"});
        let outcome = Trial::new(copy("")).apply("git", options);
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!((&outcome.result["before"], &outcome.result["after"]), (&json!("aaa"), &json!("aaa")));
    }

    #[test]
    fn another_version_is_fetched_and_checked_out() {
        let mut trial = Trial::new(copy(""));
        let outcome = trial.apply("git", json!({"repo": "https://h/r.git", "dest": "/srv/r", "version": "v1"}));
        assert_eq!(outcome.verdict, Verdict::Changed);
        let commands = trial.commands();
        assert!(commands.contains(&"git -C /srv/r fetch --force origin +refs/tags/v1:refs/tags/v1".to_owned()));
        assert!(commands.contains(&"git -C /srv/r checkout --force bbb".to_owned()));
    }

    #[test]
    fn local_modifications_are_kept_unless_forced() {
        let options = json!({"repo": "https://h/r.git", "dest": "/srv/r"});
        assert!(failure(&Trial::new(copy(" M a\n")).check("git", options)).contains("local modifications"));
        let options = json!({"repo": "https://h/r.git", "dest": "/srv/r", "force": true});
        assert_eq!(Trial::new(copy(" M a\n")).check("git", options).verdict, Verdict::Changed);
    }
}
