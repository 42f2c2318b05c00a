//! `known_hosts`: keys by which SSH recognises other hosts.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    options,
    protocol::{Attributes, Change, Content, Json, Run},
    remote::{Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

options! {
    /// Adds the key of a host to a `known_hosts` file, replaces one of the same type, or removes a key or all of a host's.
    ///
    /// ## Example
    /// ```yaml
    /// - known_hosts:
    ///     name: git.example.com
    ///     key: git.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI…
    /// ```
    ///
    /// ## Returns
    /// The options, and `diff`.
    pub struct KnownHosts {
        /// The host, as `ssh` is told it; `[host]:port` for another port.
        name: String [host],
        /// The whole line: host, type and key. It may be left out to remove all keys of the host.
        key: Option<String>,
        /// The file.
        path: PathBuf = "~/.ssh/known_hosts",
        /// Write the host's name so that it cannot be read.
        hash_host: bool = false,
        /// Whether the key should be there.
        state: State = State::Present,
    }
}

/// The parts of a line that matter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    marker: Option<String>,
    hosts: String,
    kind: String,
    public: String,
}

impl Module for KnownHosts {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let host = self.name.to_lowercase();
        let given = self.key.as_deref().map(str::trim).filter(|key| !key.is_empty());
        if given.is_none() && self.state == State::Present {
            return Err(Stop::failed("No key specified when adding a host"));
        }
        let wanted = given.map(|line| self.wanted(probe, &host, line)).transpose()?;
        let there = probe.exists(&self.path)?;
        let before = if there { probe.read_text(&self.path)? } else { String::new() };
        let mut lines: Vec<String> = before.split_inclusive('\n').map(str::to_owned).collect();
        let of_host = |line: &String| Key::read(line).filter(|key| key.is_of(&host));
        match (&wanted, self.state) {
            (None, _) => lines.retain(|line| of_host(line).is_none()),
            (Some((_, wanted)), State::Absent) => {
                // Without the very key, that of the same type goes.
                let exact = lines.iter().position(|line| of_host(line).is_some_and(|key| key.same(wanted)));
                let kind = || lines.iter().position(|line| of_host(line).is_some_and(|key| key.replaces(wanted)));
                if let Some(at) = exact.or_else(kind) {
                    lines.remove(at);
                }
            }
            (Some((line, wanted)), State::Present) => {
                if !lines.iter().any(|line| of_host(line).is_some_and(|key| key.same(wanted))) {
                    if let Some(at) =
                        lines.iter().position(|line| of_host(line).is_some_and(|key| key.replaces(wanted)))
                    {
                        lines.remove(at);
                    }
                    if let Some(last) = lines.last_mut().filter(|last| !last.ends_with('\n')) {
                        last.push('\n');
                    }
                    lines.push(format!("{line}\n"));
                }
            }
        }
        self.finish(probe, there, &before, &lines.concat())
    }
}

impl KnownHosts {
    fn finish(&self, probe: &Probe<'_>, there: bool, before: &str, after: &str) -> Planned {
        let mut plan = Plan::new();
        let path = self.path.to_string_lossy().into_owned();
        if after != before {
            let folder = self.path.parent().map(PathBuf::from).unwrap_or_default();
            if !probe.exists(&folder)? {
                let mode = Some(0o700);
                plan.push(Change::Directory { path: folder, attributes: Attributes { mode, ..Attributes::default() } });
            }
            let mode = (!there).then_some(0o600);
            plan.push(Change::Write {
                path: probe.resolve(&self.path)?.unwrap_or_else(|| self.path.clone()),
                content: Content::Text(after.to_owned()),
                attributes: Attributes { mode, ..Attributes::default() },
                in_place: false,
            });
            plan.diff(&*path, before, after);
        }
        let header = if there { path.as_str() } else { "/dev/null" };
        plan.set("diff", json!({"before_header": header, "after_header": path, "before": before, "after": after}));
        for (name, value) in [("name", Json::from(self.name.as_str())), ("key", json!(self.key)), ("path", json!(path))]
        {
            plan.set(name, value);
        }
        plan.set("hash_host", self.hash_host);
        plan.set("state", self.state.word());
        Ok(plan)
    }

    /// The line to write and what it says, once it is sure to be about the host.
    fn wanted(&self, probe: &Probe<'_>, host: &str, line: &str) -> Found<(String, Key)> {
        if host.contains(',') {
            return Err(Stop::failed(
                "Comma separated list of names is not supported. Please pass a single name to lookup in the known_hosts file.",
            ));
        }
        let Some(mut key) = Key::read(line) else {
            return Err(Stop::failed(format!("the key of {host} is no line of a known_hosts file")));
        };
        if !key.is_of(host) {
            return Err(Stop::failed("Host parameter does not match hashed host field in supplied key"));
        }
        if !self.hash_host {
            return Ok((line.to_owned(), key));
        }
        key.hosts = hashed(probe, host)?;
        let words = [key.marker.as_ref(), Some(&key.hosts), Some(&key.kind), Some(&key.public)];
        Ok((words.into_iter().flatten().cloned().collect::<Vec<_>>().join(" "), key))
    }
}

impl Key {
    fn read(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        let mut words = line.split_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@')).map(str::to_owned);
        let (hosts, kind, key) = (words.next()?, words.next()?, words.next()?);
        Some(Self { marker, hosts: hosts.to_owned(), kind: kind.to_owned(), public: key.to_owned() })
    }

