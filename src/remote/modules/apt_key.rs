//! `apt_key`: the keys that apt trusts for every source.

use serde_json::json;

use super::user::State;
use crate::{
    options,
    protocol::{Change, Effect, Run},
    remote::{Applied, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

/// The return value by which the host asks the controller for the key at an address; never seen by users.
pub const WANTS_KEY: &str = "_wants_key";
/// What predictions call keys: `apt_key/KEYRING FINGERPRINT`.
const DOMAIN: &str = "apt_key";
/// Asks a server of keys up to five times, for they often do not answer at first.
const FIVE_TIMES: &str = "for try in 1 2 3 4 5; do \"$@\" && exit; done; exit 1";
/// Digits of an id that name a key for `apt-key del`.
const SHORT: usize = 8;
/// Digits of an id as lists of keys show it.
const LONG: usize = 16;

options! {
    /// Adds keys to those that apt trusts, or removes them.
    ///
    /// Such a key is trusted for every source, and `apt-key` is gone from Debian 13: `deb822_repository` with `signed_by` is the better way.
    ///
    /// ## Example
    /// ```yaml
    /// - apt_key:
    ///     id: 9DC858229FC7DD38854AE2D88D81803C0EBFCD88
    ///     url: https://download.docker.com/linux/debian/gpg
    /// ```
    ///
    /// ## Returns
    /// `id` as given or found; `key_id`, `fp`, `short_id`: all, sixteen and eight of its digits; `before` and `after`: the keys that are trusted.
    pub struct AptKey {
        /// The key's id, of 8, 16 or more digits; found out where it is left out and a key is given.
        id: Option<String>,
        /// The key.
        data: Option<String>,
        /// A file on the host that holds it.
        file: Option<std::path::PathBuf>,
        /// Where it is fetched from, as the host sees it; not when `id` is given and there.
        url: Option<String>,
        /// A server that is asked for the key called `id`.
        keyserver: Option<String>,
        /// The file of keys to work on, instead of apt's own.
        keyring: Option<std::path::PathBuf>,
        /// Whether it should be there.
        state: State = State::Present,
        /// Whether the server of `url` has to prove who it is.
        validate_certs: bool = true,
        /// What the controller has fetched.
        fetched: Option<String> [_fetched],
    }
}

/// A key's id.
struct Id(String);

impl Id {
    fn parse(said: &str) -> Option<Self> {
        let digits = said.trim().to_uppercase();
        let digits = digits.strip_prefix("0X").unwrap_or(&digits);
        let fits = digits.len() == SHORT || digits.len() >= LONG;
        (fits && digits.bytes().all(|digit| digit.is_ascii_hexdigit())).then(|| Self(digits.to_owned()))
    }

    fn last(&self, digits: usize) -> &str {
        &self.0[self.0.len().saturating_sub(digits)..]
    }

    /// The digits that a list of keys is compared by.
    fn shown(&self) -> usize {
        if self.0.len() == SHORT { SHORT } else { LONG }
    }

    fn is_in(&self, keys: &[String]) -> bool {
        keys.iter().any(|key| key == self.last(self.shown()))
    }
}

impl Module for AptKey {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let sources = [self.data.is_some(), self.file.is_some(), self.keyserver.is_some(), self.url.is_some()];
        if sources.into_iter().filter(|given| *given).count() > 1 {
            return Err(Stop::failed("parameters are mutually exclusive: data|file|keyserver|url"));
        }
        if probe.program("apt-key")?.is_none() {
            let missing = Stop::failed("there is no program apt-key on the host");
            return Err(probe.lacks(missing.hint("use deb822_repository with signed_by")));
        }
        if probe.program("gpg")?.is_none() {
            return Err(
                probe.lacks(Stop::failed("there is no program gpg on the host").hint("install the package gnupg"))
            );
        }
        let mut plan = Plan::new();
        let said = match self.id.clone().filter(|id| !id.is_empty()) {
            Some(id) => Some(id),
            None if self.keyserver.is_some() => return Err(Stop::failed("Missing key_id, required with keyserver.")),
            None => match (&self.url, &self.fetched) {
                (Some(url), None) => return Ok(wants(plan, url)),
                _ => self.found(probe)?,
            },
        };
        let id = said.as_deref().and_then(Id::parse).ok_or_else(|| Stop::failed("Invalid key_id"))?;
        plan.set("id", said);
        plan.set("key_id", &*id.0);
        plan.set("fp", id.last(LONG));
        plan.set("short_id", id.last(SHORT));
        let mut keys = self.keys(probe, id.shown())?;
        match probe.assumed(DOMAIN, &self.name(&id)) {
            Some(gone) if gone.is_null() => keys.retain(|key| key != id.last(id.shown())),
            Some(_) if !id.is_in(&keys) => keys.push(id.last(id.shown()).to_owned()),
            _ => {}
        }
        let there = id.is_in(&keys);
        plan.set("before", keys.clone());
        let run = match self.state {
            State::Present if there => return Ok(plan),
            State::Absent if !there => return Ok(plan),
            State::Present => match (&self.url, &self.fetched) {
                (Some(url), None) => return Ok(wants(plan, url)),
                _ => self.adding(probe, &id)?.effect(Effect::new(DOMAIN, &self.name(&id), json!(true))),
            },
            State::Absent => {
                self.apt_key(&["del", id.last(SHORT)]).effect(Effect::new(DOMAIN, &self.name(&id), json!(null)))
            }
        };
        plan.push(Change::Run(run));
        let text = |keys: &[String]| keys.iter().map(|key| format!("{key}\n")).collect::<String>();
        let mut after = keys.clone();
        match self.state {
            State::Present => after.push(id.last(id.shown()).to_owned()),
            State::Absent => after.retain(|key| key != id.last(id.shown())),
        }
        plan.diff("keys", text(&keys), text(&after));
        Ok(plan)
    }

    fn report(&self, plan: &mut Plan, _applied: &[Applied], probe: &Probe<'_>) -> Result<(), Stop> {
        let Some(id) = plan.result.get("key_id").and_then(|id| id.as_str()).and_then(Id::parse) else { return Ok(()) };
        if plan.changes.is_empty() {
            return Ok(());
        }
        let keys = self.keys(probe, id.shown())?;
        let said = match (self.state, id.is_in(&keys)) {
            (State::Present, false) => Some("failed to add the key"),
            (State::Absent, true) => Some("the key was not removed"),
            _ => None,
        };
        plan.set("after", keys);
        said.map_or(Ok(()), |said| {
            let message = format!(
                "apt-key did not return an error, but {said} (check that the id is correct and *not* a subkey)"
            );
            Err(Stop::failed(message))
        })
    }
}

/// Asks the controller for the key at an address.
fn wants(mut plan: Plan, url: &str) -> Plan {
    plan.set(WANTS_KEY, url);
    plan
}

impl AptKey {
    fn key(&self) -> Option<&str> {
        self.fetched.as_deref().or(self.data.as_deref())
    }

    /// `apt-key` with these words, on the keyring that is named.
    fn apt_key(&self, words: &[&str]) -> Run {
        let mut argv = vec!["apt-key".to_owned()];
        if let Some(keyring) = &self.keyring {
            argv.extend(["--keyring".to_owned(), keyring.to_string_lossy().into_owned()]);
        }
        argv.extend(words.iter().map(|&word| word.to_owned()));
        let mut run = Run::new(argv);
        run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        run
    }

    /// The keys that are trusted, as their last digits.
    fn keys(&self, probe: &Probe<'_>, digits: usize) -> Found<Vec<String>> {
        let run = self.apt_key(&["adv", "--list-public-keys", "--keyid-format=long"]);
        let output = probe.query_run(&run)?;
        if output.code != 0 {
            return Err(Stop::failed(format!("Unable to list public keys: {}", output.stderr.trim())));
        }
        let keys = ids(&output.stdout);
        Ok(keys.into_iter().map(|key| key[key.len().saturating_sub(digits)..].to_owned()).collect())
    }

    /// The id of the key that is given, as gpg reads it.
    fn found(&self, probe: &Probe<'_>) -> Found<Option<String>> {
        let file = self.file.as_ref().map(|file| file.to_string_lossy().into_owned());
        if file.is_none() && self.key().is_none() {
            return Ok(None);
        }
        let mut run = Run::new(["gpg", "--with-colons", file.as_deref().unwrap_or("-")]);
        run.environment.insert("LC_ALL".to_owned(), "C".to_owned());
        run.stdin = self.key().filter(|_| file.is_none()).map(str::to_owned);
        let output = probe.query_run(&run)?;
        if output.code != 0 {
            let what = file.as_deref().unwrap_or("inline data");
            return Err(Stop::failed(format!("Unable to extract key from '{what}'")).hint(output.stderr.trim()));
        }
        Ok(ids(&output.stdout).into_iter().next())
    }

    /// The command that adds the key.
    fn adding(&self, probe: &Probe<'_>, id: &Id) -> Found<Run> {
        if let Some(file) = &self.file {
            return Ok(self.apt_key(&["add", &file.to_string_lossy()]));
        }
        if let Some(server) = &self.keyserver {
            let mut words = vec!["adv", "--no-tty", "--keyserver", server];
            let proxy = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].map(|name| probe.variable(name));
            let proxy = proxy.into_iter().flatten().find(|proxy| !proxy.is_empty());
            let proxy = proxy.map(|proxy| format!("http-proxy={proxy}"));
            words.extend(proxy.iter().flat_map(|proxy| ["--keyserver-options", proxy]));
            words.extend(["--recv", &id.0]);
            let run = self.apt_key(&words);
            let argv = ["sh", "-c", FIVE_TIMES, "sh"].map(str::to_owned).into_iter().chain(run.argv).collect();
            return Ok(Run { argv, ..run });
        }
        let Some(key) = self.key() else {
            return Err(Stop::failed("there is no key to add").hint("give it as data, file, url, or id with keyserver"));
        };
        Ok(Run { stdin: Some(key.to_owned()), ..self.apt_key(&["add", "-"]) })
    }

    /// What predictions call the key.
    fn name(&self, id: &Id) -> String {
        let keyring = self.keyring.as_ref().map(|keyring| keyring.to_string_lossy().into_owned());
        format!("{} {}", keyring.unwrap_or_default(), id.last(id.shown()))
    }
}

