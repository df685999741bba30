//! The shapes of requests and AWS's way of saying what in a request does not fit them.
//!
//! Wrong types end in a `SerializationException`; then every constraint is checked, and what fails
//! is named by its path: "Value '0' at 'shardCount' failed to satisfy constraint: …".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::error::ErrorReply;
use super::value::{Members, Value};

/// A member of a structure.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// A member that must be there.
pub(super) const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: true }
}

/// A member that may be left out.
pub(super) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, required: false }
}

/// What a value may look like.
#[derive(Debug)]
pub(super) enum Shape {
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Double,
    Timestamp,
    Blob {
        max: usize,
    },
    Text {
        min: usize,
        max: usize,
        pattern: Option<Pattern>,
    },
    Choice(&'static [&'static str]),
    List {
        of: &'static Shape,
        min: usize,
        max: usize,
    },
    /// Names to texts.
    Map {
        min: usize,
        max: usize,
        key: usize,
        value: usize,
    },
    Structure(&'static [Field]),
}

/// A regular expression as AWS prints it, and the test it stands for.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: &'static str,
    pub(super) matches: fn(&str) -> bool,
}

/// AWS stops counting here.
const MOST_VIOLATIONS: usize = 10;

/// Checks a request against its shape. The result has the shape's members only, each of its type.
///
/// # Errors
/// `SerializationException` for the first value of a wrong type, else `constraint_code` with
/// everything that fails a constraint.
pub(super) fn check(
    request: &Value,
    fields: &'static [Field],
    constraint_code: &'static str,
) -> Result<Members, ErrorReply> {
    let typed = match request {
        Value::Structure(members) => convert_members(members, fields)?,
        _ => return Err(ErrorReply::bare("SerializationException")),
    };
    let mut violations = Vec::new();
    constrain_members(&typed, fields, "", &mut violations);
    match violations.len() {
        0 => Ok(typed),
        count => {
            let plural = if count == 1 { "" } else { "s" };
            let list = violations.join("; ");
            Err(ErrorReply::new(
                constraint_code,
                format!("{count} validation error{plural} detected: {list}"),
            ))
        }
    }
}

fn convert_members(members: &Members, fields: &'static [Field]) -> Result<Members, ErrorReply> {
    let mut typed = Members::new();
    for field in fields {
        if let Some(value) = members.get(field.name) {
            typed.push(field.name.to_owned(), convert(value, &field.shape)?);
        }
    }
    Ok(typed)
}

