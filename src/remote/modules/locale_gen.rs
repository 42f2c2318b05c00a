//! `locale_gen`: locales of Debian and its relatives.

use std::path::Path;

use serde_json::json;

use crate::{
    options,
    protocol::{Attributes, Change, Content, Effect, Run},
    remote::{Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

use super::user::State;

options! {
    /// Generates locales and takes them away, by what `/etc/locale.gen` lists.
    ///
    /// ## Example
    /// ```yaml
    /// - locale_gen:
    ///     name: [de_DE.UTF-8, en_GB.UTF-8]
    /// ```
    ///
    /// ## Returns
    /// `mechanism`: always `glibc`.
    pub struct LocaleGen {
        /// Locales with their encodings.
        name: Vec<String>,
        /// Whether they should be there.
        state: State = State::Present,
    }
}

const LIST: &str = "/etc/locale.gen";
const SUPPORTED: &str = "/usr/share/i18n/SUPPORTED";
const DOMAIN: &str = "locale";

impl Module for LocaleGen {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let list = Path::new(LIST);
        if !probe.exists(list)? {
            if probe.predicting() && probe.all_assumed("package").any(|(_, value)| !value.is_null()) {
                return Err(Stop::Unknown("the locales that can be generated are known after apply".to_owned()));
            }
            let missing = format!("{LIST} is not there, so locales cannot be generated");
            return Err(Stop::failed(missing).hint("install the package `locales`"));
        }
        let before = probe.read_text(list)?;
        let known =
            if probe.exists(Path::new(SUPPORTED))? { probe.read_text(Path::new(SUPPORTED))? } else { String::new() };
        let unknown: Vec<&str> =
            self.name.iter().map(String::as_str).filter(|name| entry(name, &before, &known).is_none()).collect();
        if !unknown.is_empty() {
            let message = "The following locales you have entered are not available on your system:";
            return Err(Stop::failed(format!("{message} {}", unknown.join(", "))));
        }
        let wanted = self.state == State::Present;
        let there = generated(probe)?;
        let is_there = |name: &str| match probe.assumed(DOMAIN, &plain(name)) {
            Some(predicted) => !predicted.is_null(),
            None => there.contains(&plain(name)),
        };
        let mut plan = Plan::new();
        plan.set("mechanism", "glibc");
        let open: Vec<&str> = self.name.iter().map(String::as_str).filter(|name| is_there(name) != wanted).collect();
        if open.is_empty() {
            return Ok(plan);
        }
        let after = open.iter().fold(before.clone(), |text, name| switch(&text, name, wanted, &known));
        if after != before {
            plan.diff(LIST, before, &*after);
            plan.push(Change::Write {
                path: list.to_owned(),
                content: Content::Text(after),
                attributes: Attributes::default(),
                in_place: false,
            });
        }
        let mut run = Run::new(["locale-gen"]);
        let value = if wanted { json!(true) } else { json!(null) };
        run.effects = open.iter().map(|name| Effect::new(DOMAIN, &plain(name), value.clone())).collect();
        plan.push(Change::Run(run));
        Ok(plan)
    }
}

/// The line that stands for a locale, commented out or not.
fn entry<'t>(name: &str, list: &'t str, known: &'t str) -> Option<&'t str> {
    let bare = |line: &'t str| line.trim_start_matches(['#', ' ', '\t']).trim_end();
    list.lines().chain(known.lines()).map(bare).find(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(name) && words.next().is_some() && words.next().is_none()
    })
}

/// The list with one locale switched on or off; other lines stay as they are.
fn switch(list: &str, name: &str, on: bool, known: &str) -> String {
    let mut found = false;
    let mut after = String::new();
    for line in list.lines() {
        match entry(name, line, "") {
            Some(entry) => {
                found = true;
                after.extend([if on { "" } else { "# " }, entry, "\n"]);
            }
            None => after.extend([line, "\n"]),
        }
    }
    if let (true, false, Some(entry)) = (on, found, entry(name, "", known)) {
        after.extend([entry, "\n"]);
    }
    after
}

/// What the C library can use now.
fn generated(probe: &Probe<'_>) -> Found<Vec<String>> {
    let output = probe.query(&["locale", "-a"])?;
    if !output.success() {
        return Err(Stop::failed(format!("locale -a failed: {}", output.stderr.trim())));
    }
    Ok(output.stdout.lines().map(|line| plain(line.trim())).collect())
}

/// A locale's name as `locale -a` writes its encoding: `UTF-8` is `utf8` there.
fn plain(name: &str) -> String {
    match name.split_once('.') {
        Some((language, rest)) => {
            let (encoding, modifier) =
                rest.split_once('@').map_or((rest, String::new()), |(e, m)| (e, format!("@{m}")));
            let encoding: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{language}.{}{modifier}", encoding.to_ascii_lowercase())
        }
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::remote::{
        machine::{fake::Fake, system::Output},
        modules::rehearsal::Rehearsal,
    };

    fn host() -> Rehearsal {
        let list = "# This file\n# de_DE ISO-8859-1\n# de_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n";
        let ran = std::cell::Cell::new(false);
        Rehearsal::on(Fake::new().file("/etc/locale.gen", list).respond(move |run| {
            let stdout = match run.argv.join(" ").as_str() {
                "locale-gen" => {
                    ran.set(true);
                    ""
                }
                "locale -a" if ran.get() => "C\nen_US.utf8\nde_DE.utf8\n",
                "locale -a" => "C\nen_US.utf8\n",
                _ => return None,
            };
            Some(Output { stdout: stdout.to_owned(), ..Output::default() })
        }))
    }

    #[test]
    fn a_locale_is_switched_on_and_generated_once() {
        let mut rehearsal = host();
        rehearsal.converges("locale_gen", &json!({"name": "de_DE.UTF-8"}));
        let list = "# This file\n# de_DE ISO-8859-1\nde_DE.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n";
        assert_eq!(rehearsal.host.text("/etc/locale.gen").unwrap(), list);
    }

    #[test]
    fn a_locale_that_nobody_knows_is_refused() {
        let message = host().fails("locale_gen", json!({"name": ["xx_YY.UTF-8", "en_US.UTF-8"]}));
        assert!(message.ends_with("not available on your system: xx_YY.UTF-8"), "{message}");
    }
}
