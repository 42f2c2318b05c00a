//! Return values as people read them: text as text, the rest like YAML.

use serde_json::Value as Json;

/// What `debug` shows; nothing where there is nothing.
pub(super) fn debug(result: &Json) -> Option<String> {
    let mut map = result.as_object()?.clone();
    drop_item(&mut map);
    map.retain(|key, _| !internal(key));
    if map.len() == 1
        && let Some(msg) = map.get("msg")
    {
        return Some(match msg {
            Json::String(text) => text.clone(),
            other => yaml(other),
        });
    }
    if map.is_empty() { None } else { Some(yaml(&Json::Object(map))) }
}

/// What `-v` shows of any result. What is shown elsewhere or twice is left out; `-vvv` shows all.
pub(super) fn result(result: &Json, verbosity: u8) -> Option<String> {
    let mut map = result.as_object()?.clone();
    if verbosity < 3 {
        drop_item(&mut map);
        let twice = |map: &serde_json::Map<String, Json>, key: &str| {
            key.strip_suffix("_lines").is_some_and(|whole| map.contains_key(whole))
        };
        let all = map.clone();
        map.retain(|key, _| {
            !internal(key)
                && !twice(&all, key)
                && !matches!(&**key, "invocation" | "exception" | "failed_when_suppressed_exception")
                && key != "ansible_facts"
        });
    }
    if map.is_empty() { None } else { Some(yaml(&Json::Object(map))) }
}

/// The item of a loop stands in front of its result already.
fn drop_item(map: &mut serde_json::Map<String, Json>) {
    for name in ["ansible_loop_var", "ansible_index_var"] {
        if let Some(Json::String(variable)) = map.shift_remove(name) {
            map.shift_remove(&variable);
        }
    }
    map.shift_remove("ansible_loop");
}

fn internal(key: &str) -> bool {
    key.starts_with("_ansible") || matches!(key, "changed" | "failed" | "skipped" | "diff" | "warnings")
}

/// A value like YAML, without the last line feed.
pub(super) fn yaml(value: &Json) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.trim_end_matches('\n').to_owned()
}

fn write(value: &Json, depth: usize, to: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                to.push_str(&pad);
                to.push_str(&scalar_text(key));
                to.push(':');
                nested(value, depth, to);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                if is_nested(item) {
                    let mut inner = String::new();
                    write(item, depth + 1, &mut inner);
                    to.push_str(&pad);
                    to.push_str("- ");
                    to.push_str(inner.trim_start_matches(' '));
                } else {
                    to.push_str(&pad);
                    to.push('-');
                    nested(item, depth, to);
                }
            }
        }
        other => {
            to.push_str(&pad);
            to.push_str(&scalar(other));
            to.push('\n');
        }
    }
}

/// What follows `key:` or `-`.
fn nested(value: &Json, depth: usize, to: &mut String) {
    match value {
        Json::String(text) if text.trim_end_matches('\n').contains('\n') => {
            to.push_str(" |\n");
            let pad = "  ".repeat(depth + 1);
            for line in text.trim_end_matches('\n').split('\n') {
                to.push_str(format!("{pad}{line}").trim_end_matches(' '));
                to.push('\n');
            }
        }
        value if is_nested(value) => {
            to.push('\n');
            write(value, depth + 1, to);
        }
        value => {
            to.push(' ');
            to.push_str(&scalar(value));
            to.push('\n');
        }
    }
}

fn is_nested(value: &Json) -> bool {
    match value {
        Json::Object(map) => !map.is_empty(),
        Json::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) => scalar_text(text),
        other => other.to_string(),
    }
}

/// Text bare where that cannot be mistaken for something else.
fn scalar_text(text: &str) -> String {
    let mistaken = text.is_empty()
        || text.parse::<f64>().is_ok()
        || matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "~")
        || text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@` ".contains(c))
        || text.ends_with([' ', ':'])
        || text.contains(['\n', '\t'])
        || text.contains(": ")
        || text.contains(" #");
    if mistaken { Json::String(text.to_owned()).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_read_like_yaml() {
        let value = json!({
            "name": "web", "ports": [80, "443"], "none": null, "empty": {}, "log": "a\nb\n",
            "list": [{"a": 1, "b": [2]}, [3, 4]], "yes": "no", "cmd": "x: y",
        });
        let expected = "\
name: web
ports:
  - 80
  - \"443\"
none: null
empty: {}
log: |
  a
  b
list:
  - a: 1
    b:
      - 2
  - - 3
    - 4
\"yes\": \"no\"
cmd: \"x: y\"";
        assert_eq!(yaml(&value), expected);
    }

    #[test]
    fn what_reads_like_yaml_is_yaml() {
        let value = json!({"a": ["-x", "- y", {"k": {"l": [1.5, true]}}], "b": "it's", "c": "[x]", "d": "1_0: z"});
        assert_eq!(serde_yaml::from_str::<Json>(&yaml(&value)).unwrap(), value);
    }

    #[test]
    fn debug_shows_its_message_or_its_variable() {
        assert_eq!(debug(&json!({"msg": "hello", "changed": false})).unwrap(), "hello");
        assert_eq!(debug(&json!({"msg": ["a", 1], "_ansible_verbose_always": true})).unwrap(), "- a\n- 1");
        assert_eq!(debug(&json!({"ports": [1], "changed": false})).unwrap(), "ports:\n  - 1");
        assert_eq!(debug(&json!({"msg": "a", "ansible_loop_var": "item", "item": "a"})).unwrap(), "a");
    }
}
