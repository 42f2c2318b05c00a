//! What the configuration comes to for one destination, with tokens expanded and defaults filled in.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    super::super::{ConnectError, HostKeyChecking},
    Places,
    reader::{Values, expand_home},
};

/// Keys that OpenSSH tries when none is named, in its order.
const DEFAULT_KEYS: [&str; 5] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/// Everything needed to reach and enter one host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What was asked for.
    pub destination: String,
    /// Name or address to connect to.
    pub hostname: String,
    /// Port.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// Private keys, in order.
    pub identity_files: Vec<PathBuf>,
    /// Whether they were named, or are only the defaults.
    pub identities_named: bool,
    /// Certificates that were named.
    pub certificate_files: Vec<PathBuf>,
    /// Use no other keys than those named, though an agent has some.
    pub identities_only: bool,
    /// The agent's socket; `None`: none is to be used.
    pub agent: Option<PathBuf>,
    /// `ProxyJump` hops in order.
    pub jumps: Vec<String>,
    /// `ProxyCommand`, tokens expanded.
    pub proxy_command: Option<String>,
    /// Files of known hosts; the first takes new ones.
    pub user_known_hosts: Vec<PathBuf>,
    /// The system's files of known hosts.
    pub global_known_hosts: Vec<PathBuf>,
    /// What about unknown hosts.
    pub strict: HostKeyChecking,
    /// Whether that was said anywhere.
    pub strict_named: bool,
    /// The name to look for in `known_hosts` instead of the host's.
    pub host_key_alias: Option<String>,
    /// Write new entries hashed.
    pub hash_known_hosts: bool,
    /// Limit for getting in.
    pub connect_timeout: Option<Duration>,
    /// Seconds between signs of life.
    pub alive_interval: Option<Duration>,
    /// How many may stay unanswered.
    pub alive_count: usize,
    /// Authentication methods in order.
    pub methods: Vec<String>,
    /// `AddressFamily`: whether IPv4, IPv6 or both are fine.
    pub family: Family,
    /// The file that replaced the usual ones, for jump hosts to read too.
    pub file: Option<PathBuf>,
}

