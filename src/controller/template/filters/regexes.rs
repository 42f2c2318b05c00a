//! Filters with regular expressions.

use minijinja::value::Tuple;
use minijinja::{Error, State, Value};

use super::Filter;
use super::arguments::{Arguments, invalid};
use super::pattern::{Groups, Pattern};

pub(super) const ALL: &[Filter] = &[
    Filter::new("regex_search", "value regex *args **kwargs", search),
    Filter::new("regex_findall", "value regex multiline ignorecase", find_all),
    Filter::new("regex_replace", "value pattern replacement ignorecase multiline count mandatory_count", replace),
    Filter::new("regex_escape", "string re_type", escape),
];

type Outcome = Result<Value, Error>;

fn search(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("value")?;
    let flag = |name: &str| args.extra().iter().any(|(known, value)| known == name && value.is_true());
    let pattern = Pattern::new(&args.text("regex")?, flag("ignorecase"), flag("multiline"))?;
    let mut wanted = Vec::new();
    for argument in args.rest() {
        let argument = argument.as_str().unwrap_or_default();
        let group = if let Some(name) = argument.strip_prefix("\\g<").and_then(|rest| rest.strip_suffix('>')) {
            name.parse().ok().or_else(|| pattern.group_number(name))
        } else if let Some(number) = argument.strip_prefix('\\') {
            number.parse().ok()
        } else {
            return Err(invalid("Unknown argument"));
        };
        match group {
            Some(group) if group <= pattern.group_count() => wanted.push(group),
            _ => return Err(invalid("no such group")),
        }
    }
    let Some(groups) = pattern.find(&text, 0)? else { return Ok(Value::from(())) };
    if wanted.is_empty() {
        return Ok(group(&text, &groups, 0).unwrap_or_else(|| Value::from(())));
    }
    Ok(wanted.into_iter().map(|number| group(&text, &groups, number).unwrap_or_else(|| Value::from(()))).collect())
}

fn group(text: &str, groups: &Groups, number: usize) -> Option<Value> {
    groups.get(number).copied().flatten().map(|(start, end)| Value::from(&text[start..end]))
}

fn find_all(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("value")?;
    let pattern = Pattern::new(&args.text("regex")?, args.flag("ignorecase"), args.flag("multiline"))?;
    let found = pattern.find_all(&text, usize::MAX)?;
    let one = |groups: &Groups, number: usize| group(&text, groups, number).unwrap_or_else(|| Value::from(""));
    Ok(match pattern.group_count() {
        count @ (0 | 1) => found.iter().map(|groups| one(groups, count)).collect(),
        count => found
            .iter()
            .map(|groups| Value::from_object(Tuple::new((1..=count).map(|number| one(groups, number)).collect())))
            .collect(),
    })
}

fn replace(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text_or("value", "");
    let source = args.text_or("pattern", "");
    let pattern = Pattern::new(&source, args.flag("ignorecase"), args.flag("multiline"))?;
    let most = args.size("count")?.filter(|most| *most > 0).unwrap_or(usize::MAX);
    let (out, made) = pattern.replace(&text, &args.text_or("replacement", ""), most)?;
    match args.size("mandatory_count")? {
        Some(wanted) if wanted > 0 && wanted != made => {
            let count = args.int("count")?.unwrap_or(0);
            Err(invalid(format!("'{source}' should match {wanted} times, but matches {count} times in '{text}'")))
        }
        _ => Ok(Value::from(out)),
    }
}

fn escape(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("string")?;
    let special = match args.text_or("re_type", "python").as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}",
        "posix_basic" => "].[^$*\\",
        "posix_extended" => return Err(invalid("Regex type (posix_extended) not yet implemented")),
        other => return Err(invalid(format!("Invalid regex type ({other})"))),
    };
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(character) {
            out.push('\\');
        }
        out.push(character);
    }
    Ok(Value::from(out))
}
