//! Values of a query: arguments as literals, columns as JSON.

use tokio_postgres::types::{Kind, Type};

use super::names::literal;
use crate::protocol::{Json, Map};

/// Puts arguments in place of `%s` and `%(name)s`; `%%` is a percent sign then.
///
/// # Errors
/// When one is missing or cannot be written.
pub fn fill(query: &str, positional: &[Json], named: &Map) -> Result<String, String> {
    if positional.is_empty() && named.is_empty() {
        return Ok(query.to_owned());
    }
    let (mut text, mut rest, mut next) = (String::new(), query, 0);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            text.push('%');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('s') {
            let value = positional.get(next).ok_or("the query has more %s than positional_args has values")?;
            next += 1;
            text.push_str(&written(value)?);
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(")s")) {
            let value = named.get(name).ok_or_else(|| format!("named_args has no {name}"))?;
            text.push_str(&written(value)?);
            rest = after;
        } else {
            return Err("a percent sign in a query with arguments is written %%".into());
        }
    }
    if next < positional.len() {
        return Err(format!("positional_args has {} values, the query has {next} %s", positional.len()));
    }
    text.push_str(rest);
    Ok(text)
}

fn written(value: &Json) -> Result<String, String> {
    Ok(match value {
        Json::Null => "NULL".into(),
        Json::Bool(yes) => yes.to_string(),
        // A negative number must not make a comment of a minus sign before it.
        Json::Number(number) => format!(" {number}"),
        Json::String(text) if text.contains('\0') => return Err("a text holds a zero byte".into()),
        Json::String(text) => literal(text),
        Json::Array(items) if items.is_empty() => "'{}'".into(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(written).collect::<Result<_, _>>()?;
            format!("ARRAY[{}]", items.join(","))
        }
        Json::Object(_) => return Err("a mapping is no value; turn it into text with to_json".into()),
    })
}

/// A column's text as the value that it stands for.
#[must_use]
pub fn typed(text: &str, kind: &Type) -> Json {
    let as_text = || Json::String(text.to_owned());
    if let Kind::Array(item) = kind.kind() {
        return array(text, item).unwrap_or_else(as_text);
    }
    match *kind {
        Type::BOOL => Json::Bool(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => text.parse::<i64>().map_or_else(|_| as_text(), Json::from),
        // Not-a-number and infinity are not in JSON.
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
            text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or_else(as_text, Json::Number)
        }
        Type::JSON | Type::JSONB => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        _ => as_text(),
    }
}

/// `{1,NULL,"a b"}`, nested as deep as it is.
fn array(text: &str, item: &Type) -> Option<Json> {
    // Bounds may stand before: [2:3]={…}.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let (value, rest) = list(text.strip_prefix('{')?, item)?;
    rest.is_empty().then_some(value)
}

fn list<'t>(mut rest: &'t str, item: &Type) -> Option<(Json, &'t str)> {
    let mut items = Vec::new();
    if let Some(after) = rest.strip_prefix('}') {
        return Some((Json::Array(items), after));
    }
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            let (value, after) = list(inner, item)?;
            items.push(value);
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut letters = inner.char_indices();
            loop {
                match letters.next()? {
                    (_, '\\') => value.push(letters.next()?.1),
                    (at, '"') => {
                        rest = &inner[at + 1..];
                        break;
                    }
                    (_, letter) => value.push(letter),
                }
            }
            items.push(typed(&value, item));
        } else {
            let end = rest.find([',', '}'])?;
            let word = &rest[..end];
            items.push(if word == "NULL" { Json::Null } else { typed(word, item) });
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix('}') {
            return Some((Json::Array(items), after));
        }
        rest = rest.strip_prefix(',')?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_become_literals() {
        let named = Map::from_iter([("n".to_owned(), json!("O'Neil")), ("x".to_owned(), json!(-1))]);
        assert_eq!(
            fill("a=%(n)s AND b=1-%(x)s AND c LIKE '5%%'", &[], &named).unwrap(),
            "a='O''Neil' AND b=1- -1 AND c LIKE '5%'"
        );
        let positional = [json!(null), json!([1, "a"]), json!(true)];
        assert_eq!(fill("%s %s %s", &positional, &Map::new()).unwrap(), "NULL ARRAY[ 1,'a'] true");
        assert_eq!(fill("x LIKE '5%'", &[], &Map::new()).unwrap(), "x LIKE '5%'");
        assert!(fill("%s %s", &positional[..1], &Map::new()).is_err());
        assert!(fill("%s", &positional, &Map::new()).is_err());
        assert!(fill("%(no)s", &[], &named).is_err());
    }

    #[test]
    fn columns_have_types() {
        assert_eq!(typed("t", &Type::BOOL), json!(true));
        assert_eq!(typed("-9223372036854775808", &Type::INT8), json!(i64::MIN));
        assert_eq!(typed("1.50", &Type::NUMERIC), json!(1.5));
        assert_eq!(typed("NaN", &Type::FLOAT8), json!("NaN"));
        assert_eq!(typed("{\"a\": 1}", &Type::JSONB), json!({"a": 1}));
        assert_eq!(typed("{{1,NULL},{3,4}}", &Type::INT4_ARRAY), json!([[1, null], [3, 4]]));
        assert_eq!(typed("{\"a,\\\"b\",NULL,\"NULL\"}", &Type::TEXT_ARRAY), json!(["a,\"b", null, "NULL"]));
        assert_eq!(typed("{}", &Type::TEXT_ARRAY), json!([]));
        assert_eq!(typed("2016-01-31", &Type::DATE), json!("2016-01-31"));
    }
}
