//! `deployer doc`: the modules there are, and the manual page of one.

use clap::Args;

use super::{Context, Exit, Problem, support};
use crate::{
    controller::{
        actions,
        report::Paint,
        source::{Diagnostic, suggest},
    },
    remote::{
        Kind, OptionSpec,
        modules::{self, short_name},
    },
};

/// In front of what is said about an option.
const INDENT: &str = "    ";

/// Flags of `doc`.
#[derive(Args, Clone, Debug)]
pub struct Doc {
    /// The module; all of them are listed without one
    module: Option<String>,

    /// Keywords and modules of Ansible's: supported, in part, refused, as Markdown tables
    #[arg(long, conflicts_with = "module")]
    support: bool,
}

impl Doc {
    pub(super) fn execute(&self, context: &Context) -> Exit {
        let paint = context.screen.paint();
        if self.support {
            context.screen.write(&support::tables());
            return Exit::Ok;
        }
        let Some(name) = &self.module else {
            context.screen.write(&list(paint));
            return Exit::Ok;
        };
        let pages = pages();
        let short = short_name(name);
        if let Some(found) = pages.iter().find(|page| page.name == short) {
            context.screen.write(&found.text(paint));
            return Exit::Ok;
        }
        let mut finding = Diagnostic::bare(format!("there is no module `{name}`"));
        if let Some(close) = suggest(short, pages.iter().map(|page| page.name)) {
            finding = finding.hint(format!("did you mean `{close}`?"));
        }
        context.stop(Problem::from(finding.hint("`deployer doc` lists all modules")))
    }
}

/// A module or action, as its users see it.
pub(super) struct Page {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    spec: fn() -> Vec<OptionSpec>,
}

impl Page {
    fn text(&self, paint: Paint) -> String {
        page(self.name, self.doc, &(self.spec)(), paint)
    }
}

/// All there are, by name. Where an action prepares what a module does, the module has the manual.
pub(super) fn pages() -> Vec<Page> {
    let of_modules = modules::CATALOG.iter().map(|entry| Page { name: entry.name, doc: entry.doc, spec: entry.spec });
    let mut pages: Vec<Page> = of_modules.collect();
    for action in actions::CATALOG {
        if !pages.iter().any(|page| page.name == action.name) {
            pages.push(Page { name: action.name, doc: action.doc, spec: action.spec });
        }
    }
    pages.sort_unstable_by_key(|page| page.name);
    pages
}

/// Every module with the first sentence of its manual.
fn list(paint: Paint) -> String {
    let entries: Vec<(&str, &str)> = pages().iter().map(|page| (page.name, page.doc)).collect();
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line =
        |(name, doc): &(&str, &str)| format!("{}  {}\n", paint.heading(&format!("{name:<width$}")), summary(doc));
    entries.iter().map(line).collect()
}

/// The first sentence as one line.
pub(super) fn summary(doc: &str) -> String {
    let paragraph: Vec<&str> = doc.trim().lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let paragraph = paragraph.join(" ");
    paragraph.split_once(". ").map_or(paragraph.clone(), |(first, _)| format!("{first}."))
}

fn page(name: &str, doc: &str, spec: &[OptionSpec], paint: Paint) -> String {
    // The manual comes before the example, the options between them, as readers look for them.
    let doc = doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let (about, rest) = doc.find("## ").map_or((doc.as_str(), ""), |at| doc.split_at(at));
    let mut text = format!("{}\n\n{}\n\n", paint.heading(name), about.trim());
    let shown: Vec<&OptionSpec> =
        spec.iter().filter(|option| option.kind != Kind::Blob && !option.name.starts_with('_')).collect();
    if !shown.is_empty() {
        text.push_str(&paint.heading("## Options"));
        text.push('\n');
        for option in shown {
            text.push_str(&describe(option, paint));
        }
        text.push('\n');
    }
    for line in rest.trim_end().lines().filter(|line| !line.starts_with("```")) {
        text.push_str(&if line.starts_with("## ") { paint.heading(line) } else { line.to_owned() });
        text.push('\n');
    }
    format!("{}\n", text.trim_end())
}

fn describe(option: &OptionSpec, paint: Paint) -> String {
    let mut notes = vec![kind(option.kind)];
    if option.required {
        notes.push("required".to_owned());
    }
    if let Some(default) = option.default {
        notes.push(format!("default: {}", value(default, option.kind)));
    }
    if !option.aliases.is_empty() {
        let aliases: Vec<&str> = option.aliases.iter().map(|alias| alias.trim_start_matches("r#")).collect();
        notes.push(format!("also: {}", aliases.join(", ")));
    }
    let mut lines = vec![format!("- {} {}", paint.heading(option.name), paint.dim(&format!("({})", notes.join("; "))))];
    lines.extend(option.doc.trim().lines().map(|line| format!("{INDENT}{}", line.trim())));
    lines.join("\n") + "\n"
}

/// A default as a user writes it: `"pong"` is `pong`, `OnFailure::RollbackAll` the choice `rollback_all`.
fn value(default: &str, kind: Kind) -> String {
    let Some((_, variant)) = default.rsplit_once("::").filter(|(_, name)| name.chars().all(char::is_alphanumeric))
    else {
        return default.trim_matches('"').to_owned();
    };
    let letters = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    match kind {
        Kind::Choice(words) => words.iter().find(|word| letters(word) == letters(variant)).copied(),
        _ => None,
    }
    .map_or_else(|| variant.to_lowercase(), str::to_owned)
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Str => "text".to_owned(),
        Kind::Bool => "yes or no".to_owned(),
        Kind::Int => "whole number".to_owned(),
        Kind::Float => "number".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Mode => "permissions".to_owned(),
        Kind::List(of) => format!("list of {}", self::kind(*of)),
        Kind::Map => "mapping".to_owned(),
        Kind::Choice(words) => words.join(", "),
        Kind::Any => "anything".to_owned(),
        Kind::Blob => "content".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    #[test]
    fn every_module_is_listed_with_its_first_sentence() {
        let text = list(PLAIN);
        assert_eq!(text.lines().count(), pages().len());
        assert!(text.lines().any(|line| line.starts_with("debug ")) && text.matches("\ncopy ").count() == 1, "{text}");
        assert!(text.lines().any(|line| line.starts_with("ping ") && line.contains("Answers `pong`")), "{text}");
    }

    #[test]
    fn a_page_shows_options_example_and_returns() {
        let text = pages().into_iter().find(|page| page.name == "ping").unwrap().text(PLAIN);
        let expected = "\
ping

Answers `pong`, or whatever it was given; needs nothing on the host and changes nothing.

## Options
- data (text; default: pong)
    What to answer; `crash` fails.

## Example
- ping:

## Returns
`ping`: the value of `data`.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn options_say_what_they_take() {
        let option = OptionSpec {
            name: "state",
            aliases: &["r#type"],
            kind: Kind::List(&Kind::Choice(&["present", "absent"])),
            required: false,
            default: Some("State::Present"),
            doc: " What is wanted.\n Twice.\n",
        };
        let expected =
            "- state (list of present, absent; default: present; also: type)\n    What is wanted.\n    Twice.\n";
        assert_eq!(describe(&option, PLAIN), expected);
        assert_eq!(value("OnFailure::RollbackAll", Kind::Choice(&["hold", "rollback_all"])), "rollback_all");
        assert_eq!(value("\"a\"", Kind::Str), "a");
    }
}
