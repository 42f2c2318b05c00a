//! Colours by meaning, as Ansible's users know them, and text of hosts made harmless.

use std::fmt::Write;

use owo_colors::{OwoColorize, Style};

use crate::controller::event::Status;

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Whether there are colours at all.
    pub colour: bool,
}

impl Paint {
    /// Text in the colour of a result.
    #[must_use]
    pub fn status(self, status: Status, text: &str) -> String {
        let style = match status {
            Status::Ok => Style::new().green(),
            Status::Changed => Style::new().yellow(),
            Status::Skipped => Style::new().cyan(),
            Status::Unknown => Style::new().blue(),
            Status::Failed | Status::Ignored => Style::new().red(),
            Status::Unreachable => Style::new().bright_red(),
        };
        self.style(style, text)
    }

    /// One number of a recap, coloured where there is something to see.
    #[must_use]
    pub fn number(self, name: &str, count: u32, status: Status) -> String {
        let text = format!("{name}={count:<4}");
        if count > 0 { self.status(status, &text) } else { text }
    }

    /// A heading.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    /// Something of minor interest.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.style(Style::new().dimmed(), text)
    }

    /// Something that was passed over.
    #[must_use]
    pub fn skipped(self, text: &str) -> String {
        self.style(Style::new().cyan(), text)
    }

    /// A warning.
    #[must_use]
    pub fn warning(self, text: &str) -> String {
        self.style(Style::new().bright_purple(), text)
    }

    /// A line that is new.
    #[must_use]
    pub fn added(self, text: &str) -> String {
        self.style(Style::new().green(), text)
    }

    /// A line that is gone.
    #[must_use]
    pub fn removed(self, text: &str) -> String {
        self.style(Style::new().red(), text)
    }

    /// Where lines are.
    #[must_use]
    pub fn hunk(self, text: &str) -> String {
        self.style(Style::new().cyan(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        // Each line by itself, so that a pager which shows some lines of a block shows them in colour.
        let lines: Vec<String> = text.split('\n').map(|line| line.style(style).to_string()).collect();
        lines.join("\n")
    }
}

/// Text from a host without anything that could move the cursor or recolour the screen.
#[must_use]
pub(super) fn clean(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' if matches!(chars.peek(), Some('\n') | None) => {}
            // Programs redraw a line this way: what came before is gone.
            '\r' => shown.truncate(shown.rfind('\n').map_or(0, |at| at + 1)),
            '\u{1b}' if chars.peek() == Some(&'[') => {
                // A colour or cursor command ends with its first letter.
                let _ = chars.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c) && *c != '[');
            }
            c if c.is_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_hosts_cannot_touch_the_terminal() {
        let table = [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("10%\r50%\r100%\ndone", "100%\ndone"),
            ("dos\r\n", "dos\n"),
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
        ];
        for (text, shown) in table {
            assert_eq!(clean(text), shown, "{text:?}");
        }
    }

    #[test]
    fn every_line_has_its_own_colour() {
        let text = Paint { colour: true }.added("a\nb");
        assert_eq!(text, "\u{1b}[32ma\u{1b}[0m\n\u{1b}[32mb\u{1b}[0m");
    }
}
