//! AWS JSON: blobs are base64 text, timestamps are seconds since 1970 with a fraction, and numbers
//! that JSON has no word for are text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use super::value::{Members, Value};

/// Decodes a document. Blobs and timestamps still look like the text and number they came as:
/// only the operation's shape tells them apart.
pub(super) fn decode(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().map(from_json)
}

/// A document that `serde_json` has read.
pub(super) fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(boolean) => Value::Boolean(boolean),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Double(number.as_f64().unwrap_or(f64::MAX)),
        },
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(members) => {
            Value::Structure(members.into_iter().map(|(name, member)| (name, from_json(member))).collect())
        }
    }
}

/// The document that [`encode`] writes.
pub(super) fn to_json(members: &Members) -> serde_json::Result<serde_json::Value> {
    serde_json::to_value(Structure(members))
}

/// Encodes a reply.
pub(super) fn encode(members: &Members) -> Vec<u8> {
    serde_json::to_vec(&Structure(members)).expect("names are text and writing to memory cannot fail")
}

struct Json<'a>(&'a Value);
struct Structure<'a>(&'a Members);

impl Serialize for Structure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Json(value))))
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Value::Integer(integer) => serializer.serialize_i64(*integer),
            Value::Double(double) if double.is_finite() => serializer.serialize_f64(*double),
            Value::Double(double) if double.is_nan() => serializer.serialize_str("NaN"),
            Value::Double(double) => {
                serializer.serialize_str(if *double > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Value::Text(text) => serializer.serialize_str(text),
            Value::Blob(blob) => serializer.serialize_str(&STANDARD.encode(blob)),
            Value::Timestamp(at) => match at.as_millisecond() {
                whole if whole % 1_000 == 0 => serializer.serialize_i64(whole / 1_000),
                millis => serializer.serialize_f64(millis as f64 / 1_000.0),
            },
            Value::List(items) => serializer.collect_seq(items.iter().map(Json)),
            Value::Structure(members) => Structure(members).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_written_as_aws_writes_it() {
        let at =
            |millis| Value::Timestamp(jiff::Timestamp::from_millisecond(millis).expect("it is in range"));
        let reply = Members::new()
            .with("Whole", at(60_000))
            .with("Fraction", at(60_250))
            .with("Data", Value::Blob(b"ab".to_vec()))
            .with_some("Absent", None::<bool>)
            .with("List", vec![Value::Integer(1), Value::Double(1.5), Value::Double(f64::NAN)]);
        let text = String::from_utf8(encode(&reply)).expect("JSON is UTF-8");
        assert_eq!(text, r#"{"Whole":60,"Fraction":60.25,"Data":"YWI=","List":[1,1.5,"NaN"]}"#);
    }

    #[test]
    fn deep_nesting_is_refused_without_exhausting_the_stack() {
        assert_eq!(decode("[".repeat(100_000).as_bytes()), None);
        let nested = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
        assert_eq!(decode(nested.as_bytes()), None);
    }
}
