//! `deployer doc --support`: what of Ansible's language there is, as tables for the documentation.

use super::doc;
use crate::controller::playbook::support::{Support, keyword, keywords, refused_modules};

/// Keywords, then modules, as Markdown.
pub(super) fn tables() -> String {
    let mut text = String::from("## Keywords\n\n| keyword | of | support |\n| --- | --- | --- |\n");
    for (name, levels) in keywords() {
        text.push_str(&format!("| `{name}` | {} | {} |\n", levels.join(", "), words(keyword(name))));
    }
    text.push_str("\n## Modules\n\n| module | support |\n| --- | --- |\n");
    let there = doc::pages().into_iter().map(|page| (page.name, format!("yes: {}", doc::summary(page.doc))));
    let refused = refused_modules().map(|(name, reason)| (name, words(Support::Refused(reason))));
    let mut modules: Vec<(&str, String)> = there.chain(refused).collect();
    modules.sort_unstable();
    for (name, support) in modules {
        text.push_str(&format!("| `{name}` | {} |\n", support.replace('|', "\\|")));
    }
    text
}

fn words(support: Support) -> String {
    match support {
        Support::Full => "yes".to_owned(),
        Support::Partial(note) => format!("in part: {note}"),
        Support::Refused(reason) => format!("refused: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_there() {
        let there: Vec<&str> = doc::pages().iter().map(|page| page.name).collect();
        for (name, _) in refused_modules() {
            assert!(!there.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_module_and_keyword_has_a_line() {
        let tables = tables();
        assert!(tables.contains("| `debugger` | play, block, task | refused: "), "{tables}");
        assert!(tables.contains("| `apt` | yes: ") && tables.contains("| `dnf` | refused: "), "{tables}");
    }
}
