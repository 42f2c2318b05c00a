//! `lineinfile`: one line that has to be in a file, or not.

use super::{
    edit::Editing,
    expression::{self, Lines, Replacement},
};
use crate::{
    choices, options,
    protocol::Json,
    remote::{Module, Plan, Planned, Probe, Stop},
};

choices! {
    /// Whether the line should be there.
    pub enum State {
        /// There.
        Present = "present",
        /// Not there.
        Absent = "absent",
    }
}

options! {
    /// Makes sure that a line is in a file, replaces a line that a regular expression finds, or removes lines.
    ///
    /// Expressions are Python's.
    ///
    /// ## Example
    /// ```yaml
    /// - lineinfile:
    ///     path: /etc/ssh/sshd_config
    ///     regexp: '^#?PermitRootLogin'
    ///     line: PermitRootLogin no
    ///     validate: sshd -t -f %s
    /// ```
    ///
    /// ## Returns
    /// `msg`; `found` with `state: absent`; `backup`, the path of the backup or empty.
    pub struct LineInFile {
        /// Whether the line should be there.
        state: State = State::Present,
        /// Finds the line to replace (the last match) or the lines to remove.
        regexp: Option<String> [regex],
        /// Text that the line to replace or remove holds, instead of `regexp`.
        search_string: Option<String>,
        /// The line.
        line: Option<String> [value],
        /// Where the line goes when none is replaced: behind the last match of this expression, `BOF` or `EOF`.
        insertafter: Option<String>,
        /// Where the line goes when none is replaced: before the last match of this expression, or `BOF`.
        insertbefore: Option<String>,
        /// Put groups of `regexp` into the line (`\1`, `\g<name>`); without a match nothing is done.
        backrefs: bool = false,
        /// Make the file when it does not exist.
        create: bool = false,
        /// Take the first match of an expression instead of the last.
        firstmatch: bool = false,
        ..editing: Editing
    }
}

type FoundLine<'a> = Box<dyn Fn(&[u8]) -> bool + 'a>;

impl Module for LineInFile {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        for (one, other, names) in [
            (self.insertbefore.is_some(), self.insertafter.is_some(), "insertbefore|insertafter"),
            (self.regexp.is_some(), self.search_string.is_some(), "regexp|search_string"),
            (self.backrefs, self.search_string.is_some(), "backrefs|search_string"),
        ] {
            if one && other {
                return Err(Stop::failed(format!("parameters are mutually exclusive: {names}")));
            }
        }
        let mut plan = Plan::new();
        plan.set("backup", "");
        let mut plan = match self.state {
            State::Present => self.present(plan, probe)?,
            State::Absent => self.absent(plan, probe)?,
        };
        if let Some(backup) = plan.result.get("backup_file").cloned() {
            plan.set("backup", backup);
        }
        Ok(plan)
    }
}

/// What is said of an empty expression besides.
const FRONT: &str = " If this is desired, use '^' to match every line in the file and avoid this warning.";

impl LineInFile {
    fn present(&self, mut plan: Plan, probe: &Probe<'_>) -> Planned {
        if self.backrefs && self.regexp.is_none() {
            return Err(Stop::failed("regexp is required with backrefs=true"));
        }
        let Some(line) = &self.line else { return Err(Stop::failed("line is required with state=present")) };
        for (name, text, advice) in
            [("regular expression", &self.regexp, FRONT), ("search string", &self.search_string, "")]
        {
            if text.as_deref() == Some("") {
                plan.warnings.push(format!(
                    "The {name} is an empty string, which will match every line in the file. This may have unintended consequences, such as replacing the last line in the file rather than appending.{advice}"
                ));
            }
        }
        let original = self.editing.open(probe)?;
        if !original.exists() && !self.create {
            let missing = Stop::failed(format!("Destination {} does not exist !", self.editing.path.display()));
            return Err(probe.lacks(missing).hint("create: true makes the file"));
        }
        let mut lines = original.lines();
        let message = self.insert(&mut lines, line)?;
        self.editing.finish(plan, probe, &original, lines.concat(), message)
    }

