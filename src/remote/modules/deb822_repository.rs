//! `deb822_repository`: apt sources in paragraphs of their own files.

use std::path::{Path, PathBuf};

use crate::{
    choices, options,
    protocol::{Attributes, Blob, Change, Content, Json},
    remote::{Choice, Mode, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

const SOURCES: &str = "/etc/apt/sources.list.d";
const KEYRINGS: &str = "/etc/apt/keyrings";

options! {
    /// Keeps an apt source in a `.sources` file of its own, with the key that signs it.
    ///
    /// A key that is given by address is fetched as `get_url` fetches, and kept in `/etc/apt/keyrings`.
    ///
    /// ## Example
    /// ```yaml
    /// - deb822_repository:
    ///     name: docker
    ///     uris: https://download.docker.com/linux/debian
    ///     suites: bookworm
    ///     components: stable
    ///     signed_by: https://download.docker.com/linux/debian/gpg
    /// ```
    ///
    /// ## Returns
    /// `repo`: the text; `dest`: its file; `key_filename`: the file of the key.
    pub struct Deb822Repository {
        /// What it is called; the file is named after it.
        name: String,
        /// Whether it should be there.
        state: State = State::Present,
        /// Permissions of the file; `0644` unless it is said.
        mode: Option<Mode>,
        /// What the archive is fetched for: `deb`, `deb-src`.
        types: Vec<Type> = vec![Type::Deb],
        /// Where the archive is.
        uris: Option<Vec<String>>,
        /// Names of releases, or a path that ends with a slash.
        suites: Option<Vec<String>>,
        /// Parts of the releases.
        components: Option<Vec<String>>,
        /// Architectures to look for.
        architectures: Option<Vec<String>>,
        /// Languages to fetch descriptions in.
        languages: Option<Vec<String>>,
        /// What to fetch of the archive.
        targets: Option<Vec<String>>,
        /// The key: an address, a file on the host, fingerprints, or the key itself in ASCII armour.
        signed_by: Option<String>,
        /// Whether the source is used.
        enabled: Option<bool>,
        /// Trust it without a signature.
        trusted: Option<bool>,
        /// Take an archive that once was signed and is no longer.
        allow_downgrade_to_insecure: Option<bool>,
        /// Take an archive that is not signed.
        allow_insecure: Option<bool>,
        /// Take weak digests.
        allow_weak: Option<bool>,
        /// Fetch by hash.
        by_hash: Option<bool>,
        /// Look at dates.
        check_date: Option<bool>,
        /// Look whether the release has expired.
        check_valid_until: Option<bool>,
        /// Seconds that a release may come from the future.
        date_max_future: Option<i64>,
        /// The `InRelease` file, from where it would be.
        inrelease_path: Option<String>,
        /// Fetch differences of lists.
        pdiffs: Option<bool>,
        /// Accepted for Ansible's sake: no Python is needed.
        install_python_debian: bool = false,
        /// The key that the controller has fetched.
        fetched: Option<Blob> [_key],
        /// Whether that is ASCII armour.
        armoured: bool [_armoured] = false,
    }
}

choices! {
    /// What an archive is fetched for.
    pub enum Type {
        /// Packages.
        Deb = "deb",
        /// Their sources.
        DebSrc = "deb-src",
    }
}

impl Module for Deb822Repository {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let slug = slug(&self.name);
        let path = Path::new(SOURCES).join(format!("{slug}.sources"));
        let keys = ["asc", "gpg"].map(|ending| Path::new(KEYRINGS).join(format!("{slug}.{ending}")));
        let mut plan = Plan::new();
        plan.set("dest", path.to_string_lossy());
        if self.state == State::Absent {
            let last = keys[1].to_string_lossy().into_owned();
            for file in std::iter::once(&path).chain(&keys) {
                if probe.stat(file)?.is_some() {
                    plan.push(Change::Remove { path: file.clone() });
                }
            }
            plan.set("repo", Json::Null);
            plan.set("key_filename", last);
            return Ok(plan);
        }
        let key = self.key(probe, &keys, &mut plan)?;
        let text = self.text(key.as_deref().or(self.signed_by.as_deref()));
        let there = probe.exists(&path)?;
        let before = if there { probe.read_text(&path)? } else { String::new() };
        let stat = probe.stat_followed(&path)?;
        let bits = self.mode.as_ref().map(|mode| mode.bits(0o644, false, probe.umask()));
        let bits = bits.transpose().map_err(Stop::failed)?.unwrap_or(0o644);
        let attributes = Attributes { mode: Some(bits), ..Attributes::default() };
        if text != before {
            plan.diff(path.to_string_lossy(), before, text.as_str());
            let content = Content::Text(text.clone());
            plan.push(Change::Write { path: path.clone(), content, attributes, in_place: false });
        } else if stat.is_some_and(|stat| stat.mode != bits) {
            plan.push(Change::Attributes { path: path.clone(), attributes });
        }
        plan.set("repo", text);
        plan.set("key_filename", key);
        Ok(plan)
    }
}

impl Deb822Repository {
    /// The file of the key, where it has one.
    fn key(&self, probe: &Probe<'_>, keys: &[PathBuf; 2], plan: &mut Plan) -> Found<Option<String>> {
        let Some(blob) = &self.fetched else {
            let Some(said) = self.signed_by.as_deref().filter(|said| said.starts_with('/')) else { return Ok(None) };
            return Ok(probe.exists(Path::new(said))?.then(|| said.to_owned()));
        };
        let path = &keys[usize::from(!self.armoured)];
        if !probe.exists(path)? || probe.sha256(path)? != blob.sha256 {
            let attributes = |mode: u32| Attributes { mode: Some(mode), ..Attributes::default() };
            if !probe.exists(Path::new(KEYRINGS))? {
                plan.push(Change::Directory { path: PathBuf::from(KEYRINGS), attributes: attributes(0o755) });
            }
            let content = Content::Blob(blob.clone());
            plan.push(Change::Write { path: path.clone(), content, attributes: attributes(0o644), in_place: false });
        }
        Ok(Some(path.to_string_lossy().into_owned()))
    }

    /// The paragraph: what is said, in the order of the options' names.
    fn text(&self, key: Option<&str>) -> String {
        let list = |words: &Option<Vec<String>>| words.as_ref().map(|words| words.join(" "));
        let flag = |flag: Option<bool>| flag.map(|flag| if flag { "yes" } else { "no" }.to_owned());
        let types: Vec<&str> = self.types.iter().map(|kind| kind.word()).collect();
        let fields = [
            ("Allow-Downgrade-To-Insecure", flag(self.allow_downgrade_to_insecure)),
            ("Allow-Insecure", flag(self.allow_insecure)),
            ("Allow-Weak", flag(self.allow_weak)),
            ("Architectures", list(&self.architectures)),
            ("By-Hash", flag(self.by_hash)),
            ("Check-Date", flag(self.check_date)),
            ("Check-Valid-Until", flag(self.check_valid_until)),
            ("Components", list(&self.components)),
            ("Date-Max-Future", self.date_max_future.map(|seconds| seconds.to_string())),
            ("Enabled", flag(self.enabled)),
            ("Inrelease-Path", self.inrelease_path.clone()),
            ("Languages", list(&self.languages)),
            ("X-Repolib-Name", Some(self.name.clone())),
            ("Pdiffs", flag(self.pdiffs)),
            ("Signed-By", key.map(folded)),
            ("Suites", list(&self.suites)),
            ("Targets", list(&self.targets)),
            ("Trusted", flag(self.trusted)),
            ("Types", Some(types.join(" "))),
            ("URIs", list(&self.uris)),
        ];
        let lines = fields.into_iter().filter_map(|(name, value)| value.map(|value| line(name, &value)));
        lines.collect()
    }
}

fn line(name: &str, value: &str) -> String {
    let blank = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
    format!("{name}:{blank}{value}\n")
}

/// A value of several lines as such files hold it: indented, empty lines as a dot.
fn folded(value: &str) -> String {
    if !value.contains('\n') {
        return value.to_owned();
    }
    let lines = value.trim().lines().map(|line| match line.trim() {
        "" => "\n    .".to_owned(),
        line => format!("\n    {line}"),
    });
    lines.collect()
}

/// The name of files: small letters, digits and hyphens.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            '_' => blank(&mut slug),
            _ if letter.is_whitespace() => blank(&mut slug),
            'a'..='z' | '0'..='9' | '-' => slug.push(letter),
            _ => {}
        }
    }
    slug.replace('\0', "-")
}