fn convert(value: &Value, shape: &Shape) -> Result<Value, ErrorReply> {
    let mismatch = |target: &str| Err(ErrorReply::serialization(mismatch(value, target)));
    Ok(match (shape, value) {
        (_, Value::Null) => Value::Null,
        (Shape::Boolean, Value::Boolean(boolean)) => Value::Boolean(*boolean),
        (Shape::Boolean, _) => return mismatch("an Boolean"),
        // Integers are of 32 bits, and AWS's parser brings larger numbers to the nearest of them.
        (Shape::Integer { .. }, Value::Integer(integer)) => {
            Value::Integer((*integer).clamp(i32::MIN.into(), i32::MAX.into()))
        }
        (Shape::Integer { .. }, Value::Double(double)) => Value::Integer((*double as i32).into()),
        (Shape::Integer { .. }, _) => return mismatch("an Integer"),
        (Shape::Double, Value::Integer(integer)) => Value::Double(*integer as f64),
        (Shape::Double, Value::Double(double)) => Value::Double(*double),
        (Shape::Double, _) => return mismatch("an Double"),
        (Shape::Timestamp, Value::Timestamp(at)) => Value::Timestamp(*at),
        (Shape::Timestamp, Value::Integer(seconds)) => timestamp(*seconds as f64)?,
        (Shape::Timestamp, Value::Double(seconds)) => timestamp(*seconds)?,
        (Shape::Timestamp, _) => return mismatch("milliseconds since epoch"),
        (Shape::Blob { .. }, Value::Blob(blob)) => Value::Blob(blob.clone()),
        (Shape::Blob { .. }, Value::Text(text)) => match STANDARD.decode(text) {
            Ok(blob) => Value::Blob(blob),
            Err(error) => {
                let why = format!("'{}' can not be converted to a Blob: {error}", excerpt(text));
                return Err(ErrorReply::serialization(why));
            }
        },
        (Shape::Blob { .. }, _) => return mismatch("a Blob"),
        (Shape::Text { .. } | Shape::Choice(_), Value::Text(text)) => Value::Text(text.clone()),
        (Shape::Text { .. } | Shape::Choice(_), _) => return mismatch("an String"),
        (Shape::List { of, .. }, Value::List(items)) => {
            Value::List(items.iter().map(|item| convert(item, of)).collect::<Result<_, _>>()?)
        }
        (Shape::List { .. }, Value::Structure(_)) => return mismatch(""),
        (Shape::List { .. }, _) => return Err(ErrorReply::serialization("Expected list or null")),
        (Shape::Map { .. }, Value::Structure(members)) => {
            const TEXT: Shape = Shape::Text { min: 0, max: usize::MAX, pattern: None };
            let entry = |(name, value)| Ok((str::to_owned(name), convert(value, &TEXT)?));
            Value::Structure(members.iter().map(entry).collect::<Result<_, ErrorReply>>()?)
        }
        (Shape::Structure(fields), Value::Structure(members)) => {
            Value::Structure(convert_members(members, fields)?)
        }
        (Shape::Map { .. } | Shape::Structure(_), Value::List(_)) => return mismatch(""),
        (Shape::Map { .. }, _) => return Err(ErrorReply::serialization("Expected map or null")),
        (Shape::Structure(_), _) => return Err(ErrorReply::serialization("Expected null")),
    })
}

/// AWS names the Java class that its parser found.
fn mismatch(value: &Value, target: &str) -> String {
    let found = match value {
        Value::List(_) => return "Start of list found where not expected".to_owned(),
        Value::Structure(_) => return "Start of structure or map found where not expected.".to_owned(),
        Value::Null => "null",
        Value::Boolean(_) => "class java.lang.Boolean",
        Value::Integer(_) | Value::Double(_) => {
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
        }
        Value::Text(_) => "class java.lang.String",
        Value::Blob(_) => "class java.nio.HeapByteBuffer",
        Value::Timestamp(_) => "class java.util.Date",
    };
    format!("{found} can not be converted to {target}")
}

fn timestamp(seconds: f64) -> Result<Value, ErrorReply> {
    let millis = (seconds * 1_000.0).round() as i64;
    Timestamp::from_millisecond(millis).map(Value::Timestamp).map_err(|_| {
        ErrorReply::serialization(format!("{seconds:?} can not be converted to milliseconds since epoch"))
    })
}

fn constrain_members(
    members: &Members,
    fields: &'static [Field],
    parent: &str,
    violations: &mut Vec<String>,
) {
    for field in fields {
        let path = join(parent, &lower_first(field.name));
        match members.get(field.name) {
            Some(value) => constrain(value, &field.shape, &path, violations),
            None if field.required => violate(&Value::Null, &path, "Member must not be null", violations),
            None => {}
        }
    }
}

