//! `slurp`: the content of a file on the host.

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    options,
    remote::{Module, Plan, Planned, Probe, Stop, machine::system::FileKind},
};

options! {
    /// Reads a file on the host. Large ones go faster with `fetch`.
    ///
    /// ## Example
    /// ```yaml
    /// - slurp: src=/etc/machine-id
    ///   register: id
    /// - debug: msg="{{ id.content | b64decode }}"
    /// ```
    ///
    /// ## Returns
    /// `content` in base64, `encoding` (`base64`), `source`.
    pub struct Slurp {
        /// The file.
        src: PathBuf [path],
    }
}

impl Module for Slurp {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let source = self.src.display();
        let problem = |stop: Stop| match stop {
            Stop::Failed(failure, _) if failure.message.contains("Permission denied") => {
                Stop::failed(format!("File is not readable: {source}"))
            }
            Stop::Failed(failure, _) => Stop::failed(format!("Unable to slurp file: {}", failure.message)),
            unknown @ Stop::Unknown(_) => unknown,
        };
        match probe.stat_followed(&self.src).map_err(problem)? {
            None if self.below_a_file(probe) => {
                return Err(Stop::failed(format!("Unable to slurp file: {source}: Not a directory")));
            }
            None => return Err(probe.lacks(Stop::failed(format!("File not found: {source}")))),
            Some(stat) if stat.kind == FileKind::Directory => {
                return Err(Stop::failed(format!("Source is a directory and must be a file: {source}")));
            }
            Some(_) => {}
        }
        let mut plan = Plan::new();
        plan.set("content", STANDARD.encode(probe.read(&self.src).map_err(problem)?));
        plan.set("source", self.src.to_string_lossy());
        plan.set("encoding", "base64");
        Ok(plan)
    }
}

impl Slurp {
    /// Whether something above the path is there and no directory.
    fn below_a_file(&self, probe: &Probe<'_>) -> bool {
        let above = self.src.ancestors().skip(1).find_map(|path| probe.stat_followed(path).ok().flatten());
        above.is_some_and(|stat| stat.kind != FileKind::Directory)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    #[test]
    fn content_comes_back_as_base64() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", "hi\n"));
        assert_eq!(host.apply("slurp", json!({"src": "/etc/f"})).result["content"], "aGkK");
        assert_eq!(host.fails("slurp", json!({"src": "/etc/none"})), "File not found: /etc/none");
        assert!(host.fails("slurp", json!({"src": "/etc"})).contains("is a directory"));
        host.check("copy", json!({"content": "new", "dest": "/etc/f"}));
        assert_eq!(
            host.check("slurp", json!({"src": "/etc/f"})).result["content"],
            "bmV3",
            "what was predicted is read"
        );
    }
}