/// The ids in a list of keys, of either form that gpg writes; expired keys count as missing.
fn ids(list: &str) -> Vec<String> {
    let keys =
        list.lines().filter(|line| (line.starts_with("pub") || line.starts_with("sub")) && !line.contains("expired"));
    let id = |line: &str| match line.split_whitespace().nth(1).and_then(|word| word.split_once('/')) {
        Some((_, id)) => Some(id.to_owned()),
        None => line.split(':').nth(4).map(str::to_owned),
    };
    keys.filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Verdict,
        remote::{machine::fake::Fake, modules::trial::Trial},
    };

    const LISTED: &str = "/etc/apt/trusted.gpg\n--------------------\npub   rsa4096/DC30D7C23CBBABEE 2012-05-11 [SC]\n\
                          uid                 [ unknown] Key\nsub   rsa4096/4A3CE3CD565D7EB5 2015-08-11 [expired: 2020-01-01]\n";

    fn host() -> Fake {
        Fake::new()
            .program("/usr/bin/apt-key")
            .program("/usr/bin/gpg")
            .command(&["apt-key", "adv", "--list-public-keys"], 0, LISTED)
            .command(&["gpg", "--with-colons", "-"], 0, "pub:-:4096:1:AAAA1111BBBB2222:1336770936:::-:\n")
    }

    #[test]
    fn a_key_is_added_once_by_the_id_that_gpg_reads() {
        let mut trial = Trial::new(host());
        let options = json!({"data": "-----BEGIN"});
        let outcome = trial.check("apt_key", options.clone());
        assert_eq!(outcome.verdict, Verdict::Changed);
        assert_eq!(outcome.result["key_id"], "AAAA1111BBBB2222");
        assert_eq!(outcome.result["short_id"], "BBBB2222");
        assert_eq!(outcome.result["before"], json!(["DC30D7C23CBBABEE"]));
        assert_eq!(trial.check("apt_key", options).verdict, Verdict::Unchanged);
    }

    #[test]
    fn a_key_that_is_there_is_not_fetched_and_goes_once() {
        let mut trial = Trial::new(host());
        let known = json!({"id": "0x3cbbabee", "url": "https://a/k"});
        assert_eq!(trial.check("apt_key", known).verdict, Verdict::Unchanged);
        let other = trial.check("apt_key", json!({"id": "4A3CE3CD565D7EB5", "url": "https://a/k"}));
        assert_eq!(other.result[WANTS_KEY], "https://a/k");
        let gone = json!({"id": "DC30D7C23CBBABEE", "state": "absent"});
        assert_eq!(trial.check("apt_key", gone.clone()).verdict, Verdict::Changed);
        assert_eq!(trial.check("apt_key", gone).verdict, Verdict::Unchanged);
    }

    #[test]
    fn ids_are_hexadecimal_and_of_a_certain_length() {
        for (said, last) in [
            ("0xdc30d7c23cbbabee", Some("3CBBABEE")),
            ("12345678", Some("12345678")),
            ("123", None),
            ("xyz45678", None),
        ] {
            assert_eq!(Id::parse(said).map(|id| id.last(SHORT).to_owned()).as_deref(), last, "{said}");
        }
    }
}