fn constrain(value: &Value, shape: &Shape, path: &str, violations: &mut Vec<String>) {
    match (shape, value) {
        (Shape::Integer { min, max }, Value::Integer(integer)) => {
            if integer < min {
                let must = format!("Member must have value greater than or equal to {min}");
                violate(value, path, &must, violations);
            }
            if integer > max {
                let must = format!("Member must have value less than or equal to {max}");
                violate(value, path, &must, violations);
            }
        }
        (Shape::Blob { max }, Value::Blob(blob)) => {
            constrain_length(value, blob.len(), (0, *max), path, violations)
        }
        (Shape::Text { min, max, pattern }, Value::Text(text)) => {
            if let Some(pattern) = pattern.as_ref().filter(|pattern| !(pattern.matches)(text)) {
                let must = format!("Member must satisfy regular expression pattern: {}", pattern.text);
                violate(value, path, &must, violations);
            }
            constrain_length(value, text.chars().count(), (*min, *max), path, violations);
        }
        (Shape::Choice(choices), Value::Text(text)) if !choices.contains(&text.as_str()) => {
            let must = format!("Member must satisfy enum value set: [{}]", choices.join(", "));
            violate(value, path, &must, violations);
        }
        (Shape::List { of, min, max }, Value::List(items)) => {
            constrain_length(value, items.len(), (*min, *max), path, violations);
            for (item, number) in items.iter().zip(1..) {
                let path = format!("{path}.{number}.member");
                match item {
                    Value::Null => violate(item, &path, "Member must not be null", violations),
                    item => constrain(item, of, &path, violations),
                }
            }
        }
        (Shape::Map { min, max, key, value: longest }, Value::Structure(members)) => {
            constrain_length(value, members.len(), (*min, *max), path, violations);
            let lengths = |low, high| {
                format!(
                    "[Member must have length less than or equal to {high}, \
                     Member must have length greater than or equal to {low}]"
                )
            };
            if members.iter().any(|(name, _)| name.is_empty() || name.chars().count() > *key) {
                let must = format!("Map keys must satisfy constraint: {}", lengths(1, *key));
                violate(value, path, &must, violations);
            }
            let too_long =
                |text: &Value| matches!(text, Value::Text(text) if text.chars().count() > *longest);
            if members.iter().any(|(_, text)| too_long(text)) {
                let must = format!("Map value must satisfy constraint: {}", lengths(0, *longest));
                violate(value, path, &must, violations);
            }
        }
        (Shape::Structure(fields), Value::Structure(members)) => {
            constrain_members(members, fields, path, violations);
        }
        _ => {}
    }
}

fn constrain_length(
    value: &Value,
    length: usize,
    (min, max): (usize, usize),
    path: &str,
    violations: &mut Vec<String>,
) {
    if length < min {
        let must = format!("Member must have length greater than or equal to {min}");
        violate(value, path, &must, violations);
    }
    if length > max {
        let must = format!("Member must have length less than or equal to {max}");
        violate(value, path, &must, violations);
    }
}

fn violate(value: &Value, path: &str, must: &str, violations: &mut Vec<String>) {
    if violations.len() < MOST_VIOLATIONS {
        let shown = match value {
            Value::Null => "null".to_owned(),
            value => format!("'{}'", show(value)),
        };
        violations.push(format!("Value {shown} at '{path}' failed to satisfy constraint: {must}"));
    }
}

