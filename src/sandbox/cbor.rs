//! CBOR, in both of AWS's kinds: Smithy RPC v2, whose timestamps are seconds under tag 1, and the
//! older `application/x-amz-cbor-1.1` of Kinesis, whose timestamps are milliseconds under tag 1.

use ciborium::tag::Required;
use ciborium::value::Value as Cbor;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::value::{Members, Value};

/// What the number under tag 1 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    /// Smithy RPC v2.
    Seconds,
    /// AWS CBOR 1.1.
    Milliseconds,
}

/// CBOR's tag for a time since 1970 (RFC 8949, 3.4.2).
const EPOCH_TAG: u64 = 1;
/// Requests nest a few levels deep; hostile ones would exhaust the stack.
const DEPTH: usize = 64;

/// Decodes a document. An empty body, which operations without input may send, is an empty map.
pub(super) fn decode(body: &[u8], epoch: Epoch) -> Option<Value> {
    if body.is_empty() {
        return Some(Value::Structure(Members::new()));
    }
    let cbor: Cbor = ciborium::de::from_reader_with_recursion_limit(body, DEPTH).ok()?;
    value(cbor, epoch)
}

fn value(cbor: Cbor, epoch: Epoch) -> Option<Value> {
    Some(match cbor {
        Cbor::Null => Value::Null,
        Cbor::Bool(boolean) => Value::Boolean(boolean),
        Cbor::Integer(integer) => match i64::try_from(integer) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Double(i128::from(integer) as f64),
        },
        Cbor::Float(double) => Value::Double(double),
        Cbor::Text(text) => Value::Text(text),
        Cbor::Bytes(blob) => Value::Blob(blob),
        Cbor::Array(items) => {
            Value::List(items.into_iter().map(|item| value(item, epoch)).collect::<Option<_>>()?)
        }
        Cbor::Map(members) => {
            let member = |(name, member): (Cbor, Cbor)| Some((name.into_text().ok()?, value(member, epoch)?));
            Value::Structure(members.into_iter().map(member).collect::<Option<_>>()?)
        }
        Cbor::Tag(EPOCH_TAG, number) => {
            let number = match value(*number, epoch)? {
                Value::Integer(integer) => integer as f64,
                Value::Double(double) => double,
                _ => return None,
            };
            let millis = match epoch {
                Epoch::Seconds => number * 1_000.0,
                Epoch::Milliseconds => number,
            };
            let millis = millis.is_finite().then(|| millis.round() as i64)?;
            Value::Timestamp(Timestamp::from_millisecond(millis).ok()?)
        }
        _ => return None,
    })
}

/// Encodes a reply.
pub(super) fn encode(members: &Members, epoch: Epoch) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(&Structure(members, epoch), &mut body).expect("writing to memory cannot fail");
    body
}

struct Item<'a>(&'a Value, Epoch);
struct Structure<'a>(&'a Members, Epoch);

impl Serialize for Structure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Item(value, self.1))))
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_none(),
            Value::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Value::Integer(integer) => serializer.serialize_i64(*integer),
            Value::Double(double) => serializer.serialize_f64(*double),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Blob(blob) => serializer.serialize_bytes(blob),
            Value::Timestamp(at) => match (self.1, at.as_millisecond()) {
                (Epoch::Milliseconds, millis) => Required::<_, EPOCH_TAG>(millis).serialize(serializer),
                (Epoch::Seconds, whole) if whole % 1_000 == 0 => {
                    Required::<_, EPOCH_TAG>(whole / 1_000).serialize(serializer)
                }
                (Epoch::Seconds, millis) => {
                    Required::<_, EPOCH_TAG>(millis as f64 / 1_000.0).serialize(serializer)
                }
            },
            Value::List(items) => serializer.collect_seq(items.iter().map(|item| Item(item, self.1))),
            Value::Structure(members) => Structure(members, self.1).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Members {
        let at = Timestamp::from_millisecond(90_500).expect("it is in range");
        Members::new()
            .with("At", at)
            .with("Data", Value::Blob(vec![0, 255]))
            .with("List", vec![Value::Double(0.5), Value::Integer(-3), Value::Null])
    }

    #[test]
    fn both_kinds_read_back_what_they_wrote() {
        for epoch in [Epoch::Seconds, Epoch::Milliseconds] {
            assert_eq!(decode(&encode(&reply(), epoch), epoch), Some(Value::Structure(reply())));
        }
        assert_ne!(encode(&reply(), Epoch::Seconds), encode(&reply(), Epoch::Milliseconds));
    }

    #[test]
    fn indefinite_lengths_are_read() {
        // {_ "a": [_ 1, 2], "t": 1(60)}
        let body = b"\xbf\x61a\x9f\x01\x02\xff\x61t\xc1\x18\x3c\xff";
        let expected = Members::new()
            .with("a", vec![Value::Integer(1), Value::Integer(2)])
            .with("t", Timestamp::from_second(60).expect("it is in range"));
        assert_eq!(decode(body, Epoch::Seconds), Some(Value::Structure(expected)));
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let nested = b"\x81".repeat(100_000);
        let long_array = b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff";
        let long_text = b"\x7b\x00\xff\xff\xff\xff\xff\xff\xff";
        let unknown_tag = b"\xc5\x01";
        let time_beyond_the_calendar = b"\xc1\xfb\x7e\x37\xe4\x3c\x88\x00\x75\x9c";
        let no_time_at_all = b"\xc1\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00";
        let key_that_is_no_text = b"\xa1\x01\x02";
        let cases: [&[u8]; 7] = [
            &nested,
            long_array,
            long_text,
            unknown_tag,
            time_beyond_the_calendar,
            no_time_at_all,
            key_that_is_no_text,
        ];
        for body in cases {
            assert_eq!(decode(body, Epoch::Seconds), None, "{:02x?}", &body[..body.len().min(12)]);
        }
    }
}