    /// Whether the line is about a host, written plainly, as a pattern or hashed.
    fn is_of(&self, host: &str) -> bool {
        if let Some(rest) = self.hosts.strip_prefix("|1|") {
            let Some((salt, sum)) = rest.split_once('|') else { return false };
            let (Ok(salt), Ok(sum)) = (STANDARD.decode(salt), STANDARD.decode(sum)) else { return false };
            return hmac_sha1(&salt, host.as_bytes()).as_slice() == sum;
        }
        let mut found = false;
        for pattern in self.hosts.split(',') {
            match pattern.strip_prefix('!') {
                Some(not) if matches(not, host) => return false,
                Some(_) => {}
                None => found |= matches(pattern, host),
            }
        }
        found
    }

    /// Whether two lines about one host say the same; a hashed name stays as it is.
    fn same(&self, other: &Self) -> bool {
        let hashed = |hosts: &str| hosts.starts_with("|1|");
        let hosts = self.hosts == other.hosts || hashed(&self.hosts) && hashed(&other.hosts);
        hosts && self.marker == other.marker && self.kind == other.kind && self.public == other.public
    }

    /// Whether the other line takes this one's place.
    fn replaces(&self, other: &Self) -> bool {
        self.marker.is_none() && self.kind == other.kind
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    let (pattern, host) = (pattern.to_lowercase(), host.to_lowercase());
    let mut parts = pattern.split('*');
    let like = |part: &str, text: &str| {
        part.len() == text.len() && part.bytes().zip(text.bytes()).all(|(p, c)| p == b'?' || p == c)
    };
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = host.get(..first.len()).filter(|start| like(first, start)).map(|_| &host[first.len()..])
    else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = true;
        let found = (0..=rest.len()).find(|at| rest.get(*at..at + part.len()).is_some_and(|text| like(part, text)));
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
        open &= part.is_empty();
    }
    rest.is_empty() || open
}

/// A host's name as OpenSSH hashes it, with bytes of the host's own generator as salt.
fn hashed(probe: &Probe<'_>, host: &str) -> Found<String> {
    const SALT_BYTES: usize = 20;
    let run = Run::new(["sh", "-c", "head -c 20 /dev/urandom | od -An -tx1"]);
    let said = probe.query_run(&run)?.stdout;
    let salt: Vec<u8> = said.split_whitespace().filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    if salt.len() != SALT_BYTES {
        return Err(Stop::failed("this host gives no random bytes to hash the name with"));
    }
    let sum = hmac_sha1(&salt, host.as_bytes());
    Ok(format!("|1|{}|{}", STANDARD.encode(salt), STANDARD.encode(sum)))
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    use sha1::{Digest, Sha1};
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..20].copy_from_slice(&Sha1::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|byte| byte ^ with);
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::rehearsal::Rehearsal, *};
    use crate::remote::machine::fake::Fake;

    const FILE: &str = "/root/.ssh/known_hosts";

    #[test]
    fn a_key_comes_is_replaced_and_goes() {
        let mut host = Rehearsal::on(Fake::new().file(FILE, "# mine\nother ssh-rsa AAA1\n"));
        let key = |state: &str, key: &str| json!({"name": "a.example", "key": key, "state": state, "path": FILE});
        host.converges("known_hosts", &key("present", "a.example ssh-rsa AAA2"));
        host.converges("known_hosts", &key("present", "a.example ssh-rsa AAA3"));
        assert_eq!(host.host.text(FILE).unwrap(), "# mine\nother ssh-rsa AAA1\na.example ssh-rsa AAA3\n");
        host.stays("known_hosts", &key("absent", "a.example ssh-ed25519 AAA3"));
        host.converges("known_hosts", &json!({"name": "a.example", "state": "absent", "path": FILE}));
        assert_eq!(host.host.text(FILE).unwrap(), "# mine\nother ssh-rsa AAA1\n");
        assert!(host.fails("known_hosts", key("present", "b.example ssh-rsa AAA3")).contains("does not match"));
    }

    #[test]
    fn names_are_hashed_as_openssh_does_and_recognised() {
        let salt: String = (0..20).map(|byte| format!(" {byte:02x}")).collect();
        let fake = Fake::new().command(&["sh"], 0, &salt);
        let mut host = Rehearsal::on(fake);
        let options = json!({"name": "a.example", "key": "a.example ssh-rsa AAA", "hash_host": true, "path": FILE});
        host.converges("known_hosts", &options);
        let text = host.host.text(FILE).unwrap();
        assert!(text.starts_with("|1|AAECAwQFBgcICQoLDA0ODxAREhM=|"), "{text}");
        let key = Key::read(&text).unwrap();
        assert!(key.is_of("a.example") && !key.is_of("b.example"));
        // RFC 2202, second test.
        let hex: String =
            hmac_sha1(b"Jefe", b"what do ya want for nothing?").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }

    #[test]
    fn patterns_match_as_in_openssh() {
        for (pattern, host, is) in [
            ("*.example", "a.example", true),
            ("a?c", "abc", true),
            ("a*d", "abc", false),
            ("*", "x", true),
            ("abc", "ab", false),
        ] {
            assert_eq!(matches(pattern, host), is, "{pattern} {host}");
        }
    }
}
