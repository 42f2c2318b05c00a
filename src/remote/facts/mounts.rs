//! Mounted file systems and how full they are.

use serde_json::json;

use crate::protocol::Json;

use super::Gathering;

/// The facts that come from here.
pub(super) const GIVES: &[&str] = &["mounts"];

pub(super) fn gather(facts: &mut Gathering<'_, '_>) {
    let table = facts.text("/proc/mounts").unwrap_or_default();
    let mounted: Vec<Vec<String>> = table
        .lines()
        .map(|line| line.split_whitespace().map(unescape).collect::<Vec<_>>())
        // As in Ansible: what has a device or a remote behind it; the kernel's own file systems are left out.
        .filter(|fields| {
            fields.len() > 3 && (fields[0].starts_with('/') || fields[0].contains(":/") || fields[1] == "/")
        })
        .collect();
    let mut argv = vec!["stat", "-f", "-c", "%S|%b|%a|%f|%c|%d"];
    argv.extend(mounted.iter().map(|fields| fields[1].as_str()));
    let sizes = if mounted.is_empty() { None } else { facts.says(&argv) }.unwrap_or_default();
    let uuids = uuids(facts);
    let sizes: Vec<&str> = sizes.lines().collect();
    // One that cannot be asked leaves no line behind, and then lines and mounts no longer belong together.
    let complete = sizes.len() == mounted.len();
    let mounts: Vec<Json> = mounted
        .iter()
        .enumerate()
        .map(|(at, fields)| {
            let uuid = uuids.iter().find(|(device, _)| *device == fields[0]).map_or("N/A", |(_, uuid)| uuid);
            let mut mount = json!({
                "device": fields[0], "mount": fields[1], "fstype": fields[2], "options": fields[3],
                "dump": 0, "passno": 0, "uuid": uuid,
            });
            let numbers: Vec<u64> = match sizes.get(at).filter(|_| complete) {
                Some(line) => line.split('|').filter_map(|number| number.parse().ok()).collect(),
                None => Vec::new(),
            };
            if let [size, blocks, available, _, inodes, free_inodes] = numbers.as_slice() {
                mount["block_size"] = (*size).into();
                mount["block_total"] = (*blocks).into();
                mount["block_available"] = (*available).into();
                mount["block_used"] = blocks.saturating_sub(*available).into();
                mount["size_total"] = (size * blocks).into();
                mount["size_available"] = (size * available).into();
                mount["inode_total"] = (*inodes).into();
                mount["inode_available"] = (*free_inodes).into();
                mount["inode_used"] = inodes.saturating_sub(*free_inodes).into();
            }
            mount
        })
        .collect();
    facts.set("mounts", mounts);
}

fn uuids(facts: &Gathering<'_, '_>) -> Vec<(String, String)> {
    let directory = "/dev/disk/by-uuid";
    let pair = |uuid: String| {
        let target = facts.probe.read_link(format!("{directory}/{uuid}").as_ref()).ok()?;
        Some((format!("/dev/{}", target.file_name()?.to_string_lossy()), uuid))
    };
    facts.names(directory).into_iter().filter_map(pair).collect()
}

/// The kernel writes blanks in names as octal.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}
