//! Filters for HTML and XML.

use minijinja::{Error, State, Value};

use super::super::emit::python;
use super::Filter;
use super::arguments::{Arguments, invalid};
use super::pattern::Pattern;

pub(super) const ALL: &[Filter] = &[
    Filter::new("escape", "s", escape),
    Filter::new("e", "s", escape),
    Filter::new("forceescape", "value", |_, args| {
        args.text("value").map(|text| Value::from_safe_string(escaped(&text)))
    }),
    Filter::new("safe", "value", |_, args| args.text("value").map(Value::from_safe_string)),
    Filter::new("striptags", "value", striptags),
    Filter::new("xmlattr", "d autospace", xmlattr),
    Filter::new("urlize", "value trim_url_limit nofollow target rel extra_schemes", urlize),
];

type Outcome = Result<Value, Error>;

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

fn escape(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("s")?;
    Ok(if value.is_safe() { value.clone() } else { Value::from_safe_string(escaped(&python::text(value))) })
}

fn striptags(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = args.text("value")?;
    let (text, _) = Pattern::new("(?s)<!--.*?-->", false, false)?.replace(&text, "", usize::MAX)?;
    let (text, _) = Pattern::new("<[^>]*>", false, false)?.replace(&text, "", usize::MAX)?;
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&#34;", "\"");
    Ok(Value::from(plain.replace("&quot;", "\"").replace("&nbsp;", "\u{a0}").replace("&amp;", "&")))
}

fn xmlattr(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut parts = Vec::new();
    for (key, value) in python::pairs(args.need("d")?) {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let key = python::text(&key);
        if key.contains(|character: char| character.is_ascii_whitespace() || "/>=".contains(character)) {
            return Err(invalid(format!("Invalid character in attribute name: {}", python::quoted(&key))));
        }
        parts.push(format!("{}=\"{}\"", escaped(&key), escaped(&python::text(&value))));
    }
    let lead = if args.flag_or("autospace", true) && !parts.is_empty() { " " } else { "" };
    Ok(Value::from_safe_string(format!("{lead}{}", parts.join(" "))))
}

fn urlize(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let text = escaped(&args.text("value")?);
    let limit = args.size("trim_url_limit")?;
    let mut relations: Vec<String> = args.text_or("rel", "").split_whitespace().map(str::to_owned).collect();
    if args.flag("nofollow") {
        relations.push("nofollow".to_owned());
    }
    relations.push("noopener".to_owned());
    relations.sort();
    relations.dedup();
    let mut attributes = format!(" rel=\"{}\"", relations.join(" "));
    if let Some(target) = args.some("target") {
        attributes = format!("{attributes} target=\"{}\"", escaped(&python::text(target)));
    }
    let out = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        let core = bare.trim_start_matches(['(', '<']).trim_end_matches(['.', ',', ')', '>', '\n', ';']);
        let web = core.starts_with("http://") || core.starts_with("https://");
        if !(web || core.starts_with("www.")) {
            return word.to_owned();
        }
        let shown = match limit {
            Some(limit) if core.chars().count() > limit => core.chars().take(limit).collect::<String>() + "...",
            _ => core.to_owned(),
        };
        let address = if web { core.to_owned() } else { format!("https://{core}") };
        word.replacen(core, &format!("<a href=\"{address}\"{attributes}>{shown}</a>"), 1)
    });
    Ok(Value::from(out.collect::<String>()))
}
