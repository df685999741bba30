//! From a tree of values to the resource, with the path of the field that cannot be read.

use serde_json::Value;

use super::check::harmless;
use super::{FieldError, KinesisStreamAutoscaler};

impl KinesisStreamAutoscaler {
    /// Reads the resource, which knows no `status`.
    ///
    /// # Errors
    ///
    /// The first field that has another shape, with its path from the resource's root.
    pub fn from_tree(tree: Value) -> Result<KinesisStreamAutoscaler, FieldError> {
        let resource = serde_path_to_error::deserialize(&tree).map_err(|error| field_error(&error))?;
        // The decoder takes a list for a mapping, field by field in the order of their declaration.
        let read = serde_json::to_value(&resource).unwrap_or_default();
        match list_for_mapping(&tree, &read, "") {
            Some(path) => Err(FieldError { path, message: "is a list: give a mapping".to_owned() }),
            None => Ok(resource),
        }
    }
}

/// The path of the first list in `tree` that was read as a mapping.
fn list_for_mapping(tree: &Value, read: &Value, path: &str) -> Option<String> {
    match (tree, read) {
        (Value::Array(_), Value::Object(_)) => Some(path.to_owned()),
        (Value::Array(items), Value::Array(read)) => items
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(index, (item, read))| list_for_mapping(item, read, &format!("{path}[{index}]"))),
        (Value::Object(fields), Value::Object(read)) => fields
            .iter()
            .find_map(|(name, field)| list_for_mapping(field, read.get(name)?, &join(path, name))),
        _ => None,
    }
}

fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let message = error.inner().to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) => {
            FieldError { path: join(&path, field), message: "is missing, and required".to_owned() }
        }
        None => FieldError { path: in_plain_words(&path), message: in_plain_words(&message) },
    }
}

/// The path of `field` inside `path`; either may be empty.
pub(crate) fn join(path: &str, field: &str) -> String {
    match (path, field) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{path}.{field}"),
    }
}

/// A decoder's message in the words of people who write YAML, without what could steer a terminal.
pub(crate) fn in_plain_words(message: &str) -> String {
    const WORDS: [(&str, &str); 21] = [
        ("invalid type: ", "is "),
        ("invalid value: ", "is "),
        ("is string ", "is the text "),
        ("is integer ", "is the number "),
        ("is floating point ", "is the number "),
        ("is boolean ", "is "),
        ("is map", "is a mapping"),
        ("is sequence", "is a list"),
        ("is enum", "is a value with a tag"),
        ("unknown variant ", "unknown value "),
        (", expected ", ": give "),
        ("give i64", "give a whole number"),
        ("give f64", "give a number"),
        ("give a boolean", "give true or false"),
        ("give a sequence", "give a list"),
        ("give a string", "give text, in quotes where it looks like anything else"),
        ("give string or map", "give a word"),
        ("recursion limit exceeded", "it is nested too deeply"),
        ("repetition limit exceeded", "its aliases make it too large"),
        ("unknown anchor", "an alias without its anchor"),
        ("found character that cannot start any token", "found a character that begins no value (a tab?)"),
    ];
    let text = WORDS.iter().fold(harmless(message, 600), |text, (theirs, ours)| text.replace(theirs, ours));
    match text.split_once("give struct ") {
        Some((before, _)) => format!("{before}give a mapping"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_not_taken_for_a_mapping_wherever_it_stands() {
        let resource = |spec: Value| {
            let mut all = json!({"streamRef": {"name": "orders"}, "maxShards": 4});
            all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            KinesisStreamAutoscaler::from_tree(json!({
                "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
                "metadata": {"name": "orders"}, "spec": all,
            }))
        };
        assert!(resource(json!({"aws": {}, "schedules": []})).is_ok());
        for (spec, path) in [
            (json!({"aws": []}), "spec.aws"),
            (json!({"metrics": ["Shard"]}), "spec.metrics"),
            (json!({"behavior": {"scaleUp": []}}), "spec.behavior.scaleUp"),
            (
                json!({"behavior": {"scaleUp": {"policies": [["Shards", 4, 60]]}}}),
                "spec.behavior.scaleUp.policies[0]",
            ),
        ] {
            let error = resource(spec).unwrap_err();
            assert_eq!((error.path.as_str(), error.message.as_str()), (path, "is a list: give a mapping"));
        }
    }
}