/// Which addresses may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Both.
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Settings {
    /// The name under which `known_hosts` has this host.
    #[must_use]
    pub fn known_name(&self) -> String {
        match &self.host_key_alias {
            Some(alias) => alias.to_ascii_lowercase(),
            None if self.port == 22 => self.hostname.to_ascii_lowercase(),
            None => format!("[{}]:{}", self.hostname.to_ascii_lowercase(), self.port),
        }
    }

    /// Files of known hosts, the user's first.
    pub(in super::super) fn known_hosts(&self) -> impl Iterator<Item = &PathBuf> {
        self.user_known_hosts.iter().chain(&self.global_known_hosts)
    }

    pub(super) fn from_values(
        destination: &str,
        values: Values,
        places: &Places,
        file: Option<&Path>,
    ) -> Result<Self, ConnectError> {
        let values = Lookup { values, destination };
        let hostname = match values.first("hostname") {
            Some(name) => expand(name, &[('h', destination)]),
            None => destination.to_owned(),
        };
        let port = values.number("port")?.unwrap_or(22);
        let user = values.first("user").map_or_else(|| places.user.clone(), str::to_owned);
        let home = places.home.to_string_lossy().into_owned();
        let uid = rustix::process::getuid().as_raw().to_string();
        let port_text = port.to_string();
        let local = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let alias = values.first("hostkeyalias").map_or(destination, |alias| alias);
        let short = local.split('.').next().unwrap_or_default();
        let tokens = [
            ('h', hostname.as_str()),
            ('n', destination),
            ('p', &port_text),
            ('r', &user),
            ('u', &places.user),
            ('d', &home),
            ('i', &uid),
            ('l', &local),
            ('L', short),
            ('k', alias),
        ];
        let path = |text: &str| expand_home(&expand(&environment(text), &tokens), &places.home);
        let paths = |keyword: &str, defaults: &[&str]| -> Vec<PathBuf> {
            match values.words(keyword) {
                Some([word]) if word.eq_ignore_ascii_case("none") => Vec::new(),
                Some(words) => words.iter().map(|word| path(word)).collect(),
                None => defaults.iter().map(|word| path(word)).collect(),
            }
        };
        let all = |keyword: &str| -> Vec<PathBuf> {
            values.every(keyword).filter(|word| !word.eq_ignore_ascii_case("none")).map(path).collect()
        };
        let named = values.values.contains_key("identityfile");
        let identity_files = if named {
            all("identityfile")
        } else {
            DEFAULT_KEYS.iter().map(|name| places.home.join(".ssh").join(name)).collect()
        };
        let socket = || std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from);
        let agent = match values.first("identityagent") {
            Some(word) if word.eq_ignore_ascii_case("none") => None,
            None | Some("SSH_AUTH_SOCK") => socket(),
            Some(variable) if variable.starts_with('$') && !variable.starts_with("${") => {
                std::env::var_os(&variable[1..]).map(PathBuf::from)
            }
            Some(word) => Some(path(word)),
        };
        let jump = values.first("proxyjump").filter(|word| !word.eq_ignore_ascii_case("none"));
        let jumps: Vec<String> =
            jump.map(|jumps| jumps.split(',').map(|hop| hop.trim().to_owned()).collect()).unwrap_or_default();
        // OpenSSH lets whichever of the two comes first win; once a jump is named, a proxy command elsewhere is noise.
        let proxy_command = values
            .first("proxycommand")
            .filter(|_| jumps.is_empty())
            .filter(|command| !command.trim().eq_ignore_ascii_case("none"))
            .map(|command| expand(command, &tokens));
        let strict = match values.first("stricthostkeychecking").map(str::to_ascii_lowercase).as_deref() {
            Some("no" | "off") => HostKeyChecking::Off,
            Some("accept-new") => HostKeyChecking::AcceptNew,
            None | Some("yes" | "ask" | "true") => HostKeyChecking::Strict,
            Some(other) => return Err(values.wrong(&format!("StrictHostKeyChecking cannot be `{other}`"))),
        };
        let connect_timeout = values.seconds("connecttimeout")?;
        let family = match values.first("addressfamily").map(str::to_ascii_lowercase).as_deref() {
            Some("inet") => Family::V4,
            Some("inet6") => Family::V6,
            _ => Family::Any,
        };
        Ok(Self {
            port,
            identity_files,
            identities_named: named,
            certificate_files: all("certificatefile"),
            identities_only: values.yes("identitiesonly", false),
            agent,
            jumps,
            proxy_command,
            user_known_hosts: paths("userknownhostsfile", &["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]),
            global_known_hosts: paths(
                "globalknownhostsfile",
                &["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
            ),
            strict,
            strict_named: values.first("stricthostkeychecking").is_some(),
            host_key_alias: values.first("hostkeyalias").map(str::to_owned),
            hash_known_hosts: values.yes("hashknownhosts", false),
            connect_timeout,
            alive_interval: values.seconds("serveraliveinterval")?,
            alive_count: values.number("serveralivecountmax")?.unwrap_or(3),
            methods: methods(&values),
            family,
            file: file.map(Path::to_owned),
            destination: destination.to_owned(),
            hostname,
            user,
        })
    }
}

/// Methods we have, in the user's or OpenSSH's order, without those that are switched off.
fn methods(values: &Lookup<'_>) -> Vec<String> {
    let order = values.first("preferredauthentications").unwrap_or("publickey,keyboard-interactive,password");
    order
        .split(',')
        .filter(|method| match *method {
            "publickey" => values.first("pubkeyauthentication").is_none_or(|word| word != "no"),
            "keyboard-interactive" => {
                values.yes("kbdinteractiveauthentication", true) && values.yes("challengeresponseauthentication", true)
            }
            "password" => values.yes("passwordauthentication", true),
            _ => false,
        })
        .map(str::to_owned)
        .collect()
}

struct Lookup<'a> {
    values: Values,
    destination: &'a str,
}

impl Lookup<'_> {
    fn words(&self, keyword: &str) -> Option<&[String]> {
        self.values.get(keyword)?.first().map(Vec::as_slice)
    }

    fn first(&self, keyword: &str) -> Option<&str> {
        self.words(keyword)?.first().map(String::as_str)
    }

    fn every(&self, keyword: &str) -> impl Iterator<Item = &str> {
        self.values.get(keyword).into_iter().flatten().filter_map(|words| words.first()).map(String::as_str)
    }

    fn yes(&self, keyword: &str, default: bool) -> bool {
        self.first(keyword).map_or(default, |word| matches!(word.to_ascii_lowercase().as_str(), "yes" | "true"))
    }

    fn number<T: std::str::FromStr>(&self, keyword: &str) -> Result<Option<T>, ConnectError> {
        self.first(keyword)
            .map(|word| word.parse().map_err(|_| self.wrong(&format!("{keyword} cannot be `{word}`"))))
            .transpose()
    }

    /// Seconds, or OpenSSH's `1h30m`; `0` and `none` mean no limit.
    fn seconds(&self, keyword: &str) -> Result<Option<Duration>, ConnectError> {
        let Some(word) = self.first(keyword).filter(|word| !word.eq_ignore_ascii_case("none")) else {
            return Ok(None);
        };
        let wrong = || self.wrong(&format!("{keyword} cannot be `{word}`"));
        let (mut total, mut number) = (0_u64, String::new());
        for c in word.chars() {
            if c.is_ascii_digit() {
                number.push(c);
                continue;
            }
            let factor = match c.to_ascii_lowercase() {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                'w' => 604_800,
                _ => return Err(wrong()),
            };
            total = total.saturating_add(number.parse::<u64>().map_err(|_| wrong())?.saturating_mul(factor));
            number.clear();
        }
        if !number.is_empty() {
            total = total.saturating_add(number.parse().map_err(|_| wrong())?);
        }
        Ok((total > 0).then(|| Duration::from_secs(total)))
    }

    fn wrong(&self, message: &str) -> ConnectError {
        ConnectError::Config {
            file: "the SSH configuration".into(),
            line: 0,
            message: format!("for {}: {message}", self.destination),
        }
    }
}

/// Replaces `%x` by the token's value; `%%` is one percent sign, an unknown token stays.
fn expand(text: &str, tokens: &[(char, &str)]) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            expanded.push(c);
            continue;
        }
        match chars.next() {
            Some('%') | None => expanded.push('%'),
            Some(letter) => match tokens.iter().find(|(token, _)| *token == letter) {
                Some((_, value)) => expanded.push_str(value),
                None => expanded.extend(['%', letter]),
            },
        }
    }
    expanded
}

/// Replaces `${NAME}` by the environment's value; a missing one by nothing.
fn environment(text: &str) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        expanded.push_str(before);
        expanded.push_str(&std::env::var(name).unwrap_or_default());
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}