    /// Brings the lines to hold the line; gives what was done.
    fn insert(&self, lines: &mut Vec<Vec<u8>>, line: &str) -> Result<&'static str, Stop> {
        let bare = line.as_bytes();
        let ended = |text: &[u8]| if text.ends_with(b"\n") { text.to_vec() } else { [text, b"\n"].concat() };
        if let Some(at) = self.pick(lines, &self.wanted()?) {
            let new = match (&self.regexp, self.backrefs) {
                (Some(regexp), true) => {
                    let expression = expression::compile(regexp, Lines::default())?;
                    let template = Replacement::read(line, &expression)?;
                    expression.captures(&lines[at]).map_or_else(|| bare.to_vec(), |found| template.expand(&found))
                }
                _ => bare.to_vec(),
            };
            lines[at] = ended(&new);
            return Ok("line replaced");
        }
        let anchor = match (self.insertafter.as_deref(), self.insertbefore.as_deref()) {
            (Some(pattern), _) if !matches!(pattern, "BOF" | "EOF") => Some(pattern),
            (None, Some(pattern)) if pattern != "BOF" => Some(pattern),
            _ => None,
        };
        let anchor = anchor.map(|pattern| expression::compile(pattern, Lines::default())).transpose()?;
        let mut place = None;
        let mut exact = None;
        for (at, current) in lines.iter().enumerate() {
            if trimmed(current) == bare {
                exact = Some(at);
            } else if anchor.as_ref().is_some_and(|anchor| anchor.is_match(current)) {
                place = Some(if self.insertafter.is_some() { at + 1 } else { at });
                if self.firstmatch {
                    break;
                }
            }
        }
        if let Some(at) = exact {
            lines[at] = ended(bare);
            return Ok("line replaced");
        }
        if self.backrefs {
            return Ok("");
        }
        let begin = [&self.insertbefore, &self.insertafter].iter().any(|place| place.as_deref() == Some("BOF"));
        let at = if begin { 0 } else { place.unwrap_or(lines.len()) };
        let there = |at: usize| lines.get(at).is_some_and(|current| trimmed(current) == bare);
        if self.insertafter.is_some() && place.is_some() && there(at) {
            return Ok("");
        }
        if at == lines.len()
            && let Some(last) = lines.last_mut()
        {
            *last = ended(last);
        }
        lines.insert(at, ended(bare));
        Ok("line added")
    }

    fn absent(&self, mut plan: Plan, probe: &Probe<'_>) -> Planned {
        let original = self.editing.open(probe)?;
        let wanted: FoundLine<'_> = match (&self.line, self.regexp.is_none() && self.search_string.is_none()) {
            (None, true) => {
                return Err(Stop::failed("one of line, search_string, or regexp is required with state=absent"));
            }
            (Some(line), true) => Box::new(move |current| trimmed(current) == line.as_bytes()),
            _ => self.wanted()?,
        };
        if !original.exists() {
            plan.set("msg", "file not present");
            plan.set("found", 0);
            return Ok(plan);
        }
        let lines = original.lines();
        let kept: Vec<Vec<u8>> = lines.iter().filter(|current| !wanted(current)).cloned().collect();
        let removed = lines.len() - kept.len();
        plan.set("found", Json::from(removed));
        self.editing.finish(plan, probe, &original, kept.concat(), &format!("{removed} line(s) removed"))
    }

    /// Whether a line is the one that `regexp` or `search_string` means.
    fn wanted(&self) -> Result<FoundLine<'_>, Stop> {
        if let Some(regexp) = &self.regexp {
            let expression = expression::compile(regexp, Lines::default())?;
            return Ok(Box::new(move |line| expression.is_match(line)));
        }
        if let Some(text) = &self.search_string {
            return Ok(Box::new(move |line| {
                text.is_empty() || line.windows(text.len()).any(|part| part == text.as_bytes())
            }));
        }
        Ok(Box::new(|_| false))
    }

    fn pick(&self, lines: &[Vec<u8>], wanted: &FoundLine<'_>) -> Option<usize> {
        let mut found = lines.iter().enumerate().filter(|(_, line)| wanted(line)).map(|(at, _)| at);
        if self.firstmatch { found.next() } else { found.next_back() }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    &line[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    fn edited(before: &str, mut options: Value) -> String {
        options["path"] = json!("/etc/f");
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", before));
        host.converges("lineinfile", &options);
        host.host.text("/etc/f").unwrap()
    }

    #[test]
    fn lines_are_added_and_replaced() {
        assert_eq!(edited("a\nb", json!({"line": "c"})), "a\nb\nc\n");
        assert_eq!(edited("#Port 22\nx\n", json!({"regexp": "^#?Port", "line": "Port 2222"})), "Port 2222\nx\n");
        assert_eq!(edited("k=1\nk=2\n", json!({"regexp": "^k=", "line": "k=3"})), "k=1\nk=3\n");
        assert_eq!(edited("k=1\nk=2\n", json!({"regexp": "^k=", "line": "k=3", "firstmatch": true})), "k=3\nk=2\n");
        assert_eq!(edited("a\nb\n", json!({"search_string": "b", "line": "bb"})), "a\nbb\n");
        assert_eq!(
            edited("x=old # keep\n", json!({"regexp": r"^x=\w+(.*)$", "line": r"x=new\1", "backrefs": true})),
            "x=new # keep\n"
        );
    }

    #[test]
    fn new_lines_go_where_they_are_wanted() {
        assert_eq!(edited("a\nb\na\nc\n", json!({"line": "n", "insertafter": "^a"})), "a\nb\na\nn\nc\n");
        assert_eq!(
            edited("a\nb\na\nc\n", json!({"line": "n", "insertafter": "^a", "firstmatch": true})),
            "a\nn\nb\na\nc\n"
        );
        assert_eq!(edited("a\nb\n", json!({"line": "n", "insertbefore": "^b"})), "a\nn\nb\n");
        assert_eq!(edited("a\n", json!({"line": "n", "insertbefore": "BOF"})), "n\na\n");
        assert_eq!(edited("a\nlast", json!({"line": "n", "insertafter": "^last"})), "a\nlast\nn\n");
        assert_eq!(edited("a\n", json!({"line": "n", "insertafter": "^none"})), "a\nn\n");
    }

    #[test]
    fn lines_are_removed() {
        assert_eq!(edited("a\nb\na\n", json!({"line": "a", "state": "absent"})), "b\n");
        assert_eq!(edited("a1\nb\na2\n", json!({"regexp": "^a", "state": "absent"})), "b\n");
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", "a\n"));
        host.stays("lineinfile", &json!({"path": "/etc/none", "line": "a", "state": "absent"}));
        host.stays("lineinfile", &json!({"path": "/etc/f", "regexp": "^x", "line": r"\g<0>", "backrefs": true}));
        let outcome = host.apply("lineinfile", json!({"path": "/etc/f", "line": "a", "state": "absent"}));
        assert_eq!(outcome.result["msg"], "1 line(s) removed");
    }

    #[test]
    fn a_missing_file_is_made_only_when_asked() {
        let mut host = Rehearsal::on(Fake::new());
        assert!(host.fails("lineinfile", json!({"path": "/etc/d/f", "line": "a"})).contains("does not exist"));
        host.converges("lineinfile", &json!({"path": "/etc/d/f", "line": "a", "create": true, "mode": "0600"}));
        assert_eq!(host.host.text("/etc/d/f").unwrap(), "a\n");
        assert!(host.fails("lineinfile", json!({"path": "/etc/d", "line": "a"})).contains("is a directory"));
        assert!(host.fails("lineinfile", json!({"path": "/etc/d/f", "line": "a", "regexp": "(x"})).contains("(x"));
    }
}
