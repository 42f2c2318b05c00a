//! Which packages are there, as dpkg knows them and as earlier tasks are predicted to leave them.

use crate::{
    protocol::Run,
    remote::{Probe, Stop, facts::wildcard, machine::probe::Found},
};

/// One package of dpkg's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name without architecture.
    pub name: String,
    /// `amd64`, `all` …
    pub architecture: String,
    /// Installed version; empty when it is only predicted.
    pub version: String,
    /// Whether it is unpacked and configured.
    pub installed: bool,
    /// Whether only its configuration files are left.
    pub leftovers: bool,
    /// Virtual packages it stands for.
    pub provides: Vec<String>,
}

/// All packages of a host.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    packages: Vec<Known>,
}

const FORMAT: &str = "${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\t${Provides}\n";

impl Installed {
    /// Asks dpkg once for everything, then applies what is predicted.
    ///
    /// # Errors
    /// When dpkg cannot be asked.
    pub fn read(probe: &Probe<'_>) -> Found<Self> {
        let mut run = Run::new(["dpkg-query", "-W", "-f", FORMAT]);
        run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        let output = probe.query_run(&run)?;
        // An empty database is exit 1 with nothing printed, which is an answer too.
        if output.code > 1 {
            return Err(Stop::failed(format!("dpkg-query failed: {}", output.stderr.trim())));
        }
        let mut installed = Self { packages: output.stdout.lines().filter_map(line).collect() };
        for (name, value) in probe.all_assumed("package") {
            installed.packages.retain(|package| package.name != name);
            if !value.is_null() {
                let version = value.get("version").and_then(|version| version.as_str()).unwrap_or_default();
                installed.packages.push(Known {
                    name: name.to_owned(),
                    architecture: String::new(),
                    version: version.to_owned(),
                    installed: true,
                    leftovers: false,
                    provides: Vec::new(),
                });
            }
        }
        Ok(installed)
    }

    /// All of them, those with only leftovers too.
    #[must_use]
    pub fn packages(&self) -> &[Known] {
        &self.packages
    }

    /// The installed package of that name; `name:architecture` is told apart.
    #[must_use]
    pub fn find<'s>(&'s self, name: &'s str) -> Option<&'s Known> {
        self.matching(name).find(|package| package.installed)
    }

    /// The installed package that provides a virtual one.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Known> {
        self.packages.iter().find(|package| package.installed && package.provides.iter().any(|virt| virt == name))
    }

    /// Every package that a name or a pattern means.
    pub fn matching<'s>(&'s self, pattern: &'s str) -> impl Iterator<Item = &'s Known> {
        let (name, architecture) = match pattern.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (pattern, None),
        };
        self.packages.iter().filter(move |package| {
            wildcard::matches(name, &package.name)
                && architecture.is_none_or(|wanted| {
                    package.architecture.is_empty() || wanted == "native" || package.architecture == wanted
                })
        })
    }
}

fn line(line: &str) -> Option<Known> {
    let mut fields = line.split('\t');
    let (name, architecture, version, status) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let provides = fields.next().unwrap_or_default();
    Some(Known {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version: version.to_owned(),
        // A package whose triggers are pending works; a half-installed one does not.
        installed: matches!(status, "installed" | "triggers-pending" | "triggers-awaited"),
        leftovers: status == "config-files",
        provides: provides
            .split(',')
            .filter_map(|provided| provided.split_whitespace().next())
            .map(str::to_owned)
            .collect(),
    })
}
