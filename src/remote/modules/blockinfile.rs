//! `blockinfile`: several lines between two markers.

use super::{
    edit::Editing,
    expression::{self, Lines},
};
use crate::{
    choices, options,
    remote::{Module, Plan, Planned, Probe, Stop},
};

choices! {
    /// Whether the block should be there.
    pub enum State {
        /// There.
        Present = "present",
        /// Not there.
        Absent = "absent",
    }
}

options! {
    /// Keeps a block of lines in a file, between two marker lines by which it is found again.
    ///
    /// ## Example
    /// ```yaml
    /// - blockinfile:
    ///     path: /etc/hosts
    ///     marker: '# {mark} rates'
    ///     block: |
    ///       192.0.2.10 db
    ///       192.0.2.11 api
    /// ```
    ///
    /// ## Returns
    /// `msg`; `backup_file` when one was made.
    pub struct BlockInFile {
        /// Whether the block should be there.
        state: State = State::Present,
        /// The lines; none removes the block.
        block: String [content] = "",
        /// The marker lines; `{mark}` becomes `marker_begin` and `marker_end`.
        marker: String = "# {mark} ANSIBLE MANAGED BLOCK",
        /// What the first marker says.
        marker_begin: String = "BEGIN",
        /// What the last marker says.
        marker_end: String = "END",
        /// Where a new block goes: behind the last match of this expression, or `EOF`.
        insertafter: Option<String>,
        /// Where a new block goes: before the last match of this expression, or `BOF`.
        insertbefore: Option<String>,
        /// Make the file when it does not exist.
        create: bool = false,
        /// Put an empty line behind the block unless one is there.
        append_newline: bool = false,
        /// Put an empty line before the block unless one is there.
        prepend_newline: bool = false,
        ..editing: Editing
    }
}

impl Module for BlockInFile {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        if self.insertafter.is_some() && self.insertbefore.is_some() {
            return Err(Stop::failed("parameters are mutually exclusive: insertbefore|insertafter"));
        }
        let original = self.editing.open(probe)?;
        let present = self.state == State::Present;
        let mut plan = Plan::new();
        if !original.exists() {
            if !self.create {
                return Err(self.editing.missing(probe).hint("create: true makes the file"));
            }
            if !present {
                plan.set("msg", format!("File {} not present", self.editing.path.display()));
                return Ok(plan);
            }
        }
        let mut lines = original.lines();
        let block = self.lines();
        let mut at = self.place(&mut lines, &original.content)?;
        if at > 0 && !lines[at - 1].ends_with(b"\n") {
            lines[at - 1].push(b'\n');
        }
        if present && self.prepend_newline && at > 0 && lines[at - 1] != b"\n" {
            lines.insert(at, b"\n".to_vec());
            at += 1;
        }
        let behind = at + block.len();
        let message = match (original.exists(), block.is_empty()) {
            (false, _) => "File created",
            (true, true) => "Block removed",
            (true, false) => "Block inserted",
        };
        lines.splice(at..at, block);
        if present && self.append_newline && lines.get(behind).is_some_and(|line| line != b"\n") {
            lines.insert(behind, b"\n".to_vec());
        }
        self.editing.finish(plan, probe, &original, lines.concat(), message)
    }
}

impl BlockInFile {
    fn marker(&self, word: &str) -> Vec<u8> {
        format!("{}\n", self.marker.replace("{mark}", word)).into_bytes()
    }

    /// The block with its markers; empty when there is to be none.
    fn lines(&self) -> Vec<Vec<u8>> {
        if self.state == State::Absent || self.block.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![self.marker(&self.marker_begin)];
        lines.extend(self.block.split_inclusive('\n').map(|line| {
            let line = line.strip_suffix('\n').unwrap_or(line);
            format!("{line}\n").into_bytes()
        }));
        lines.push(self.marker(&self.marker_end));
        lines
    }

    /// Takes an old block out and says where the new one goes.
    fn place(&self, lines: &mut Vec<Vec<u8>>, content: &[u8]) -> Result<usize, Stop> {
        let last = |marker: &[u8]| lines.iter().rposition(|line| line == marker);
        if let (Some(begin), Some(end)) = (last(&self.marker(&self.marker_begin)), last(&self.marker(&self.marker_end)))
        {
            let (first, last) = (begin.min(end), begin.max(end));
            lines.drain(first..=last);
            return Ok(first);
        }
        let (pattern, after) = match (self.insertafter.as_deref(), self.insertbefore.as_deref()) {
            (_, Some("BOF")) => return Ok(0),
            (Some(pattern), _) if pattern != "EOF" => (pattern, true),
            (None, Some(pattern)) => (pattern, false),
            _ => return Ok(lines.len()),
        };
        let expression = expression::compile(pattern, Lines::default())?;
        let found = if expression::is_multi_line(pattern) {
            let position = expression.find(content).map(|found| if after { found.end } else { found.start });
            position.map(|position| content[..position].split(|byte| *byte == b'\n').count() - 1)
        } else {
            lines.iter().rposition(|line| expression.is_match(line))
        };
        Ok(found.map_or(lines.len(), |at| if after { (at + 1).min(lines.len()) } else { at }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    fn edited(before: &str, mut options: Value) -> String {
        options["path"] = json!("/etc/f");
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", before));
        host.converges("blockinfile", &options);
        host.host.text("/etc/f").unwrap()
    }

    #[test]
    fn a_block_is_added_replaced_and_removed() {
        let block = |text: &str| format!("# BEGIN ANSIBLE MANAGED BLOCK\n{text}\n# END ANSIBLE MANAGED BLOCK\n");
        assert_eq!(edited("a", json!({"block": "x\ny"})), format!("a\n{}", block("x\ny")));
        assert_eq!(edited(&format!("a\n{}b\n", block("x")), json!({"block": "z\n"})), format!("a\n{}b\n", block("z")));
        assert_eq!(edited(&format!("a\n{}b\n", block("x")), json!({"block": ""})), "a\nb\n");
        assert_eq!(edited(&format!("a\n{}b\n", block("x")), json!({"state": "absent", "block": "q"})), "a\nb\n");
    }

    #[test]
    fn a_new_block_goes_where_it_is_wanted() {
        let with = |more: Value| {
            let mut options = json!({"block": "x", "marker": "#{mark}", "marker_begin": "<", "marker_end": ">"});
            options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            edited("a\nb\na\nc\n", options)
        };
        assert_eq!(with(json!({"insertafter": "^a"})), "a\nb\na\n#<\nx\n#>\nc\n");
        assert_eq!(with(json!({"insertbefore": "^b"})), "a\n#<\nx\n#>\nb\na\nc\n");
        assert_eq!(with(json!({"insertbefore": "BOF"})), "#<\nx\n#>\na\nb\na\nc\n");
        assert_eq!(
            with(json!({"insertafter": "^b", "append_newline": true, "prepend_newline": true})),
            "a\nb\n\n#<\nx\n#>\n\na\nc\n"
        );
    }

    #[test]
    fn a_missing_file_is_made_only_when_asked() {
        let mut host = Rehearsal::on(Fake::new());
        assert!(host.fails("blockinfile", json!({"path": "/etc/f", "block": "x"})).contains("does not exist"));
        host.converges("blockinfile", &json!({"path": "/etc/f", "block": "x", "create": true, "marker": "#{mark}"}));
        assert_eq!(host.host.text("/etc/f").unwrap(), "#BEGIN\nx\n#END\n");
    }
}
