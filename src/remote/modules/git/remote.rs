//! What a remote repository has, and how to reach it without showing secrets.

use crate::{
    protocol::Run,
    remote::{Probe, Stop, machine::probe::Found},
};

use super::Git;

/// What the wanted version is on the remote side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Branch {
        name: String,
        commit: String,
    },
    Tag {
        name: String,
        commit: String,
    },
    Commit(String),
    /// Some other reference, named in full.
    Reference {
        name: String,
        commit: String,
    },
}

impl Target {
    pub(super) fn commit(&self) -> &str {
        match self {
            Self::Branch { commit, .. }
            | Self::Tag { commit, .. }
            | Self::Reference { commit, .. }
            | Self::Commit(commit) => commit,
        }
    }

    /// Reads the answer of `ls-remote --symref`.
    pub(super) fn find(listed: &str, version: &str) -> Option<Self> {
        let mut references = Vec::new();
        let mut head = None;
        for line in listed.lines() {
            let (left, right) = line.split_once('\t')?;
            match left.strip_prefix("ref: ") {
                Some(target) if right == "HEAD" => head = target.strip_prefix("refs/heads/"),
                Some(_) => {}
                None => references.push((right, left.to_owned())),
            }
        }
        let commit = |name: &str| references.iter().find(|(known, _)| *known == name).map(|(_, commit)| commit.clone());
        let wanted = if version == "HEAD" { head.unwrap_or("HEAD") } else { version };
        if let Some(commit) = commit(&format!("refs/heads/{wanted}")) {
            return Some(Self::Branch { name: wanted.to_owned(), commit });
        }
        // An annotated tag is an object of its own; what it stands for is listed behind it.
        let tag = commit(&format!("refs/tags/{wanted}^{{}}")).or_else(|| commit(&format!("refs/tags/{wanted}")));
        if let Some(commit) = tag {
            return Some(Self::Tag { name: wanted.to_owned(), commit });
        }
        if let Some(commit) = commit(wanted) {
            return Some(Self::Reference { name: wanted.to_owned(), commit });
        }
        let hexadecimal = version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        hexadecimal.then(|| Self::Commit(version.to_lowercase()))
    }
}

impl Git {
    /// git with these words, able to reach the repository and never asking anything.
    pub(super) fn command(&self, words: &[&str]) -> Run {
        let program = self.executable.as_ref().map_or_else(|| "git".to_owned(), |path| path.display().to_string());
        let mut run = Run::new([program]);
        run.argv.extend(words.iter().map(|word| (*word).to_owned()));
        let mut set = |name: &str, value: String| run.environment.insert(name.to_owned(), value);
        set("GIT_TERMINAL_PROMPT", "0".to_owned());
        set("LC_ALL", "C".to_owned());
        if let (_, Some((with, without))) = split_credentials(&self.repo) {
            set("GIT_CONFIG_COUNT", "1".to_owned());
            set("GIT_CONFIG_KEY_0", format!("url.{with}.insteadOf"));
            set("GIT_CONFIG_VALUE_0", without);
        }
        let mut ssh = "ssh -o BatchMode=yes".to_owned();
        if self.accept_hostkey || self.accept_newhostkey {
            ssh.push_str(" -o StrictHostKeyChecking=accept-new");
        }
        if let Some(key) = &self.key_file {
            let quoted = key.display().to_string().replace('\'', "'\\''");
            ssh = format!("{ssh} -o IdentitiesOnly=yes -i '{quoted}'");
        }
        if let Some(options) = &self.ssh_opts {
            ssh.push(' ');
            ssh.push_str(options);
        }
        set("GIT_SSH_COMMAND", ssh);
        run.umask = self.umask.as_deref().and_then(|umask| u32::from_str_radix(umask.trim_start_matches("0o"), 8).ok());
        run
    }

    /// The address without a password: with one it would stand in command lines and in the copy's configuration.
    pub(super) fn address(&self) -> String {
        split_credentials(&self.repo).0
    }

    pub(super) fn ask_remote(&self, probe: &Probe<'_>) -> Found<Target> {
        let address = self.address();
        let output = probe.query_run(&self.command(&["ls-remote", "--symref", &address]))?;
        if !output.success() {
            let said = output.stderr.trim();
            let stop = Stop::failed(format!("cannot ask {address}: {said}"));
            return Err(if said.contains("Host key verification failed") {
                stop.hint("set `accept_newhostkey: true`, or put the server's key into known_hosts")
            } else if said.contains("Permission denied") || said.contains("could not read Username") {
                stop.hint("give a key with `key_file`, or credentials in the address")
            } else {
                stop
            });
        }
        Target::find(&output.stdout, &self.version).ok_or_else(|| {
            Stop::failed(format!("could not determine remote revision for {}", self.version))
                .hint("it is neither a branch nor a tag there; of a commit give all 40 digits")
        })
    }
}

/// The address without credentials; with them as a rewrite rule (`with`, `without`) where it holds a password.
fn split_credentials(repo: &str) -> (String, Option<(String, String)>) {
    let plain = || (repo.to_owned(), None);
    let Some((scheme, rest)) = repo.split_once("://") else { return plain() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    let Some(at) = rest[..host_end].rfind('@') else { return plain() };
    if !scheme.starts_with("http") || !rest[..at].contains(':') {
        return plain();
    }
    let with = format!("{scheme}://{}/", &rest[..host_end]);
    let without = format!("{scheme}://{}/", &rest[at + 1..host_end]);
    (format!("{scheme}://{}", &rest[at + 1..]), Some((with, without)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str =
        "ref: refs/heads/main\tHEAD\naaa\tHEAD\naaa\trefs/heads/main\nbbb\trefs/tags/v1\nccc\trefs/tags/v1^{}\n";

    #[test]
    fn versions_are_branches_tags_or_commits() {
        let main = Target::Branch { name: "main".to_owned(), commit: "aaa".to_owned() };
        assert_eq!(Target::find(LISTED, "HEAD"), Some(main));
        assert_eq!(Target::find(LISTED, "v1"), Some(Target::Tag { name: "v1".to_owned(), commit: "ccc".to_owned() }));
        assert_eq!(Target::find(LISTED, "nosuch"), None);
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(Target::find(LISTED, commit), Some(Target::Commit(commit.to_owned())));
    }

    #[test]
    fn passwords_leave_the_address() {
        let (address, rule) = split_credentials("https://ann:s3cret@host:8443/a/b.git");
        assert_eq!(address, "https://host:8443/a/b.git");
        assert_eq!(rule.unwrap(), ("https://ann:s3cret@host:8443/".to_owned(), "https://host:8443/".to_owned()));
        assert_eq!(split_credentials("ssh://git@host/a").1, None);
    }
}
