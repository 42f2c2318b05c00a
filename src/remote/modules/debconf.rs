//! `debconf`: answers to the questions that Debian packages ask when they are set up.

use indexmap::IndexMap;
use serde_json::json;

use crate::{
    choices, options,
    protocol::{Change, Json, Run},
    remote::{Choice, Module, Plan, Planned, Probe, Stop, machine::probe::Found},
};

options! {
    /// Reads a package's answers, and answers one of its questions beforehand.
    ///
    /// ## Example
    /// ```yaml
    /// - debconf:
    ///     name: tzdata
    ///     question: tzdata/Areas
    ///     vtype: select
    ///     value: Europe
    /// ```
    ///
    /// ## Returns
    /// `current` and `previous`: answers by question.
    pub struct Debconf {
        /// The package.
        name: String [pkg],
        /// The question; without it the answers are only read.
        question: Option<String> [selection setting],
        /// What kind of answer it takes.
        vtype: Option<Vtype>,
        /// The answer; for `multiselect` a list.
        value: Option<Json> [answer],
        /// Do not mark the question as seen.
        unseen: bool = false,
    }
}

choices! {
    /// What kind of answer a question takes.
    pub enum Vtype {
        /// Yes or no.
        Boolean = "boolean",
        /// A problem that is shown.
        Error = "error",
        /// Several of a list.
        Multiselect = "multiselect",
        /// A remark that is shown.
        Note = "note",
        /// Secret text.
        Password = "password",
        /// Whether it was asked already.
        Seen = "seen",
        /// One of a list.
        Select = "select",
        /// A line of text.
        Line = "string",
        /// Text that is shown.
        Text = "text",
        /// A title.
        Title = "title",
    }
}

impl Module for Debconf {
    fn plan(&self, probe: &Probe<'_>) -> Planned {
        let answers = read(probe, &self.name)?;
        let mut plan = Plan::new();
        plan.set("msg", "");
        let Some(question) = &self.question else {
            plan.set("current", json!(answers));
            return Ok(plan);
        };
        let (Some(vtype), Some(value)) = (self.vtype, &self.value) else {
            return Err(Stop::failed("when supplying a question you must supply a valid vtype and value"));
        };
        let secret = matches!(vtype, Vtype::Password);
        let existing = if secret { password(probe, &self.name, question)? } else { answers.get(question).cloned() };
        let (wanted, same) = wanted(vtype, value, existing.as_deref())?;
        let shown = |value: &str| if secret { "********".to_owned() } else { value.to_owned() };
        let previous = existing.as_deref().map_or_else(String::new, shown);
        plan.set("current", json!({ question.as_str(): shown(&wanted) }));
        plan.set("previous", json!({ question.as_str(): previous }));
        if !same {
            let mut run = Run::new(["debconf-set-selections"]);
            run.argv.extend(self.unseen.then(|| "-u".to_owned()));
            run.stdin = Some(format!("{} {question} {} {wanted}\n", self.name, vtype.word()));
            plan.diff(question.as_str(), format!("{previous}\n"), format!("{}\n", shown(&wanted)));
            plan.push(Change::Run(run));
        }
        Ok(plan)
    }
}

/// The answer as debconf writes it, and whether it is there already.
fn wanted(vtype: Vtype, value: &Json, existing: Option<&str>) -> Result<(String, bool), Stop> {
    let plain = match value {
        Json::String(text) => text.clone(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    };
    Ok(match (vtype, value) {
        (Vtype::Boolean, _) => {
            let wanted = plain.to_lowercase();
            let same = existing.is_some_and(|existing| existing.eq_ignore_ascii_case(&wanted));
            (wanted, same)
        }
        (Vtype::Multiselect, Json::Array(items)) => {
            let words: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
            let Some(mut words) = words else {
                return Err(Stop::failed(format!(
                    "Invalid value provided for the type multiselect, a list of strings is needed: {value}"
                )));
            };
            words.sort_unstable();
            let mut there: Vec<&str> = existing.unwrap_or_default().split(',').map(str::trim).collect();
            there.sort_unstable();
            (words.join(", "), existing.is_some() && there == words)
        }
        _ => {
            let same = existing == Some(plain.as_str());
            (plain, same)
        }
    })
}

/// All answers of a package: lines like `* tzdata/Areas: Etc`.
fn read(probe: &Probe<'_>, package: &str) -> Found<IndexMap<String, String>> {
    let output = probe.query(&["debconf-show", package])?;
    if !output.success() {
        return Err(Stop::failed(format!("debconf-show failed: {}", output.stderr.trim())));
    }
    let lines = output.stdout.lines().filter_map(|line| {
        let (question, value) = line.trim_start_matches(['*', ' ']).split_once(':')?;
        Some((question.trim().to_owned(), value.trim().to_owned()))
    });
    Ok(lines.collect())
}

/// The password that is kept, which `debconf-show` does not tell.
fn password(probe: &Probe<'_>, package: &str, question: &str) -> Found<Option<String>> {
    if probe.program("debconf-get-selections")?.is_none() {
        return Err(Stop::failed("debconf-get-selections is needed to compare passwords")
            .hint("it comes with the package debconf-utils"));
    }
    let output = probe.query(&["debconf-get-selections"])?;
    Ok(output.stdout.lines().find_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            [owner, name, "password", value] if *owner == package && *name == question => Some((*value).to_owned()),
            _ => None,
        }
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        protocol::Verdict,
        remote::{
            machine::fake::Fake,
            modules::trial::{Trial, failure},
        },
    };

    #[test]
    fn answers_are_compared_by_their_kind() {
        let host = Fake::new().command(&["debconf-show", "p"], 0, "* p/list: b, a\n  p/yes: true\n").command(
            &["debconf-set-selections"],
            0,
            "",
        );
        let mut trial = Trial::new(host);
        let read = trial.check("debconf", json!({"name": "p"}));
        assert_eq!(read.result["current"], json!({"p/list": "b, a", "p/yes": "true"}));
        let mut set = |question: &str, vtype: &str, value| {
            trial.apply("debconf", json!({"name": "p", "question": question, "vtype": vtype, "value": value}))
        };
        assert_eq!(set("p/list", "multiselect", json!(["a", "b"])).verdict, Verdict::Unchanged);
        assert_eq!(set("p/yes", "boolean", json!(true)).verdict, Verdict::Unchanged);
        assert_eq!(set("p/yes", "boolean", json!("FALSE")).verdict, Verdict::Changed);
        assert!(failure(&set("p/list", "multiselect", json!([1]))).contains("Invalid value provided"));
    }
}
