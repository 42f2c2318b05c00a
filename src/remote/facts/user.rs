//! Who the modules run as.

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &[
    "user_uid",
    "effective_user_id",
    "real_user_id",
    "user_id",
    "user_gid",
    "effective_group_id",
    "real_group_id",
    "user_gecos",
    "user_dir",
    "user_shell",
];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let uid = facts.probe.uid();
    let passwd = facts.text("/etc/passwd").unwrap_or_default();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() > 6 && fields[2].parse() == Ok(uid));
    facts.set("user_uid", uid);
    facts.set("effective_user_id", uid);
    facts.set("real_user_id", uid);
    if let Some(entry) = entry {
        let gid: u32 = entry[3].parse().unwrap_or_default();
        facts.set("user_id", entry[0]);
        facts.set("user_gid", gid);
        facts.set("effective_group_id", gid);
        facts.set("real_group_id", gid);
        facts.set("user_gecos", entry[4]);
        facts.set("user_dir", entry[5]);
        facts.set("user_shell", entry[6]);
    }
}
