//! `replace`: every match of a regular expression in a file.

use super::{
    edit::Editing,
    expression::{self, Lines, Replacement},
};
use crate::{
    options,
    remote::{Module, Plan, Planned, Probe, Stop},
};

options! {
    /// Replaces all matches of a regular expression in a file; `^` and `$` match at every line.
    ///
    /// Expressions are Python's, without look-around and back-references inside the expression.
    /// It is up to the replacement not to match again: otherwise every run changes the file.
    ///
    /// ## Example
    /// ```yaml
    /// - replace:
    ///     path: /etc/hosts
    ///     regexp: '(\s+)old\.example\.org(\s+.*)?$'
    ///     replace: '\1new.example.org\2'
    /// ```
    ///
    /// ## Returns
    /// `msg`, which counts the replacements; `rc`; `backup_file` when one was made.
    pub struct Replace {
        /// What to replace.
        regexp: String,
        /// What to put there; `\1` and `\g<name>` stand for groups. Matches are removed when it is left out.
        replace: String = "",
        /// Replace only behind the first match of this expression.
        after: Option<String>,
        /// Replace only before the first match of this expression.
        before: Option<String>,
        /// How the file is encoded; only `utf-8` and its subsets are known.
        encoding: String = "utf-8",
        ..editing: Editing
    }
}

impl Module for Replace {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let known = ["utf-8", "utf8", "ascii", "us-ascii"];
        if !known.contains(&self.encoding.to_lowercase().replace('_', "-").as_str()) {
            return Err(Stop::failed(format!("the encoding {} is not supported, only utf-8", self.encoding)));
        }
        let original = self.editing.open(probe)?;
        if !original.exists() {
            return Err(self.editing.missing(probe));
        }
        let mut plan = Plan::new();
        plan.set("rc", 0);
        let Some((start, end)) = self.section(&original.content)? else {
            plan.set("msg", format!("Pattern for before/after params did not match the given file: {}", self.bounds()));
            return Ok(plan);
        };
        let expression = expression::compile(&self.regexp, Lines { multi: true, dot_all: false })?;
        let template = Replacement::read(&self.replace, &expression).map_err(|stop| match stop {
            Stop::Failed(failure, _) => Stop::failed(format!("Unable to process replace: {}", failure.message)),
            unknown @ Stop::Unknown(_) => unknown,
        })?;
        let mut count = 0;
        let section = expression.replace_all(&original.content[start..end], |found| {
            count += 1;
            template.expand(found)
        });
        let content = [&original.content[..start], &section, &original.content[end..]].concat();
        self.editing.finish(plan, probe, &original, content, &format!("{count} replacements made"))
    }
}

impl Replace {
    fn bounds(&self) -> String {
        let bound = |text: &Option<String>| text.clone().unwrap_or_default();
        let lazy = if self.before.is_some() && self.after.is_some() { "?" } else { "" };
        format!("{}(?P<subsection>.*{lazy}){}", bound(&self.after), bound(&self.before))
    }

    /// The part of the file to work on; `None` when the bounds are not found.
    fn section(&self, content: &[u8]) -> Result<Option<(usize, usize)>, Stop> {
        if self.after.as_deref().unwrap_or_default().is_empty() && self.before.as_deref().unwrap_or_default().is_empty()
        {
            return Ok(Some((0, content.len())));
        }
        let expression = expression::compile(&self.bounds(), Lines { multi: false, dot_all: true })?;
        let found = expression.captures(content).and_then(|found| found.span(expression.group("subsection")?));
        Ok(found.map(|range| (range.start, range.end)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::rehearsal::Rehearsal;
    use crate::remote::machine::fake::Fake;

    #[test]
    fn all_matches_are_replaced() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", "a=1\nb=2\na=3\n"));
        let outcome =
            host.converges("replace", &json!({"path": "/etc/f", "regexp": r"^a=(\d)$", "replace": r"A=\1\g<1>"}));
        assert_eq!(host.host.text("/etc/f").unwrap(), "A=11\nb=2\nA=33\n");
        assert_eq!(outcome.result["msg"], "2 replacements made");
    }

    #[test]
    fn only_the_part_between_bounds_is_touched() {
        let mut host = Rehearsal::on(Fake::new().file("/etc/f", "x\n[one]\nx\n[two]\nx\n"));
        host.converges(
            "replace",
            &json!({"path": "/etc/f", "regexp": "x", "replace": "y", "after": r"\[one\]", "before": r"\[two\]"}),
        );
        assert_eq!(host.host.text("/etc/f").unwrap(), "x\n[one]\ny\n[two]\nx\n");
        host.stays("replace", &json!({"path": "/etc/f", "regexp": "x", "replace": "z", "after": "nowhere"}));
        assert!(host.fails("replace", json!({"path": "/etc/none", "regexp": "x"})).contains("does not exist"));
    }
}
