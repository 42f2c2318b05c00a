//! `stat`: what is at a path.

use std::path::PathBuf;

use serde_json::json;

use super::{checksums::Algorithm, inspection};
use crate::{
    options,
    protocol::{Json, Map},
    remote::{
        Module, Plan, Planned, Probe, Stop,
        machine::{probe::Found, system::FileKind},
    },
};

options! {
    /// Looks at a file, directory, link or device.
    ///
    /// ## Example
    /// ```yaml
    /// - stat: path=/var/run/reboot-required
    ///   register: reboot
    /// - debug: msg="restart it"
    ///   when: reboot.stat.exists
    /// ```
    ///
    /// ## Returns
    /// `stat`: `exists`, `path`, `isdir`, `isreg`, `islnk` and the like, `mode`, `uid`, `gid`, `pw_name`, `gr_name`, `size`, `atime`, `mtime`, `ctime`,
    /// `readable`, `writeable`, `executable`, `rusr` and the like, `checksum`, `lnk_source`, `lnk_target`, `mimetype`, `charset`, `attributes`.
    pub struct StatFile {
        /// The path to look at.
        path: PathBuf [dest name],
        /// Look at what a link leads to.
        follow: bool = false,
        /// Compute a checksum of a regular file.
        get_checksum: bool = true,
        /// How to compute it.
        checksum_algorithm: Algorithm [checksum checksum_algo] = Algorithm::Sha1,
        /// Tell the kind of content, where the host has the program `file`.
        get_mime: bool [mime mime_type] = true,
        /// Tell the attributes of the file system, where the host has the program `lsattr`.
        get_attributes: bool [attr attributes] = true,
    }
}

