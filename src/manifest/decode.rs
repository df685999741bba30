//! From a document's tree to resources, with every fault's path.

use serde_json::Value;

use super::Manifest;
use crate::resource::{API_VERSION, FieldError, KIND, KinesisStreamAutoscaler, in_plain_words, join};

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
    let resource = KinesisStreamAutoscaler::from_tree(tree).map_err(|error| vec![at(error)])?;
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
