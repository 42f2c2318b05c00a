//! Tags: which tasks run under `--tags` and `--skip-tags`.

use minijinja::Value;

use crate::controller::{
    playbook::Keywords,
    source::{Node, Shape},
    template,
};

/// What the user chose.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `--tags`; empty means all.
    pub only: Vec<String>,
    /// `--skip-tags`.
    pub skip: Vec<String>,
}

impl Selection {
    /// Whether something with these tags runs. Source: Ansible's rules for `always`, `never`, `all`, `tagged` and `untagged`.
    #[must_use]
    pub fn includes(&self, tags: &[String]) -> bool {
        let has = |tag: &str| tags.iter().any(|own| own == tag);
        let named = |chosen: &[String]| chosen.iter().any(|tag| has(tag));
        let wants = |chosen: &[String], word: &str| chosen.iter().any(|tag| tag == word);
        let only_all = self.only.is_empty() || wants(&self.only, "all");
        let mut run = if has("always") {
            true
        } else if only_all && !has("never") {
            true
        } else if named(&self.only) {
            true
        } else if wants(&self.only, "tagged") && !tags.is_empty() && !has("never") {
            true
        } else {
            wants(&self.only, "untagged") && tags.is_empty()
        };
        if run && !self.skip.is_empty() {
            if wants(&self.skip, "all") {
                run = has("always") && !wants(&self.skip, "always");
            } else if named(&self.skip)
                || wants(&self.skip, "tagged") && !tags.is_empty()
                || wants(&self.skip, "untagged") && tags.is_empty()
            {
                run = false;
            }
        }
        run
    }
}

/// The tags that all levels give together.
#[must_use]
pub fn of<'k>(levels: impl Iterator<Item = &'k Keywords>, context: &Value) -> Vec<String> {
    let mut tags = Vec::new();
    for node in levels.filter_map(|level| level.tags.as_ref()) {
        collect(node, context, &mut tags);
    }
    tags.dedup();
    tags
}

fn collect(node: &Node, context: &Value, tags: &mut Vec<String>) {
    match &node.shape {
        Shape::List(items) => items.iter().for_each(|item| collect(item, context, tags)),
        Shape::Str(text) if template::is_template(&text.value) => {
            let Ok(value) = template::render_text(&text.value, context) else { return };
            match value.try_iter() {
                Ok(items) if value.as_str().is_none() => tags.extend(items.map(|item| item.to_string())),
                _ => split(&value.to_string(), tags),
            }
        }
        Shape::Null => {}
        _ => split(&node.to_value().to_string(), tags),
    }
}

fn split(text: &str, tags: &mut Vec<String>) {
    tags.extend(text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(only: &str, skip: &str, tags: &str) -> bool {
        let words = |text: &str| {
            let mut words = Vec::new();
            split(text, &mut words);
            words
        };
        Selection { only: words(only), skip: words(skip) }.includes(&words(tags))
    }

    #[test]
    fn tags_choose_as_in_ansible() {
        for (only, skip, tags, expected) in [
            ("", "", "", true),
            ("", "", "never", false),
            ("never", "", "never", true),
            ("a", "", "a,b", true),
            ("a", "", "b", false),
            ("a", "", "always", true),
            ("a", "always", "always", false),
            ("a", "b", "a,b", false),
            ("tagged", "", "x", true),
            ("tagged", "", "", false),
            ("untagged", "", "", true),
            ("a", "", "never,a", true),
            ("all", "", "never", false),
            ("", "tagged", "x", false),
        ] {
            assert_eq!(runs(only, skip, tags), expected, "--tags {only} --skip-tags {skip} on [{tags}]");
        }
    }
}