/// A value as Java prints it.
fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Double(double) => double.to_string(),
        Value::Text(text) => excerpt(text),
        Value::Blob(blob) => format!("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", blob.len()),
        Value::Timestamp(at) => at.to_string(),
        Value::List(items) => {
            format!("[{}]", items.iter().take(MOST_VIOLATIONS).map(show).collect::<Vec<_>>().join(", "))
        }
        Value::Structure(members) => {
            let entry = |(name, value)| format!("{name}={}", show(value));
            format!("{{{}}}", members.iter().take(MOST_VIOLATIONS).map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text, cut where a hostile one would swell the reply. Long stream names and iterators fit.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 2_048;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}

/// AWS's paths begin each name with a small letter: `StreamARN` is `streamARN`.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: Shape = Shape::Structure(&[
        required("Data", Shape::Blob { max: 4 }),
        required("Key", Shape::Text { min: 1, max: 3, pattern: None }),
    ]);
    const LETTERS: Pattern =
        Pattern { text: "[a-z]+", matches: |text| text.bytes().all(|b| b.is_ascii_lowercase()) };
    const FIELDS: &[Field] = &[
        required("Name", Shape::Text { min: 1, max: 8, pattern: Some(LETTERS) }),
        optional("Count", Shape::Integer { min: 1, max: 5 }),
        optional("Kind", Shape::Choice(&["A", "B"])),
        optional("Items", Shape::List { of: &ITEM, min: 1, max: 2 }),
        optional("Tags", Shape::Map { min: 1, max: 2, key: 3, value: 3 }),
        optional("At", Shape::Timestamp),
    ];

    fn text_of(json: serde_json::Value) -> String {
        let request = super::super::json::decode(json.to_string().as_bytes()).expect("it is JSON");
        match check(&request, FIELDS, "ValidationException") {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{}: {}", error.code, error.message.unwrap_or_default()),
        }
    }

    #[test]
    fn what_fits_its_shape_is_taken_and_unknown_members_are_dropped() {
        let request = Members::new().with("Name", "abc").with("Unknown", 1i64).with("At", 1.5);
        let typed = check(&Value::Structure(request), FIELDS, "V").expect("it fits");
        assert_eq!(typed.len(), 2);
        assert_eq!(typed.timestamp("At").map(|at| at.as_millisecond()), Some(1_500));
    }

    #[test]
    fn a_violated_constraint_is_named_by_its_path() {
        let cases = [
            (
                serde_json::json!({}),
                "Value null at 'name' failed to satisfy constraint: Member must not be null",
            ),
            (
                serde_json::json!({"Name": "a", "Count": 0}),
                "Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
            (
                serde_json::json!({"Name": "a", "Kind": "C"}),
                "Value 'C' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [A, B]",
            ),
            (
                serde_json::json!({"Name": "A"}),
                "Value 'A' at 'name' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [a-z]+",
            ),
            (
                serde_json::json!({"Name": "a", "Items": [{"Data": "", "Key": "k"}, {"Data": "AAAAAAA="}]}),
                "Value 'java.nio.HeapByteBuffer[pos=0 lim=5 cap=5]' at 'items.2.member.data' failed to satisfy \
                 constraint: Member must have length less than or equal to 4; Value null at \
                 'items.2.member.key' failed to satisfy constraint: Member must not be null",
            ),
        ];
        for (request, expected) in cases {
            let text = text_of(request);
            let (head, violations) = text.split_once(" detected: ").expect("a constraint is violated");
            assert_eq!(violations, expected);
            let count = expected.matches("Value ").count();
            let plural = if count == 1 { "" } else { "s" };
            assert_eq!(head, format!("ValidationException: {count} validation error{plural}"));
        }
    }

    #[test]
    fn a_wrong_type_is_told_before_any_constraint() {
        let number =
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String";
        let cases = [
            (serde_json::json!({"Name": 1, "Count": 0}), number),
            (serde_json::json!({"Count": "1"}), "class java.lang.String can not be converted to an Integer"),
            (serde_json::json!({"Items": 1}), "Expected list or null"),
            (serde_json::json!({"Items": [[]]}), "Start of list found where not expected"),
            (serde_json::json!({"Tags": "x"}), "Expected map or null"),
            (serde_json::json!({"At": 1e300}), "1e300 can not be converted to milliseconds since epoch"),
        ];
        for (request, expected) in cases {
            assert_eq!(text_of(request), format!("SerializationException: {expected}"));
        }
        assert!(
            text_of(serde_json::json!({"Items": [{"Data": "a"}]})).contains("can not be converted to a Blob")
        );
    }

    #[test]
    fn a_hostile_list_yields_a_short_reply() {
        let items: Vec<_> = (0..10_000).map(|_| serde_json::json!({})).collect();
        let text = text_of(serde_json::json!({"Name": "a", "Items": items}));
        assert!(text.starts_with("ValidationException: 10 validation errors"), "{}", &text[..80]);
        assert!(text.len() < 4_000, "{}", text.len());
        assert!(text_of(serde_json::json!({"Name": "x".repeat(1 << 20)})).len() < 4_000);
    }
}
