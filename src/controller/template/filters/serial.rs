//! Filters that write and read JSON and YAML.

use minijinja::value::ValueKind;
use minijinja::{Error, State, Value};

use super::super::emit::{json, python, yaml};
use super::Filter;
use super::arguments::{Arguments, invalid, items};
use super::yaml_read;

const JSON: &str = "value profile vault_to_text preprocess_unsafe indent sort_keys separators ensure_ascii skipkeys \
                    check_circular allow_nan";
const NICE_JSON: &str = "value indent sort_keys profile vault_to_text preprocess_unsafe separators ensure_ascii \
                         skipkeys check_circular allow_nan";
const YAML: &str = "value default_flow_style indent width sort_keys explicit_start explicit_end \
                    default_style canonical encoding line_break version tags";
const NICE_YAML: &str = "value indent default_flow_style width sort_keys explicit_start explicit_end \
                         default_style canonical encoding line_break version tags";

pub(super) const ALL: &[Filter] = &[
    Filter::new("to_json", JSON, |_, args| to_json(args, false)),
    Filter::new("to_nice_json", NICE_JSON, |_, args| to_json(args, true)),
    Filter::new("tojson", "value indent", tojson),
    Filter::new("from_json", "value profile", from_json),
    Filter::new("to_yaml", YAML, |_, args| to_yaml(args, false)),
    Filter::new("to_nice_yaml", NICE_YAML, |_, args| to_yaml(args, true)),
    Filter::new("from_yaml", "data", from_yaml),
    Filter::new("from_yaml_all", "data", from_yaml_all),
    Filter::new("pprint", "value", |_, args| args.need("value").map(|value| Value::from(python::repr(value)))),
];

type Outcome = Result<Value, Error>;

fn to_json(args: &Arguments, nice: bool) -> Outcome {
    let indent = match args.get("indent") {
        None if nice => Some("    ".to_owned()),
        None => None,
        Some(indent) if indent.is_none() => None,
        Some(indent) if indent.as_str().is_some() => Some(python::text(indent)),
        Some(_) => Some(" ".repeat(args.size("indent")?.unwrap_or(0).min(200))),
    };
    let mut style = json::Style {
        indent,
        sort_keys: args.flag_or("sort_keys", nice),
        ensure_ascii: args.flag_or("ensure_ascii", true),
        skip_keys: args.flag("skipkeys"),
        ..json::Style::default()
    };
    if nice || style.indent.is_some() {
        ",".clone_into(&mut style.item_separator);
    }
    if let Some(separators) = args.some("separators").filter(|_| !nice) {
        let [item, key] = items(separators)?.try_into().map_err(|_| invalid("separators must be two strings"))?;
        style.item_separator = python::text(&item);
        style.key_separator = python::text(&key);
    }
    json::write(args.need("value")?, &style).map(Value::from)
}

fn tojson(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let mut style = json::Style { sort_keys: true, ..json::Style::default() };
    if let Some(indent) = args.size("indent")? {
        style.indent = Some(" ".repeat(indent.min(200)));
        ",".clone_into(&mut style.item_separator);
    }
    let text = json::write(args.need("value")?, &style)?;
    let safe = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026").replace('\'', "\\u0027");
    Ok(Value::from(safe))
}

fn from_json(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("value")?;
    let Some(text) = value.as_str() else {
        let message = format!("the JSON object must be str, bytes or bytearray, not {}", python::type_name(value));
        return Err(invalid(message));
    };
    json::read(text)
}

fn to_yaml(args: &Arguments, nice: bool) -> Outcome {
    let mut style =
        yaml::Style { flow: nice.then_some(false), indent: if nice { 4 } else { 2 }, ..yaml::Style::default() };
    let narrow = |name: &str| args.int(name).map(|number| number.and_then(|number| i32::try_from(number).ok()));
    if let Some(flow) = args.get("default_flow_style") {
        style.flow = (!flow.is_none()).then(|| flow.is_true());
    }
    if let Some(indent) = narrow("indent")? {
        style.indent = indent;
    }
    if let Some(width) = args.some("width") {
        style.width = match super::arguments::number(width) {
            Some(width) if !width.is_finite() || width > f64::from(i32::MAX) => i32::MAX,
            #[expect(clippy::cast_possible_truncation, reason = "checked against the bounds")]
            Some(width) => width as i32,
            None => return Err(invalid("'width' must be a number")),
        };
    }
    style.sort_keys = args.flag_or("sort_keys", true);
    style.explicit_start = args.flag("explicit_start");
    style.explicit_end = args.flag("explicit_end");
    style.canonical = args.flag("canonical");
    style.scalars = args.some("default_style").and_then(|style| python::text(style).chars().next());
    yaml::write(args.need("value")?, &style).map(Value::from)
}

fn from_yaml(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("data")?;
    match value.kind() {
        ValueKind::String => yaml_read::read_one(value.as_str().unwrap_or_default()),
        _ => Ok(value.clone()),
    }
}

fn from_yaml_all(_: &mut State<'_, '_>, args: &Arguments) -> Outcome {
    let value = args.need("data")?;
    match value.kind() {
        ValueKind::None => Ok(Value::from(Vec::<Value>::new())),
        ValueKind::String => yaml_read::read_all(value.as_str().unwrap_or_default()).map(Value::from),
        _ => Ok(value.clone()),
    }
}