impl Module for StatFile {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let found = if self.follow { probe.stat_followed(&self.path)? } else { probe.stat(&self.path)? };
        let mut plan = Plan::new();
        let Some(stat) = found else {
            plan.set("stat", json!({"exists": false}));
            return Ok(plan);
        };
        let mut values = Map::new();
        values.insert("exists".to_owned(), true.into());
        values.insert("path".to_owned(), self.path.to_string_lossy().into());
        values.extend(inspection::values(probe, &stat));
        let mut set = |name: &str, value: Json| values.insert(name.to_owned(), value);
        set("blocks", stat.blocks.into());
        set("block_size", stat.block_size.into());
        // Access is asked of what a link leads to, even where the link itself is looked at.
        let (readable, writeable, executable) = probe
            .stat_followed(&self.path)
            .ok()
            .flatten()
            .map_or((false, false, false), |stat| inspection::access(probe, &stat));
        set("readable", readable.into());
        set("writeable", writeable.into());
        set("executable", executable.into());
        if stat.kind == FileKind::Symlink {
            let target = probe.read_link(&self.path)?;
            let source = probe
                .resolve(&self.path)
                .ok()
                .flatten()
                .unwrap_or_else(|| super::directories::parent(&self.path).join(&target));
            set("lnk_source", source.to_string_lossy().into());
            set("lnk_target", target.to_string_lossy().into());
        }
        if stat.kind == FileKind::File && self.get_checksum && readable {
            match self.checksum_algorithm.file(probe, &self.path) {
                Ok(checksum) => drop(set("checksum", checksum.into())),
                // The rest is known before the content is.
                Err(Stop::Unknown(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        if self.get_mime {
            let (mimetype, charset) = self.mime(probe)?.unwrap_or_else(|| ("unknown".to_owned(), "unknown".to_owned()));
            set("mimetype", mimetype.into());
            set("charset", charset.into());
        }
        if self.get_attributes {
            let (version, flags) = self.flags(probe)?.unwrap_or_default();
            set("version", version.map_or(Json::Null, Json::from));
            set("attributes", flags.chars().filter_map(flag_name).map(Json::from).collect());
            set("attr_flags", flags.into());
        }
        plan.set("stat", values);
        Ok(plan)
    }
}

impl StatFile {
    fn mime(&self, probe: &Probe<'_>) -> Found<Option<(String, String)>> {
        let Some(program) = probe.program("file")? else { return Ok(None) };
        let path = self.path.to_string_lossy();
        let output = probe.query(&[&program.to_string_lossy(), "--mime-type", "--mime-encoding", "--", &path]);
        let answer = output.ok().filter(|output| output.code == 0);
        Ok(answer.and_then(|output| {
            let (mimetype, charset) = output.stdout.rsplit_once(':')?.1.split_once(';')?;
            Some((mimetype.trim().to_owned(), charset.split_once('=')?.1.trim().to_owned()))
        }))
    }

    fn flags(&self, probe: &Probe<'_>) -> Found<Option<(Option<String>, String)>> {
        let Some(program) = probe.program("lsattr")? else { return Ok(None) };
        if let Some(inode) = probe.inode(&self.path) {
            return Ok(inode.ok().map(|inode| (Some(inode.version.to_string()), inode.attributes)));
        }
        let output = probe.query(&[&program.to_string_lossy(), "-vd", "--", &self.path.to_string_lossy()]);
        let answer = output.ok().filter(|output| output.code == 0);
        Ok(answer.and_then(|output| {
            let mut words = output.stdout.split_whitespace();
            let version = words.next()?.to_owned();
            Some((Some(version), words.next()?.replace('-', "")))
        }))
    }
}

fn flag_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "noatime",
        'a' => "append",
        'c' => "compressed",
        'C' => "nocow",
        'd' => "nodump",
        'D' => "dirsync",
        'e' => "extents",
        'E' => "encrypted",
        'h' => "blocksize",
        'i' => "immutable",
        'I' => "indexed",
        'j' => "journalled",
        'N' => "inline",
        's' => "zero",
        'S' => "synchronous",
        't' => "notail",
        'T' => "blockroot",
        'u' => "undelete",
        'X' => "compressedraw",
        'Z' => "compresseddirty",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::{protocol::Verdict, remote::machine::fake::Fake};

    #[test]
    fn files_are_described() {
        let mut host = Rehearsal::on(
            Fake::new()
                .file("/etc/f", "hello\n")
                .program("/usr/bin/file")
                .command(&["/usr/bin/file"], 0, "/etc/f: text/plain; charset=us-ascii\n")
                .program("/usr/bin/lsattr")
                .command(&["/usr/bin/lsattr"], 0, "12 ----i---------e------- /etc/f\n"),
        );
        let stat = host.apply("stat", json!({"path": "/etc/f"})).result["stat"].clone();
        assert_eq!(stat["exists"], true);
        assert_eq!((&stat["isreg"], &stat["isdir"], &stat["islnk"]), (&json!(true), &json!(false), &json!(false)));
        assert_eq!((&stat["mode"], &stat["pw_name"], &stat["size"]), (&json!("0644"), &json!("root"), &json!(6)));
        assert_eq!((&stat["rusr"], &stat["xusr"], &stat["woth"]), (&json!(true), &json!(false), &json!(false)));
        assert_eq!((&stat["readable"], &stat["executable"]), (&json!(true), &json!(false)));
        assert_eq!(stat["checksum"], "f572d396fae9206628714fb2ce00f72e94f2258f");
        assert_eq!((&stat["mimetype"], &stat["charset"]), (&json!("text/plain"), &json!("us-ascii")));
        assert_eq!((&stat["attributes"], &stat["version"]), (&json!(["immutable", "extents"]), &json!("12")));
        let md5 = host.apply("stat", json!({"path": "/etc/f", "checksum_algorithm": "md5"})).result["stat"].clone();
        assert_eq!(md5["checksum"], "b1946ac92492d2347c6235b4d2611184");
    }

    #[test]
    fn nothing_and_links_are_described() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", ""));
        assert_eq!(host.apply("stat", json!({"path": "/etc/none"})).result["stat"], json!({"exists": false}));
        host.apply("file", json!({"path": "/etc/l", "src": "f", "state": "link"}));
        let link = host.apply("stat", json!({"path": "/etc/l"})).result["stat"].clone();
        assert_eq!(
            (&link["islnk"], &link["lnk_source"], &link["lnk_target"]),
            (&json!(true), &json!("/etc/f"), &json!("f"))
        );
        assert_eq!((&link["readable"], &link["executable"]), (&json!(true), &json!(false)));
        assert_eq!(host.apply("stat", json!({"path": "/etc/l", "follow": true})).result["stat"]["isreg"], true);
    }

    #[test]
    fn predicted_files_are_there() {
        let mut host = Rehearsal::on(Fake::new());
        let blob = host.blob("later");
        host.check("copy", json!({"_blob": blob, "dest": "/etc/f", "mode": "0600"}));
        let outcome = host.check("stat", json!({"path": "/etc/f"}));
        assert_eq!(outcome.verdict, Verdict::Unchanged);
        assert_eq!(
            (&outcome.result["stat"]["exists"], &outcome.result["stat"]["mode"]),
            (&json!(true), &json!("0600"))
        );
        assert!(outcome.result["stat"].get("checksum").is_none());
    }
}
