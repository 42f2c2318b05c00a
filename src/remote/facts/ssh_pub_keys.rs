//! The public keys by which the host shows who it is.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &[
    "ssh_host_key_dsa_public",
    "ssh_host_key_dsa_public_keytype",
    "ssh_host_key_rsa_public",
    "ssh_host_key_rsa_public_keytype",
    "ssh_host_key_ecdsa_public",
    "ssh_host_key_ecdsa_public_keytype",
    "ssh_host_key_ed25519_public",
    "ssh_host_key_ed25519_public_keytype",
];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let directory = ["/etc/ssh", "/etc/openssh", "/etc"]
        .into_iter()
        .find(|directory| facts.names(directory).iter().any(|name| name.starts_with("ssh_host_")));
    let Some(directory) = directory else { return };
    for kind in ["dsa", "rsa", "ecdsa", "ed25519"] {
        let Some(line) = facts.line(format!("{directory}/ssh_host_{kind}_key.pub")) else { continue };
        let mut words = line.split_whitespace();
        if let (Some(keytype), Some(key)) = (words.next(), words.next()) {
            facts.set(&format!("ssh_host_key_{kind}_public"), key);
            facts.set(&format!("ssh_host_key_{kind}_public_keytype"), keytype);
        }
    }
}
