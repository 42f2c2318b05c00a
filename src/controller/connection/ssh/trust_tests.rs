//! Host keys: what is trusted, what is refused, and the first contact.

use std::path::Path;

use super::{
    super::{
        ConnectError, HostKeyChecking, Target,
        testing::{Sshd, connector, keygen},
    },
    first_contact::accept,
};

fn known(sshd: &Sshd) -> std::path::PathBuf {
    sshd.path("home/.ssh/known_hosts")
}

fn host_key(path: &Path) -> String {
    std::fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

#[tokio::test]
async fn unknown_hosts_are_listed_once_accepted_together_and_then_known() {
    use std::os::unix::fs::PermissionsExt;
    let (one, two) = (Sshd::start(""), Sshd::start(""));
    let home = Some(one.path("home"));
    let key = host_key(&one.path("home/.ssh/id_ed25519"));
    std::fs::write(two.path("authorized"), key).unwrap();
    let arguments = "-o HashKnownHosts=yes".to_owned();
    let first = Target { ssh_args: arguments.clone(), ..one.target() };
    let second = Target { alias: "other".into(), home, ssh_args: arguments, ..two.target() };
    let targets = [first.clone(), second.clone(), first.clone()];
    let refused = one.open(&first).await.err().unwrap();
    assert!(matches!(&refused, ConnectError::UnknownHostKey(_)), "{refused}");
    let unknown = connector().scan(&targets).await.unwrap();
    let names: Vec<&str> = unknown.iter().map(|unknown| unknown.alias.as_str()).collect();
    assert_eq!(names, ["box", "other"]);
    assert!(refused.to_string().contains(&unknown[0].fingerprint));
    accept(&unknown).unwrap();
    accept(&unknown).unwrap();
    let file = known(&one);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("|1|")).count(), 2, "{text}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(connector().scan(&targets).await.unwrap().is_empty());
    one.open(&first).await.unwrap();
    one.open(&second).await.unwrap();
    // OpenSSH finds what was written.
    let name = format!("[127.0.0.1]:{}", one.port);
    let found = std::process::Command::new("ssh-keygen").args(["-F", &name, "-f"]).arg(&file).output().unwrap();
    assert!(found.status.success());
}

#[tokio::test]
async fn a_changed_key_is_refused_with_its_place_and_the_way_out() {
    let sshd = Sshd::start("");
    keygen(&sshd.path("old"), &["-t", "ed25519"]);
    let line = format!("# first\n[127.0.0.1]:{} {}\n", sshd.port, host_key(&sshd.path("old")));
    std::fs::write(known(&sshd), line).unwrap();
    let error = sshd.open(&sshd.target()).await.err().unwrap();
    assert!(error.to_string().contains(&format!("{}:2", known(&sshd).display())), "{error}");
    assert!(error.hint().unwrap().contains(&format!("ssh-keygen -R '[127.0.0.1]:{}'", sshd.port)));
    // Even accept-new does not take a changed key; only switching the check off does.
    let new = Target { host_key_checking: Some(HostKeyChecking::AcceptNew), ..sshd.target() };
    assert!(matches!(sshd.open(&new).await, Err(ConnectError::ChangedHostKey { .. })));
    sshd.open_unchecked(sshd.target()).await.unwrap();
}

#[tokio::test]
async fn accept_new_remembers_a_stranger() {
    let sshd = Sshd::start("");
    let target = Target { ssh_args: "-o StrictHostKeyChecking=accept-new".into(), ..sshd.target() };
    sshd.open(&target).await.unwrap();
    sshd.open(&sshd.target()).await.unwrap();
}

#[tokio::test]
async fn the_key_type_that_is_known_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    keygen(&folder.path().join("host_rsa"), &["-t", "rsa", "-b", "2048"]);
    let sshd = Sshd::start(&format!("HostKey {}", folder.path().join("host_rsa").display()));
    let line = format!("[127.0.0.1]:{} {}\n", sshd.port, host_key(&folder.path().join("host_rsa")));
    std::fs::write(known(&sshd), line).unwrap();
    sshd.open(&sshd.target()).await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn revoked_keys_are_refused_even_with_the_check_off() {
    let sshd = Sshd::start("");
    let key = host_key(&sshd.path("host"));
    let name = format!("[127.0.0.1]:{}", sshd.port);
    std::fs::write(known(&sshd), format!("{name} {key}\n@revoked\t* {key}\n")).unwrap();
    let error = sshd.open_unchecked(sshd.target()).await.err().unwrap();
    assert!(matches!(error, ConnectError::RevokedHostKey { line: 2, .. }), "{error}");
}

#[tokio::test]
async fn a_host_certificate_of_a_known_authority_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    keygen(&at("ca"), &["-t", "ed25519"]);
    keygen(&at("certified"), &["-t", "ed25519"]);
    let (ca, public) = (at("ca"), at("certified.pub"));
    let certify = |name: &str| {
        keygen(&ca, &["-s", ca.to_str().unwrap(), "-h", "-I", "host", "-n", name, public.to_str().unwrap()]);
    };
    certify("127.0.0.1");
    let more = format!("HostKey {}\nHostCertificate {}", at("certified").display(), at("certified-cert.pub").display());
    let sshd = Sshd::start(&more);
    let authority = host_key(&ca);
    std::fs::write(known(&sshd), format!("@cert-authority [127.0.0.*]:* {authority}\n")).unwrap();
    sshd.open(&sshd.target()).await.unwrap_or_else(|error| panic!("{error}"));
    certify("another.host");
    let sshd = Sshd::start(&more);
    std::fs::write(known(&sshd), format!("@cert-authority [127.0.0.*]:* {authority}\n")).unwrap();
    let error = sshd.open(&sshd.target()).await.err().unwrap();
    assert!(error.to_string().contains("it is for another.host, not for 127.0.0.1"), "{error}");
}
