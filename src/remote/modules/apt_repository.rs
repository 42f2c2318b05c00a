//! `apt_repository`: lines of `sources.list` and its folder.

use std::path::{Path, PathBuf};

use crate::{
    options,
    protocol::{Attributes, Change, Content, Failure, Json},
    remote::{Applied, Choice, Mode, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::{apt::Apt, user::State};

mod list;

use list::List;

/// Where apt reads one-line sources.
const MAIN: &str = "/etc/apt/sources.list";
const PARTS: &str = "/etc/apt/sources.list.d";

options! {
    /// Adds a one-line apt source to a file of `sources.list.d`, or removes it wherever it stands.
    ///
    /// A line that is there as a comment is brought back to life. When the package lists cannot be brought up to date with a new
    /// source, its file is removed again. `ppa:` names are not looked up: write the line and put its key into a keyring.
    ///
    /// ## Example
    /// ```yaml
    /// - apt_repository:
    ///     repo: deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable
    ///     filename: docker
    /// ```
    ///
    /// ## Returns
    /// `repo`, `state`, `sources_added`, `sources_removed`: files that came and went.
    pub struct AptRepository {
        /// The source, one line: `deb [options] address suite component…`.
        repo: String,
        /// Whether it should be there.
        state: State = State::Present,
        /// Permissions of a new file.
        mode: Option<Mode>,
        /// Bring the package lists up to date once something has changed.
        update_cache: bool = true,
        /// How often that is tried.
        update_cache_retries: i64 = 5,
        /// The most seconds between two tries.
        update_cache_retry_max_delay: i64 = 12,
        /// Accepted for Ansible's sake: nothing is fetched here but by apt.
        validate_certs: bool = true,
        /// The file's name without `.list`; otherwise it follows from the address.
        filename: Option<String>,
        /// Accepted for Ansible's sake; it is about `ppa:` names.
        codename: Option<String>,
        /// Accepted for Ansible's sake: no Python is needed.
        install_python_apt: bool = true,
    }
}

impl Module for AptRepository {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if self.repo.trim().is_empty() {
            return Err(Stop::failed("Please set argument 'repo' to a non-empty value"));
        }
        if self.repo.starts_with("ppa:") {
            return Err(Stop::failed(format!("{} cannot be looked up", self.repo))
                .hint("write the archive's line, and put its key into /etc/apt/keyrings with get_url"));
        }
        let Some(source) = list::source(&self.repo) else {
            return Err(Stop::failed(format!("Invalid repository string: {}", self.repo)));
        };
        let mut lists = lists(probe)?;
        match self.state {
            State::Absent => lists.iter_mut().for_each(|list| list.remove(&source)),
            State::Present => {
                let revived: Vec<bool> = lists.iter_mut().map(|list| list.revive(&source)).collect();
                if !revived.contains(&true) {
                    let path = self.file(&source);
                    match lists.iter_mut().find(|list| list.path == path) {
                        Some(list) => list.add(&source),
                        None => lists.push(List::fresh(path, &source)),
                    }
                }
            }
        }
        self.write(probe, &lists)
    }

    fn report(&self, plan: &mut Plan, applied: &[Applied], _probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(last) = applied.last().filter(|last| last.code != 0) else { return Ok(()) };
        let said =
            [last.stderr.trim(), last.stdout.trim()].into_iter().find(|said| !said.is_empty()).unwrap_or_default();
        let tries = self.update_cache_retries;
        let message = format!("Failed to update apt cache after {tries} retries: {said}");
        Err(Stop::Failed(Failure::new(message), plan.result.clone()))
    }
}

impl AptRepository {
    fn write(&self, probe: &Probe<'_>, lists: &[List]) -> Planned {
        let mut plan = Plan::new();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        for list in lists.iter().filter(|list| list.is_changed()) {
            let (name, text) = (list.path.to_string_lossy().into_owned(), list.text());
            plan.diff(&*name, list.before.clone().unwrap_or_default(), text.as_str());
            if text.is_empty() {
                plan.push(Change::Remove { path: list.path.clone() });
                removed.push(Json::from(name));
                continue;
            }
            let mut attributes = Attributes::default();
            let folder = list.path.parent().unwrap_or(Path::new("/"));
            if list.before.is_none() {
                let bits = super::attributes::new_file_bits(probe);
                let mode = self.mode.as_ref().map(|mode| mode.bits(bits, false, probe.umask()));
                attributes.mode = Some(mode.transpose().map_err(Stop::failed)?.unwrap_or(0o644));
                added.push(Json::from(name));
                if !probe.exists(folder)? {
                    plan.push(Change::Directory { path: folder.to_owned(), attributes: Attributes::default() });
                }
            }
            // A link stays one: what it leads to is written.
            let path = probe.resolve(&list.path)?.unwrap_or_else(|| list.path.clone());
            plan.push(Change::Write { path, content: Content::Text(text), attributes, in_place: false });
        }
        if self.update_cache && !plan.changes.is_empty() {
            plan.push(Change::Run(Apt::update_or_undo(
                self.update_cache_retries,
                self.update_cache_retry_max_delay,
                added.first().and_then(Json::as_str),
            )));
        }
        plan.set("repo", self.repo.as_str());
        plan.set("state", self.state.word());
        plan.set("sources_added", added);
        plan.set("sources_removed", removed);
        Ok(plan)
    }

    fn file(&self, source: &str) -> PathBuf {
        let name = self.filename.clone().unwrap_or_else(|| list::name_of(source));
        if name.contains('/') {
            return PathBuf::from(format!("{name}.list"));
        }
        Path::new(PARTS).join(format!("{name}.list"))
    }
}

fn lists(probe: &Probe<'_>) -> Found<Vec<List>> {
    let mut paths = vec![PathBuf::from(MAIN)];
    if probe.exists(Path::new(PARTS))? {
        let names = probe.read_dir(Path::new(PARTS))?;
        let listed = names.iter().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "list"));
        paths.extend(listed.map(|name| Path::new(PARTS).join(name)));
    }
    let mut lists = Vec::new();
    for path in paths {
        if probe.exists(&path)? {
            let text = probe.read_text(&path)?;
            lists.push(List::read(path, text));
        }
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    fn host() -> Rehearsal {
        Rehearsal::on(
            Fake::new()
                .file("/etc/apt/sources.list", "# the main one\ndeb   http://a.example/debian  x  main # note\n#deb http://b.example/debian x main\n")
                .command(&["sh"], 0, ""),
        )
    }

    #[test]
    fn a_source_gets_a_file_named_after_its_address_and_goes_with_it() {
        let mut host = host();
        let options = json!({"repo": "deb  [trusted=yes arch=all] file:/tmp/repo/ stable main", "update_cache": false});
        let outcome = host.converges("apt_repository", &options);
        let path = "/etc/apt/sources.list.d/file_tmp_repo.list";
        assert_eq!(host.host.text(path).unwrap(), "deb [trusted=yes arch=all] file:/tmp/repo/ stable main\n");
        assert_eq!(outcome.result["sources_added"], json!([path]));
        let gone = json!({"repo": "deb [trusted=yes arch=all] file:/tmp/repo/ stable main", "state": "absent"});
        assert_eq!(host.converges("apt_repository", &gone).result["sources_removed"], json!([path]));
        assert_eq!(host.host.text(path), None);
        assert_eq!(host.host.ran().len(), 1, "the lists are brought up to date once");
    }

    #[test]
    fn a_known_source_stays_and_a_comment_comes_back_to_life() {
        let mut host = host();
        host.stays("apt_repository", &json!({"repo": "deb http://a.example/debian x main"}));
        host.converges("apt_repository", &json!({"repo": "deb http://b.example/debian x main", "update_cache": false}));
        let text = host.host.text("/etc/apt/sources.list").unwrap();
        assert_eq!(
            text,
            "# the main one\ndeb http://a.example/debian x main # note\ndeb http://b.example/debian x main\n"
        );
        assert!(host.fails("apt_repository", json!({"repo": "nonsense"})).contains("Invalid repository string"));
    }
}
