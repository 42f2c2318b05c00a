//! The same configuration read by us and by `ssh -G`.

use std::{collections::HashMap, path::Path, process::Command};

use super::{Places, resolve_name};
use crate::controller::connection::{HostKeyChecking, Target};

const CONFIG: &str = r#"
# A comment
Include conf.d/*.conf
Host web* !web9
  HostName %h.example.org
  User deploy
  Port = 2200
  IdentityFile ~/.ssh/web_%r
  IdentityFile "~/.ssh/web second"
  IdentitiesOnly yes
  ConnectTimeout 7
Host db
  HostName 10.0.0.5
  ProxyJump gate,me@inner:2022
  HostKeyAlias the-db
  ServerAliveInterval 15
  ServerAliveCountMax 5
Match host 10.0.0.5 user root
  CertificateFile ~/.ssh/root-cert.pub
  StrictHostKeyChecking accept-new
Match originalhost web1,web2
  UserKnownHostsFile /tmp/one /tmp/two
Match final host *.example.org
  ServerAliveInterval 33
Host proxied
  ProxyCommand nc -x "a b" %h %p # not a comment
Host gate
  IdentityAgent none
  StrictHostKeyChecking no
Host *
  User fallback
  Port 22
"#;

fn openssh(config: &Path, destination: &str, arguments: &[&str]) -> HashMap<String, Vec<String>> {
    let output = Command::new("ssh").arg("-G").arg("-F").arg(config).args(arguments).arg(destination).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut values: HashMap<String, Vec<String>> = HashMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        values.entry(keyword.to_owned()).or_default().push(value.to_owned());
    }
    values
}

#[test]
fn settings_are_those_of_openssh() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    // ssh takes its home from the user database, so included files are named by their whole path.
    let text = CONFIG.replace("conf.d/", &format!("{}/", folder.path().display()));
    std::fs::write(&config, text).unwrap();
    std::fs::write(folder.path().join("a.conf"), "Host included web2\n Port 9\n Host *.nothing\n User x\n").unwrap();
    let places = Places::new(None);
    for (destination, arguments) in [
        ("web1", ""),
        ("web2", ""),
        ("web9", ""),
        ("db", ""),
        ("db", "-o User=root"),
        ("proxied", "-p 2222"),
        ("gate", "-l someone -o 'ConnectTimeout 3'"),
        ("included", ""),
        ("elsewhere", "-J hop:23 -o IdentityFile=/tmp/key"),
    ] {
        let words = shlex::split(arguments).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let theirs = openssh(&config, destination, &words);
        let target = Target {
            alias: destination.into(),
            ssh_args: format!("-F {} {arguments}", config.display()),
            ..Target::default()
        };
        let ours = super::resolve(&target, &places).unwrap_or_else(|error| panic!("{destination}: {error}"));
        let one = |keyword: &str| theirs.get(keyword).map_or("", |values| values[0].as_str()).to_owned();
        let home = std::env::home_dir().unwrap().display().to_string();
        let paths = |paths: &[std::path::PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.display().to_string()).collect()
        };
        let tilde = |values: Vec<String>| -> Vec<String> {
            values.into_iter().map(|value| value.replacen('~', &home, 1)).collect()
        };
        assert_eq!(ours.hostname, one("hostname"), "{destination}");
        assert_eq!(ours.port.to_string(), one("port"), "{destination}");
        assert_eq!(ours.user, one("user"), "{destination}");
        assert_eq!(if ours.identities_only { "yes" } else { "no" }, one("identitiesonly"), "{destination}");
        assert_eq!(ours.host_key_alias.clone().unwrap_or_default(), one("hostkeyalias"), "{destination}");
        assert_eq!(ours.jumps.join(","), one("proxyjump"), "{destination}");
        let known: Vec<String> = one("userknownhostsfile").split(' ').map(str::to_owned).collect();
        assert_eq!(paths(&ours.user_known_hosts), tilde(known), "{destination}");
        let timeout = one("connecttimeout").replace("none", "0");
        assert_eq!(ours.connect_timeout.map_or(0, |limit| limit.as_secs()).to_string(), timeout, "{destination}");
        let alive = ours.alive_interval.map_or(0, |interval| interval.as_secs());
        assert_eq!(alive.to_string(), one("serveraliveinterval"), "{destination}");
        assert_eq!(ours.alive_count.to_string(), one("serveralivecountmax"), "{destination}");
        let strict = match ours.strict {
            HostKeyChecking::Off => "false",
            HostKeyChecking::AcceptNew => "accept-new",
            HostKeyChecking::Strict => "ask",
        };
        assert_eq!(strict, one("stricthostkeychecking").replace("true", "ask"), "{destination}");
        if ours.identities_named {
            let expected: Vec<String> =
                tilde(theirs["identityfile"].clone()).into_iter().map(|file| file.replace("%r", &ours.user)).collect();
            assert_eq!(paths(&ours.identity_files), expected, "{destination}");
        }
        assert_eq!(ours.proxy_command.is_some(), theirs.contains_key("proxycommand"), "{destination}");
        if destination == "gate" {
            assert_eq!(ours.agent, None);
        }
    }
}

#[test]
fn what_must_not_be_ignored_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let places = Places::new(Some(folder.path()));
    for (text, expected) in [
        ("Host a\nMatch exec \"true\"\n", "config:2: Match exec is refused"),
        ("Port\n", "config:1: Port needs a value"),
        ("Host *\n Port many\n", "port cannot be `many`"),
        ("User \"open\n", "config:1: a quote is not closed"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = resolve_name("a", &[], Some(&file), &places).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
