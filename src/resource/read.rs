//! From a tree of values to the resource, with the path of the field that cannot be read.

use serde::de::DeserializeOwned;
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
        let read = decode::<KinesisStreamAutoscaler>(&tree);
        let mut lists = Vec::new();
        let root = Place::default();
        // Of the other metadata nothing is read, whatever their shape.
        lists.extend(tree["metadata"].is_array().then(|| root.at("metadata")));
        find_lists(&tree["spec"], &root.at("spec"), &mut lists);
        // The decoder takes a list for a mapping too, its fields in the order of their declaration, and
        // tells of what does not fit in there.
        let is_passed = |place: &Place| match &read {
            Ok(_) => true,
            Err(FieldError { path, .. }) => is_within(path, &place.path),
        };
        match lists.into_iter().find(|place| is_passed(place) && takes_a_mapping(&tree, place)) {
            Some(Place { path, .. }) => {
                Err(FieldError { path, message: "is a list: give a mapping".to_owned() })
            }
            None => read,
        }
    }
}

/// Reads a value of any shape.
///
/// # Errors
///
/// The first field that has another shape, with its path from the root of `tree`.
pub(crate) fn decode<T: DeserializeOwned>(tree: &Value) -> Result<T, FieldError> {
    serde_path_to_error::deserialize(tree).map_err(|error| field_error(&error))
}

/// A place in a tree: its path as people read it, and its JSON pointer.
#[derive(Default)]
struct Place {
    path: String,
    pointer: String,
}

impl Place {
    fn at(&self, name: &str) -> Place {
        Place { path: join(&self.path, name), pointer: format!("{}/{name}", self.pointer) }
    }

    fn item(&self, index: usize) -> Place {
        Place { path: format!("{}[{index}]", self.path), pointer: format!("{}/{index}", self.pointer) }
    }
}

/// The places of all lists, the outer ones first.
fn find_lists(tree: &Value, place: &Place, found: &mut Vec<Place>) {
    match tree {
        Value::Array(items) => {
            found.push(Place { path: place.path.clone(), pointer: place.pointer.clone() });
            for (index, item) in items.iter().enumerate() {
                find_lists(item, &place.item(index), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                find_lists(field, &place.at(name), found);
            }
        }
        _ => {}
    }
}

/// Whether `path` is `outer` or lies in it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a mapping may stand there: what a list or a word belongs to refuses it.
fn takes_a_mapping(tree: &Value, place: &Place) -> bool {
    let mut probe = tree.clone();
    if let Some(field) = probe.pointer_mut(&place.pointer) {
        *field = Value::Object(serde_json::Map::new());
    }
    let refused =
        |error: &FieldError| error.path == place.path && error.message.starts_with("is a mapping: ");
    !decode::<KinesisStreamAutoscaler>(&probe).is_err_and(|error| refused(&error))
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
            for (name, value) in spec.as_object().expect("a mapping") {
                all[name] = value.clone();
            }
            KinesisStreamAutoscaler::from_tree(json!({
                "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
                "metadata": {"name": "orders"}, "spec": all,
            }))
        };
        assert!(resource(json!({"aws": {}, "schedules": []})).is_ok());
        for (spec, path) in [
            (json!({"aws": []}), "spec.aws"),
            (json!({"tradeoff": []}), "spec.tradeoff"),
            (json!({"behavior": []}), "spec.behavior"),
            (json!({"metrics": ["Shard"]}), "spec.metrics"),
            // Where what is in the list would not fit, either.
            (json!({"targets": [60]}), "spec.targets"),
            (json!({"streamRef": [1, 2, 3, 4]}), "spec.streamRef"),
            (json!({"behavior": {"scaleUp": []}}), "spec.behavior.scaleUp"),
            (
                json!({"behavior": {"scaleUp": {"policies": [["Shards", 4, 60]]}}}),
                "spec.behavior.scaleUp.policies[0]",
            ),
        ] {
            let error = resource(spec).expect_err("a list");
            assert_eq!((error.path.as_str(), error.message.as_str()), (path, "is a list: give a mapping"));
        }
        for spec in [json!([]), json!([1]), json!([{"name": "orders"}, 8])] {
            let whole = json!({
                "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
                "metadata": {"name": "orders"}, "spec": spec,
            });
            let error = KinesisStreamAutoscaler::from_tree(whole).expect_err("a list");
            assert_eq!(error.to_string(), "spec: is a list: give a mapping");
        }
        let unnamed = json!({
            "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler", "metadata": ["orders"],
            "spec": {"streamRef": {"name": "orders"}, "maxShards": 4},
        });
        let error = KinesisStreamAutoscaler::from_tree(unnamed).expect_err("a list");
        assert_eq!(error.to_string(), "metadata: is a list: give a mapping");
        let error = resource(json!({"maxShards": [8]})).expect_err("no word");
        assert_eq!(error.to_string(), "spec.maxShards: is a list: give a whole number");
    }
}
