//! Filters as people write them, and as the engine takes them.

use serde_json::json;

use crate::protocol::{Json, Map};

/// The engine's form: every value a list of texts.
#[must_use]
pub fn encoded(filters: &Map) -> String {
    let text = |value: &Json| match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = |value: &Json| match value {
        Json::Array(items) => items.iter().map(text).collect::<Vec<_>>(),
        one => vec![text(one)],
    };
    json!(filters.iter().map(|(key, value)| (key.clone(), json!(list(value)))).collect::<Map>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_becomes_a_list_of_texts() {
        let filters = json!({"dangling": true, "label": ["a", "b=c"], "until": "24h"});
        let encoded = encoded(filters.as_object().unwrap());
        assert_eq!(encoded, r#"{"dangling":["true"],"label":["a","b=c"],"until":["24h"]}"#);
    }
}
