//! One difference as a unified diff.

use similar::{ChangeTag, TextDiff};

use crate::{
    controller::report::{Paint, paint::clean},
    protocol::Diff,
};

/// Lines around a change.
const CONTEXT: usize = 3;

/// A unified diff, ending in a line feed; empty without a difference.
pub(super) fn text(diff: &Diff, paint: Paint) -> String {
    if diff.before == diff.after {
        return String::new();
    }
    let name = clean(&diff.name);
    let side = |text: &str| if text.is_empty() { "nothing".to_owned() } else { name.clone() };
    let (before, after) = (clean(&diff.before), clean(&diff.after));
    let mut shown = String::new();
    let mut line = |text: String| {
        shown.push_str(&text);
        shown.push('\n');
    };
    line(paint.removed(&format!("--- before: {}", side(&diff.before))));
    line(paint.added(&format!("+++ after: {}", side(&diff.after))));
    let lines = TextDiff::from_lines(before.as_str(), after.as_str());
    for hunk in lines.unified_diff().context_radius(CONTEXT).iter_hunks() {
        line(paint.hunk(&hunk.header().to_string()));
        for change in hunk.iter_changes() {
            let value = change.value();
            let bare = value.strip_suffix('\n').unwrap_or(value);
            line(match change.tag() {
                ChangeTag::Delete => paint.removed(&format!("-{bare}")),
                ChangeTag::Insert => paint.added(&format!("+{bare}")),
                ChangeTag::Equal => format!(" {bare}"),
            });
            if change.missing_newline() {
                line("\\ No newline at end of file".to_owned());
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let diff = Diff { name: "/etc/motd".to_owned(), before: before.to_owned(), after: after.to_owned() };
        text(&diff, Paint { colour: false })
    }

    #[test]
    fn differences_are_unified_diffs() {
        let expected =
            "--- before: /etc/motd\n+++ after: /etc/motd\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n";
        assert_eq!(shown("a\nb\n", "a\nc"), expected);
    }

    #[test]
    fn what_did_not_exist_is_nothing() {
        assert_eq!(shown("", "x\n"), "--- before: nothing\n+++ after: /etc/motd\n@@ -0,0 +1 @@\n+x\n");
        assert_eq!(shown("x\n", "x\n"), "");
    }
}
