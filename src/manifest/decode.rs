//! From a document's tree to resources, with every fault's path.

use serde_json::Value;

use super::Manifest;
use crate::resource::{API_VERSION, FieldError, KIND, KinesisStreamAutoscaler, harmless};

/// The objects of a document with their paths: the items of a list, else the document itself.
pub(super) fn items(tree: Value) -> Vec<(String, Value)> {
    let kind = tree.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind != "List" && kind.strip_suffix("List") != Some(KIND) {
        return vec![(String::new(), tree)];
    }
    match tree.get("items").cloned() {
        Some(Value::Array(items)) => {
            items.into_iter().enumerate().map(|(index, item)| (format!("items[{index}]"), item)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// The resource in `tree`, which is found at `path`, and its policy.
pub(super) fn manifest(path: &str, mut tree: Value) -> Result<Manifest, Vec<FieldError>> {
    let at = |mut error: FieldError| {
        error.path = join(path, &error.path);
        error
    };
    check_type(&tree).map_err(|error| vec![at(error)])?;
    // What a controller has reported is no wish, and none of ours to read here.
    if let Some(fields) = tree.as_object_mut() {
        fields.remove("status");
    }
    let resource: KinesisStreamAutoscaler =
        serde_path_to_error::deserialize(tree).map_err(|error| vec![at(field_error(&error))])?;
    match resource.to_policy() {
        Ok(policy) => Ok(Manifest { resource, policy }),
        Err(errors) => Err(errors.into_iter().map(at).collect()),
    }
}

/// Whether this is our resource at all, in a version that is known.
fn check_type(tree: &Value) -> Result<(), FieldError> {
    if !tree.is_object() {
        let message = format!("is not a mapping: give a {KIND} ({API_VERSION})");
        return Err(FieldError { path: String::new(), message });
    }
    for (field, expected) in [("kind", KIND), ("apiVersion", API_VERSION)] {
        let message = match tree.get(field) {
            Some(Value::String(found)) if found == expected => continue,
            Some(Value::String(found)) => {
                in_plain_words(&format!("`{found}` is not read here: give {expected}"))
            }
            Some(_) => format!("is not text: give {expected}"),
            None => format!("is missing: give {expected}"),
        };
        return Err(FieldError { path: field.to_owned(), message });
    }
    Ok(())
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
pub(super) fn join(path: &str, field: &str) -> String {
    match (path, field) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{path}.{field}"),
    }
}

/// A decoder's message in the words of people who write YAML, without what could steer a terminal.
pub(super) fn in_plain_words(message: &str) -> String {
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
