//! Tests of strings: patterns, versions, URLs, vaults.

use minijinja::{Error, Value};

use super::super::emit::python;
use super::super::filters::arguments::{Arguments, invalid, items, undefined};
use super::super::filters::pattern::Pattern;
use super::super::filters::url_parts;
use super::Test;
use super::version::{self, Form};

pub(super) const ALL: &[Test] = &[
    Test::new(&["match"], "value pattern ignorecase multiline", |_, args| matches(args, "match")),
    Test::new(&["search"], "value pattern ignorecase multiline", |_, args| matches(args, "search")),
    Test::new(&["regex"], "value pattern ignorecase multiline match_type", |_, args| {
        matches(args, &args.text_or("match_type", "search"))
    }),
    Test::new(&["version", "version_compare"], "value version operator strict version_type", |_, args| compare(args)),
    Test::new(&["uri"], "value schemes", |_, args| is_uri(args, None)),
    Test::new(&["urn"], "value", |_, args| is_uri(args, Some("urn"))),
    Test::new(&["url"], "value schemes", |_, args| {
        if !is_uri(args, None)? {
            return Ok(false);
        }
        let parts = url_parts(&args.text("value")?);
        Ok(parts.is_some_and(|(scheme, netloc)| !netloc.is_empty() || scheme == "file"))
    }),
    Test::lenient(&["vault_encrypted"], "value", |_, args| {
        let value = args.need("value")?;
        if let Some(error) = undefined(value) {
            return Err(error);
        }
        // Plain text never is, even when it looks so: values marked as vaults are opened before they come here.
        Ok(false)
    }),
];

fn matches(args: &Arguments, kind: &str) -> Result<bool, Error> {
    let text = args.text("value")?;
    let pattern = Pattern::new(&args.text_or("pattern", ""), args.flag("ignorecase"), args.flag("multiline"))?;
    match kind {
        "match" => pattern.matches_start(&text),
        "fullmatch" => {
            Ok(pattern.find(&text, 0)?.and_then(|groups| groups[0]).is_some_and(|whole| whole == (0, text.len())))
        }
        _ => Ok(pattern.find(&text, 0)?.is_some()),
    }
}

fn compare(args: &Arguments) -> Result<bool, Error> {
    let kind = args.some("version_type").map(python::text);
    if args.some("strict").is_some() && kind.is_some() {
        return Err(invalid("Cannot specify both 'strict' and 'version_type'"));
    }
    let (value, other) = (args.need("value")?, args.need("version")?);
    if !value.is_true() {
        return Err(invalid("Input version value cannot be empty"));
    }
    if !other.is_true() {
        return Err(invalid("Version parameter to compare against cannot be empty"));
    }
    let form = match kind.as_deref() {
        None if args.flag("strict") => Form::Strict,
        None | Some("loose") => Form::Loose,
        Some("strict") => Form::Strict,
        Some("semver" | "semantic") => Form::Semantic,
        Some("pep440") => Form::Pep440,
        Some(kind) => {
            let known = "'loose', 'strict', 'semver', 'semantic', 'pep440'";
            return Err(invalid(format!("Invalid version type ({kind}). Must be one of {known}")));
        }
    };
    let operator = args.text_or("operator", "eq");
    let holds: fn(std::cmp::Ordering) -> bool = match operator.as_str() {
        "==" | "=" | "eq" => std::cmp::Ordering::is_eq,
        "<" | "lt" => std::cmp::Ordering::is_lt,
        "<=" | "le" => std::cmp::Ordering::is_le,
        ">" | "gt" => std::cmp::Ordering::is_gt,
        ">=" | "ge" => std::cmp::Ordering::is_ge,
        "!=" | "<>" | "ne" => std::cmp::Ordering::is_ne,
        _ => {
            let known = "'==', '=', 'eq', '<', 'lt', '<=', 'le', '>', 'gt', '>=', 'ge', '!=', '<>', 'ne'";
            return Err(invalid(format!("Invalid operator type ({operator}). Must be one of {known}")));
        }
    };
    version::compare(&python::text(value), &python::text(other), form)
        .map(holds)
        .map_err(|error| invalid(format!("Version comparison failed: {error}")))
}

fn is_uri(args: &Arguments, only: Option<&str>) -> Result<bool, Error> {
    let Some((scheme, _)) = args.need("value")?.as_str().and_then(url_parts) else { return Ok(false) };
    if let Some(only) = only {
        return Ok(scheme == only);
    }
    match args.some("schemes").filter(|schemes| schemes.is_true()) {
        Some(schemes) if schemes.as_str().is_some() => Ok(schemes.as_str().unwrap_or_default().contains(&scheme)),
        Some(schemes) => Ok(items(schemes)?.contains(&Value::from(scheme))),
        None => Ok(true),
    }
}
