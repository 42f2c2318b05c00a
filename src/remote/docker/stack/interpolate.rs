//! Variables in the values of a compose definition: `$NAME`, `${NAME:-default}`, `${NAME:?message}` and `$$`.

use crate::protocol::Json;

/// Replaces variables in every text of a value.
///
/// # Errors
/// A variable that must be set and is not, and what is no variable.
pub fn interpolate(value: &mut Json, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    match value {
        Json::String(text) if text.contains('$') => *text = replaced(text, variable)?,
        Json::Array(items) => items.iter_mut().try_for_each(|item| interpolate(item, variable))?,
        Json::Object(map) => map.values_mut().try_for_each(|item| interpolate(item, variable))?,
        _ => {}
    }
    Ok(())
}

fn replaced(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        whole += &rest[..at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            whole.push('$');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('{') {
            let (inner, behind) = behind.split_once('}').ok_or("a `${` is never closed; write $$ for a plain $")?;
            whole += &braced(inner, variable)?;
            rest = behind;
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err("a `$` stands before no name; write $$ for a plain $".to_owned());
            }
            whole += &variable(name).unwrap_or_default();
            rest = behind;
        }
    }
    Ok(whole + rest)
}

fn braced(inner: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, rest) = inner.split_at(end);
    let (rest, empty_too) = rest.strip_prefix(':').map_or((rest, false), |rest| (rest, true));
    let found = variable(name).filter(|value| !(empty_too && value.is_empty()));
    match (rest.chars().next(), found) {
        _ if name.is_empty() => Err("`${}` names no variable".to_owned()),
        (None | Some('-' | '?'), Some(value)) => Ok(value),
        (None, None) => Ok(String::new()),
        (Some('-'), None) => Ok(rest[1..].to_owned()),
        (Some('?'), None) => Err(format!("variable {name} is not set: {}", &rest[1..])),
        _ => Err(format!("`${{{inner}}}` is no variable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_compose_does() {
        let known = |name: &str| -> Option<String> {
            let found = [("A", "1"), ("EMPTY", "")].into_iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.to_owned())
        };
        let read = |text: &str| replaced(text, &known);
        assert_eq!(read("$A-${A}/$$A ${B:-x y} ${EMPTY-z}${EMPTY:-z}$B").as_deref(), Ok("1-1/$A x y z"));
        assert_eq!(read("${B:?say it}").unwrap_err(), "variable B is not set: say it");
        assert!(read("$ ").is_err() && read("${A").is_err() && read("${A+b}").is_err());
    }
}