/// Marks where blanks are; several of them come to one hyphen.
fn blank(slug: &mut String) {
    if !slug.ends_with('\0') {
        slug.push('\0');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::rehearsal::Rehearsal, *};
    use crate::remote::machine::fake::Fake;

    #[test]
    fn a_source_is_written_in_the_order_of_its_options_and_goes_again() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/apt/sources.list.d/x", ""));
        let options = json!({
            "name": "Test Focal_archive", "uris": "http://a.example/ubuntu", "suites": ["focal", "focal-updates"],
            "components": ["main", "restricted"], "date_max_future": 10, "enabled": true,
        });
        let outcome = host.converges("deb822_repository", &options);
        let path = "/etc/apt/sources.list.d/test-focal-archive.sources";
        let text = "Components: main restricted\nDate-Max-Future: 10\nEnabled: yes\nX-Repolib-Name: Test Focal_archive\n\
                    Suites: focal focal-updates\nTypes: deb\nURIs: http://a.example/ubuntu\n";
        assert_eq!(host.host.text(path).as_deref(), Some(text));
        assert_eq!((&outcome.result["repo"], &outcome.result["dest"]), (&json!(text), &json!(path)));
        host.converges("deb822_repository", &json!({"name": "Test Focal_archive", "state": "absent"}));
        assert_eq!(host.host.text(path), None);
    }

    #[test]
    fn a_fetched_key_gets_a_file_and_a_written_one_is_folded() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/apt/sources.list.d/x", ""));
        let key = host.blob("-----BEGIN");
        let options = json!({"name": "k", "signed_by": "https://a/k", "_key": key, "_armoured": true});
        let outcome = host.converges("deb822_repository", &options);
        assert_eq!(outcome.result["key_filename"], "/etc/apt/keyrings/k.asc");
        assert!(
            host.host
                .text("/etc/apt/sources.list.d/k.sources")
                .unwrap()
                .contains("Signed-By: /etc/apt/keyrings/k.asc\n")
        );
        assert_eq!(folded("a\n\nb\n"), "\n    a\n    .\n    b");
    }
}
