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
        serde_path_to_error::deserialize(tree).map_err(|error| field_error(&error))
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
